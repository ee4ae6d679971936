//! Writing without tearing: lines on stdout and stderr, and the progress bars that may stand there.
//!
//! `println!` panics when a reader such as `head` has gone; these functions answer with the error.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;
use serde_json::{Map, Value};

/// The bars that are on the terminal now. Whoever writes a line takes them off for that moment; a log
/// line comes from a place that cannot be handed the reporter, so this is shared by the process.
static BARS: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Writes a result to stdout, as it is: text from a database goes through [`crate::escape`] before.
///
/// # Errors
/// What the system says, such as a broken pipe.
pub fn print(text: &str) -> io::Result<()> {
    above_bars(|| {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    })
}

/// Writes `value` to stdout as one JSON line whose first field is `"type":kind`.
///
/// # Errors
/// What the system says, and `InvalidData` for a value that has no form in JSON.
pub fn print_json(kind: &str, value: &impl Serialize) -> io::Result<()> {
    print(&json_line(kind, value)?)
}

/// One JSON object on one line with its line end; what is not an object becomes the field `value`.
pub(crate) fn json_line(kind: &str, value: &impl Serialize) -> io::Result<String> {
    let mut object = Map::from_iter([("type".to_owned(), Value::from(kind))]);
    match serde_json::to_value(value)? {
        Value::Object(fields) => object.extend(fields),
        other => object.extend([("value".to_owned(), other)]),
    }
    Ok(format!("{}\n", Value::Object(object)))
}

/// Writes to stderr. When even that is gone there is nobody left to tell.
pub(crate) fn print_err(text: &str) {
    above_bars(|| {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    });
}

/// Says which bars are on the terminal from now on.
pub(crate) fn set_bars(bars: Option<MultiProgress>) {
    *BARS.lock().unwrap_or_else(PoisonError::into_inner) = bars;
}

/// Takes the bars off the terminal for good, whoever still holds them: a program that reports an error
/// leaves none behind.
pub(crate) fn end_bars() {
    let bars = BARS.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(bars) = bars {
        let _ = bars.clear();
        bars.set_draw_target(ProgressDrawTarget::hidden());
    }
}

/// Runs `write` while the bars are off the terminal.
pub(crate) fn above_bars<R>(write: impl FnOnce() -> R) -> R {
    let bars = BARS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bars {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: Value, expected: &str) {
        assert_eq!(json_line("summary", &value).expect("JSON"), expected);
    }

    #[test]
    fn the_type_comes_first_and_the_order_is_kept() {
        check(json!({"source": "crm", "rows": 3}), "{\"type\":\"summary\",\"source\":\"crm\",\"rows\":3}\n");
        check(json!([1, 2]), "{\"type\":\"summary\",\"value\":[1,2]}\n");
        check(json!({"name": "a\nb"}), "{\"type\":\"summary\",\"name\":\"a\\nb\"}\n");
    }
}
