//! Accounts: recorded with every snapshot, made again on request, and how one may log in.

use lifeboat_tests::run;

use super::support::{Lab, said};
use crate::company::{DB1, Source};

const ACCOUNTS: &str = "
CREATE TABLE t (n int, secret int); CREATE PROCEDURE p() SELECT 1;
CREATE USER app@'10.%' IDENTIFIED BY 'not to be stored' REQUIRE SSL;
GRANT SELECT, INSERT ON crm.* TO app@'10.%'; GRANT PROCESS ON *.* TO app@'10.%';
CREATE USER clerk@'%'; GRANT UPDATE (n) ON crm.t TO clerk@'%'; GRANT EXECUTE ON PROCEDURE crm.p TO clerk@'%' WITH GRANT OPTION;
CREATE USER stranger@'%'; GRANT SELECT ON *.* TO stranger@'%';
CREATE ROLE readers; GRANT SELECT ON crm.t TO readers;
CREATE ROLE auditors; GRANT readers TO auditors; CREATE USER member@'%'; GRANT auditors TO member@'%'; SET DEFAULT ROLE auditors FOR member@'%';
CREATE ROLE others; GRANT others TO member@'%';
CREATE DEFINER = app@'10.%' VIEW v AS SELECT n FROM t;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01' DO DELETE FROM t;";

fn grants(lab: &Lab, account: &str) -> String {
    lab.server.sql("mysql", &format!("SHOW GRANTS FOR {account}"))
}

#[test]
fn accounts_and_events_come_back_as_they_were_when_asked_for() {
    let lab = Lab::new(ACCOUNTS);
    lab.back_up().success();
    lab.server.sql(
        "mysql",
        "DROP USER app@'10.%', clerk@'%', stranger@'%', member@'%'; DROP ROLE readers, auditors; CREATE USER stand_in@localhost",
    );
    let more = ["--into-new", "--with-accounts", "--enable-events", "--map-role", "clerk=stand_in@localhost"];
    let told = run(&mut lab.restore_command("crm@latest", "crm_new", &more)).success();
    said(
        &told,
        &[
            "accounts made, locked and without a password",
            "app@10.%, auditors, member@%, readers",
            "left out, as it reaches beyond the database: GRANT `others` TO `member`@`%`",
            "left out, as it reaches beyond the database: GRANT PROCESS ON *.* TO `app`@`10.%`",
        ],
    );
    let app = grants(&lab, "app@'10.%'");
    assert!(app.contains("GRANT SELECT, INSERT ON `crm\\_new`.* TO `app`@`10.%`"), "{app}");
    assert!(!app.contains("PROCESS") && !app.contains("IDENTIFIED"), "{app}");
    let made = lab.server.sql("mysql", "SHOW CREATE USER app@'10.%'");
    assert!(made.contains("REQUIRE SSL") && made.contains("ACCOUNT LOCK"), "{made}");
    let stand_in = grants(&lab, "stand_in@localhost");
    for word in ["UPDATE (`n`) ON `crm_new`.`t`", "EXECUTE ON PROCEDURE `crm_new`.`p`", "WITH GRANT OPTION"] {
        assert!(stand_in.contains(word), "{word}:\n{stand_in}");
    }
    assert!(grants(&lab, "readers").contains("GRANT SELECT ON `crm_new`.`t` TO `readers`"));
    let member = grants(&lab, "member@'%'");
    for word in ["GRANT `auditors` TO `member`@`%`", "SET DEFAULT ROLE `auditors` FOR `member`@`%`"] {
        assert!(member.contains(word), "{word}:\n{member}");
    }
    assert!(!member.contains("others"), "{member}");
    assert!(grants(&lab, "auditors").contains("GRANT `readers` TO `auditors`"));
    let there = "SELECT GROUP_CONCAT(User ORDER BY User) FROM mysql.user WHERE User IN ('clerk', 'stranger')";
    assert_eq!(lab.server.sql("mysql", there), "NULL");
    let event = "SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'crm_new'";
    assert_eq!(lab.server.sql("mysql", event), "ENABLED");
}

#[test]
fn nobody_is_let_in_without_being_asked_for() {
    let lab = Lab::new(ACCOUNTS);
    lab.back_up().success();
    lab.server.sql("mysql", "DROP USER app@'10.%'");
    let told = lab.restore_new("crm@latest", "crm_new").success();
    said(&told, &["accounts that are not on this server", "(--with-accounts)", "app@10.%"]);
    assert!(!grants(&lab, "clerk@'%'").contains("crm_new"));
    let event = "SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'crm_new'";
    assert_eq!(lab.server.sql("mysql", event), "DISABLED");
}

#[test]
fn an_account_that_signs_its_login_is_let_in() {
    let lab = Lab::new(
        "CREATE TABLE t AS SELECT 1 AS i; INSTALL SONAME 'auth_ed25519';
         CREATE USER signer@'%' IDENTIFIED VIA ed25519 USING PASSWORD('s3cret: 客户') REQUIRE SSL;
         GRANT SELECT, RELOAD, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT ON *.* TO signer@'%'",
    );
    let url = lab.server.url_without_password("crm", "signer");
    let signer = |password| Source { name: "crm", url: url.clone(), password: Some(password) };
    lab.company.configure(DB1, &[signer("not it")]);
    lab.check_refused(1, &["login to localhost", "is the password right"]);
    lab.company.configure(DB1, &[signer("s3cret: 客户")]);
    lab.check_round_trip();
}
