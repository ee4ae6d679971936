//! `report`: what is there to show an auditor, as text, JSON or a file to print.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::{Config, ConfigError, Fleet};
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, ResultExt, print, print_json};

use crate::cli;
use crate::open::{AtHand, Opened};
use crate::report::{Report, Status, gather, gather_fleet, html, json, sha256, text};
use crate::words;

/// Reads everything, judges, prints or writes, and fails when a control does.
pub async fn run(args: &cli::Report, json_wanted: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let fleet = args.vaults.as_deref().map(read_fleet).transpose()?;
    let (config, digest) = args.access.config.as_deref().map(read).transpose()?.unzip();
    let AtHand { vault, config, .. } = AtHand::with(&args.access, config, &interrupt).await?;
    let opened = Opened::of(vault, &interrupt).await?;
    let progress = Progress::new(json_wanted);
    progress.phase("looking at the stores");
    let (config, now) = (config.as_ref().zip(digest), Timestamp::now());
    let mut facts = interrupt.or(gather(&args.access, config, &opened, now)).await?;
    if let Some((fleet, read)) = fleet {
        progress.phase("looking at the vaults of every branch");
        let looked = async { Ok::<_, CommandError>(gather_fleet(&fleet, read, now).await) };
        facts.fleet = Some(interrupt.or(looked).await?);
    }
    progress.finish();
    let report = Report::of(&facts);
    if let Some(path) = &args.html {
        write(path, &html(&report, args.lang))?;
    }
    match json_wanted {
        true => print_json("report", &json(&report))?,
        false => print(&text(&report, args.lang))?,
    }
    ending(&report)
}

/// The configuration, with the digest of the very bytes that it was read from.
fn read(path: &Path) -> Result<(Config, String), CommandError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok((Config::parse(&text, path)?, sha256(text.as_bytes())))
}

/// The file of every vault, where it is, and its digest likewise.
fn read_fleet(path: &Path) -> Result<(Fleet, (String, String)), CommandError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let read = (path.display().to_string(), sha256(text.as_bytes()));
    Ok((Fleet::parse(&text, path)?, read))
}

/// Replaces the file as a whole: a report that was printed half is worse than yesterday's.
fn write(path: &Path, html: &str) -> Result<(), CommandError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let replaced = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(html.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    replaced().map(drop).context(|| format!("the report cannot be written to {}", path.display()))
}

/// A control that fails is a failure; one that is unknown makes the report incomplete.
fn ending(report: &Report) -> Result<(), CommandError> {
    let (failed, unknown) = (report.named(Status::Fail), report.named(Status::Unknown));
    if !failed.is_empty() {
        let text =
            format!("{} of {} controls fail: {}", failed.len(), report.findings.len(), failed.join(", "));
        return Err(CommandError::new(Kind::Failed, text));
    }
    match unknown.len() {
        0 => Ok(()),
        some => Err(CommandError::new(Kind::Partial, format!("{some} controls are unknown"))),
    }
}
