//! `prune`: frees the space of what no snapshot needs. Marks now, removes at a later run.

use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Interrupt, Kind, counted, escape, human_bytes, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::store::NotRemoved;
use lifeboat_vault::{Lease, PruneOptions, PrunePlan, Pruned, SizedPack, Vault};
use serde_json::{Value, json};

use super::{as_run, first_of};
use crate::cli::Prune;
use crate::copies::{self, OpenCopy};
use crate::host;
use crate::job::Task;
use crate::lease::Claim;
use crate::locks;
use crate::record;
use crate::seen::Seen;
use crate::watch;

/// Says what is to be done, and does it unless it is a dry run.
pub async fn run(path: &Path, args: &Prune, json: bool) -> Result<(), CommandError> {
    let stopped = "the prune: what was done is done, and nothing is lost";
    let (config, interrupt) = args.supervision.orders(path, stopped)?;
    if args.dry_run {
        host::make_state(&config.agent)?;
        let key = host::read_key(&config.agent)?;
        let vault = interrupt.or(host::open_vault(&config, &key)).await?;
        let copy = interrupt.or(OpenCopy::if_named(&config, &vault, &key, args.copy.as_deref())).await?;
        let (state, options) = (&config.agent.state, PruneOptions::default());
        let plan = interrupt.or(plan(&vault, copy.as_ref(), state, options, None)).await?;
        show(&plan, None, json)?;
        return ending(&plan, &[]);
    }
    let job = copies::job(&config, Task::Prune, args.copy.as_deref())?;
    let (work, supervision) = (prune(&config, args, json, &interrupt), args.supervision);
    as_run(&config, &job, supervision.run_id(), supervision, work).await
}

async fn prune(
    config: &Config,
    args: &Prune,
    json: bool,
    interrupt: &Interrupt,
) -> Result<Value, CommandError> {
    let key = host::read_key(&config.agent)?;
    let vault = interrupt.or(host::open_vault(config, &key)).await?;
    let copy = interrupt.or(OpenCopy::if_named(config, &vault, &key, args.copy.as_deref())).await?;
    watch::look_first(interrupt, &vault, config, &key, json).await?;
    let from = copy.as_ref().map_or(&vault, |copy| &copy.vault);
    let (state, options) = (&config.agent.state, PruneOptions::default());
    let alone = args.deleting.alone || config.deletes_alone(args.copy.as_deref());
    let claim = Claim { config, key: &key, purpose: "pruning", alone, json };
    let mut lease = claim.take(from, interrupt).await?;
    let work = async {
        let plan = plan(&vault, copy.as_ref(), state, options, Some(&mut lease)).await?;
        let pruned = match plan.held_back.is_empty() {
            true => plan.carry_out(&key, &mut lease).await?,
            false => Pruned::default(),
        };
        Ok::<_, lifeboat_vault::Error>((plan, pruned))
    };
    let done = interrupt.or(work).await;
    let returned = lease.give_back().await.map_err(CommandError::from);
    let judged = done.as_ref().ok().map(|(plan, pruned)| judge(plan, pruned));
    let held_up = || judged.iter().flatten().find_map(|ending| ending.as_ref().err());
    let amounts = done.as_ref().ok().map(|(_, pruned)| {
        format!("{} freed, {} marked", human_bytes(pruned.freed_bytes), human_bytes(pruned.marked_bytes))
    });
    let deed = Deed {
        detail: record::detail(args.copy.as_deref(), amounts),
        ..record::ended("prune", done.as_ref().err().or_else(held_up))
    };
    record::write(&vault, &key, &deed, json).await;
    let (plan, pruned) = match done {
        Ok(done) => done,
        Err(error) => return first_of([Err(error), returned], json).map(|()| Value::Null),
    };
    let locked = match &copy {
        None => interrupt.or(locks::extend(config, &vault)).await,
        Some(copy) => interrupt.or(locks::extend_copy(copy, &vault)).await,
    };
    Seen::refresh(state, &vault).await;
    show(&plan, Some(&pruned), json)?;
    let endings = judged.into_iter().flatten().chain([returned, locked.map(drop)]);
    first_of(endings, json).map(|()| summary(&plan, Some(&pruned)))
}

/// Plans for the vault, or for one of its copies.
async fn plan(
    vault: &Vault,
    copy: Option<&OpenCopy<'_>>,
    state: &Path,
    options: PruneOptions,
    lease: Option<&mut Lease>,
) -> lifeboat_vault::Result<PrunePlan> {
    match copy {
        None => PrunePlan::make(vault, state, options, lease).await,
        Some(copy) => copy.prune_plan(vault, options, lease).await,
    }
}

fn summary(plan: &PrunePlan, pruned: Option<&Pruned>) -> Value {
    json!({
        "snapshots": plan.snapshots,
        "packs": plan.packs,
        "bytes": plan.bytes,
        "going": sum(&plan.going),
        "waiting": sum(&plan.waiting),
        "locked": locked_bytes(plan),
        "dead": sum(&plan.dead),
        "mostly_dead": plan.mostly_dead.iter().map(|pack| pack.bytes).sum::<u64>(),
        "young": sum(&plan.young),
        "in_vault": sum(&plan.in_vault),
        "next": plan.next,
        "freed_bytes": pruned.map(|pruned| pruned.freed_bytes),
        "marked_bytes": pruned.map(|pruned| pruned.marked_bytes),
        "denied": pruned.map(|pruned| pruned.denied.len()),
        "moved_bytes": pruned.map(|pruned| pruned.moved_bytes),
        "held_back": plan.held_back,
        "damage": plan.damage.iter().chain(pruned.iter().flat_map(|pruned| &pruned.damage)).collect::<Vec<_>>(),
    })
}

