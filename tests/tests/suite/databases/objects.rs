//! What `pg_dump` says of two databases, compared object by object: a difference is either explained by name
//! or a failure.

use std::collections::BTreeMap;

/// Objects that may differ in the order of their lines, as `name; Type: TYPE;` begins, and why.
pub type Explained = &'static [(&'static str, &'static str)];

/// Compares two schemas. What differs must be explained, and have the same lines in another order.
#[track_caller]
pub fn check_explained(before: &str, after: &str, explained: Explained) {
    let (before, after) = (objects(before), objects(after));
    for (name, before) in &before {
        let Some(after) = after.get(name) else { panic!("{name} did not come back:\n{before}") };
        let known = explained.iter().any(|(known, _)| name.starts_with(known));
        let same = if known { lines(before) == lines(after) } else { before == after };
        assert!(same, "{name} is\n{after}\nand was\n{before}");
    }
    let new = after.keys().find(|name| !before.contains_key(*name));
    assert!(new.is_none(), "{new:?} was not there before");
    let gone = explained.iter().find(|(known, _)| !before.keys().any(|name| name.starts_with(known)));
    assert!(gone.is_none(), "{gone:?} explains what is not there");
}

/// Each object's text by the line that names it.
fn objects(dump: &str) -> BTreeMap<&str, &str> {
    let objects = dump.split("\n-- Name: ").skip(1);
    objects.map(|object| object.split_once('\n').expect("a name is a line")).collect()
}

/// The lines without their order, nor the commas that go with it.
fn lines(object: &str) -> Vec<&str> {
    let mut lines: Vec<_> = object.lines().map(|line| line.trim_end_matches(',')).collect();
    lines.sort_unstable();
    lines
}
