//! `show`: one snapshot, its point in time and its tables.

use std::fmt::Write;

use lifeboat_connectors::PointInTime;
use lifeboat_console::{
    Align, CommandError, Interrupt, Progress, Table, escape, human_bytes, human_rows, print, print_json,
};
use lifeboat_vault::format::manifest::TableRecord;
use lifeboat_vault::{Snapshot, Vault};
use serde_json::json;

use crate::cli::Show;
use crate::open::Opened;
use crate::words;

/// Shows one snapshot.
pub async fn run(args: &Show, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let opened = Opened::open(&args.access, &interrupt).await?;
    let progress = Progress::new(json);
    opened.warn(&progress);
    let snapshot = opened.find(&args.spec)?;
    let reading = opened.reading(&args.access, &interrupt).await?;
    let tables = interrupt.or(reading.reader.tables(snapshot)).await?;
    progress.finish();
    if json {
        return print_line(snapshot, &tables);
    }
    Ok(print(&format!("{}\n{}\n{}", header(&opened.vault, snapshot), listing(&tables), files(snapshot)))?)
}

/// Raw bytes of a table's rows.
fn raw_bytes(table: &TableRecord) -> u64 {
    table.streams.iter().flat_map(|stream| &stream.parts).map(|part| part.bytes).sum()
}

fn header(vault: &Vault, snapshot: &Snapshot) -> String {
    let manifest = &snapshot.manifest;
    let mut lines = vec![
        ("snapshot", snapshot.id.to_string()),
        ("source", manifest.source.clone()),
        ("number", manifest.number.to_string()),
        ("time", format!("{} UTC, by the agent's clock", words::time(&manifest.time))),
        ("finished", format!("{} UTC", words::time(&manifest.finished))),
    ];
    match serde_json::from_value::<PointInTime>(manifest.point.clone()) {
        Ok(point) => lines.extend(point_lines(point)),
        Err(_) => lines.push(("point", manifest.point.to_string())),
    }
    lines.push(("covered", {
        let (tables, rows) = (words::counted(manifest.tables, "table"), words::counted(manifest.rows, "row"));
        format!("{tables}, {rows}, {}", human_bytes(manifest.raw_bytes))
    }));
    let signer = vault.agent_name(snapshot.writer).unwrap_or("unknown");
    lines.push(("agent", format!("{}; signed by {signer} ({})", manifest.agent, snapshot.writer.short())));
    let previous = manifest.previous.map_or("none".to_owned(), |previous| previous.short());
    lines.push(("previous", previous));
    lines.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:<12}  {}", escape(value));
        text
    })
}

fn point_lines(point: PointInTime) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("system", format!("{} {}", point.system, point.server_version)),
        ("database", point.database),
        ("server time", point.time),
        ("method", point.method),
    ];
    lines.extend(point.log_position.map(|position| ("log position", position)));
    if point.plaintext {
        lines.push(("plaintext", "the rows crossed the network unencrypted".into()));
    }
    lines.extend(point.not_covered.into_iter().map(|sentence| ("not covered", sentence)));
    lines
}

fn listing(tables: &[TableRecord]) -> String {
    let mut listing = Table::new([
        ("table", Align::Left),
        ("rows", Align::Right),
        ("size", Align::Right),
        ("grades", Align::Left),
    ]);
    for table in tables {
        let grades: Vec<_> = table.streams.iter().map(|stream| stream.grade).collect();
        let name = table.table.to_string();
        listing.row([name, human_rows(table.rows), human_bytes(raw_bytes(table)), words::listed(&grades)]);
    }
    if listing.is_empty() { "no tables\n".into() } else { listing.to_string() }
}

fn files(snapshot: &Snapshot) -> String {
    let mut listing = Table::new([("schema file", Align::Left), ("size", Align::Right)]);
    for file in &snapshot.manifest.files {
        listing.row([file.name.clone(), human_bytes(file.bytes)]);
    }
    listing.to_string()
}

fn print_line(snapshot: &Snapshot, tables: &[TableRecord]) -> Result<(), CommandError> {
    let manifest = &snapshot.manifest;
    let of_table = |table: &TableRecord| {
        json!({
            "schema": table.table.schema,
            "name": table.table.name,
            "kind": table.table.kind,
            "columns": table.table.columns,
            "rows": table.rows,
            "raw_bytes": raw_bytes(table),
            "digest": table.digest,
            "grades": table.streams.iter().map(|stream| stream.grade).collect::<Vec<_>>(),
        })
    };
    let of_file = |file: &lifeboat_vault::format::manifest::FileRecord| json!({ "name": file.name, "bytes": file.bytes });
    let line = json!({
        "id": snapshot.id,
        "source": manifest.source,
        "number": manifest.number,
        "time": manifest.time,
        "finished": manifest.finished,
        "previous": manifest.previous,
        "agent": manifest.agent,
        "writer": snapshot.writer,
        "point": manifest.point,
        "rows": manifest.rows,
        "raw_bytes": manifest.raw_bytes,
        "tables": tables.iter().map(of_table).collect::<Vec<_>>(),
        "files": manifest.files.iter().map(of_file).collect::<Vec<_>>(),
    });
    Ok(print_json("summary", &line)?)
}