fn show(plan: &PrunePlan, pruned: Option<&Pruned>, json: bool) -> Result<(), CommandError> {
    if json {
        return Ok(print_json("summary", &summary(plan, pruned))?);
    }
    let mut text = format!(
        "{} in {}, needed by {}\n",
        human_bytes(plan.bytes),
        packs(plan.packs),
        counted(plan.snapshots as u64, "snapshot")
    );
    if plan.held_back.is_empty() {
        text.push_str(&match pruned {
            None => planned(plan),
            Some(pruned) => done(plan, pruned),
        });
    }
    text.extend(plan.damage.iter().map(|damage| format!("damaged: {}\n", escape(damage))));
    Ok(print(&text)?)
}

fn locked_bytes(plan: &PrunePlan) -> u64 {
    plan.locked.iter().map(|pack| pack.bytes).sum()
}

fn planned(plan: &PrunePlan) -> String {
    let live: u64 = plan.mostly_dead.iter().map(|pack| pack.live_bytes).sum();
    let mostly_dead: u64 = plan.mostly_dead.iter().map(|pack| pack.bytes).sum();
    lines(&[
        (
            plan.going.len() as u64,
            sum(&plan.going),
            if plan.keeps_versions() { WOULD_HIDE } else { "would be freed" },
        ),
        (plan.dead.len() as u64, sum(&plan.dead), "would be marked: nothing in it is needed"),
        (plan.mostly_dead.len() as u64, mostly_dead, &moved(live, "would be marked once")),
    ]) + &waited_for(plan)
}

fn done(plan: &PrunePlan, pruned: &Pruned) -> String {
    let told = "marked: a prune a day from now frees it";
    let mut text = lines(&[
        (pruned.packs, pruned.freed_bytes, if plan.keeps_versions() { HIDDEN } else { "freed" }),
        (pruned.marked_packs, pruned.marked_bytes, told),
    ]);
    if pruned.moved_bytes > 0 {
        let from = packs(plan.mostly_dead.len() as u64);
        text.push_str(&format!("{} moved out of {from} mostly dead\n", human_bytes(pruned.moved_bytes)));
    }
    text + &waited_for(plan)
}

fn moved(live: u64, when: &str) -> String {
    format!("{when} the {} that is needed of it is moved", human_bytes(live))
}

/// Of a bucket that keeps versions.
const WOULD_HIDE: &str = "would be deleted: the bucket's lifecycle rule frees old versions";
const HIDDEN: &str = "deleted: the bucket's lifecycle rule frees old versions";

fn waited_for(plan: &PrunePlan) -> String {
    let time = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let from = plan.next.map(time).unwrap_or_default();
    let ends = plan.locked.iter().map(|pack| pack.until);
    let (first, last) = (ends.clone().min().map(time), ends.max().map(time));
    let locked = match (first.unwrap_or_default(), last.unwrap_or_default()) {
        (first, last) if first == last => format!("not needed, and locked until {last}"),
        (first, last) => format!("not needed, and locked: the first until {first}, the last until {last}"),
    };
    let mut text = lines(&[
        (plan.waiting.len() as u64, sum(&plan.waiting), &format!("marked before, freed from {from} on")),
        (plan.locked.len() as u64, locked_bytes(plan), &locked),
        (plan.young.len() as u64, sum(&plan.young), "in no snapshot, and left alone for a week"),
        (plan.in_vault.len() as u64, sum(&plan.in_vault), "in no snapshot here, and in the vault still"),
    ]);
    if !plan.revived.is_empty() {
        text.push_str(&format!("{} marked and needed again: kept\n", packs(plan.revived.len() as u64)));
    }
    text
}

/// One line for each that is anything.
fn lines(of: &[(u64, u64, &str)]) -> String {
    let there = of.iter().filter(|(number, ..)| *number > 0);
    there
        .map(|(number, bytes, what)| format!("{} in {} {what}\n", human_bytes(*bytes), packs(*number)))
        .collect()
}

fn packs(number: u64) -> String {
    counted(number, "pack")
}

fn sum(packs: &[SizedPack]) -> u64 {
    packs.iter().map(|pack| pack.bytes).sum()
}

/// What the store would not let go is tried again by the next run; who waits for the space must know.
pub fn not_removed(denied: &[NotRemoved], something_done: bool) -> Result<(), CommandError> {
    let Some(NotRemoved { object, reason }) = denied.first() else { return Ok(()) };
    let objects = counted(denied.len() as u64, "object");
    let kind = if something_done { Kind::Partial } else { Kind::Failed };
    Err(CommandError::new(kind, format!("{object}: {reason}"))
        .context(format!("the store denied to remove {objects}, and the next run tries again"))
        .hint("run this where the credential that may delete is; is an immutability policy or a legal hold on them?"))
}

/// What kept the prune from doing all of it.
fn judge(plan: &PrunePlan, pruned: &Pruned) -> [Result<(), CommandError>; 2] {
    [ending(plan, &pruned.damage), not_removed(&pruned.denied, pruned.packs + pruned.marked_packs > 0)]
}

fn ending(plan: &PrunePlan, damage: &[String]) -> Result<(), CommandError> {
    if let Some(first) = plan.held_back.first() {
        let error = CommandError::new(Kind::Damage, first.clone()).context("nothing is freed");
        return Err(error.hint(
            "`lifeboat-restore verify` says what is damaged; a copy of the object, put back, heals it",
        ));
    }
    match damage {
        [] => Ok(()),
        [first, ..] => {
            Err(CommandError::new(Kind::Partial, first.clone()).context("some packs were left alone"))
        }
    }
}
