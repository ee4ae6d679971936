//! `notify test`: does a message arrive where it should?

use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind, Progress, chain, escape, print, print_json};
use lifeboat_vault::format::audit::{Deed, Told};
use serde_json::json;

use crate::host;
use crate::notify::{Outcome, Pace, Router};
use crate::record;

/// Sends a message marked as a test and prints outcome and code.
///
/// # Errors
/// When the service did not accept it.
pub async fn test(path: &Path, name: &str, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let router = Router::new(&config, Pace::AtOnce);
    let Some(answer) = router.test(name, Timestamp::now()).await else { return Err(unknown(&config, name)) };
    let outcome = answer.outcome.as_str();
    let now = Timestamp::now();
    if json {
        print_json(
            "summary",
            &json!({ "notify": name, "outcome": outcome, "code": answer.code, "reason": answer.reason }),
        )?;
    } else {
        print(&format!("{name}: {outcome} ({})\n", escape(&answer.code)))?;
    }
    let accepted = (answer.outcome == Outcome::Accepted).then(|| now.to_string());
    note(&config, name, accepted, json).await;
    let hint = match answer.outcome {
        Outcome::Accepted => return Ok(()),
        Outcome::Rejected => "nothing that is sent there will arrive until this is changed",
        Outcome::Retryable(_) => "a real message would be sent again later",
        Outcome::Unknown => "look whether the message has arrived",
    };
    let text = format!("the test message to {name} was not accepted: {}", answer.reason);
    Err(CommandError::new(Kind::Failed, text).hint(hint))
}

/// Puts on the record that it was tried, where this host has a vault. A place that works is none the worse for a
/// vault that cannot be reached.
async fn note(config: &Config, name: &str, accepted: Option<String>, json: bool) {
    let Some(place) = config.notify.iter().find(|place| place.name == name) else { return };
    let Ok(key) = host::read_key(&config.agent) else { return };
    let result = if accepted.is_some() { "done" } else { "failed" };
    let told = Told { kind: place.channel.kind().to_owned(), accepted };
    let deed = Deed {
        what: "notify".into(),
        result: result.into(),
        told: [(name.to_owned(), told)].into(),
        detail: Some(name.to_owned()),
        ..Deed::default()
    };
    match host::open_vault(config, &key).await {
        Ok(vault) => record::write(&vault, &key, &deed, json).await,
        Err(error) => {
            let why = chain(error.error());
            Progress::new(json).warn(&format!("that it was tried is in no record: {why}"));
        }
    }
}

fn unknown(config: &Config, name: &str) -> CommandError {
    let names: Vec<_> = config.notify.iter().map(|place| place.name.as_str()).collect();
    let hint = match names[..] {
        [] => "add a table headed [[notify]] with `name`, `type` and what that type needs".to_owned(),
        _ => format!("its places are {}", names.join(", ")),
    };
    CommandError::new(Kind::Usage, format!("the configuration has no [[notify]] called `{name}`")).hint(hint)
}
