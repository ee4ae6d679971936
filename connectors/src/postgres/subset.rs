//! Chosen tables only: which entries of the archive they need.
//!
//! The archive knows what each entry depends on. Wanted are the chosen tables with all they depend on,
//! and then what hangs on them alone: their indexes, constraints, triggers, grants, comments. What also
//! hangs on a table that was left out, such as a foreign key to it, is left out and told; a partition that
//! was not chosen is not missed.

use std::collections::{BTreeMap, BTreeSet};

/// Kinds that come along with the tables they hang on. The others come only when something needs them.
const FOLLOWERS: &[&str] = &[
    "ACL",
    "CHECK CONSTRAINT",
    "COMMENT",
    "CONSTRAINT",
    "DEFAULT",
    "FK CONSTRAINT",
    "INDEX",
    "INDEX ATTACH",
    "POLICY",
    "ROW SECURITY",
    "RULE",
    "SECURITY LABEL",
    "SEQUENCE",
    "SEQUENCE OWNED BY",
    "STATISTICS",
    "TABLE ATTACH",
    "TRIGGER",
];

/// Kinds that set the session up and hang on nothing.
const ALWAYS: &[&str] = &["ENCODING", "STDSTRINGS", "SEARCHPATH"];

#[derive(Debug)]
struct Entry<'a> {
    relation_oid: Option<u64>,
    text: &'a str,
    needs: Vec<u64>,
}

impl Entry<'_> {
    fn is(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.text.strip_prefix(kind).is_some_and(|rest| rest.starts_with(' ')))
    }

    fn is_table(&self) -> bool {
        self.is(&["TABLE"]) && !self.is(&["TABLE ATTACH", "TABLE DATA"])
    }
}

/// The list for `pg_restore --use-list`, and what hangs on the chosen tables but was left out.
pub(super) fn choose(listing: &str, oids: &BTreeSet<u64>) -> (String, Vec<String>) {
    let entries = parse(listing);
    let mut taken: BTreeSet<u64> =
        entries.iter().filter(|(_, entry)| entry.is(ALWAYS)).map(|(id, _)| *id).collect();
    let mut around = BTreeSet::new();
    for (id, entry) in &entries {
        if entry.is_table() && entry.relation_oid.is_some_and(|oid| oids.contains(&oid)) {
            around.insert(*id);
            taken.extend(closure(&entries, *id));
        }
    }
    let mut left_out = BTreeMap::new();
    loop {
        let mut grown = false;
        for (id, entry) in entries.iter().filter(|(_, entry)| entry.is(FOLLOWERS)) {
            let hangs_on_them = entry.needs.iter().any(|need| around.contains(need));
            let hangs_on_all = !entry.needs.is_empty() && entry.needs.iter().all(|need| taken.contains(need));
            if around.contains(id) || !(hangs_on_them || hangs_on_all && entry.is(&["ACL", "COMMENT"])) {
                continue;
            }
            let needed = closure(&entries, *id);
            let strangers: Vec<_> =
                needed.iter().filter(|need| entries[need].is_table() && !taken.contains(need)).collect();
            if let Some(stranger) = strangers.first() {
                let is_missed = !entry.is(&["TABLE ATTACH", "INDEX ATTACH"])
                    && !is_partition_of(&entries, **stranger, &taken);
                if is_missed {
                    let told = format!("{} was left out: it needs {}", entry.text, entries[stranger].text);
                    left_out.insert(*id, told);
                }
                continue;
            }
            taken.extend(needed);
            around.insert(*id);
            grown = true;
        }
        if !grown {
            break;
        }
    }
    let lines = entries_in_order(listing).filter(|(id, _)| taken.contains(id)).map(|(_, line)| line);
    (lines.fold(String::new(), |list, line| list + line + "\n"), left_out.into_values().collect())
}

