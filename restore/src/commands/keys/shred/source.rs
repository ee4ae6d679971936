//! `keys shred --source`: what others need is sealed anew, and every older key of rows is destroyed.

use std::path::Path;

use jiff::Timestamp;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, escape, human_bytes, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{SourceGone, SourceIn, SourcePlan, SourceShredded};
use serde_json::json;

use super::super::change::{epochs, incomplete, needs_the_root, store_json, told_of_store, unproven};
use super::super::honest;
use super::{Deciding, What};
use crate::approval::Approved;
use crate::cli::KeysShred;
use crate::commands::confirm::confirm;
use crate::open::{AtHand, copy_store, scratch};
use crate::record::{Recorder, ended, kind_of};
use crate::words;

/// Plans, asks, then destroys.
pub async fn run(args: &KeysShred, source: &str, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let at_hand = AtHand::open(&args.changing.access, &interrupt).await?;
    let recorder = Recorder::of(&at_hand);
    let progress = Progress::new(json);
    let deed = |detail: String| Deed {
        what: "keys".into(),
        source: Some(source.to_owned()),
        detail: Some(detail),
        reason: args.changing.reason.clone(),
        ..Deed::default()
    };
    let mut asked = format!("shred source {source}");
    let scratch = scratch(args.changing.access.scratch.as_deref())?;
    progress.phase("looking at what other sources need");
    let planned = plan(args, source, &at_hand, scratch.path(), (&recorder, &progress));
    let (plan, approved) = match interrupt.or(planned).await {
        Err(error) if !args.changing.dry_run && kind_of(&error) != Kind::Interrupted => {
            let failed: Result<(), _> = Err(error);
            recorder.write(&ended(deed(asked), &failed), &progress).await;
            return failed;
        }
        planned => planned?,
    };
    progress.finish();
    asked.extend(approved.iter().map(|approved| format!(", {}", approved.in_words())));
    if args.changing.dry_run {
        return match json {
            true => Ok(print_json("summary", &summary(&plan, None))?),
            false => {
                let text = "nothing was changed: this was a dry run, which would do this\n";
                Ok(print(&format!("{text}{}", told_of_plan(&plan)))?)
            }
        };
    }
    if !args.yes {
        confirm(
            &format!("this destroys source {} for ever\n{}", escape(source), told_of_plan(&plan)),
            &format!("shred source {source}"),
            "keys are destroyed only when somebody says that it is meant",
            "what it would do: the same command with --dry-run; to do it without being asked: --yes",
        )?;
    }
    let now = Timestamp::now();
    // Not to be dropped half-way: what is in force must be carried to the copies too.
    let phase = |name: &str| progress.phase(name);
    let carried = plan.carry_out(&at_hand.identities, scratch.path(), &phase, now).await;
    let shredded = match carried.map_err(CommandError::from) {
        Err(error) => {
            let failed: Result<(), _> = Err(error);
            recorder.write_at(&ended(deed(asked), &failed), now, &progress).await;
            return failed.map_err(|error| {
                error.hint("nothing that other sources need is lost: it can be done again")
            });
        }
        Ok(shredded) => shredded,
    };
    let recorder = recorder.after_change(&at_hand.identities).await;
    let result = if shredded.is_complete() && shredded.keys.is_proven() { "done" } else { "partial" };
    let snapshots = shredded.stores.first().map(|store| store.removed.clone()).unwrap_or_default();
    let detail = format!("{asked}: keyring {}", shredded.keys.keyring);
    recorder.write_at(&Deed { result: result.into(), snapshots, ..deed(detail) }, now, &progress).await;
    if let Some(approved) = approved.filter(|_| shredded.is_complete()) {
        approved.key.used(&progress);
    }
    progress.finish();
    match json {
        true => print_json("summary", &summary(&plan, Some(&shredded)))?,
        false => print(&told_of(&plan, &shredded))?,
    }
    left_over(&plan, &shredded)
}

/// Plans with the shares that were given for it, in the vault and in every copy: one that is not reached would
/// lose what other sources have there alone.
async fn plan(
    args: &KeysShred,
    source: &str,
    at_hand: &AtHand,
    scratch: &Path,
    (recorder, progress): (&Recorder, &Progress),
) -> Result<(SourcePlan, Option<Approved>), CommandError> {
    let AtHand { vault, identities, config, .. } = at_hand;
    let Some(config) = config else {
        let text =
            "which copies the vault has is not known, and what other sources have in them would be lost";
        return Err(CommandError::new(Kind::Usage, text)
            .hint("name the configuration that lists them: --config PATH"));
    };
    let copies = config.vault.copies.iter().map(copy_store).collect::<Result<Vec<_>, _>>()?;
    let deciding = Deciding { args, what: What::Source(source) };
    let (given, approved) = deciding.decide(vault, identities, recorder, progress).await?;
    let plan = SourcePlan::make(vault, &copies, (identities, given), source, scratch).await;
    Ok((plan.map_err(needs_the_root)?, approved))
}

