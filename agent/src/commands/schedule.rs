//! `schedule preview`: what will run, and when.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use lifeboat_config::{Config, Schedule, Slot};
use lifeboat_console::{Align, CommandError, Kind, Table, print, print_json};
use serde_json::json;

use crate::cli::Preview;
use crate::job::Job;
use crate::schedule::Rules;

/// Prints the next slots of every job, in the order in which they come.
pub fn preview(path: &Path, args: &Preview, json: bool) -> Result<(), CommandError> {
    let rules = Rules::of(&Config::load(path)?);
    if rules.jobs().next().is_none() {
        return Err(CommandError::new(Kind::ConfigInvalid, "nothing has a schedule")
            .hint("add to [agent], for every source, or to one [[source]]: schedule = [\"daily 02:30\"]"));
    }
    let from = match &args.from {
        None => Timestamp::now(),
        Some(text) => parse_from(text, rules.zone())?,
    };
    let slots = next(&rules, from, args.next);
    if json {
        for (job, slot, schedule) in &slots {
            let at = slot.at.to_zoned_datetime(rules.zone().clone());
            let line = json!({
                "at": slot.at,
                "local": at.strftime("%FT%T%:z").to_string(),
                "task": job.task,
                "source": job.source,
                "copy": job.copy,
                "schedule": schedule,
                "moved": slot.moved,
            });
            print_json("slot", &line)?;
        }
        return Ok(());
    }
    Ok(print(&shown(&slots, rules.zone()).to_string())?)
}

/// An instant, or a time on the schedule's clock.
fn parse_from(text: &str, zone: &TimeZone) -> Result<Timestamp, CommandError> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local = text.parse::<DateTime>().ok().and_then(|at| zone.to_timestamp(at).ok());
    local.ok_or_else(|| {
        CommandError::new(Kind::Usage, format!("`{text}` is no time"))
            .hint("write a day such as 2027-03-27, a time such as 2027-03-27T12:00, or one with its offset")
    })
}

fn next(rules: &Rules, from: Timestamp, count: usize) -> Vec<(Job, Slot, Schedule)> {
    let jobs: Vec<_> = rules.jobs().map(|(job, _)| job.clone()).collect();
    let mut places = vec![from; jobs.len()];
    let mut slots = Vec::new();
    while slots.len() < count {
        let heads = jobs.iter().zip(&mut places);
        let heads =
            heads.filter_map(|(job, place)| rules.next_after(job, *place).map(|next| (job, place, next)));
        let Some((job, place, (slot, schedule))) = heads.min_by_key(|(_, _, (slot, _))| slot.at) else {
            break;
        };
        *place = slot.at;
        slots.push((job.clone(), slot, schedule.clone()));
    }
    slots
}

fn shown(slots: &[(Job, Slot, Schedule)], zone: &TimeZone) -> Table {
    let mut table = Table::new([
        ("when", Align::Left),
        ("what", Align::Left),
        ("schedule", Align::Left),
        ("", Align::Left),
    ]);
    for (job, slot, schedule) in slots {
        let at = slot.at.to_zoned_datetime(zone.clone());
        let note = if slot.moved { "the clock skips that time" } else { "" };
        table.row([
            at.strftime("%a %F %T %:z").to_string(),
            job.to_string(),
            schedule.to_string(),
            note.to_owned(),
        ]);
    }
    table
}
