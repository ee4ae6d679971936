//! `expire`: removes the manifests of snapshots that no policy keeps. `prune` frees the space.

use std::path::Path;

use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind, escape, print, print_json};
use lifeboat_vault::{ExpirePlan, Lease};
use serde_json::json;

use super::count;
use super::retention::{plan, show};
use crate::cli::Expire;
use crate::host;
use crate::interrupt::Interrupt;

/// Says what goes, and removes it unless it is a dry run.
pub async fn run(path: &Path, args: &Expire, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let interrupt = Interrupt::listen()?;
    let key = host::read_key(&config.agent)?;
    let vault = interrupt.or(host::open_vault(&config, &key)).await?;
    if args.dry_run {
        let plan = plan(&config, &vault, &args.source, &interrupt).await?;
        show(&plan, json)?;
        return held_back(&plan);
    }
    let mut lease = interrupt.or(Lease::take(&vault, &key, "expiring", args.deleting.alone)).await?;
    let planned = plan(&config, &vault, &args.source, &interrupt).await;
    let done = match &planned {
        Ok(plan) => {
            let now = lease.time();
            interrupt.or(plan.carry_out(&vault, &key, &mut lease, now)).await
        }
        Err(_) => Ok(Default::default()),
    };
    let returned = lease.give_back().await;
    let (plan, expired) = (planned?, done?);
    returned?;
    if json {
        let held: Vec<_> = plan.sources.iter().filter(|source| !source.held_back.is_empty()).collect();
        let held: Vec<_> = held.iter().map(|source| source.source.as_str()).collect();
        let summary = json!({ "expired": expired.snapshots, "held_back": held, "damage": plan.damage });
        print_json("summary", &summary)?;
    } else {
        let mut text = String::new();
        for source in &plan.sources {
            let gone = source.going().count();
            let stay = count(source.verdicts.len() - gone, "stays", "stay");
            let gone = count(gone, "snapshot", "snapshots");
            text.push_str(&format!("{}: {gone} expired, {stay}\n", escape(&source.source)));
        }
        if expired.snapshots > 0 {
            text.push_str("`lifeboat-agent prune` frees their space\n");
        }
        print(&text)?;
    }
    held_back(&plan)
}

/// A source that is held back is not passed over in silence.
fn held_back(plan: &ExpirePlan) -> Result<(), CommandError> {
    let held: Vec<_> = plan.sources.iter().filter(|source| !source.held_back.is_empty()).collect();
    if held.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = held.iter().map(|source| source.source.as_str()).collect();
    let error = CommandError::new(Kind::Anomaly, format!("nothing of {} expires", names.join(", ")));
    let reasons = held.iter().flat_map(|source| &source.held_back);
    let error = error.with_hints(reasons);
    Err(error.hint("when it is as it should be: lifeboat-agent accept SNAPSHOT --reason TEXT"))
}