fn told_of_plan(plan: &SourcePlan) -> String {
    let mut text = format!("  destroys      every key of rows: {}\n", epochs(&plan.shredded));
    for SourceIn { url, snapshots, others, raw_bytes } in &plan.stores {
        let url = escape(url);
        let own = words::counted(snapshots.len() as u64, "snapshot");
        text.push_str(&format!("  removes       {own} of {} from {url}\n", escape(&plan.source)));
        if !others.is_empty() {
            let others: Vec<_> = others.keys().map(|other| escape(other)).collect();
            let bytes = human_bytes(*raw_bytes);
            text.push_str(&format!("  seals anew    {bytes} of rows of {} in {url}\n", others.join(", ")));
        }
    }
    text
}

fn told_of(plan: &SourcePlan, shredded: &SourceShredded) -> String {
    let source = escape(&plan.source);
    let mut text = format!("source {source} is shredded: keyring {} is in force\n", shredded.keys.keyring);
    text.push_str(&format!("  destroyed     {}\n", epochs(&plan.shredded)));
    for (store, gone) in plan.stores.iter().zip(&shredded.stores) {
        let url = escape(&store.url);
        let SourceGone { resealed, removed, left, written_meanwhile, failed } = gone;
        if resealed.chunks > 0 {
            let bytes = human_bytes(resealed.raw_bytes);
            text.push_str(&format!("  sealed anew   {bytes} of rows of other sources in {url}\n"));
        }
        let count = words::counted(removed.len() as u64, "snapshot");
        text.push_str(&format!("  removed       {count} of {source} from {url}\n"));
        for left in left {
            let (object, reason) = (escape(&left.object), escape(&left.reason));
            text.push_str(&format!(
                "  STILL THERE   {object} in {url}: {reason}; its rows open for nobody\n"
            ));
        }
        for snapshot in written_meanwhile {
            let id = snapshot.short();
            text.push_str(&format!(
                "  WRITTEN SINCE snapshot {id} in {url}, to keys that are not destroyed\n"
            ));
        }
        if let Some(error) = failed {
            text.push_str(&format!("  FAILED        {url}: {}\n", escape(&error.to_string())));
        }
    }
    for store in &shredded.keys.stores {
        text.push_str(&told_of_store(store));
    }
    text.push_str(&honest::about_source(&plan.source, &epochs(&plan.shredded), &shredded.keys));
    text
}

fn summary(plan: &SourcePlan, shredded: Option<&SourceShredded>) -> serde_json::Value {
    let stores = plan.stores.iter().enumerate().map(|(at, store)| {
        let gone = shredded.and_then(|shredded| shredded.stores.get(at));
        let keys = shredded.and_then(|shredded| shredded.keys.stores.get(at));
        json!({
            "url": store.url,
            "snapshots": store.snapshots,
            "others": store.others,
            "raw_bytes": store.raw_bytes,
            "sealed_anew_bytes": gone.map(|gone| gone.resealed.raw_bytes),
            "removed": gone.map(|gone| &gone.removed),
            "left": gone.map(|gone| gone.left.iter().map(|left| &left.object).collect::<Vec<_>>()),
            "written_meanwhile": gone.map(|gone| &gone.written_meanwhile),
            "failed": gone.and_then(|gone| gone.failed.as_ref()).map(ToString::to_string),
            "keys": keys.map(store_json),
        })
    });
    json!({
        "did": "shred",
        "source": plan.source,
        "dry_run": shredded.is_none(),
        "keyring": shredded.map(|shredded| shredded.keys.keyring),
        "destroyed": plan.shredded.iter().map(|(realm, epoch)| format!("{realm} {epoch}")).collect::<Vec<_>>(),
        "stores": stores.collect::<Vec<_>>(),
    })
}

/// What an operator must still see to.
fn left_over(plan: &SourcePlan, shredded: &SourceShredded) -> Result<(), CommandError> {
    if !shredded.keys.is_complete() {
        return Err(incomplete(&shredded.keys));
    }
    if !shredded.keys.is_proven() {
        return Err(unproven());
    }
    if shredded.is_complete() {
        return Ok(());
    }
    let source = escape(&plan.source);
    let text = format!("the keys of {source} are destroyed, but snapshots of it are left");
    let since = shredded.stores.iter().any(|store| !store.written_meanwhile.is_empty());
    Err(match since {
        true => CommandError::new(Kind::Partial, text).hint(format!(
            "end its backups: take [source.{source}] out of every configuration, then do this again"
        )),
        false => CommandError::new(Kind::Partial, text).hint(
            "with credentials that may delete below snapshots/, once no lock holds them: do this again",
        ),
    })
}
