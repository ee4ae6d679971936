//! Retention as a table: what goes in, what goes.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A snapshot whose id is its number, claimed and seen at these times.
fn snapshot(number: u8, claimed: &str, seen: &str) -> Candidate {
    Candidate {
        id: SnapshotId([number; 32]),
        number: number.into(),
        claimed: claimed.parse().ok(),
        seen: at(seen),
        tags: Vec::new(),
        flags: Vec::new(),
        holds: Vec::new(),
    }
}

fn good(number: u8, time: &str) -> Candidate {
    snapshot(number, time, time)
}

/// One snapshot a night, the last at `NOW`'s morning.
fn nights(count: u8) -> Vec<Candidate> {
    let first = at(NOW) - SignedDuration::from_hours(24 * i64::from(count));
    (1..=count)
        .map(|n| good(n, &(first + SignedDuration::from_hours(24 * i64::from(n))).to_string()))
        .collect()
}

const NOW: &str = "2026-11-23T02:30:00Z";

fn keep(last: u32, daily: u32, weekly: u32, monthly: u32, yearly: u32) -> Keep {
    Keep { last, daily, weekly, monthly, yearly, ..Keep::default() }
}

#[track_caller]
fn check(candidates: Vec<Candidate>, keep: &Keep, stay: &[u64]) -> RetentionPlan {
    let plan = judge("crm", candidates, Some(keep), &[], &TimeZone::UTC, at(NOW));
    let staying: Vec<_> = plan.verdicts.iter().filter(|verdict| !verdict.goes()).collect();
    let numbers: Vec<_> = staying.iter().map(|verdict| verdict.snapshot.number).collect();
    assert_eq!(numbers, stay, "{:#?}", plan.verdicts);
    plan
}

#[test]
fn the_newest_of_each_day_week_month_and_year_stays() {
    check(nights(40), &keep(2, 0, 0, 0, 0), &[40, 39]);
    check(nights(40), &keep(0, 3, 0, 0, 0), &[40, 39, 38]);
    // 23 November 2026 is a Monday: its week is one night old, the Sunday before ends another.
    check(nights(40), &keep(0, 0, 3, 0, 0), &[40, 39, 32]);
    check(nights(40), &keep(0, 0, 0, 3, 0), &[40, 17]);
    check(nights(40), &keep(0, 0, 0, 0, 3), &[40]);
    check(nights(40), &keep(1, 2, 3, 2, 1), &[40, 39, 32, 17]);
}

#[test]
fn several_runs_of_a_day_leave_the_last_one() {
    let runs = vec![
        good(1, "2026-11-21T02:00:00Z"),
        good(2, "2026-11-21T14:00:00Z"),
        good(3, "2026-11-22T02:00:00Z"),
        good(4, "2026-11-22T14:00:00Z"),
    ];
    check(runs, &keep(0, 7, 0, 0, 0), &[4, 2]);
}

#[test]
fn days_are_those_of_the_time_zone() {
    let runs = vec![good(1, "2026-11-21T17:00:00Z"), good(2, "2026-11-22T02:00:00Z")];
    check(runs.clone(), &keep(0, 7, 0, 0, 0), &[2, 1]);
    let shanghai = TimeZone::fixed(jiff::tz::offset(8));
    let plan = judge("crm", runs, Some(&keep(0, 7, 0, 0, 0)), &[], &shanghai, at(NOW));
    assert_eq!(plan.going().count(), 1, "both are of 22 November there");
}

#[test]
fn a_machine_that_was_off_for_a_month_does_not_lose_the_days_before() {
    let runs = vec![
        good(1, "2026-10-01T02:00:00Z"),
        good(2, "2026-10-02T02:00:00Z"),
        good(3, "2026-11-23T02:00:00Z"),
    ];
    check(runs, &keep(0, 3, 0, 0, 0), &[3, 2, 1]);
}

#[test]
fn nothing_goes_that_is_young_by_either_time() {
    let young = Keep { min_days: 7, ..keep(1, 0, 0, 0, 0) };
    check(nights(10), &young, &[10, 9, 8, 7, 6, 5, 4]);
    let copied = vec![snapshot(1, "2025-01-01T00:00:00Z", "2026-11-20T00:00:00Z"), good(2, NOW)];
    check(copied, &young, &[2, 1]);
}

#[test]
fn forged_snapshots_of_the_future_push_no_good_one_out() {
    let mut all = nights(5);
    all.extend((6..60).map(|n| snapshot(n, &format!("2027-{:02}-01T00:00:00Z", n % 12 + 1), NOW)));
    let plan = check(all, &keep(2, 0, 0, 0, 0), &[59, 58, 5, 4]);
    assert_eq!(plan.verdicts[0].dating, Dating::Ahead);
}