/// Whether a table is a partition of one that is taken.
fn is_partition_of(entries: &BTreeMap<u64, Entry<'_>>, table: u64, taken: &BTreeSet<u64>) -> bool {
    let attaches = |entry: &&Entry<'_>| entry.is(&["TABLE ATTACH"]) && entry.needs.contains(&table);
    let is_attached =
        entries.values().filter(attaches).any(|entry| entry.needs.iter().any(|need| taken.contains(need)));
    // pg_dump 13 attaches nothing: a partition is made as one, and needs the table above it.
    is_attached || entries[&table].needs.iter().any(|need| taken.contains(need) && entries[need].is_table())
}

/// The lines of the list that build a table's own indexes and keys, which need nothing but its rows.
pub(super) fn indexes(listing: &str, oid: u64) -> BTreeMap<u64, &str> {
    let entries = parse(listing);
    let table = entries.iter().find(|(_, entry)| entry.is_table() && entry.relation_oid == Some(oid));
    let Some((table, _)) = table else { return BTreeMap::new() };
    let is_index = |entry: &Entry<'_>| entry.is(&["INDEX", "CONSTRAINT"]) && !entry.is(&["INDEX ATTACH"]);
    let builds = |entry: &Entry<'_>| {
        let alone = !entry.needs.iter().any(|need| entries.get(need).is_some_and(is_index));
        is_index(entry) && entry.needs.contains(table) && alone
    };
    entries_in_order(listing).filter(|(id, _)| entries.get(id).is_some_and(builds)).collect()
}

/// The lines of the list that add a foreign key.
pub(super) fn foreign_keys(listing: &str) -> BTreeMap<u64, &str> {
    let entries = parse(listing);
    let is_key = |id: &u64| entries.get(id).is_some_and(|entry| entry.is(&["FK CONSTRAINT"]));
    entries_in_order(listing).filter(|(id, _)| is_key(id)).collect()
}

/// These entries, and those that need one of them.
pub(super) fn with_what_hangs_on(listing: &str, ids: BTreeSet<u64>) -> BTreeSet<u64> {
    let entries = parse(listing);
    let hangs = |entry: &&Entry<'_>| entry.needs.iter().any(|need| ids.contains(need));
    let hanging: Vec<_> = entries.iter().filter(|(_, entry)| hangs(entry)).map(|(id, _)| *id).collect();
    ids.into_iter().chain(hanging).collect()
}

/// The list without entries that are done.
pub(super) fn without(listing: &str, done: &BTreeSet<u64>) -> String {
    let lines = entries_in_order(listing).filter(|(id, _)| !done.contains(id)).map(|(_, line)| line);
    lines.fold(String::new(), |list, line| list + line + "\n")
}

fn closure(entries: &BTreeMap<u64, Entry<'_>>, start: u64) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        if let Some(entry) = entries.get(&id)
            && found.insert(id)
        {
            open.extend(&entry.needs);
        }
    }
    found
}

/// Reads lines such as `215; 1259 16386 TABLE public contacts bob` and `; depends on: 6 5`.
fn parse(listing: &str) -> BTreeMap<u64, Entry<'_>> {
    let mut entries = BTreeMap::new();
    let mut last = 0;
    for line in listing.lines() {
        if let Some(needs) = line.trim_start_matches(';').trim_start().strip_prefix("depends on:") {
            if let Some(Entry { needs: of_last, .. }) = entries.get_mut(&last) {
                *of_last = needs.split_whitespace().filter_map(|need| need.parse().ok()).collect();
            }
        } else if let Some((id, rest)) = entry(line) {
            let mut parts = rest.splitn(3, ' ');
            let (class, oid) = (parts.next(), parts.next().and_then(|oid| oid.parse().ok()));
            let relation_oid = oid.filter(|_| class == Some("1259"));
            let text = parts.next().unwrap_or_default();
            entries.insert(id, Entry { relation_oid, text, needs: Vec::new() });
            last = id;
        }
    }
    entries
}

fn entry(line: &str) -> Option<(u64, &str)> {
    let (id, rest) = line.split_once("; ")?;
    Some((id.parse().ok()?, rest))
}

