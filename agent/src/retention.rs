//! What the configuration says of keeping, and a plan in words.

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{Align, Table, count, counted, escape};
use lifeboat_vault::{Candidate, Dating, Keep, RetentionPlan, Verdict};
use serde_json::{Value, json};

/// The policy for a source, or nothing when everything stays.
pub fn keep_of(config: &Config, source: &str) -> Option<Keep> {
    let (keep, min_days) = config.keep(source)?;
    Some(of(keep, min_days))
}

/// A policy as the vault takes it.
pub fn of(keep: &lifeboat_config::Keep, min_days: u32) -> Keep {
    let (last, daily, weekly) = (keep.last, keep.daily, keep.weekly);
    let (monthly, yearly, tags) = (keep.monthly, keep.yearly, keep.tags.clone());
    Keep { last, daily, weekly, monthly, yearly, tags, min_days }
}

/// A source's plan as an operator reads it.
pub fn told(plan: &RetentionPlan) -> String {
    let going = plan.going().count();
    let all = counted(plan.verdicts.len() as u64, "snapshot");
    let stay = count((plan.verdicts.len() - going) as u64, "stays", "stay");
    let mut text =
        format!("{}: {all}, {stay}, {}\n", escape(&plan.source), count(going as u64, "goes", "go"));
    text.extend(plan.held_back.iter().map(|why| format!("held back: {}\n", escape(why))));
    let headings =
        [("id", Align::Left), ("time (UTC)", Align::Left), ("", Align::Left), ("why", Align::Left)];
    let mut table = Table::new(headings);
    for verdict in &plan.verdicts {
        table.row([
            verdict.snapshot.id.short(),
            time(&verdict.snapshot),
            outcome(verdict).into(),
            why(verdict),
        ]);
    }
    text.push_str(&table.to_string());
    text
}

/// One line of JSON for each snapshot.
pub fn lines(plan: &RetentionPlan) -> Vec<Value> {
    let line = |verdict: &Verdict| {
        let Candidate { id, number, claimed, seen, tags, flags, .. } = &verdict.snapshot;
        json!({
            "source": plan.source,
            "id": id,
            "number": number,
            "time": claimed,
            "seen": seen,
            "stays": !verdict.goes(),
            "reasons": verdict.keep.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "dating": match verdict.dating {
                Dating::Straight => "straight",
                Dating::Late => "late",
                Dating::Ahead => "ahead",
            },
            "tags": tags,
            "flags": flags,
        })
    };
    plan.verdicts.iter().map(line).collect()
}

fn outcome(verdict: &Verdict) -> &'static str {
    if verdict.goes() { "goes" } else { "stays" }
}

fn time(snapshot: &Candidate) -> String {
    shown(snapshot.judged())
}

fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

fn why(verdict: &Verdict) -> String {
    let mut reasons: Vec<_> = verdict.keep.iter().map(ToString::to_string).collect();
    if reasons.is_empty() {
        reasons.push("no rule keeps it".to_owned());
    }
    let snapshot = &verdict.snapshot;
    match (verdict.dating, snapshot.claimed) {
        (Dating::Straight, _) => {}
        (Dating::Late, _) => {
            reasons
                .push(format!("the store saw it only at {}: judged among such alone", shown(snapshot.seen)));
        }
        (Dating::Ahead, Some(claimed)) => reasons
            .push(format!("it claims {}, after the store saw it: judged among such alone", shown(claimed))),
        (Dating::Ahead, None) => {
            reasons.push("it claims no time that can be read: judged among such alone".into());
        }
    }
    reasons.join("; ")
}
