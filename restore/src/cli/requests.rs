//! `request`, `approve`, `refuse`, `revoke` and `requests`, as operators type them.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;

use super::{Access, Wanted};

/// `request`.
#[derive(Args)]
pub struct Request {
    #[command(flatten)]
    pub access: Access,
    #[command(flatten)]
    pub wanted: Wanted,
    /// Why, for those who approve it and for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// How long it may be approved and used: 30m, 8h or 2d, 7d at most
    #[arg(long = "for", value_name = "TIME", default_value = "8h", value_parser = life)]
    pub life: SignedDuration,
    /// The new file for the request's one-time key [default: lifeboat-request-ID.key in this folder]
    #[arg(long, value_name = "PATH")]
    pub request_key: Option<PathBuf>,
}

/// What is said of every request for what two people decide.
#[derive(Args)]
pub struct Asking {
    #[command(flatten)]
    pub access: Access,
    /// Why, for those who approve it and for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// How long it may be approved and used: 30m, 8h or 2d, 7d at most
    #[arg(long = "for", value_name = "TIME", default_value = "8h", value_parser = life)]
    pub life: SignedDuration,
}

/// `request-expire`.
#[derive(Args)]
pub struct RequestExpire {
    #[command(flatten)]
    pub asking: Asking,
    /// source@latest, source@2026-11-22, source@2026-11-22T02:30 or the beginning of an id
    #[arg(value_name = "SNAPSHOT", required = true)]
    pub specs: Vec<String>,
}

/// `request-keep`.
#[derive(Args)]
pub struct RequestKeep {
    #[command(flatten)]
    pub asking: Asking,
    /// Of this source
    #[arg(value_name = "SOURCE", required_unless_present = "copy")]
    pub source: Option<String>,
    /// Of this copy, which keeps less than the vault, instead
    #[arg(long, value_name = "NAME", conflicts_with = "source")]
    pub copy: Option<String>,
    /// So many of the newest ones, as in `keep` of the configuration
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub last: u32,
    /// Of so many days the newest
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub daily: u32,
    /// Of so many weeks the newest
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub weekly: u32,
    /// Of so many months the newest
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub monthly: u32,
    /// Of so many years the newest
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub yearly: u32,
    /// Those of this word (may be repeated)
    #[arg(long, value_name = "WORD")]
    pub tag: Vec<String>,
    /// Whatever is younger than so many days
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub min_days: u32,
}

/// `request-release`.
#[derive(Args)]
pub struct RequestRelease {
    #[command(flatten)]
    pub asking: Asking,
    /// source@latest, source@2026-11-22, source@2026-11-22T02:30 or the beginning of an id
    #[arg(value_name = "SNAPSHOT")]
    pub spec: String,
}

/// `approve`.
#[derive(Args)]
pub struct Approve {
    #[command(flatten)]
    pub access: Access,
    /// The request's id, or the beginning of it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `refuse` and `revoke`.
#[derive(Args)]
pub struct Objecting {
    #[command(flatten)]
    pub access: Access,
    /// The request's id, or the beginning of it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why, for whoever asked and for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// `requests`.
#[derive(Args)]
pub struct Requests {
    #[command(flatten)]
    pub access: Access,
}

/// Reads how long a request is good.
pub fn life(text: &str) -> Result<SignedDuration, String> {
    let wrong = || "write minutes, hours or days: 30m, 8h, 2d".to_owned();
    let minutes = match text.split_at_checked(text.len().saturating_sub(1)) {
        Some((_, "m")) => 1,
        Some((_, "h")) => 60,
        Some((_, "d")) => 24 * 60,
        _ => return Err(wrong()),
    };
    let number: u16 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    match number {
        0 => Err(wrong()),
        number => Ok(SignedDuration::from_mins(minutes * i64::from(number))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_minutes_hours_or_days() {
        assert_eq!(life("30m"), Ok(SignedDuration::from_mins(30)));
        assert_eq!(life("8h"), Ok(SignedDuration::from_hours(8)));
        assert_eq!(life("2d"), Ok(SignedDuration::from_hours(48)));
        for wrong in ["", "h", "8", "0h", "-1h", "8 h", "8w", "1.5h", "八h"] {
            assert!(life(wrong).is_err(), "{wrong}");
        }
    }
}
