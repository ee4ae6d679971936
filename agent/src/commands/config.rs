//! `config schema`, `config show`, `config check`.

use std::path::Path;

use lifeboat_config::Config;
use lifeboat_console::{CommandError, count, counted, escape, print, print_json};
use serde_json::json;

use crate::cli;

/// Prints what was asked for.
pub fn run(path: &Path, what: cli::Config, json: bool) -> Result<(), CommandError> {
    match what {
        cli::Config::Schema => print(&format!("{}\n", Config::json_schema()))?,
        cli::Config::Show if json => print_json("config", &Config::load(path)?)?,
        cli::Config::Show => print(&Config::load(path)?.to_masked_toml())?,
        cli::Config::Check => check(path, json)?,
    }
    Ok(())
}

fn check(path: &Path, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let warnings = config.warnings(path);
    if json {
        let people: Vec<_> = config.people.keys().collect();
        let sources: Vec<_> = config.sources.iter().map(|source| &source.name).collect();
        let found = json!({ "config": path, "people": people, "sources": sources, "warnings": warnings });
        return Ok(print_json("summary", &found)?);
    }
    let mut text = String::new();
    for warning in &warnings {
        text.push_str(&format!("warning: {}\n", escape(warning)));
    }
    let (people, sources) = (config.people.len(), config.sources.len());
    text.push_str(&format!(
        "{} is understood: {}, {}, {}\n",
        escape(&path.display().to_string()),
        count(people as u64, "person", "people"),
        counted(sources as u64, "source"),
        counted(warnings.len() as u64, "warning"),
    ));
    Ok(print(&text)?)
}