fn entries_in_order(listing: &str) -> impl Iterator<Item = (u64, &str)> {
    listing.lines().filter_map(|line| entry(line).map(|(id, _)| (id, line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
; Archive created at …
1; 0 0 ENCODING - ENCODING -
10; 1247 100 TYPE public mood bob
20; 1259 200 TABLE public contacts bob
;\tdepends on: 10
21; 1259 201 TABLE public deals bob
30; 1259 300 INDEX public contacts_by_name bob
;\tdepends on: 20
31; 2606 301 CONSTRAINT public deals deals_pkey bob
;\tdepends on: 21
32; 2606 302 FK CONSTRAINT public contacts contacts_deal bob
;\tdepends on: 20 31
33; 1259 303 VIEW public v bob
;\tdepends on: 20
";

    #[test]
    fn a_foreign_key_goes_with_its_comment() {
        let listing = format!(
            "{LISTING}40; 0 0 COMMENT public CONSTRAINT contacts_deal ON contacts bob\n;\tdepends on: 32\n"
        );
        assert_eq!(foreign_keys(&listing).into_keys().collect::<Vec<_>>(), [32]);
        assert_eq!(with_what_hangs_on(&listing, BTreeSet::from([32])), BTreeSet::from([32, 40]));
    }

    #[test]
    fn a_tables_own_indexes_are_told_from_what_needs_more() {
        assert_eq!(indexes(LISTING, 200).into_keys().collect::<Vec<_>>(), [30]);
        assert_eq!(indexes(LISTING, 201).into_keys().collect::<Vec<_>>(), [31]);
        assert!(!without(LISTING, &BTreeSet::from([30])).contains("contacts_by_name"));
    }

    #[test]
    fn a_partition_comes_attached_to_its_parent_and_without_the_others() {
        let listing = "\
20; 1259 200 TABLE public events bob
21; 1259 201 TABLE public events_1 bob
22; 1259 202 TABLE public events_2 bob
23; 0 0 TABLE ATTACH public events_1 bob
;\tdepends on: 21 20
24; 0 0 TABLE ATTACH public events_2 bob
;\tdepends on: 22 20
30; 2606 301 CONSTRAINT public events events_pkey bob
;\tdepends on: 20
";
        let (list, left_out) = choose(listing, &BTreeSet::from([200, 201]));
        let ids: Vec<_> = list.lines().filter_map(|line| line.split(';').next()).collect();
        assert_eq!((ids, left_out), (vec!["20", "21", "23", "30"], vec![]));
    }

    #[test]
    fn nothing_is_told_of_the_other_partitions_that_an_older_pg_dump_makes_at_once() {
        let listing = "\
20; 1259 200 TABLE public events bob
21; 1259 201 TABLE public events_1 bob
;\tdepends on: 20
22; 1259 202 TABLE public events_2 bob
;\tdepends on: 20
30; 2606 301 CONSTRAINT public events events_pkey bob
;\tdepends on: 20
31; 2606 302 CONSTRAINT public events_1 events_1_pkey bob
;\tdepends on: 21 21 30
32; 2606 303 CONSTRAINT public events_2 events_2_pkey bob
;\tdepends on: 22 22 30
33; 0 0 INDEX ATTACH public events_2_pkey bob
;\tdepends on: 22 30 32 30 22 20
";
        let (list, left_out) = choose(listing, &BTreeSet::from([200, 201]));
        let ids: Vec<_> = list.lines().filter_map(|line| line.split(';').next()).collect();
        assert_eq!((ids, left_out), (vec!["20", "21", "30", "31"], vec![]));
    }

    #[test]
    fn a_table_comes_with_what_it_needs_and_what_hangs_on_it_alone() {
        let (list, left_out) = choose(LISTING, &BTreeSet::from([200]));
        let ids: Vec<_> = list.lines().filter_map(|line| line.split(';').next()).collect();
        assert_eq!(ids, ["1", "10", "20", "30"]);
        assert_eq!(left_out.len(), 1);
        assert!(left_out[0].contains("contacts_deal"), "{left_out:?}");
    }
}
