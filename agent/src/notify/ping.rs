//! Calls to services that expect them and tell when they stay away (healthchecks.io and its like), so that
//! silence is noticed.

use url::Url;

use crate::event::Task;
use crate::run_id::RunId;

/// What a call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// A run begins.
    Start,
    /// A run has ended with this exit code; 0 is the only good one.
    Exit(u8),
    /// Nothing but that we are here.
    Log,
}

/// The URL of a call: names filled in, the signal behind the path, the run in `rid`.
///
/// # Errors
/// `None` when what is configured is no URL.
pub fn url(
    template: &str,
    branch: &str,
    source: Option<&str>,
    task: Task,
    run: RunId,
    signal: Signal,
) -> Option<Url> {
    let encoded = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .replace("%2D", "-")
    };
    let text = template
        .replace("{branch}", &encoded(branch))
        .replace("{source}", &encoded(source.unwrap_or("agent")))
        .replace("{task}", task.as_str());
    let mut url = Url::parse(&text).ok()?;
    let word = match signal {
        Signal::Start => "start".to_owned(),
        Signal::Exit(code) => code.to_string(),
        Signal::Log => "log".to_owned(),
    };
    url.path_segments_mut().ok()?.pop_if_empty().push(&word);
    url.query_pairs_mut().append_pair("rid", &run.uuid());
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, source: Option<&str>, signal: Signal, expected: &str) {
        let run = "7f3a00123456789abcdef0123456789a".parse().expect("a run");
        let url = url(template, "gz", source, Task::Backup, run, signal).expect("a URL");
        assert_eq!(url.as_str(), expected);
    }

    #[test]
    fn a_call_says_what_happened_behind_the_path() {
        let rid = "rid=7f3a0012-3456-489a-bcde-f0123456789a";
        check(
            "https://hc-ping.com/uuid",
            Some("crm"),
            Signal::Start,
            &format!("https://hc-ping.com/uuid/start?{rid}"),
        );
        check(
            "https://hc-ping.com/key/{task}-{source}?create=1",
            Some("crm"),
            Signal::Exit(0),
            &format!("https://hc-ping.com/key/backup-crm/0?create=1&{rid}"),
        );
        check(
            "https://hc-ping.com/uuid/",
            None,
            Signal::Exit(22),
            &format!("https://hc-ping.com/uuid/22?{rid}"),
        );
    }
}
