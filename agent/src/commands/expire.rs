//! `expire`: removes the manifests of snapshots that no policy keeps. `prune` frees the space.

use std::path::Path;

use lifeboat_config::Config;
use lifeboat_console::{CommandError, Interrupt, Kind, count, counted, escape, print, print_json};
use lifeboat_vault::ExpirePlan;
use lifeboat_vault::format::audit::Deed;
use serde_json::{Value, json};

use super::as_run;
use super::prune::not_removed;
use super::retention::{plan, show};
use crate::cli::Expire;
use crate::copies::OpenCopy;
use crate::host;
use crate::job::Task;
use crate::lease::Claim;
use crate::record;
use crate::seen::Seen;

/// What an interrupted expiry leaves: snapshots are removed one by one, each whole.
const STOPPED: &str = "the expiry: what is removed is removed, and the rest stays";

/// Says what goes, and removes it unless it is a dry run.
pub async fn run(path: &Path, args: &Expire, json: bool) -> Result<(), CommandError> {
    let (config, interrupt) = args.supervision.orders(path, STOPPED)?;
    let (work, supervision) = (expire(&config, args, json, &interrupt), args.supervision);
    // A copy's own lease keeps others out; the history is that of the vault.
    if args.dry_run || args.copy.is_some() {
        return work.await.map(drop);
    }
    as_run(&config, Task::Expire, supervision.run_id(), supervision, work).await
}

async fn expire(
    config: &Config,
    args: &Expire,
    json: bool,
    interrupt: &Interrupt,
) -> Result<Value, CommandError> {
    let key = host::read_key(&config.agent)?;
    let vault = interrupt.or(host::open_vault(config, &key)).await?;
    let copy = interrupt.or(OpenCopy::if_named(config, &vault, &key, args.copy.as_deref())).await?;
    let copy = copy.as_ref();
    if args.dry_run {
        let plan = plan(config, &vault, copy, &args.source, interrupt).await?;
        show(&plan, json)?;
        return held_back(&plan).map(|()| Value::Null);
    }
    let from = copy.map_or(&vault, |copy| &copy.vault);
    let claim = Claim { config, key: &key, purpose: "expiring", alone: args.deleting.alone, json };
    let mut lease = claim.take(from, interrupt).await?;
    let planned = plan(config, &vault, copy, &args.source, interrupt).await;
    let done = match &planned {
        Ok(plan) => {
            let now = lease.time();
            interrupt.or(plan.carry_out(from, &key, &mut lease, now)).await
        }
        Err(_) => Ok(Default::default()),
    };
    let returned = lease.give_back().await;
    if let Ok(plan) = &planned {
        let going = plan.sources.iter().flat_map(|source| source.going());
        let deed = Deed {
            snapshots: going.map(|verdict| verdict.snapshot.id).collect(),
            detail: done
                .as_ref()
                .ok()
                .map(|expired| format!("{} snapshots{}", expired.snapshots, of_copy(args))),
            ..record::ended("expire", done.as_ref().err())
        };
        record::write(&vault, &key, &deed, json).await;
    }
    let (plan, expired) = (planned?, done?);
    returned?;
    Seen::refresh(&config.agent.state, &vault).await;
    let held: Vec<_> = plan.sources.iter().filter(|source| !source.held_back.is_empty()).collect();
    let held: Vec<_> = held.iter().map(|source| source.source.as_str()).collect();
    let summary = json!({ "expired": expired.snapshots, "held_back": held, "damage": plan.damage, "denied": expired.denied.len() });
    if json {
        print_json("summary", &summary)?;
    } else {
        let mut text = String::new();
        for source in &plan.sources {
            let denied = |name: &str| expired.denied.iter().any(|denied| denied.object.ends_with(name));
            let gone = source.going().filter(|verdict| !denied(&verdict.snapshot.id.to_string())).count();
            let stay = count((source.verdicts.len() - gone) as u64, "stays", "stay");
            let gone = counted(gone as u64, "snapshot");
            text.push_str(&format!("{}: {gone} expired, {stay}\n", escape(&source.source)));
        }
        if expired.snapshots > 0 {
            let copy = args.copy.iter().map(|name| format!(" --copy {name}")).collect::<String>();
            text.push_str(&format!("`lifeboat-agent prune{copy}` frees their space\n"));
        }
        print(&text)?;
    }
    held_back(&plan)?;
    not_removed(&expired.denied, expired.snapshots > 0).map(|()| summary)
}

/// Which copy it was done in, if in one.
fn of_copy(args: &Expire) -> String {
    args.copy.iter().map(|name| format!(" of copy {name}")).collect()
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
