//! A row far larger than any buffer.

use super::support::Lab;

/// Beyond every chunk, batch and pack, and what a company may well have put into a column by mistake.
const ROW_BYTES: u64 = 300_000_000;

#[test]
fn a_row_of_300_mb_comes_back() {
    let text = format!("repeat(md5('row') || E'\\t\\\\', {}) ", ROW_BYTES / 34);
    let lab = Lab::new(&format!(
        "CREATE TABLE wide (id int, text text); ALTER TABLE wide ALTER text SET STORAGE EXTERNAL; \
         INSERT INTO wide VALUES (1, 'before'), (2, {text}), (3, 'after')"
    ));
    lab.back_up().success();
    lab.restore_new("crm@latest", "new").success();
    let told = "SELECT id, length(text), md5(text) FROM wide ORDER BY id";
    assert_eq!(lab.server.psql("new", told), lab.server.psql("crm", told));
}
