//! What the documents name exists: paths, types, and the programs' options.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_tests::{program, run};

/// Verbs of the two programs; a verb that is gone makes `--help` fail.
const VERBS: [(&str, &[&str]); 2] = [
    (
        "lifeboat-agent",
        &[
            "init",
            "enroll",
            "check",
            "classify",
            "backup",
            "retention",
            "expire",
            "prune",
            "hold",
            "release",
            "accept",
            "notify",
            "copy",
            "copies",
            "verify",
            "run",
            "schedule",
            "status",
            "config",
        ],
    ),
    (
        "lifeboat-restore",
        &[
            "keygen",
            "snapshots",
            "show",
            "verify",
            "restore",
            "request",
            "approve",
            "refuse",
            "revoke",
            "requests",
            "fleet",
            "keys",
            "audit",
            "report",
        ],
    ),
];

/// Names in ARCHITECTURE.md that look like a type's and come from elsewhere.
const NOT_TYPES: [&str; 1] = ["README"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").into()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands in backticks outside of fenced blocks.
fn quoted(text: &str) -> BTreeSet<String> {
    let prose: Vec<&str> = text.split("\n```").step_by(2).collect();
    let words = prose.iter().flat_map(|part| part.split('`').skip(1).step_by(2));
    words.map(str::to_owned).collect()
}

fn is_path(word: &str) -> bool {
    let of_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    word.contains('/') && word.chars().all(of_path)
}

#[test]
fn every_path_that_architecture_names_exists() {
    let named: Vec<_> = quoted(&read("ARCHITECTURE.md")).into_iter().filter(|word| is_path(word)).collect();
    assert!(named.len() > 10, "the paths are not found: {named:?}");
    // What both programs have, such as `commands/`, is named once, from where their sources begin.
    let bases = ["", "agent/src", "restore/src"].map(|base| root().join(base));
    let gone: Vec<_> =
        named.iter().filter(|path| !bases.iter().any(|base| base.join(path).exists())).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md names what is not there: {gone:?}");
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "vault/FORMAT.md"] {
        let (text, folder) = (read(name), root().join(name));
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            let target = folder.parent().expect("a folder").join(link);
            assert!(target.exists(), "{name} links to {link}, which is not there");
        }
    }
}

#[test]
fn every_type_that_architecture_names_exists() {
    let sources = rust_sources(&root());
    let camel = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(|c| c.is_ascii_uppercase())
            && word.chars().all(|c| c.is_ascii_alphanumeric())
            && letters.any(|c| c.is_ascii_lowercase())
    };
    let named = quoted(&read("ARCHITECTURE.md"));
    let types: Vec<_> =
        named.iter().filter(|word| camel(word) && !NOT_TYPES.contains(&word.as_str())).collect();
    assert!(types.len() > 5, "the types are not found: {named:?}");
    for name in types {
        let made = ["struct", "enum", "trait", "type"].map(|kind| format!("{kind} {name}"));
        let is_made = |text: &String| {
            made.iter()
                .any(|made| text.match_indices(made).any(|(at, _)| ends_word(&text[at + made.len()..])))
        };
        assert!(sources.iter().any(is_made), "ARCHITECTURE.md names {name}, which no source defines");
    }
}

fn ends_word(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// The text of every source file of ours.
fn rust_sources(root: &Path) -> Vec<String> {
    let crates = ["config", "vault", "connectors", "console", "agent", "restore", "tests"];
    let mut folders: Vec<_> = crates.iter().map(|name| root.join(name).join("src")).collect();
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a source folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(fs::read_to_string(&path).expect("a source file"));
            }
        }
    }
    texts
}

/// Every option of every command line in a document is one that the program's `--help` shows.
#[track_caller]
fn check_options(document: &str) {
    let helps = VERBS
        .map(|(name, verbs)| (name, verbs, verbs.iter().map(|verb| help(name, verb)).collect::<Vec<_>>()));
    let mut seen = 0;
    for line in read(document).lines() {
        for (name, verbs, helps) in &helps {
            // A line can hold several commands, as a table's cell does.
            for command in line.split(name).skip(1) {
                let command = command.split(['`', '#', '|']).next().unwrap_or_default();
                let mut words = command.split_whitespace();
                let Some(verb) = words.next() else { continue };
                let Some(at) = verbs.iter().position(|known| *known == verb) else {
                    let is_verb = verb.chars().all(|c| c.is_ascii_lowercase()) && command.starts_with(' ');
                    let prose =
                        !line.contains(&format!("`{name} {verb}")) && !line.trim_start().starts_with(name);
                    assert!(!is_verb || prose, "{document}: {name} has no verb {verb}: {line}");
                    continue;
                };
                for option in words.filter(|word| word.starts_with("--")) {
                    let option = option.split(['=', ',', '[', ']', ')', ';', '.']).next().unwrap_or_default();
                    assert!(helps[at].contains(option), "{document}: {name} {verb} has no {option}: {line}");
                    seen += 1;
                }
            }
        }
    }
    println!("{document}: {seen} options");
}

/// The help of a verb, and of the verb below it where there is one.
fn help(name: &str, verb: &str) -> String {
    let own = run(program(name).args([verb, "--help"])).success().stdout;
    match verb {
        "keys" | "audit" => {
            let below: &[&str] = match verb {
                "keys" => &[
                    "list",
                    "who-can-open",
                    "add",
                    "retire",
                    "rotate",
                    "rewrap",
                    "quorum",
                    "approvals",
                    "shred",
                ],
                _ => &["show", "verify", "export", "anchor"],
            };
            let helps = below
                .iter()
                .map(|verb_below| run(program(name).args([verb, verb_below, "--help"])).success().stdout);
            own + &helps.collect::<String>()
        }
        "schedule" | "retention" => {
            own + &run(program(name).args([verb, "preview", "--help"])).success().stdout
        }
        _ => own,
    }
}

#[test]
fn every_option_that_the_documents_name_is_in_the_help() {
    for document in
        ["README.md", "CHANGELOG.md", "demo.sh", "config/examples/lifeboat.toml", "vault/FORMAT.md"]
    {
        check_options(document);
    }
}

#[test]
fn every_exit_code_that_readme_names_is_one_of_the_programs() {
    let text = read("README.md");
    let line = text.lines().find(|line| line.contains("exit code mean")).expect("README explains exit codes");
    let source = fs::read_to_string(root().join("console/src/error.rs")).expect("the codes' source");
    let codes: Vec<u8> =
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    assert!(codes.len() > 8, "{codes:?}");
    for code in codes.into_iter().filter(|code| *code != 0) {
        assert!(source.contains(&format!("=> ({code}, ")), "no program ends with code {code}");
    }
}