#[test]
fn forged_snapshots_of_the_past_push_no_good_one_out() {
    let mut all = vec![good(1, "2026-01-31T02:00:00Z"), good(2, "2026-02-28T02:00:00Z"), good(3, NOW)];
    // Written today, said to be of an hour after the good ones.
    all.push(snapshot(4, "2026-01-31T03:00:00Z", NOW));
    all.push(snapshot(5, "2026-02-28T03:00:00Z", NOW));
    check(all, &keep(0, 0, 0, 12, 0), &[3, 5, 2, 4, 1]);
}

#[test]
fn a_vault_that_was_copied_keeps_what_it_would_have_kept() {
    let copied = |night: Candidate| Candidate { seen: at(NOW), ..night };
    let all = nights(40).into_iter().map(copied).collect();
    let plan = judge("crm", all, Some(&keep(0, 3, 0, 2, 0)), &[], &TimeZone::UTC, at(NOW));
    let stay: Vec<_> = plan.verdicts.iter().filter(|v| !v.goes()).map(|v| v.snapshot.number).collect();
    // Those of the last three days are straight, as a run may take that long.
    assert_eq!(stay, [40, 39, 38, 36, 35, 34, 17]);
}

#[test]
fn a_time_that_is_none_is_judged_by_the_store_alone() {
    let runs = vec![snapshot(1, "yesterday", "2026-11-22T02:00:00Z"), good(2, NOW)];
    let plan = check(runs, &keep(1, 0, 0, 0, 0), &[2, 1]);
    assert_eq!(plan.verdicts[1].dating, Dating::Ahead);
}

#[test]
fn the_newest_good_one_and_the_newest_stay_whatever_the_policy() {
    check(nights(3), &Keep::default(), &[3]);
    let ahead =
        vec![good(1, "2026-11-01T00:00:00Z"), snapshot(2, "2030-01-01T00:00:00Z", "2026-11-02T00:00:00Z")];
    check(ahead, &Keep::default(), &[2, 1]);
}

#[test]
fn tags_and_holds_keep_what_they_are_on() {
    let mut all = nights(10);
    all[2].tags = vec!["before-upgrade".into()];
    all[3].tags = vec!["something-else".into()];
    all[4].holds = vec!["case 4711 (by wang)".into()];
    let policy = Keep { tags: vec!["before-upgrade".into()], ..keep(1, 0, 0, 0, 0) };
    let plan = check(all, &policy, &[10, 5, 3]);
    let words: Vec<_> = plan.verdicts[5].keep.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["held: case 4711 (by wang)"]);
}

#[test]
fn a_flagged_snapshot_that_nobody_accepted_holds_everything_back() {
    let mut all = nights(10);
    all[8].flags = vec!["contacts has 0 rows, usually 48,000 to 50,000".into()];
    let plan = judge("crm", all.clone(), Some(&keep(1, 0, 0, 0, 0)), &[], &TimeZone::UTC, at(NOW));
    assert_eq!(plan.going().count(), 0);
    assert_eq!(
        plan.held_back,
        [
            "snapshot 09090909 is flagged and nobody has accepted it: contacts has 0 rows, usually 48,000 to 50,000"
        ]
    );
    all[8].flags.clear();
    all[9].flags = vec!["flagged".into()];
    let newest = judge("crm", all, Some(&keep(0, 0, 0, 0, 0)), &[], &TimeZone::UTC, at(NOW));
    assert_eq!(
        newest.verdicts[1].keep,
        [Reason::NewestGood],
        "the one below the flagged one is the good one"
    );
}

#[test]
fn a_note_that_cannot_be_read_holds_everything_back() {
    let damage = [Error::damaged("notes/x", "its bytes do not hash to its name")];
    let plan = judge("crm", nights(10), Some(&keep(1, 0, 0, 0, 0)), &damage, &TimeZone::UTC, at(NOW));
    assert_eq!((plan.going().count(), plan.held_back.len()), (0, 1));
}

#[test]
fn without_a_policy_everything_stays() {
    let plan = judge("crm", nights(3), None, &[], &TimeZone::UTC, at(NOW));
    assert_eq!(plan.going().count(), 0);
}

#[test]
fn a_clock_that_jumps_a_year_ahead_loses_no_more_than_the_policy_lets_go() {
    let year = at("2027-11-23T00:00:00Z");
    let policy = Keep { min_days: 7, ..keep(3, 7, 8, 12, 7) };
    let stay = |now| {
        let plan = judge("crm", nights(100), Some(&policy), &[], &TimeZone::UTC, now);
        plan.verdicts.into_iter().filter(|v| !v.goes()).map(|v| v.snapshot.number).collect::<Vec<_>>()
    };
    assert_eq!(stay(year), stay(at(NOW)));
}
