//! Full-text indexes, which repeat what columns of other grades hold.

use std::path::{Path, PathBuf};

use super::{Lab, Sqlite, sqlite_company};
use crate::company::{Company, DB1, sqlite_source};
use crate::databases::support::sqlite;

/// An index of another table's text and one with a text of its own, each kept up by a trigger.
const NOTES: &str = "
CREATE TABLE notes (id integer NOT NULL PRIMARY KEY, id_number text);
CREATE VIRTUAL TABLE notes_search USING fts5 (id_number, content = 'notes', content_rowid = 'id');
CREATE VIRTUAL TABLE own USING fts5 (body);
CREATE TRIGGER into_search AFTER INSERT ON notes
  BEGIN INSERT INTO notes_search(rowid, id_number) VALUES (new.id, new.id_number); END;
CREATE TRIGGER into_own AFTER INSERT ON notes BEGIN INSERT INTO own(rowid, body) VALUES (new.id, new.id_number); END;
INSERT INTO notes VALUES (1, '110105194912310038');";

#[test]
fn no_index_shows_what_it_was_made_of_and_its_table_can_be_written_afterwards() {
    let (company, path) = sqlite_company();
    sqlite(&path, NOTES);
    company.add_to_config(DB1, "\"*\" = \"low\"\n");
    company.back_up(DB1);
    let lab = Sqlite(company);
    for (person, database, more) in [
        ("li", "closed", &[][..]),
        ("wang", "medium", &["--grade", "medium"]),
        ("wang", "masked", &["--mask"]),
    ] {
        let told = lab.restore(person, database, more).exits(3).stdout;
        for words in [
            "virtual table own: it is left out with the tables beneath it",
            "trigger into_own: it names own, which is left out",
            "full-text index notes_search: made anew",
        ] {
            assert!(told.contains(words), "{told}");
        }
        assert!(!lab.dump(database).contains("110105194912310038"));
        let secret = "SELECT count(*) FROM notes_search WHERE notes_search MATCH '110105194912310038'";
        assert_eq!(lab.sql(database, secret), "0");
        let written = "INSERT INTO notes VALUES (2, 'renewal'); \
            SELECT rowid FROM notes_search WHERE notes_search MATCH 'renewal'";
        assert_eq!(lab.sql(database, written), "2");
    }
    lab.restore("wang", "whole", &[]).success();
    assert_eq!(lab.sql("whole", "SELECT rowid FROM own WHERE own MATCH '110105194912310038'"), "1");
}

/// Text of an index by which what is beneath it is nearly all of a vault.
const MUCH_TEXT: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
    INSERT INTO own(body) SELECT hex(randomblob(300)) FROM n";

/// Flips a bit in the middle of the largest pack.
fn damage_rows(company: &Company) {
    let files = |folder: &Path| {
        std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect::<Vec<_>>()
    };
    let packs = files(&company.vault().join("packs")).into_iter().flat_map(|folder| files(&folder));
    let bytes = |path: &PathBuf| std::fs::metadata(path).expect("a pack").len();
    let largest = packs.max_by_key(bytes).expect("a pack");
    let mut pack = std::fs::read(&largest).expect("it can be read");
    let middle = pack.len() / 2;
    pack[middle] ^= 1;
    std::fs::write(&largest, pack).expect("it can be written");
}

#[test]
fn an_index_whose_rows_are_damaged_goes_and_its_table_can_be_written_afterwards() {
    let company = Company::new();
    let made = format!("{NOTES} {MUCH_TEXT}");
    company.configure(DB1, &[sqlite_source(&company.path("crm.db"), &made)]);
    company.init(DB1);
    company.back_up(DB1);
    damage_rows(&company);
    let lab = Sqlite(company);
    let told = lab.restore("wang", "damaged", &["--skip-damaged"]).exits(3).stdout;
    assert!(told.contains("virtual table own: it is left out with the tables beneath it"), "{told}");
    let written = "INSERT INTO notes VALUES (2, 'renewal'); SELECT id_number FROM notes WHERE id = 2";
    assert_eq!(lab.sql("damaged", written), "renewal");
}
