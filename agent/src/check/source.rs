//! A source: what its connector finds.

use lifeboat_config::Source;
use lifeboat_console::CommandError;

use super::Findings;
use crate::host;

/// Connects and looks; changes nothing on the source.
pub async fn all(source: &Source, findings: &mut Findings) {
    let name = Some(source.name.as_str());
    match look(source).await {
        Ok(found) => found.into_iter().for_each(|finding| findings.add(name, finding)),
        Err(error) => findings.error(name, "connection", error),
    }
}

async fn look(source: &Source) -> Result<Vec<lifeboat_connectors::Finding>, CommandError> {
    Ok(host::open_source(source)?.check().await?)
}
