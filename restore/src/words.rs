//! How this program says numbers, times and places.

use std::time::Duration;

use jiff::Timestamp;
use lifeboat_console::count;
pub use lifeboat_console::counted;
use lifeboat_vault::Grade;
use url::Url;

/// What a signal stops before anything was written.
pub const UNCHANGED: &str = "the command: nothing was changed";

/// `1 entry`, `12 entries`.
pub fn entries(number: u64) -> String {
    count(number, "entry", "entries")
}

/// Where rows go, for the record: without account, password and options.
pub fn place(url: &Url) -> String {
    let mut url = url.clone();
    // They fail for URLs that have none of these.
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.to_string()
}

/// A stored time for a listing: `2026-11-23 03:00:00`; what is no time is shown as it is.
pub fn time(stored: &str) -> String {
    match stored.parse::<Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => stored.to_owned(),
    }
}

/// `high, medium`.
pub fn listed(grades: &[Grade]) -> String {
    grades.iter().map(|grade| grade.as_str()).collect::<Vec<_>>().join(", ")
}

/// Seconds to the millisecond.
pub fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A URL without its password.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // It fails for URLs that cannot have a password.
    let _ = url.set_password(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let url = Url::parse("postgres://wang:secret@db/crm").expect("a URL");
        assert_eq!(shown(&url), "postgres://wang@db/crm");
        let file = Url::parse("sqlite:///srv/crm.db").expect("a URL");
        assert_eq!(shown(&file), "sqlite:///srv/crm.db");
    }

    #[test]
    fn a_stored_time_is_shown_to_the_second() {
        assert_eq!(time("2026-11-23T03:00:00.123Z"), "2026-11-23 03:00:00");
        assert_eq!(time("yesterday"), "yesterday");
    }
}
