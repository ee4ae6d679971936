//! `approve`: shows what is asked for, checks it, and gives the approver's own share for it.

use jiff::Timestamp;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, escape, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{RequestRecord, Tally, Vault, approve, find_request, plan_id, read_request};
use serde_json::json;

use super::confirm::confirm;
use crate::approval::{indented, one_person};
use crate::cli::Approve;
use crate::open::AtHand;
use crate::record::{Recorder, ended, kind_of};
use crate::words;

/// Approves a request.
pub async fn run(args: &Approve, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let progress = Progress::new(json);
    let at_hand = AtHand::open(&args.access, &interrupt).await?;
    let recorder = Recorder::of(&at_hand);
    let vault = &at_hand.vault;
    let person = one_person(vault, &at_hand.identities)?;
    let record = interrupt.or(find_request(vault, &args.id)).await?;
    let now = Timestamp::now();
    let shown = shown(vault, &record, &record.tally(vault, now)?);
    if !json {
        print(&shown)?;
    }
    record.unbelieved.iter().for_each(|error| progress.warn(&format!("an answer is not believed: {error}")));
    if !args.yes {
        record.check_open(vault, now)?;
        let unasked = "a request is approved only when somebody says that it is meant";
        confirm("", "approve", unasked, "to approve it without being asked: --yes")?;
    }
    let deed = deed_about(&record, "approve");
    let approved = interrupt.or(approve(vault, &record, &person, &at_hand.identities, now)).await;
    if let Err(error) = &approved
        && !matches!(kind_of(error), Kind::Denied | Kind::NoUsableKey)
    {
        return approved.map(drop);
    }
    recorder.write_at(&ended(deed, &approved), now, &progress).await;
    let shares = approved?;
    let tally = read_request(vault, record.id).await?.tally(vault, now)?;
    if json {
        return Ok(print_json(
            "summary",
            &json!({
                "request": record.id,
                "by": person.name,
                "shares": shares,
                "approved": tally.approved,
                "needed": tally.needed,
            }),
        )?);
    }
    let has = tally.approved.len();
    let mut text = format!(
        "approved by {}{}; it has {has} of {} approvals\n",
        escape(&person.name),
        match shares as u64 {
            0 => String::new(),
            some => format!(": {} sealed to this request's one-time key", words::counted(some, "share")),
        },
        tally.needed
    );
    text.push_str(&match tally.is_enough() {
        true => format!("{} can go on now\n", escape(&record.requester_name)),
        false => format!("who still can: {}\n", escape(&tally.able.join(", "))),
    });
    Ok(print(&text)?)
}

/// What a request asks for, and how it stands.
fn shown(vault: &Vault, record: &RequestRecord, tally: &Tally) -> String {
    let request = &record.request;
    let mut text = format!("request {}\n", record.id);
    text.push_str(&format!("  by       {}\n", escape(&record.requester_name)));
    text.push_str(&format!("  because  {}\n", escape(&request.reason)));
    text.push_str(&format!("  until    {} UTC\n", words::time(&request.expires)));
    text.push_str(&indented(&request.plan));
    let (split, whole): (Vec<_>, Vec<_>) =
        request.grades.iter().copied().partition(|grade| vault.quorum(*grade) > 1);
    if !split.is_empty() {
        text.push_str(&format!("  asks     your share of grade {}\n", words::listed(&split)));
    }
    if !whole.is_empty() {
        text.push_str(&format!("  asks     your approval for grade {}\n", words::listed(&whole)));
    }
    match request.kind {
        Wish::Restore => {}
        Wish::Shred => text.push_str(
            "  asks     your share of the root, which could change every key: mind whom you give it\n",
        ),
        Wish::Release => text.push_str("  asks     your approval: what nobody holds goes by the rules\n"),
        Wish::Keep => {
            text.push_str("  asks     your approval: what is kept no more goes at the next expiry\n")
        }
        Wish::Expire => text.push_str("  asks     your approval: what is removed is gone for good\n"),
    }
    let by = match tally.approved.is_empty() {
        true => String::new(),
        false => format!(": {}", escape(&tally.approved.join(", "))),
    };
    text + &format!("  has      {} of {} approvals{by}\n", tally.approved.len(), tally.needed)
}

/// What is recorded of an answer.
pub fn deed_about(record: &RequestRecord, what: &str) -> Deed {
    let request = &record.request;
    Deed {
        what: what.into(),
        source: request.source.clone(),
        snapshots: request.snapshots.clone(),
        grades: request.grades.clone(),
        target: request.target.clone(),
        plan: Some(plan_id(&request.plan)),
        detail: Some(format!("request {} of {}", record.id.short(), record.requester_name)),
        ..Deed::default()
    }
}
