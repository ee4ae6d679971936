//! `notify test`: does a message arrive where it should?

use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind, escape, print, print_json};
use serde_json::json;

use crate::notify::{Outcome, Pace, Router};

/// Sends a message marked as a test and prints outcome and code.
///
/// # Errors
/// When the service did not accept it.
pub async fn test(path: &Path, name: &str, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let router = Router::new(&config, Pace::AtOnce);
    let Some(answer) = router.test(name, Timestamp::now()).await else { return Err(unknown(&config, name)) };
    let outcome = answer.outcome.as_str();
    if json {
        print_json(
            "summary",
            &json!({ "notify": name, "outcome": outcome, "code": answer.code, "reason": answer.reason }),
        )?;
    } else {
        print(&format!("{name}: {outcome} ({})\n", escape(&answer.code)))?;
    }
    let hint = match answer.outcome {
        Outcome::Accepted => return Ok(()),
        Outcome::Rejected => "nothing that is sent there will arrive until this is changed",
        Outcome::Retryable(_) => "a real message would be sent again later",
        Outcome::Unknown => "look whether the message has arrived",
    };
    let text = format!("the test message to {name} was not accepted: {}", answer.reason);
    Err(CommandError::new(Kind::Failed, text).hint(hint))
}

fn unknown(config: &Config, name: &str) -> CommandError {
    let names: Vec<_> = config.notify.iter().map(|place| place.name.as_str()).collect();
    let hint = match names[..] {
        [] => "add a table headed [[notify]] with `name`, `type` and what that type needs".to_owned(),
        _ => format!("its places are {}", names.join(", ")),
    };
    CommandError::new(Kind::Usage, format!("the configuration has no [[notify]] called `{name}`")).hint(hint)
}
