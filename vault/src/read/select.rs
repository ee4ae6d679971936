//! How people name a snapshot: `crm@latest`, `crm@2026-11-22`, `crm@2026-11-22T02:30`, or the beginning
//! of its id.

use std::str::FromStr;

use super::Snapshot;
use crate::{Error, Result};

/// Fewer digits of an id than this are not taken for one.
const PREFIX_MIN: usize = 4;

/// A snapshot as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The newest one of a source.
    Latest(String),
    /// The newest one of a source whose time (UTC, RFC 3339) begins with this.
    At(String, String),
    /// The one whose id begins with this.
    Prefix(String),
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let misspelt = || {
            Error::NoSuchSnapshot(format!(
                "`{}` names no snapshot: write source@latest, source@2026-11-22, source@2026-11-22T02:30 \
                 or at least {PREFIX_MIN} digits of an id",
                text.escape_debug()
            ))
        };
        match text.split_once('@') {
            Some(("", _) | (_, "")) => Err(misspelt()),
            Some((source, "latest")) => Ok(Self::Latest(source.into())),
            Some((source, time)) if time.starts_with(|c: char| c.is_ascii_digit()) => {
                Ok(Self::At(source.into(), time.to_uppercase().trim_end_matches('Z').to_owned()))
            }
            None if text.len() >= PREFIX_MIN && text.chars().all(|c| c.is_ascii_hexdigit()) => {
                Ok(Self::Prefix(text.to_lowercase()))
            }
            _ => Err(misspelt()),
        }
    }
}

impl Selector {
    /// Finds the snapshot among `snapshots` (oldest first).
    ///
    /// # Errors
    /// `NoSuchSnapshot` when none fits, or an id's prefix fits several; the text says what there is.
    pub fn find<'a>(&self, snapshots: &'a [Snapshot]) -> Result<&'a Snapshot> {
        let of = |source: &str| {
            let source = source.to_owned();
            snapshots.iter().filter(move |snapshot| snapshot.manifest.source == source)
        };
        match self {
            Self::Latest(source) => {
                of(source).max_by_key(|s| s.manifest.number).ok_or_else(|| unknown(snapshots, source))
            }
            Self::At(source, time) => {
                let newest = of(source).next_back().ok_or_else(|| unknown(snapshots, source))?;
                of(source).rfind(|s| s.manifest.time.starts_with(time)).ok_or_else(|| {
                    Error::NoSuchSnapshot(format!(
                        "no snapshot of `{source}` was taken at {time} (times are UTC): the newest is of {}",
                        newest.manifest.time
                    ))
                })
            }
            Self::Prefix(prefix) => {
                let mut fitting = snapshots.iter().filter(|s| s.id.to_string().starts_with(prefix));
                match (fitting.next(), fitting.next()) {
                    (Some(found), None) => Ok(found),
                    (None, _) => Err(Error::NoSuchSnapshot(format!("no snapshot's id begins with {prefix}"))),
                    _ => Err(Error::NoSuchSnapshot(format!("several snapshots' ids begin with {prefix}"))),
                }
            }
        }
    }
}

fn unknown(snapshots: &[Snapshot], source: &str) -> Error {
    let mut sources: Vec<_> = snapshots.iter().map(|s| s.manifest.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    let source = source.escape_debug();
    Error::NoSuchSnapshot(match sources[..] {
        [] => "the vault holds no snapshot yet".into(),
        _ => format!("the vault has no snapshot of `{source}`; its sources are {}", sources.join(", ")),
    })
}
