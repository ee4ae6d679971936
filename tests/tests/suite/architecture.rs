//! Who may depend on whom, as the design's table says.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::MetadataCommand;

/// Each crate of the workspace and the crates of the workspace that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("lifeboat-config", &[]),
    ("lifeboat-vault", &[]),
    ("lifeboat-connectors", &[]),
    ("lifeboat-console", &[]),
    ("lifeboat-agent", &["lifeboat-config", "lifeboat-vault", "lifeboat-connectors", "lifeboat-console"]),
    ("lifeboat-restore", &["lifeboat-config", "lifeboat-vault", "lifeboat-connectors", "lifeboat-console"]),
    (
        "lifeboat-tests",
        &[
            "lifeboat-config",
            "lifeboat-vault",
            "lifeboat-connectors",
            "lifeboat-console",
            "lifeboat-agent",
            "lifeboat-restore",
        ],
    ),
];

/// Each crate of the workspace and the crates of the workspace that it uses, for whatever purpose.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo knows this workspace");
    let members = metadata.workspace_packages();
    let ours: BTreeSet<String> = members.iter().map(|package| package.name.to_string()).collect();
    let of_ours = |package: &&cargo_metadata::Package| {
        let names = package.dependencies.iter().map(|dependency| dependency.name.clone());
        (package.name.to_string(), names.filter(|name| ours.contains(name)).collect())
    };
    members.iter().map(of_ours).collect()
}

#[test]
fn no_crate_uses_another_that_it_may_not_know() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for (name, used) in uses() {
        let allowed = allowed.get(name.as_str()).copied();
        let allowed =
            allowed.unwrap_or_else(|| panic!("{name} is a new crate: say in MAY_USE whom it may use"));
        for other in used {
            assert!(allowed.contains(&other.as_str()), "{name} may not use {other}");
        }
    }
}

#[test]
fn the_table_names_no_crate_that_is_gone() {
    let uses = uses();
    for (name, _) in MAY_USE {
        assert!(uses.contains_key(*name), "{name} is in MAY_USE and not in the workspace");
    }
}
