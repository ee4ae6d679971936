//! `requests`: every request in the vault and how it stands.

use jiff::Timestamp;
use lifeboat_console::{Align, CommandError, Interrupt, Kind, Progress, Table, print, print_json};
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{PersonKey, RequestRecord, RequestState, Tally, list_requests, plan_id};
use serde_json::{Value, json};

use crate::cli::Requests;
use crate::one_time_key::OneTimeKey;
use crate::open::AtHand;
use crate::words;

/// Lists them, oldest first.
pub async fn run(args: &Requests, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let progress = Progress::new(json);
    let at_hand = AtHand::open(&args.access, &interrupt).await?;
    let vault = at_hand.vault;
    let own: Vec<_> = vault.person_keys(&at_hand.identities)?.iter().map(PersonKey::id).collect();
    let (records, damage) = interrupt.or(list_requests(&vault)).await?;
    let now = Timestamp::now();
    let mut table = Table::with_headings([
        ("request", Align::Left),
        ("by", Align::Left),
        ("what", Align::Left),
        ("state", Align::Left),
        ("approvals", Align::Left),
        ("expires (UTC)", Align::Left),
    ]);
    let mut unbelieved = damage.len();
    for error in &damage {
        progress.warn(&format!("a request is not believed: {error}"));
    }
    for record in &records {
        let tally = record.tally(&vault, now)?;
        if own.contains(&record.requester) {
            let removed = OneTimeKey::of(record, None).after(&tally.state);
            removed.iter().for_each(|text| progress.note(text));
        }
        unbelieved += record.unbelieved.len();
        for error in &record.unbelieved {
            progress.warn(&format!("an answer is not believed: {error}"));
        }
        match json {
            true => print_json("request", &line(record, &tally))?,
            false => table.row(row(record, &tally)),
        }
    }
    match (json, records.is_empty()) {
        (true, _) => print_json("summary", &json!({ "requests": records.len(), "unbelieved": unbelieved }))?,
        (false, true) => print("the vault has no requests\n")?,
        (false, false) => print(&table.to_string())?,
    }
    match unbelieved as u64 {
        0 => Ok(()),
        some => {
            let text = format!("{} cannot be believed", words::counted(some, "object"));
            Err(CommandError::new(Kind::Damage, text)
                .hint("they count for nothing; somebody may have put them there"))
        }
    }
}

fn row(record: &RequestRecord, tally: &Tally) -> Vec<String> {
    vec![
        record.id.short(),
        record.requester_name.clone(),
        what(record),
        in_words(&tally.state),
        format!("{} of {}", tally.approved.len(), tally.needed),
        words::time(&record.request.expires),
    ]
}

fn what(record: &RequestRecord) -> String {
    let request = &record.request;
    let source = request.source.as_deref().unwrap_or_default();
    let snapshots: Vec<_> = request.snapshots.iter().map(|id| id.short()).collect();
    let snapshots = snapshots.join(", ");
    match request.kind {
        Wish::Shred => "shred".into(),
        Wish::Release => format!("release {source} {snapshots}"),
        Wish::Keep => format!("keep less of {source}"),
        Wish::Expire => format!("remove {source} {snapshots}"),
        Wish::Restore => format!("restore {source} {snapshots}, grade {}", words::listed(&request.grades)),
    }
}

fn in_words(state: &RequestState) -> String {
    match state {
        RequestState::Open => "open".into(),
        RequestState::Approved => "approved".into(),
        RequestState::Refused { by, .. } => format!("refused by {by}"),
        RequestState::Revoked { .. } => "taken back".into(),
        RequestState::Expired => "expired".into(),
        RequestState::Void(reason) => format!("void: {reason}"),
    }
}

fn line(record: &RequestRecord, tally: &Tally) -> Value {
    let request = &record.request;
    let (state, reason) = match &tally.state {
        RequestState::Open => ("open", None),
        RequestState::Approved => ("approved", None),
        RequestState::Refused { reason, .. } => ("refused", Some(reason)),
        RequestState::Revoked { reason } => ("revoked", Some(reason)),
        RequestState::Expired => ("expired", None),
        RequestState::Void(reason) => ("void", Some(reason)),
    };
    json!({
        "id": record.id,
        "by": record.requester_name,
        "kind": request.kind,
        "source": request.source,
        "snapshots": request.snapshots,
        "grades": request.grades,
        "target": request.target,
        "plan": request.plan,
        "plan_id": plan_id(&request.plan),
        "reason": request.reason,
        "made": request.made,
        "expires": request.expires,
        "state": state,
        "ended_because": reason,
        "approved": tally.approved,
        "needed": tally.needed,
        "able": tally.able,
        "unbelieved": record.unbelieved.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
