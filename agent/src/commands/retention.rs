//! `retention preview`: which snapshots stay and why, and which go. Changes nothing.

use std::path::Path;

use lifeboat_config::Config;
use lifeboat_console::{CommandError, Interrupt, Kind, escape, print, print_json};
use lifeboat_vault::{ExpirePlan, Vault};
use serde_json::json;

use crate::copies::OpenCopy;
use crate::host;
use crate::retention::{keep_of, lines, told};

/// Prints the plan.
pub async fn preview(path: &Path, sources: &[String], json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let interrupt = Interrupt::listen("the preview: nothing was changed", None)?;
    let key = host::read_key(&config.agent)?;
    let vault = interrupt.or(host::open_vault(&config, &key)).await?;
    let plan = plan(&config, &vault, None, sources, &interrupt).await?;
    show(&plan, json)
}

/// Plans for these sources of the vault, or of one of its copies, or for all. The time is the store's: this machine's clock may be
/// wrong, and whatever is deleted is deleted for good.
pub async fn plan(
    config: &Config,
    vault: &Vault,
    copy: Option<&OpenCopy<'_>>,
    sources: &[String],
    interrupt: &Interrupt,
) -> Result<ExpirePlan, CommandError> {
    let store = copy.map_or(vault, |copy| &copy.vault).store();
    let now = interrupt.or(store.time()).await?;
    let zone = config.agent.zone();
    let mut plan = match copy {
        Some(copy) => interrupt.or(copy.expire_plan(vault, now)).await?,
        None => {
            let keep = |source: &str| keep_of(config, source);
            interrupt.or(ExpirePlan::make(vault, keep, &zone, now)).await?
        }
    };
    let known = |name: &&String| plan.sources.iter().all(|source| source.source != **name);
    if let Some(unknown) = sources.iter().find(known) {
        let there: Vec<_> = plan.sources.iter().map(|source| source.source.as_str()).collect();
        let text = format!("the vault has no snapshot of `{unknown}`");
        return Err(
            CommandError::new(Kind::Usage, text).hint(format!("its sources are {}", there.join(", ")))
        );
    }
    plan.retain(|source| sources.is_empty() || sources.iter().any(|name| name == source));
    Ok(plan)
}

/// Prints a plan, and under `--json` a summary of it.
pub fn show(plan: &ExpirePlan, json: bool) -> Result<(), CommandError> {
    if json {
        for line in plan.sources.iter().flat_map(lines) {
            print_json("snapshot", &line)?;
        }
        let all: usize = plan.sources.iter().map(|source| source.verdicts.len()).sum();
        let held: Vec<_> = plan.sources.iter().filter(|source| !source.held_back.is_empty()).collect();
        let held = held.iter().map(|source| (source.source.clone(), json!(source.held_back)));
        let summary = json!({
            "snapshots": all,
            "going": plan.going().len(),
            "held_back": held.collect::<serde_json::Map<_, _>>(),
            "damage": plan.damage,
        });
        return Ok(print_json("summary", &summary)?);
    }
    let mut text: Vec<_> = plan.sources.iter().map(told).collect();
    if text.is_empty() {
        text.push("no snapshot in this vault can be listed\n".into());
    }
    let damage = plan.damage.iter().map(|damage| format!("damaged: {}\n", escape(damage)));
    Ok(print(&format!("{}{}", text.join("\n"), damage.collect::<String>()))?)
}
