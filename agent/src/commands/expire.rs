//! `expire`: removes the manifests of snapshots that no policy keeps. `prune` frees the space.

use std::path::Path;

use lifeboat_config::Config;
use lifeboat_console::{CommandError, Interrupt, Kind, count, counted, escape, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{Expired, RetentionPlan, Verdict};
use serde_json::{Value, json};

use super::prune::not_removed;
use super::retention::{plan, show};
use super::{as_run, first_of};
use crate::agreement::{self, Shortened};
use crate::cli::Expire;
use crate::copies::{self, OpenCopy};
use crate::host;
use crate::job::Task;
use crate::lease::Claim;
use crate::record;
use crate::seen::Seen;
use crate::watch;

mod by_hand;

/// What an interrupted expiry leaves: snapshots are removed one by one, each whole.
const STOPPED: &str = "the expiry: what is removed is removed, and the rest stays";

/// Says what goes, and removes it unless it is a dry run.
pub async fn run(path: &Path, args: &Expire, json: bool) -> Result<(), CommandError> {
    let (config, interrupt) = args.supervision.orders(path, STOPPED)?;
    if !args.snapshot.is_empty() {
        return by_hand::run(&config, args, json, &interrupt).await;
    }
    let job = copies::job(&config, Task::Expire, args.copy.as_deref())?;
    let (work, supervision) = (expire(&config, args, json, &interrupt), args.supervision);
    if args.dry_run {
        return work.await.map(drop);
    }
    as_run(&config, &job, supervision.run_id(), supervision, work).await
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
    let shortened = Shortened { config, vault: &vault, copy: copy.map(|copy| &copy.vault), key: &key, json };
    if args.dry_run {
        let plan = plan(config, &vault, copy, &args.source, interrupt).await?;
        show(&plan, json)?;
        let told = shortened.told(&plan).await;
        return first_of([held_back(&plan.sources), told], json).map(|()| Value::Null);
    }
    watch::look_first(interrupt, &vault, config, &key, json).await?;
    let from = shortened.copy.unwrap_or(&vault);
    let alone = args.deleting.alone || config.deletes_alone(args.copy.as_deref());
    let claim = Claim { config, key: &key, purpose: "expiring", alone, json };
    let agreed = agreement::take_longer(config, &vault, &key, |_| true);
    interrupt.or(agreed).await?;
    let mut lease = claim.take(from, interrupt).await?;
    let planned = async {
        let first = plan(config, &vault, copy, &args.source, interrupt).await?;
        match shortened.settle(&first, &args.deciding, args.reason.as_deref()).await? {
            true => plan(config, &vault, copy, &args.source, interrupt).await,
            false => Ok(first),
        }
    };
    let planned = planned.await;
    let done = match &planned {
        Ok(plan) => {
            let now = lease.time();
            interrupt.or(plan.carry_out(from, &key, &mut lease, now)).await
        }
        Err(_) => Ok(Default::default()),
    };
    let returned = lease.give_back().await.map_err(CommandError::from);
    let plan = match planned {
        Ok(plan) => plan,
        Err(error) => return first_of([Err(error), returned], json).map(|()| Value::Null),
    };
    let agreed = shortened.told(&plan).await;
    let deed = deed(&plan.sources, &done, &agreed, args.copy.as_deref());
    let deed = Deed { reason: args.reason.clone(), ..deed };
    record::write(&vault, &key, &deed, json).await;
    let expired = match done {
        Ok(expired) => expired,
        Err(error) => return first_of([Err(error), returned], json).map(|()| Value::Null),
    };
    Seen::refresh(&config.agent.state, &vault).await;
    let held: Vec<_> = plan.sources.iter().filter(|source| !source.held_back.is_empty()).collect();
    let held: Vec<_> = held.iter().map(|source| source.source.as_str()).collect();
    let shortened = plan.sources.iter().filter(|source| !source.shortened.is_empty());
    let shortened: Vec<_> = shortened.map(|source| source.source.as_str()).collect();
    let summary = json!({ "expired": expired.snapshots, "held_back": held, "kept_as_agreed": shortened, "damage": plan.damage, "denied": expired.denied.len() });
    if json {
        print_json("summary", &summary)?;
    } else {
        let mut text = String::new();
        for source in &plan.sources {
            let gone = source.going().filter(|verdict| is_gone(&expired, verdict)).count();
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
    let [held_back, denied] = judge(&plan.sources, &expired);
    first_of([held_back, denied, agreed, returned], json).map(|()| summary)
}

/// What kept the expiry from doing all of it.
fn judge(sources: &[RetentionPlan], expired: &Expired) -> [Result<(), CommandError>; 2] {
    [held_back(sources), not_removed(&expired.denied, expired.snapshots > 0)]
}

/// The store may deny to remove some.
fn is_gone(expired: &Expired, verdict: &Verdict) -> bool {
    let id = verdict.snapshot.id.to_string();
    !expired.denied.iter().any(|denied| denied.object.ends_with(&id))
}

/// For the record: what is gone, or may be where the expiry did not come to its end.
fn deed(
    sources: &[RetentionPlan],
    done: &Result<Expired, CommandError>,
    agreed: &Result<(), CommandError>,
    copy: Option<&str>,
) -> Deed {
    let expired = done.as_ref().ok();
    let judged = expired.map(|expired| judge(sources, expired));
    let held_up = judged.iter().flatten().chain([agreed]).find_map(|ending| ending.as_ref().err());
    let going = sources.iter().flat_map(RetentionPlan::going);
    let gone = going.filter(|verdict| expired.is_none_or(|expired| is_gone(expired, verdict)));
    let number = expired.map(|expired| counted(expired.snapshots, "snapshot"));
    let ended = record::ended("expire", done.as_ref().err().or(held_up));
    let is_part = held_up.is_some() && expired.is_some_and(|expired| expired.snapshots > 0);
    Deed {
        snapshots: gone.map(|verdict| verdict.snapshot.id).collect(),
        detail: record::detail(copy, number),
        result: if is_part { Kind::result(Some(Kind::Partial)).into() } else { ended.result },
        ..ended
    }
}

/// A source that is held back is not passed over in silence.
fn held_back(sources: &[RetentionPlan]) -> Result<(), CommandError> {
    let held: Vec<_> = sources.iter().filter(|source| !source.held_back.is_empty()).collect();
    if held.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = held.iter().map(|source| source.source.as_str()).collect();
    let error = CommandError::new(Kind::Anomaly, format!("nothing of {} expires", names.join(", ")));
    let reasons = held.iter().flat_map(|source| &source.held_back);
    let error = error.with_hints(reasons);
    Err(error.hint("when it is as it should be: lifeboat-agent accept SNAPSHOT --reason TEXT"))
}

#[cfg(test)]
mod tests {
    use lifeboat_vault::store::NotRemoved;
    use lifeboat_vault::{Candidate, Dating, Error, SnapshotId};

    use super::*;

    const FIRST: SnapshotId = SnapshotId([1; 32]);
    const SECOND: SnapshotId = SnapshotId([2; 32]);

    /// A source whose two snapshots go, and one that is held back.
    fn sources() -> Vec<RetentionPlan> {
        let verdict = |id| Verdict {
            snapshot: Candidate {
                id,
                number: 1,
                claimed: None,
                seen: jiff::Timestamp::UNIX_EPOCH,
                tags: Vec::new(),
                flags: Vec::new(),
                holds: Vec::new(),
            },
            dating: Dating::Straight,
            keep: Vec::new(),
        };
        let verdicts = [SECOND, FIRST].map(verdict).to_vec();
        let crm =
            RetentionPlan { source: "crm".into(), verdicts, held_back: Vec::new(), shortened: Vec::new() };
        let held_back = vec!["table contacts is empty".into()];
        let forms =
            RetentionPlan { source: "forms".into(), verdicts: Vec::new(), held_back, shortened: Vec::new() };
        vec![crm, forms]
    }

    fn denied(id: SnapshotId) -> Vec<NotRemoved> {
        vec![NotRemoved { object: format!("snapshots/{id}"), reason: "an immutability policy".into() }]
    }

    fn check(
        of: &[RetentionPlan],
        done: Result<Expired, CommandError>,
        expected: (&str, &str, &[SnapshotId]),
    ) {
        let deed = deed(of, &done, &Ok(()), Some("barn"));
        let detail = deed.detail.expect("the copy at least");
        assert_eq!((deed.result.as_str(), detail.as_str(), deed.snapshots.as_slice()), expected);
    }

    #[test]
    fn the_record_says_what_an_expiry_did_and_what_it_left() {
        let sources = sources();
        let crm = &sources[..1];
        let both = || Expired { snapshots: 2, denied: Vec::new() };
        let one = || Expired { snapshots: 1, denied: denied(FIRST) };
        check(crm, Ok(both()), ("done", "copy barn: 2 snapshots", &[FIRST, SECOND]));
        check(crm, Ok(one()), ("partial", "copy barn: 1 snapshot", &[SECOND]));
        check(&sources, Ok(both()), ("partial", "copy barn: 2 snapshots", &[FIRST, SECOND]));
        check(&sources[1..], Ok(Expired::default()), ("refused", "copy barn: 0 snapshots", &[]));
        let lost = Error::LeaseLost { reason: "another host has taken it".into() };
        check(crm, Err(lost.into()), ("failed", "copy barn", &[FIRST, SECOND]));
    }
}
