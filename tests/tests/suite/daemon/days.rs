//! Three weeks of a real daemon in simulated time: daemon, runs and store live by a clock that the test sets.
//!
//! What a calendar brings is in it: the night on which the clock shows an hour twice, a store that is away for
//! an hour, a power cut in the middle of a run with two days off after it, and a clock that is set back.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use lifeboat_tests::{Clock, Gate, S3Server, run};
use serde_json::Value;

use super::{Daemon, hold_a_run, schedule, signal, wait_for, wait_until_gone, whole_status};
use crate::company::{Company, DB1, sqlite_crm, sqlite_day};

const ZONE: &str = "Europe/Berlin";
const SCHEDULE: &str = "timezone = \"Europe/Berlin\"\nretries = 6\nschedule = [\"daily 02:30\"]";
/// Old snapshots go at five, marks and packs at six.
const KEEP: &str = "keep = { last = 2, daily = 5, weekly = 3 }\nkeep_min_days = 0\n\
    [maintenance]\nexpire = [\"daily 05:00\"]\nprune = [\"daily 06:00\"]\n";

const FIRST: Date = date(2026, 10, 20);
/// The clock goes from 03:00 back to 02:00.
const LONG_NIGHT: Date = date(2026, 10, 25);
const STORE_AWAY: Date = date(2026, 10, 28);
const POWER_CUT: Date = date(2026, 11, 1);
/// Noon of this day, the machine is on again.
const ON_AGAIN: Date = date(2026, 11, 3);
const SET_BACK: Date = date(2026, 11, 6);
const LAST: Date = date(2026, 11, 9);

/// A company that lives by a clock, with what is known of it so far.
struct Weeks {
    clock: Clock,
    gate: Gate,
    company: Company,
    _server: S3Server,
    /// Slots of backups that ran.
    backups: u64,
    /// The same of expire and prune.
    days_kept: u64,
}

impl Weeks {
    fn begin() -> Self {
        let clock = Clock::showing(instant(FIRST.at(0, 0, 0, 0)));
        let server = S3Server::in_environment(&clock.environment());
        let gate = Gate::before(server.port());
        let mut environment = server.environment();
        let endpoint = environment.iter_mut().find(|(name, _)| name == "AWS_ENDPOINT").expect("it is set");
        endpoint.1 = format!("http://127.0.0.1:{}", gate.port());
        environment.extend(clock.environment());
        let company = Company::with_store(server.url("north"), environment);
        company.configure(DB1, &[sqlite_crm(&company.path("crm.db"), "0.001")]);
        schedule(&company, SCHEDULE);
        company.add_to_config(DB1, KEEP);
        company.init(DB1);
        Self { clock, gate, company, _server: server, backups: 0, days_kept: 0 }
    }

    fn set(&self, time: DateTime) {
        self.clock.set(instant(time));
    }

    fn status(&self) -> Value {
        whole_status(&self.company, DB1)
    }

    /// How many slots of the source ended so.
    fn slots(&self, outcome: &str) -> u64 {
        self.status()["sources"][0]["slots"][outcome].as_u64().unwrap_or(0)
    }

    fn working_day(&self, day: Date) {
        let number = (day - FIRST).get_days() + 1;
        sqlite_day(&self.company.path("crm.db"), &number.to_string());
    }

    fn backed_up(&mut self) {
        self.backups += 1;
        wait_for("good backup", || (self.slots("ran") == self.backups).then_some(()));
    }

    /// Lets the rest of a night pass, until old snapshots and packs are gone.
    fn tidied(&mut self, day: Date) {
        self.days_kept += 1;
        for (task, hour) in [("expire", 5), ("prune", 6)] {
            self.set(day.at(hour, 0, 1, 0));
            let ran = || self.status()["maintenance"][task]["slots"]["ran"].as_u64().unwrap_or(0);
            wait_for(task, || (ran() == self.days_kept).then_some(()));
        }
    }

    fn night(&mut self, day: Date) {
        self.working_day(day);
        self.set(day.at(2, 30, 1, 0));
        self.backed_up();
        self.tidied(day);
    }
}

fn zone() -> TimeZone {
    TimeZone::get(ZONE).expect("a time zone")
}

fn instant(time: DateTime) -> Timestamp {
    zone().to_timestamp(time).expect("a time")
}

