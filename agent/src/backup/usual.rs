//! What is unusual about a snapshot, found by comparing it with those before it.

use lifeboat_vault::Comparison;
use lifeboat_vault::format::manifest::{Manifest, Measured, TableRecord};

use crate::anomaly::{Measures, New, judge, judge_tables};

/// One sentence for each thing that is unusual.
pub fn unusual(comparison: &Comparison<'_>) -> Vec<String> {
    let Comparison { tables, raw_bytes, measured, past, tables_before } = comparison;
    let run = Measures {
        rows: tables.iter().map(|table| table.rows).sum(),
        raw_bytes: *raw_bytes,
        new: Some(new(measured)),
    };
    let past: Vec<_> = past.iter().map(|snapshot| measures(&snapshot.manifest)).collect();
    let mut found = judge(&run, &past);
    if let Some(before) = tables_before {
        found.extend(judge_tables(&rows(before), &rows(tables)));
    }
    found
}

fn measures(manifest: &Manifest) -> Measures {
    let Manifest { rows, raw_bytes, measured, .. } = manifest;
    Measures { rows: *rows, raw_bytes: *raw_bytes, new: measured.as_ref().map(new) }
}

fn new(measured: &Measured) -> New {
    let Measured { new_raw_bytes, sealed_bytes, remembered } = *measured;
    New { raw_bytes: new_raw_bytes, sealed_bytes, remembered }
}

fn rows(tables: &[TableRecord]) -> Vec<(String, u64)> {
    tables.iter().map(|table| (table.table.to_string(), table.rows)).collect()
}
