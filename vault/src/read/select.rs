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
    /// The newest one of a source of this date or time (UTC): RFC 3339, as exact as it is given, from the
    /// day on.
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
            Some((source, time)) if is_time(time) => {
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

/// Whether this is a whole date, or a date and a time to the minute or more exact: half a number would
/// name other days than the one that was meant.
fn is_time(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fits = |(found, shape): (u8, &u8)| match shape {
        b'0' => found.is_ascii_digit(),
        shape => found.eq_ignore_ascii_case(shape),
    };
    whole.is_ascii()
        && [10, 16, SHAPE.len()].contains(&whole.len())
        && whole.bytes().zip(SHAPE).all(fits)
        && (whole.len() == SHAPE.len() || whole.len() == text.len())
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_date_or_more() {
        let check = |text: &str, expected: bool| {
            assert_eq!(format!("crm@{text}").parse::<Selector>().is_ok(), expected, "{text}");
        };
        for good in ["2026-11-22", "2026-11-22T02:30", "2026-11-22t02:30:15z", "2026-11-22T02:30:15.25Z"] {
            check(good, true);
        }
        for half in
            ["2", "2026-11", "2026-11-2", "2026-11-22T", "2026-11-22T2", "2026-11-22T02:3", "2026-11-22."]
        {
            check(half, false);
        }
    }
}