/// The days from `first` to `last`, both included.
fn days(first: Date, last: Date) -> impl Iterator<Item = Date> {
    first.series(1.day()).take_while(move |day| *day <= last)
}

/// Every day's snapshot, by the day on which it was taken.
fn snapshots(company: &Company) -> BTreeMap<Date, u64> {
    let mut days = BTreeMap::new();
    let told = run(&mut company.restore(&["snapshots", "--json"])).success().stdout;
    for line in told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines")) {
        if line["type"] == "snapshot" {
            let taken: Timestamp = line["time"].as_str().expect("a time").parse().expect("a time");
            *days.entry(zone().to_datetime(taken).date()).or_default() += 1;
        }
    }
    days
}

#[test]
fn three_weeks_of_a_daemon_lose_no_night_and_double_none() {
    let mut weeks = Weeks::begin();
    let daemon = Daemon::start(&weeks.company);
    for day in days(FIRST, LONG_NIGHT.yesterday().expect("a day")) {
        weeks.night(day);
    }

    // Half past two comes at summer time, and an hour later again: it is one slot.
    weeks.night(LONG_NIGHT);
    for day in days(LONG_NIGHT.tomorrow().expect("a day"), STORE_AWAY.yesterday().expect("a day")) {
        weeks.night(day);
    }

    // The store is away for an hour; the retries wait longer each time, and one of them finds it back.
    weeks.working_day(STORE_AWAY);
    weeks.gate.close();
    weeks.set(STORE_AWAY.at(2, 30, 1, 0));
    let failed = || weeks.status()["sources"][0]["runs"]["failed"].as_u64().unwrap_or(0);
    for (times, wait) in [(1, 1), (2, 4), (3, 16), (4, 60)] {
        wait_for("failed run", || (failed() == times).then_some(()));
        if times == 4 {
            weeks.gate.open();
        }
        weeks.clock.turn(SignedDuration::from_mins(wait));
    }
    weeks.backed_up();
    weeks.tidied(STORE_AWAY);
    for day in days(STORE_AWAY.tomorrow().expect("a day"), POWER_CUT.yesterday().expect("a day")) {
        weeks.night(day);
    }

    // The power goes in the middle of a run and comes back two days later: one run catches up.
    weeks.working_day(POWER_CUT);
    weeks.set(POWER_CUT.at(2, 30, 1, 0));
    let held = hold_a_run(&weeks.company);
    drop(daemon);
    signal(&held, "KILL");
    wait_until_gone(&held);
    weeks.set(ON_AGAIN.at(12, 0, 0, 0));
    let daemon = Daemon::start(&weeks.company);
    weeks.backed_up();
    weeks.days_kept += 1;
    for task in ["expire", "prune"] {
        let seen = || weeks.status()["maintenance"][task]["slots"].clone();
        wait_for(task, || (seen()["ran"] == weeks.days_kept).then_some(()));
        assert_eq!(seen()["missed"], 2, "{task} on the two days before");
    }
    let off = (weeks.slots("missed"), weeks.slots("failed"));
    assert_eq!(off, (1, 1), "the night between was missed, and the run of the first was killed");
    for day in days(ON_AGAIN.tomorrow().expect("a day"), SET_BACK.yesterday().expect("a day")) {
        weeks.night(day);
    }

    // After the night's work the clock is set back by four hours: half past two comes again.
    weeks.night(SET_BACK);
    weeks.clock.turn(SignedDuration::from_hours(-4));
    for time in [weeks.clock.now(), instant(SET_BACK.at(2, 30, 1, 0)), instant(SET_BACK.at(7, 0, 0, 0))] {
        weeks.clock.set(time);
        daemon.looks();
    }
    for day in days(SET_BACK.tomorrow().expect("a day"), LAST) {
        weeks.night(day);
    }

    daemon.signal("TERM");
    assert_eq!(daemon.ends(), Some(0));
    let nights = days(FIRST, LAST).count() as u64;
    let seen = (weeks.slots("ran"), weeks.slots("missed"), weeks.slots("failed"));
    assert_eq!(seen, (nights - 2, 1, 1), "{}", weeks.status());
    // Five days, and the last of each of three weeks: that of the first is the night before the power cut.
    let kept = [date(2026, 10, 31)].into_iter().chain(days(date(2026, 11, 5), LAST));
    assert_eq!(snapshots(&weeks.company), kept.map(|day| (day, 1)).collect());
    weeks.company.verify();
}
