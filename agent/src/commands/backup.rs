//! `backup`: one source after the other; one that fails does not stop the next.

use std::path::Path;

use lifeboat_config::{Config, Source};
use lifeboat_console::{CommandError, Kind, Progress};
use lifeboat_vault::{AgentKey, Vault};

use crate::backup::{Run, Summary};
use crate::cli::Backup;
use crate::explain::explain;
use crate::host;
use crate::interrupt::Interrupt;

/// Backs up the named sources, or all of them.
pub async fn run(path: &Path, args: &Backup, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let sources = host::choose(&config, &args.source)?;
    let interrupt = Interrupt::listen()?;
    let key = host::read_key(&config.agent)?;
    let vault = interrupt.or(host::open_vault(&config, &key)).await?;
    let (tags, interrupt) = (&args.tag, &interrupt);
    let night = Night { config: &config, key: &key, vault: &vault, tags, interrupt, json };
    if let [source] = sources[..] {
        return night.back_up(source).await;
    }
    night.back_up_all(&sources).await
}

/// A snapshot that nobody can open is not a good one, however whole it is.
fn openable(summary: &Summary) -> Result<(), CommandError> {
    if summary.lost_keys.is_empty() {
        return Ok(());
    }
    let text = format!(
        "the snapshot of {} is in the vault, but keys to open it are lost: {}",
        summary.source,
        summary.lost_keys.join("; ")
    );
    Err(CommandError::new(Kind::Damage, text)
        .hint("put these objects of keys/ back from a copy of the vault or the recovery medium, then run `lifeboat-agent check`"))
}

/// What all sources of one call share.
struct Night<'a> {
    config: &'a Config,
    key: &'a AgentKey,
    vault: &'a Vault,
    tags: &'a [String],
    interrupt: &'a Interrupt,
    json: bool,
}

impl Night<'_> {
    async fn back_up_all(&self, sources: &[&Source]) -> Result<(), CommandError> {
        let mut failed = Vec::new();
        for source in sources {
            self.interrupt.check()?;
            let Err(error) = self.back_up(source).await else { continue };
            if error.kind() == Kind::Interrupted {
                return Err(error);
            }
            error.classify(explain).report(self.json);
            failed.push(source.name.as_str());
        }
        if failed.is_empty() {
            return Ok(());
        }
        let kind = if failed.len() == sources.len() { Kind::Failed } else { Kind::Partial };
        let text = format!("{} of {} sources failed: {}", failed.len(), sources.len(), failed.join(", "));
        let hint = failed.iter().map(|name| format!(" --source {name}")).collect::<String>();
        Err(CommandError::new(kind, text)
            .hint(format!("when the cause above is gone: lifeboat-agent backup{hint}")))
    }

    async fn back_up(&self, source: &Source) -> Result<(), CommandError> {
        let progress = Progress::new(self.json);
        let run = Run {
            source,
            agent: &self.config.agent,
            key: self.key,
            vault: self.vault,
            tags: self.tags,
            interrupt: self.interrupt,
            progress: &progress,
        };
        let summary = run.take().await.map_err(|error| match error.kind() {
            Kind::Interrupted => error,
            _ => error.context(format!("source {} failed", source.name)),
        })?;
        progress.summary(&summary)?;
        if !self.json {
            lifeboat_console::print(&summary.to_string())?;
        }
        openable(&summary)
    }
}
