//! What retiring a person and shredding do not undo: said in full, so that nobody relies on more than there is.

use lifeboat_console::escape;
use lifeboat_vault::{KeyOutcome, KeyPlan, OldVersions, Realm, StoreOutcome, WrappedKey};

/// What a retired person may still open, and what to do about it.
pub fn about_retired(name: &str, plan: &KeyPlan, outcome: Option<&KeyOutcome>) -> String {
    let name = escape(name);
    let had: Vec<_> =
        plan.rewrapped.iter().filter(|key| **key != WrappedKey::Root).map(ToString::to_string).collect();
    let mut text = format!(
        "
what {name} can open still, if they kept the opened keys, or a copy of keys/ and their own key, and can
read the vault's store or any copy of the vault:
  everything sealed to {}, in snapshots of before and, where rows have not changed since, of after
",
        had.join(", ")
    );
    if plan.quorum.iter().any(|(_, people)| *people > 1) {
        text.push_str("  of a key that was split then, only a share: it opens nothing without the others'\n");
    }
    if !plan.new_epochs.iter().any(|(realm, _)| *realm == Realm::Metadata) {
        text.push_str(
            "  names of tables and columns, counts and sizes of what is written from now on: the metadata key stays\n",
        );
    }
    if plan.rewrapped.contains(&WrappedKey::Root) {
        text.push_str(
            "  the root key, if they kept it: it enrols agents and signs keyrings for ever. Only a new vault has another\n",
        );
    }
    text.push_str(&versions(outcome));
    let sequence = outcome.map_or(plan.from + 1, |outcome| outcome.keyring);
    text.push_str(&format!(
        "next: end {name}'s access to the store and to every copy of it; take [people.{name}] out of the
configurations; note keyring {sequence} on the recovery sheet; run a backup, so that a manifest names it\n"
    ));
    text
}

/// What is left of a source that was shredded, and what comes next.
pub fn about_source(source: &str, keys: &str, outcome: &KeyOutcome) -> String {
    let source = escape(source);
    let mut text = where_left(keys, Some(outcome));
    text.push_str(&format!(
        "what is left of {source}: rows that another source has too, as that source's; names of its tables and columns,
counts and sizes in packs, until they are pruned; what its agent keeps beside the vault; the database itself
next: take [source.{source}] out of the configurations; run a backup of what else there is, then prune, which frees
what was sealed to older keys
"
    ));
    text
}

/// Where what was shredded may still be opened, and what comes next.
pub fn about_shredded(keys: &str, outcome: Option<&KeyOutcome>) -> String {
    let mut text = where_left(keys, outcome);
    text.push_str(
        "next: run a backup, which stores anew what the source still has; `verify` calls snapshots damaged that
need what was shredded, until they expire
",
    );
    text
}

fn where_left(keys: &str, outcome: Option<&KeyOutcome>) -> String {
    let mut text = format!(
        "
where {keys} may be left:
  with whoever kept the opened key, or a copy of keys/ from before beside a key of their own
  in copies of the vault that were not looked at, on recovery media, in backups of the store
"
    );
    text.push_str(&versions(outcome));
    text
}

/// A bucket may keep what was deleted, and this program cannot see it in every kind of store.
fn versions(outcome: Option<&KeyOutcome>) -> String {
    let Some(outcome) = outcome else { return String::new() };
    let asked = |store: &&StoreOutcome| matches!(store.versions, OldVersions::Removed(_));
    let buckets = outcome.stores.iter().filter(|store| !asked(store));
    let buckets = buckets.filter(|store| !store.removed.is_empty() || !store.approvals.is_empty());
    let told = buckets.map(|store| {
        let objects =
            store.removed.iter().chain(&store.approvals).map(|name| format!("\n    {}", escape(name)));
        format!(
            "  if {} keeps versions: in those of these objects, until they are removed there{}\n",
            escape(&store.url),
            objects.collect::<String>()
        )
    });
    told.collect()
}
