//! Two hosts back up into one vault at the same moment, much of it the same data.

use crate::company::{Company, DB1, DB2, Source, sqlite_crm, sqlite_day};

use super::victim::Victim;

#[test]
fn two_agents_at_once_write_into_one_vault() {
    let company = Company::new();
    let (one, two) = (company.path("one.db"), company.path("two.db"));
    company.configure(DB1, &[sqlite_crm(&one, "0.01")]);
    // The second company bought the same software with the same sample data.
    std::fs::copy(&one, &two).expect("a copy");
    let shop = Source { name: "shop", url: format!("sqlite://{}", two.display()), password: None };
    company.configure(DB2, &[shop]);
    company.init(DB1);
    company.enrol(DB2);
    for round in ["1", "2"] {
        let both = [DB1, DB2].map(|host| Victim::start(company.agent(host, &["backup", "--json"])));
        for ended in both.map(Victim::end) {
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            let summary = ended.lines.last().expect("a summary");
            assert!(summary.starts_with("{\"type\":\"summary\""), "{summary}");
        }
        let shown = company.snapshots();
        assert_eq!(shown.len(), if round == "1" { 2 } else { 4 });
        let verified = company.verify();
        assert_eq!(verified["covered"]["snapshots"], shown.len());
        sqlite_day(&one, round);
        sqlite_day(&two, round);
    }
}
