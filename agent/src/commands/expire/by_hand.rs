//! `expire --snapshot`: removes what people have named, whatever any policy keeps. Two people decide it.

use std::collections::BTreeSet;

use lifeboat_config::Config;
use lifeboat_console::{CommandError, Interrupt, Kind, escape, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{
    ExpirePlan, Expired, RetentionPlan, Selector, Snapshot, Verdict, expire_in_words, list_snapshots, plan_id,
};
use serde_json::json;

use super::{is_gone, not_removed};
use crate::cli::Expire;
use crate::commands::first_of;
use crate::copies::OpenCopy;
use crate::decision::{Question, place};
use crate::host;
use crate::lease::Claim;
use crate::record;
use crate::seen::Seen;

/// Asks who decided it, and removes them.
pub async fn run(
    config: &Config,
    args: &Expire,
    json: bool,
    interrupt: &Interrupt,
) -> Result<(), CommandError> {
    let key = host::read_key(&config.agent)?;
    let vault = interrupt.or(host::open_vault(config, &key)).await?;
    let copy = interrupt.or(OpenCopy::if_named(config, &vault, &key, args.copy.as_deref())).await?;
    let from = copy.as_ref().map_or(&vault, |copy| &copy.vault);
    let of = copy.is_some().then_some(&vault);
    let (snapshots, _) = interrupt.or(list_snapshots(from)).await?;
    let named = choose(&args.snapshot, &snapshots)?;
    let ids: Vec<_> = named.iter().map(|snapshot| snapshot.id).collect();
    let words = expire_in_words(&named);
    let sources: BTreeSet<_> = named.iter().map(|snapshot| snapshot.manifest.source.as_str()).collect();
    let deed = Deed {
        what: "expire".into(),
        source: Some(sources.into_iter().collect::<Vec<_>>().join(", ")),
        snapshots: ids.clone(),
        reason: args.reason.clone(),
        ..Deed::default()
    };
    let now = interrupt.or(from.store().time()).await?;
    if args.dry_run {
        let plan = interrupt.or(ExpirePlan::by_hand(from, of, &ids, "", now)).await?;
        super::show(&plan, json)?;
        return all_go(&plan);
    }
    let shorts: String = ids.iter().map(|id| format!(" {}", id.short())).collect();
    let ask = format!("lifeboat-restore request-expire{shorts} --reason TEXT {}", place(&vault));
    let question =
        Question { config, vault: &vault, key: &key, kind: Wish::Expire, plan: &words, deed: &deed, ask };
    let decided = question.decide(&args.deciding, json).await?;
    let why = format!("removed by hand: {}", decided.in_words());
    let alone = args.deleting.alone || config.deletes_alone(args.copy.as_deref());
    let claim = Claim { config, key: &key, purpose: "expiring", alone, json };
    let mut lease = claim.take(from, interrupt).await?;
    let done = async {
        let now = lease.time();
        let plan = ExpirePlan::by_hand(from, of, &ids, &why, now).await?;
        all_go(&plan)?;
        let expired = plan.carry_out(from, &key, &mut lease, now).await?;
        Ok::<_, CommandError>((plan, expired))
    };
    let done = interrupt.or(done).await;
    let returned = lease.give_back().await.map_err(CommandError::from);
    let ended = record::ended("expire", done.as_ref().err());
    let detail = record::detail(args.copy.as_deref(), Some(format!("by hand: {}", decided.in_words())));
    let plan = Some(plan_id(&words));
    let deed = Deed { plan, detail, result: ended.result, kind: ended.kind, ..deed.clone() };
    record::write(&vault, &key, &deed, json).await;
    Seen::refresh(&config.agent.state, &vault).await;
    let (plan, expired) = match done {
        Ok(done) => done,
        Err(error) => return first_of([Err(error), returned], json),
    };
    tell(&plan, &expired, args.copy.as_deref(), json)?;
    first_of([not_removed(&expired.denied, expired.snapshots > 0), returned], json)
}

fn choose<'a>(named: &[String], snapshots: &'a [Snapshot]) -> Result<Vec<&'a Snapshot>, CommandError> {
    let find = |spec: &String| -> Result<&'a Snapshot, CommandError> {
        Ok(spec.parse::<Selector>()?.find(snapshots)?)
    };
    named.iter().map(find).collect()
}

/// What two people decided is done as a whole or not at all.
fn all_go(plan: &ExpirePlan) -> Result<(), CommandError> {
    let verdicts = plan.sources.iter().flat_map(|source| &source.verdicts);
    let staying: Vec<_> = verdicts.filter(|verdict| !verdict.goes()).collect();
    if staying.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = staying.iter().map(|verdict| verdict.snapshot.id.short()).collect();
    let error =
        CommandError::new(Kind::Failed, format!("nothing is removed: {} must stay", names.join(", ")));
    let why = staying.iter().flat_map(|verdict| &verdict.keep).map(ToString::to_string);
    Err(error.with_hints(why.collect::<BTreeSet<_>>()))
}

fn tell(plan: &ExpirePlan, expired: &Expired, copy: Option<&str>, json: bool) -> Result<(), CommandError> {
    if json {
        let summary = json!({ "expired": expired.snapshots, "denied": expired.denied.len() });
        return Ok(print_json("summary", &summary)?);
    }
    let gone = plan.sources.iter().flat_map(RetentionPlan::going).filter(|verdict| is_gone(expired, verdict));
    let shown = |verdict: &Verdict| format!("{} is removed\n", verdict.snapshot.id.short());
    let mut text: String = gone.map(shown).collect();
    if expired.snapshots > 0 {
        let copy = copy.map(|name| format!(" --copy {}", escape(name))).unwrap_or_default();
        text.push_str(&format!("`lifeboat-agent prune{copy}` frees their space\n"));
    }
    Ok(print(&text)?)
}
