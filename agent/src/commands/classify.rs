//! `classify`: looks at a sample of a source and proposes its grades, for a person to review.

use std::path::Path;

use lifeboat_config::Config;
use lifeboat_connectors::CaptureOptions;
use lifeboat_console::{CommandError, Progress, print};
use serde_json::json;

use crate::{classify, host};

/// Small slices: a table is sampled from a few of them.
const SLICE_BYTES: u64 = 1 << 20;

/// Prints `[source.grades]` as TOML.
pub async fn run(path: &Path, source: &str, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let names = [source.to_owned()];
    let source = host::choose(&config, &names)?.remove(0);
    let progress = Progress::new(json);
    progress.phase("looking at a sample");
    let options = CaptureOptions { readers: 1, slice_bytes: SLICE_BYTES, ..CaptureOptions::default() };
    let capture = host::open_source(source)?.capture(&options).await?;
    let proposed = classify::propose(&*capture, &source.name).await?;
    if json {
        return Ok(progress.summary(&json!({ "source": source.name, "toml": proposed }))?);
    }
    progress.finish();
    Ok(print(&proposed)?)
}
