//! Days in simulated time: runs take as long as they are told to, and the clock does what it is told to.

use std::path::Path;

use super::*;

/// A host in simulated time.
struct Days {
    scheduler: Scheduler,
    now: Timestamp,
    /// Runs under way, and when each ends how.
    running: Vec<(Timestamp, Job, Ending)>,
    told: Vec<String>,
}

fn rules(agent: &str, crm: &str) -> Rules {
    let text = format!(
        "version = 1\nvault.url = \"file:///v\"\npeople.wang.recipient = \"age1a\"\n[agent]\nname = \"db1\"\n{agent}\n[[source]]\nname = \"crm\"\nurl = \"sqlite:///crm.db\"\nschedule = {crm}\n[[source]]\nname = \"forms\"\nurl = \"sqlite:///forms.db\"\n"
    );
    Rules::of(&Config::parse(&text, Path::new("x")).expect("a good configuration"))
}

fn at(text: &str) -> Timestamp {
    format!("2026-{text}:00Z").parse().expect("an instant")
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

impl Days {
    /// A host that is switched on for the first time.
    fn begin(agent: &str, crm: &str, now: &str) -> Self {
        let now = at(now);
        let scheduler = Scheduler::new(rules(agent, crm), BTreeMap::new(), now);
        Self { scheduler, now, running: Vec::new(), told: Vec::new() }
    }

    /// Lives until then; each run that begins takes `takes` and ends as `ending` says of its attempt.
    fn live(&mut self, until: &str, takes: SignedDuration, ending: impl Fn(u32) -> Ending) {
        let until = at(until);
        loop {
            while let Some(ended) = self.running.iter().position(|(ends, ..)| *ends <= self.now) {
                let (_, job, ending) = self.running.remove(ended);
                let action = self.scheduler.ended(&job, ending, self.now);
                self.tell(action.as_slice());
            }
            let actions = self.scheduler.look(self.now);
            self.tell(&actions);
            for action in actions {
                if let Action::Start { job, attempt, .. } = action {
                    self.running.push((self.now + takes, job, ending(attempt)));
                }
            }
            if self.now >= until {
                return;
            }
            let next = self.running.iter().map(|(ends, ..)| *ends).chain(self.scheduler.wake(self.now)).min();
            let next = next.unwrap_or(until).min(until);
            assert!(
                next > self.now || self.running.iter().any(|(ends, ..)| *ends <= next),
                "time stands still"
            );
            self.now = next;
        }
    }

    fn well(&mut self, until: &str) {
        self.live(until, minutes(20), |_| Ending::Settled(Outcome::Ran));
    }

    /// The machine is off until then; its memory is all that is left.
    fn off(&mut self, until: &str) {
        self.now = at(until);
        self.running.clear();
        let places = self.scheduler.places().clone();
        self.scheduler = Scheduler::new(self.scheduler.rules().clone(), places, self.now);
    }

    fn tell(&mut self, actions: &[Action]) {
        let shown = |time: Timestamp| time.strftime("%d %H:%M").to_string();
        for action in actions {
            let now = shown(self.now);
            self.told.push(match action {
                Action::Start { job, slot, attempt } => {
                    format!("{now} start {} {} #{attempt}", job.of(), shown(*slot))
                }
                Action::Settle { job, slot, outcome } => {
                    format!("{now} {} {} {}", outcome.as_str(), job.of(), shown(*slot))
                }
            });
        }
    }

    #[track_caller]
    fn check(&mut self, expected: &[&str]) {
        assert_eq!(self.told, expected);
        self.told.clear();
    }
}

const NIGHTLY: &str = "[\"daily 02:30\"]";
const UTC: &str = "timezone = \"UTC\"";

#[test]
fn a_nightly_run_is_begun_once_a_night() {
    let mut days = Days::begin(UTC, NIGHTLY, "11-23T12:00");
    days.well("11-25T12:00");
    days.check(&[
        "24 02:30 start crm 24 02:30 #1",
        "24 02:50 ran crm 24 02:30",
        "25 02:30 start crm 25 02:30 #1",
        "25 02:50 ran crm 25 02:30",
    ]);
}

#[test]
fn a_machine_that_was_off_catches_up_once() {
    let mut days = Days::begin(UTC, NIGHTLY, "11-23T12:00");
    days.well("11-23T18:00");
    days.off("11-27T09:00");
    days.well("11-27T12:00");
    days.check(&[
        "27 09:00 missed crm 24 02:30",
        "27 09:00 missed crm 25 02:30",
        "27 09:00 missed crm 26 02:30",
        "27 09:00 start crm 27 02:30 #1",
        "27 09:20 ran crm 27 02:30",
    ]);
    // Nothing was due while it was off: nothing is caught up.
    days.off("11-27T20:00");
    days.well("11-27T21:00");
    days.check(&[]);
}

#[test]
fn a_run_that_was_killed_with_the_machine_is_begun_again_and_counted() {
    let mut days = Days::begin(&format!("{UTC}\nretries = 1"), NIGHTLY, "11-23T12:00");
    days.well("11-24T02:40");
    days.off("11-24T02:45");
    days.well("11-24T02:50");
    days.off("11-24T02:55");
    days.well("11-24T12:00");
    days.check(&[
        "24 02:30 start crm 24 02:30 #1",
        "24 02:45 start crm 24 02:30 #2",
        "24 02:55 failed crm 24 02:30",
    ]);
}

#[test]
fn slots_do_not_pile_up_behind_a_run_that_takes_long() {
    let mut days = Days::begin(UTC, "[\"hourly\"]", "11-23T12:30");
    days.live("11-23T18:00", minutes(150), |_| Ending::Settled(Outcome::Ran));
    days.check(&[
        "23 13:00 start crm 23 13:00 #1",
        "23 15:30 ran crm 23 13:00",
        "23 15:30 missed crm 23 14:00",
        "23 15:30 start crm 23 15:00 #1",
        "23 18:00 ran crm 23 15:00",
        "23 18:00 missed crm 23 16:00",
        "23 18:00 missed crm 23 17:00",
        "23 18:00 start crm 23 18:00 #1",
    ]);
}

#[test]
fn what_fails_is_tried_again_later_and_later_and_then_given_up() {
    let mut days = Days::begin(&format!("{UTC}\nretries = 4"), NIGHTLY, "11-23T12:00");
    days.live("11-24T12:00", minutes(1), |_| Ending::Failed);
    days.check(&[
        "24 02:30 start crm 24 02:30 #1",
        "24 02:32 start crm 24 02:30 #2",
        "24 02:37 start crm 24 02:30 #3",
        "24 02:54 start crm 24 02:30 #4",
        "24 03:55 start crm 24 02:30 #5",
        "24 03:56 failed crm 24 02:30",
    ]);
    days.live("11-25T12:00", minutes(1), |attempt| match attempt {
        1 => Ending::Failed,
        _ => Ending::Settled(Outcome::Partial),
    });
    days.check(&[
        "25 02:30 start crm 25 02:30 #1",
        "25 02:32 start crm 25 02:30 #2",
        "25 02:33 partial crm 25 02:30",
    ]);
}

#[test]
fn a_newer_slot_ends_the_retries_of_the_one_before() {
    let mut days = Days::begin(UTC, "[\"every 2 minutes\"]", "11-23T12:01");
    days.live("11-23T12:06", SignedDuration::from_secs(90), |_| Ending::Failed);
    days.check(&[
        "23 12:02 start crm 23 12:02 #1",
        "23 12:04 failed crm 23 12:02",
        "23 12:04 start crm 23 12:04 #1",
        "23 12:06 failed crm 23 12:04",
        "23 12:06 start crm 23 12:06 #1",
    ]);
}

#[test]
fn no_more_runs_than_jobs_and_none_waits_for_ever() {
    let agent = format!("{UTC}\nschedule = [\"daily 02:30\"]\njobs = 1");
    let mut days = Days::begin(&agent, NIGHTLY, "11-23T12:00");
    days.well("11-24T12:00");
    days.check(&[
        "24 02:30 start crm 24 02:30 #1",
        "24 02:50 ran crm 24 02:30",
        "24 02:50 start forms 24 02:30 #1",
        "24 03:10 ran forms 24 02:30",
    ]);
    let mut days = Days::begin(&agent.replace("jobs = 1", "jobs = 2"), NIGHTLY, "11-23T12:00");
    days.well("11-24T02:40");
    days.check(&["24 02:30 start crm 24 02:30 #1", "24 02:30 start forms 24 02:30 #1"]);
}

#[test]
fn a_run_that_the_agent_stops_keeps_its_slot() {
    let mut days = Days::begin(UTC, NIGHTLY, "11-23T12:00");
    days.well("11-24T02:35");
    days.check(&["24 02:30 start crm 24 02:30 #1"]);
    assert_eq!(days.scheduler.ended(&Job::backup("crm"), Ending::Stopped, days.now), None);
    days.off("11-24T09:00");
    days.well("11-24T12:00");
    days.check(&["24 09:00 start crm 24 02:30 #1", "24 09:20 ran crm 24 02:30"]);
}

#[test]
fn a_clock_that_is_set_back_a_little_runs_nothing_twice() {
    let mut days = Days::begin(UTC, NIGHTLY, "11-23T12:00");
    days.live("11-24T02:31", minutes(1), |_| Ending::Settled(Outcome::Ran));
    days.now = at("11-24T02:10");
    days.well("11-25T12:00");
    days.check(&[
        "24 02:30 start crm 24 02:30 #1",
        "24 02:31 ran crm 24 02:30",
        "25 02:30 start crm 25 02:30 #1",
        "25 02:50 ran crm 25 02:30",
    ]);
}

#[test]
fn a_clock_that_was_days_ahead_loses_no_run_when_it_is_set_right() {
    let mut days = Days::begin(UTC, NIGHTLY, "11-23T12:00");
    days.now = at("12-23T12:00");
    days.well("12-24T12:00");
    days.told.clear();
    days.now = at("11-24T01:00");
    days.well("11-25T12:00");
    days.check(&[
        "24 02:30 start crm 24 02:30 #1",
        "24 02:50 ran crm 24 02:30",
        "25 02:30 start crm 25 02:30 #1",
        "25 02:50 ran crm 25 02:30",
    ]);
}

#[test]
fn a_wait_that_a_wrong_clock_measured_ends() {
    let mut days = Days::begin(UTC, NIGHTLY, "11-23T12:00");
    days.live("11-24T02:31", minutes(1), |_| Ending::Failed);
    days.told.clear();
    // The retry was to be at 02:32 of the 24th.
    days.now = at("11-20T12:00");
    days.well("11-20T14:00");
    days.check(&["20 13:00 start crm 24 02:30 #2", "20 13:20 ran crm 24 02:30"]);
}

#[test]
fn changes_of_the_clock_neither_lose_nor_double_a_night() {
    let berlin = "timezone = \"Europe/Berlin\"";
    let mut days = Days::begin(berlin, NIGHTLY, "03-27T12:00");
    days.well("03-30T12:00");
    days.check(&[
        "28 01:30 start crm 28 01:30 #1",
        "28 01:50 ran crm 28 01:30",
        "29 01:00 start crm 29 01:00 #1",
        "29 01:20 ran crm 29 01:00",
        "30 00:30 start crm 30 00:30 #1",
        "30 00:50 ran crm 30 00:30",
    ]);
    let mut days = Days::begin(berlin, NIGHTLY, "10-24T12:00");
    days.well("10-26T12:00");
    days.check(&[
        "25 00:30 start crm 25 00:30 #1",
        "25 00:50 ran crm 25 00:30",
        "26 01:30 start crm 26 01:30 #1",
        "26 01:50 ran crm 26 01:30",
    ]);
}

#[test]
fn chance_delays_a_run_within_bounds_and_the_same_after_a_restart() {
    let rules = rules(&format!("{UTC}\njitter = \"10m\""), "[\"daily 02:30\", \"daily 02:32\"]");
    let job = Job::backup("crm");
    let mut seen = Vec::new();
    for day in 1..=28 {
        let slot = at(&format!("11-{day:02}T02:32"));
        let delay = rules.delay(&job, slot);
        assert!(delay <= minutes(10) && !delay.is_negative(), "{delay}");
        assert_eq!(delay, rules.delay(&job, slot));
        seen.push(delay);
        // The next slot is two minutes away.
        assert!(rules.delay(&job, at(&format!("11-{day:02}T02:30"))) <= minutes(1));
    }
    seen.sort_unstable();
    assert!(seen[27] - seen[0] > minutes(5), "{seen:?}");
}

#[test]
fn other_rules_come_into_force_without_a_run_that_nobody_asked_for() {
    let mut days = Days::begin(UTC, NIGHTLY, "11-23T12:00");
    days.well("11-24T10:00");
    days.told.clear();
    let actions = days.scheduler.reconfigure(rules(UTC, "[\"daily 09:00\"]"), days.now);
    assert!(actions.is_empty());
    days.well("11-25T10:00");
    days.check(&["25 09:00 start crm 25 09:00 #1", "25 09:20 ran crm 25 09:00"]);
    // A job that is taken out while it runs may end, and is then forgotten.
    days.well("11-26T09:10");
    let actions = days.scheduler.reconfigure(rules(UTC, "[]"), days.now);
    assert!(actions.is_empty());
    days.well("11-28T10:00");
    days.check(&["26 09:00 start crm 26 09:00 #1", "26 09:20 ran crm 26 09:00"]);
    assert!(days.scheduler.places().is_empty());
}

#[test]
fn lost_memory_is_recalled_from_the_last_snapshot() {
    let mut days = Days::begin(UTC, NIGHTLY, "11-25T12:00");
    days.scheduler.recall(&Job::backup("crm"), at("11-24T02:50"));
    days.well("11-25T13:00");
    days.check(&["25 12:00 start crm 25 02:30 #1", "25 12:20 ran crm 25 02:30"]);
    // What it remembers itself is not overruled.
    days.scheduler.recall(&Job::backup("crm"), at("11-20T02:50"));
    days.well("11-25T14:00");
    days.check(&[]);
}

#[test]
fn a_year_with_a_clock_that_jumps_serves_every_night_once() {
    for seed in 0..20_u64 {
        let mut dice = DefaultHasher::new();
        let mut roll = |sides: u64| {
            seed.hash(&mut dice);
            dice.finish() % sides
        };
        let mut days = Days::begin(&format!("{UTC}\njitter = \"20m\""), NIGHTLY, "01-01T12:00");
        // True time, and how far the clock is off it.
        let (mut truth, mut off) = (days.now, SignedDuration::ZERO);
        let mut runs: Vec<Timestamp> = Vec::new();
        for _ in 0..900 {
            truth += minutes(60 + roll(540) as i64);
            if roll(4) == 0 {
                off = minutes(roll(120) as i64 - 60);
            }
            let until = truth + off;
            if until < days.now {
                days.now = until;
            }
            let until_text = until.strftime("%m-%dT%H:%M").to_string();
            days.live(&until_text, minutes(1), |_| Ending::Settled(Outcome::Ran));
            let begun = days.told.drain(..).filter(|line| line.contains("start")).count();
            assert!(begun <= 1, "seed {seed}: {begun} runs at once");
            runs.extend((0..begun).map(|_| truth));
        }
        for pair in runs.windows(2) {
            let apart = pair[1].duration_since(pair[0]).as_hours();
            assert!(
                (11..=37).contains(&apart),
                "seed {seed}: {apart} h between runs at {} and {}",
                pair[0],
                pair[1]
            );
        }
    }
}
