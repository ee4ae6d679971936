//! Logs for whoever looks for the cause, on stderr, apart from what an operator is told.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::output::print_err;
use crate::{CommandError, Kind, LogFormat, OutputArgs};

/// The variable that chooses what is logged, in the words of `RUST_LOG`: `debug`,
/// `lifeboat_vault=trace,warn`.
const VARIABLE: &str = "LIFEBOAT_LOG";

/// Starts logging to stderr, as text or as JSON lines.
///
/// The variable `LIFEBOAT_LOG` takes precedence over the `-v` flags. A line carries the spans that it was
/// written in, of which the run and its id is one. Call it once.
///
/// # Errors
/// [`Kind::Usage`] when `LIFEBOAT_LOG` is not understood, [`Kind::Failed`] when logging was started before.
pub fn init_logging(output: &OutputArgs) -> Result<(), CommandError> {
    let variable = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let filter = match variable {
        Some(text) => EnvFilter::try_new(text).map_err(|error| {
            CommandError::new(Kind::Usage, error).context(format!("{VARIABLE} is not understood")).hint(
                format!(
                    "write a level such as `{VARIABLE}=debug`, or `{VARIABLE}=lifeboat_vault=debug,warn`"
                ),
            )
        })?,
        None => EnvFilter::new(directives(output.verbose)),
    };
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Stderr).with_ansi(colours);
    let started = match output.log_format() {
        LogFormat::Json => builder.json().with_current_span(true).with_span_list(false).try_init(),
        LogFormat::Text => builder.try_init(),
    };
    started.map_err(|error| CommandError::new(Kind::Failed, error).context("logging cannot be started"))
}

/// `lifeboat` stands for all our crates: the filter compares the beginnings of their names.
fn directives(verbose: u8) -> &'static str {
    match verbose {
        0 => "warn",
        1 => "warn,lifeboat=info",
        2 => "warn,lifeboat=debug",
        _ => "debug,lifeboat=trace",
    }
}

/// Writes each event at once, above the bars.
struct Stderr;

struct Event(Vec<u8>);

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Event;

    fn make_writer(&'a self) -> Event {
        Event(Vec::new())
    }
}

impl Write for Event {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        print_err(&String::from_utf8_lossy(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic before").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn check(verbose: u8, expected: &str) {
        let shared = Shared::default();
        let writer = shared.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(directives(verbose)))
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "sqlx", "w");
            tracing::info!(target: "sqlx", "i");
            tracing::info!(target: "lifeboat_vault::pack", "i");
            tracing::debug!(target: "lifeboat_agent", "d");
        });
        let text = String::from_utf8(shared.0.lock().expect("no panic before").clone()).expect("UTF-8");
        assert_eq!(text, expected, "-v {verbose} times");
    }

    #[test]
    fn more_v_log_more_of_ours_first() {
        check(0, " WARN sqlx: w\n");
        check(1, " WARN sqlx: w\n INFO lifeboat_vault::pack: i\n");
        check(2, " WARN sqlx: w\n INFO lifeboat_vault::pack: i\nDEBUG lifeboat_agent: d\n");
        check(3, " WARN sqlx: w\n INFO sqlx: i\n INFO lifeboat_vault::pack: i\nDEBUG lifeboat_agent: d\n");
    }
}
