//! `audit`: the record of who did what, shown, proven, exported and anchored.

use std::fs;

use lifeboat_console::{
    Align, CommandError, Interrupt, Kind, Progress, ResultExt, Table, escape, human_rows, print, print_json,
};
use lifeboat_vault::{Anchor, AuditRecord, AuditReport, Vault, read_audit};
use serde_json::{Value, json};

use crate::cli::{Access, AuditCommand, AuditShow};
use crate::open::AtHand;
use crate::words;

/// Runs the verb.
pub async fn run(command: &AuditCommand, json: bool) -> Result<(), CommandError> {
    match command {
        AuditCommand::Show(args) => show(args, json).await,
        AuditCommand::Verify(args) => verify(&args.access, &args.anchor, json).await,
        AuditCommand::Export(args) => export(&args.access, json).await,
        AuditCommand::Anchor(args) => anchor(&args.access, json).await,
    }
}

async fn read(access: &Access, json: bool) -> Result<(Vault, AuditReport), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let vault = AtHand::open(access, &interrupt).await?.vault;
    let progress = Progress::new(json);
    progress.phase("reading the record");
    let report = interrupt.or(read_audit(&vault)).await?;
    progress.finish();
    Ok((vault, report))
}

async fn show(args: &AuditShow, json: bool) -> Result<(), CommandError> {
    let (_, report) = read(&args.access, json).await?;
    let wanted = |record: &&AuditRecord| {
        let deed = &record.entry.deed;
        args.source.as_ref().is_none_or(|source| deed.source.as_ref() == Some(source))
            && args.what.as_ref().is_none_or(|what| deed.what == *what)
            && args.by.as_ref().is_none_or(|by| record.name == *by)
    };
    let shown: Vec<_> = report.records.iter().filter(wanted).collect();
    if json {
        shown.iter().try_for_each(|record| print_json("entry", &line(record)))?;
        print_json("summary", &summary(&report))?;
    } else if shown.is_empty() {
        print("the record has no such entry\n")?;
    } else {
        print(&table(&shown).to_string())?;
    }
    ending(&report, 0)
}

async fn verify(access: &Access, anchors: &[std::path::PathBuf], json: bool) -> Result<(), CommandError> {
    let (vault, mut report) = read(access, json).await?;
    for path in anchors {
        let text = fs::read_to_string(path).context(|| format!("{} cannot be read", path.display()))?;
        let anchor: Anchor = text.parse().kind(Kind::Usage).context(|| path.display().to_string())?;
        report.compare(&vault, &anchor)?;
    }
    if json {
        print_json("summary", &summary(&report))?;
    } else {
        let writers = report.anchor(&vault).ends.len() as u64;
        let mut text = format!(
            "{} by {}: signatures, chains, and what each saw of the others\n",
            words::entries(report.records.len() as u64),
            words::counted(writers, "writer")
        );
        text.push_str(&match anchors.len() as u64 {
            0 => "no anchor was given: of a writer after whom nobody wrote, a removed end would not show\n"
                .to_owned(),
            some => format!("compared with {}\n", words::counted(some, "anchor")),
        });
        text.extend(
            report.findings.iter().map(|finding| format!("broken: {}\n", escape(&finding.to_string()))),
        );
        print(&text)?;
    }
    ending(&report, anchors.len())
}

async fn export(access: &Access, json: bool) -> Result<(), CommandError> {
    let (_, report) = read(access, json).await?;
    report.records.iter().try_for_each(|record| print_json("entry", &line(record)))?;
    if json {
        print_json("summary", &summary(&report))?;
    }
    ending(&report, 0)
}

async fn anchor(access: &Access, json: bool) -> Result<(), CommandError> {
    let (vault, report) = read(access, json).await?;
    ending(&report, 0)?;
    let anchor = report.anchor(&vault).to_string();
    match json {
        true => Ok(print_json("summary", &json!({ "anchor": anchor }))?),
        false => Ok(print(&anchor)?),
    }
}

fn table(records: &[&AuditRecord]) -> Table {
    let headings = [
        ("time (UTC)", Align::Left),
        ("by", Align::Left),
        ("on", Align::Left),
        ("what", Align::Left),
        ("result", Align::Left),
        ("rows", Align::Right),
        ("of", Align::Left),
        ("about it", Align::Left),
    ];
    let mut table = Table::new(headings);
    for AuditRecord { name, entry, .. } in records {
        let deed = &entry.deed;
        let result = match &deed.kind {
            Some(kind) => format!("{}: {kind}", deed.result),
            None => deed.result.clone(),
        };
        let rows = deed.rows.map(human_rows).unwrap_or_default();
        let of = deed.snapshots.iter().map(|id| id.short());
        let of: Vec<_> = deed.source.iter().cloned().chain(of).collect();
        let grades = Some(words::listed(&deed.grades)).filter(|grades| !grades.is_empty());
        let about = [
            grades.map(|grades| format!("grade {grades}")),
            deed.target.as_ref().map(|target| format!("into {target}")),
            deed.detail.clone(),
            deed.reason.as_ref().map(|reason| format!("because: {reason}")),
        ];
        let about: Vec<_> = about.into_iter().flatten().collect();
        let cells = [words::time(&entry.time), name.clone(), entry.host.clone(), deed.what.clone(), result];
        table.row(cells.into_iter().chain([rows, of.join(" "), about.join("; ")]));
    }
    table
}

fn line(record: &AuditRecord) -> Value {
    let mut line = serde_json::to_value(&record.entry).expect("an entry serialises");
    if let Value::Object(fields) = &mut line {
        fields.insert("writer".into(), record.writer.to_string().into());
        fields.insert("person".into(), record.by_person.into());
        fields.insert("name".into(), record.name.clone().into());
        fields.insert("hash".into(), record.hash.clone().into());
    }
    line
}

fn summary(report: &AuditReport) -> Value {
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    json!({ "entries": report.records.len(), "findings": findings })
}

fn ending(report: &AuditReport, anchors: usize) -> Result<(), CommandError> {
    let Some(first) = report.findings.first() else { return Ok(()) };
    let text = match report.findings.len() as u64 {
        1 => format!("the record is broken: {first}"),
        some => format!("the record is broken in {} places, the first: {first}", human_rows(some)),
    };
    let error = CommandError::new(Kind::Damage, text)
        .hint("compare with a copy of the vault, which has the entries as they were when it was made");
    Err(match anchors {
        0 => {
            error.hint("with an anchor that was kept elsewhere: lifeboat-restore audit verify --anchor PATH")
        }
        _ => error,
    })
}
