//! `check`: can the next backup work? One table of findings, the whole of it before anything fails.

use std::path::Path;

use lifeboat_config::Config;
use lifeboat_connectors::Severity;
use lifeboat_console::{Align, CommandError, Kind, Table, counted, print, print_json};
use serde_json::json;

use crate::check::{self, Findings};
use crate::host;

/// Looks at everything and prints what was found.
///
/// # Errors
/// When there is any problem.
pub async fn run(path: &Path, names: &[String], json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let mut findings = Findings::default();
    check::host::configuration(&config, path, &mut findings);
    let sources = if config.sources.is_empty() { Vec::new() } else { host::choose(&config, names)? };
    check::host::state(&config, &mut findings);
    check::host::key_file(&config, &mut findings);
    check::vault::all(&config, path, &sources, &mut findings).await;
    for source in sources {
        check::source::all(source, &mut findings).await;
    }
    let [problems, warnings, fine] =
        [Severity::Problem, Severity::Warning, Severity::Ok].map(|severity| findings.count(severity));
    if json {
        for found in &findings.0 {
            print_json("finding", found)?;
        }
        let summary = json!({ "problems": problems, "warnings": warnings, "ok": fine });
        print_json("summary", &summary)?;
    } else {
        print(&table(&findings).to_string())?;
    }
    if problems == 0 {
        return Ok(());
    }
    let text = format!("the next backup would fail: {}", counted(problems as u64, "problem"));
    Err(CommandError::new(Kind::Failed, text))
}

fn table(findings: &Findings) -> Table {
    let mut table = Table::new([("", Align::Left), ("about", Align::Left), ("found", Align::Left)]);
    for found in &findings.0 {
        let severity = match found.finding.severity {
            Severity::Ok => "ok",
            Severity::Warning => "WARNING",
            Severity::Problem => "PROBLEM",
        };
        let about = match &found.source {
            Some(source) => format!("{source}: {}", found.finding.subject),
            None => found.finding.subject.clone(),
        };
        table.row([severity, &about, &found.finding.text]);
        for hint in found.finding.hint.iter().flat_map(|hint| hint.lines()) {
            table.row(["", "", &format!("hint: {hint}")]);
        }
    }
    table
}
