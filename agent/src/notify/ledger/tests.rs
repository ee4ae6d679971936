//! The rules of telling, without a network and without a clock.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
}

fn places(text: &str) -> Vec<Notify> {
    let head =
        "version = 1\nvault.url = \"file:///v\"\npeople.wang.recipient = \"age1a\"\nagent.name = \"db1\"\n";
    let path = std::path::Path::new("lifeboat.toml");
    lifeboat_config::Config::parse(&format!("{head}{text}"), path).expect("a good configuration").notify
}

fn robot() -> Vec<Notify> {
    places("[[notify]]\nname = \"ops\"\ntype = \"dingtalk\"\nurl = \"{env:URL}\"")
}

fn event(source: &str, severity: Severity, seconds: i64) -> Event {
    Event {
        source: Some(source.to_owned()),
        ..Event::failed(Check::Backup, severity, "gz", RunId::new(), at(seconds))
    }
}

fn tell(ledger: &mut Ledger, event: Event, places: &[Notify]) {
    ledger.tell(event, places, |_| SignedDuration::ZERO);
}

fn answer(outcome: Outcome) -> Answer {
    Answer::new(outcome, "code", "reason")
}

/// Sends everything that is due, to services that answer so; tells what was sent, by source and state.
fn send(ledger: &mut Ledger, places: &[Notify], outcome: Outcome, now: Timestamp) -> Vec<String> {
    let mut sent = Vec::new();
    while let Next::Send(batch) = ledger.next(places, now) {
        let what = |content: &Content| match content {
            Content::Event(event) => {
                format!("{} {:?}", event.source.as_deref().unwrap_or("-"), event.state)
            }
            Content::Digest(_) => "digest".to_owned(),
        };
        let contents: Vec<_> = batch.contents.iter().map(what).collect();
        sent.push(format!("{}: {}", batch.place, contents.join(", ")));
        ledger.done(&batch, &answer(outcome), "gz", RunId::new(), now, places);
    }
    sent
}

#[test]
fn an_event_is_told_once_and_so_is_its_end() {
    let (mut ledger, places) = (Ledger::default(), robot());
    for night in 0..3 {
        tell(&mut ledger, event("crm", Severity::Critical, night * 86_400), &places);
        let sent = send(&mut ledger, &places, Outcome::Accepted, at(night * 86_400));
        assert_eq!(sent.is_empty(), night > 0, "{sent:?}");
    }
    assert_eq!(ledger.open(), ["lifeboat/gz/crm/backup"]);
    for hour in 0..2 {
        let now = at(3 * 86_400 + hour * 3600);
        ledger.ran("gz", Some("crm"), Task::Backup, Some(RunId::new()), now, &places);
        let sent = send(&mut ledger, &places, Outcome::Accepted, now);
        assert_eq!(sent, if hour == 0 { vec!["ops: crm Recovered"] } else { vec![] });
    }
    tell(&mut ledger, event("crm", Severity::Critical, 5 * 86_400), &places);
    assert_eq!(send(&mut ledger, &places, Outcome::Accepted, at(5 * 86_400)), ["ops: crm Failed"]);
}

#[test]
fn what_gets_worse_is_told_again() {
    let (mut ledger, places) = (Ledger::default(), robot());
    for (severity, sent) in [(Severity::Warning, 1), (Severity::Critical, 1), (Severity::Warning, 0)] {
        tell(&mut ledger, event("crm", severity, 0), &places);
        assert_eq!(send(&mut ledger, &places, Outcome::Accepted, at(0)).len(), sent, "{severity:?}");
    }
}

#[test]
fn each_place_hears_what_it_asked_for() {
    let places = places(
        r#"
[[notify]]
name = "all"
type = "slack"
url = "{env:A}"
severity = "info"
[[notify]]
name = "worst"
type = "slack"
url = "{env:A}"
severity = "critical"
[[notify]]
name = "erp"
type = "slack"
url = "{env:A}"
sources = ["erp"]
[[notify]]
name = "elsewhere"
type = "slack"
url = "{env:A}"
branches = ["hamburg"]
[[notify]]
name = "alive"
type = "ping"
url = "{env:A}"
"#,
    );
    let check = |event: Event, expected: &[&str]| {
        let mut ledger = Ledger::default();
        tell(&mut ledger, event, &places);
        let sent = send(&mut ledger, &places, Outcome::Accepted, at(0));
        let names: Vec<_> = sent.iter().filter_map(|sent| sent.split(':').next()).collect();
        assert_eq!(names, expected);
    };
    check(event("crm", Severity::Critical, 0), &["all", "worst"]);
    check(event("erp", Severity::Warning, 0), &["all", "erp"]);
    check(event("erp", Severity::Info, 0), &["all"]);
    check(Event { source: None, ..event("", Severity::Warning, 0) }, &["all", "erp"]);
}

#[test]
fn many_events_become_one_message_and_the_worst_comes_first() {
    let (mut ledger, places) = (Ledger::default(), robot());
    for number in 0..24 {
        tell(&mut ledger, event(&format!("s{number}"), Severity::Warning, 0), &places);
    }
    tell(&mut ledger, event("crm", Severity::Critical, 1), &places);
    let sent = send(&mut ledger, &places, Outcome::Accepted, at(1));
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("ops: crm Failed, s0 Failed, s1 Failed"), "{sent:?}");
    assert_eq!(sent[0].matches("Failed").count(), 25);
}

#[test]
fn events_of_a_minute_stay_under_the_limit_and_a_critical_one_gets_through() {
    let (mut ledger, places) = (Ledger::default(), robot());
    let mut sent = Vec::new();
    for second in 0..60 {
        if second % 2 == 0 && second < 50 {
            tell(&mut ledger, event(&format!("s{second}"), Severity::Warning, second), &places);
        }
        if second == 55 {
            tell(&mut ledger, event("crm", Severity::Critical, second), &places);
        }
        sent.extend(send(&mut ledger, &places, Outcome::Accepted, at(second)));
    }
    assert!(sent.len() <= 20, "{sent:?}");
    assert!(sent.iter().any(|sent| sent.starts_with("ops: crm Failed")), "{sent:?}");
}

#[test]
fn a_program_gets_each_event_by_itself() {
    let places = places("[[notify]]\nname = \"duty\"\ntype = \"pagerduty\"\nkey = \"{env:KEY}\"");
    let mut ledger = Ledger::default();
    for number in 0..5 {
        tell(&mut ledger, event(&format!("s{number}"), Severity::Warning, 0), &places);
    }
    assert_eq!(send(&mut ledger, &places, Outcome::Accepted, at(0)).len(), 5);
}

#[test]
fn what_is_not_taken_now_is_sent_later_and_given_up_in_the_end() {
    let (mut ledger, places) = (Ledger::default(), robot());
    tell(&mut ledger, event("crm", Severity::Critical, 0), &places);
    let (mut now, mut attempts) = (at(0), 0);
    loop {
        match ledger.next(&places, now) {
            Next::Send(batch) => {
                attempts += 1;
                ledger.done(&batch, &answer(Outcome::Retryable(None)), "gz", RunId::new(), now, &places);
            }
            Next::Wait(time) => now = time,
            Next::Idle => break,
        }
    }
    let hours = now.duration_since(at(0)).as_hours();
    assert!((71..=73).contains(&hours) && (70..90).contains(&attempts), "{attempts} in {hours} h");
    assert_eq!(ledger.open(), ["lifeboat/gz/crm/backup"], "its end is told all the same");
}

#[test]
fn a_place_that_wants_silence_gets_it() {
    let (mut ledger, places) = (Ledger::default(), robot());
    tell(&mut ledger, event("crm", Severity::Critical, 0), &places);
    assert_eq!(send(&mut ledger, &places, Outcome::Retryable(Some(600)), at(0)).len(), 1);
    tell(&mut ledger, event("erp", Severity::Critical, 10), &places);
    assert_eq!(ledger.next(&places, at(10)), Next::Wait(at(600)));
    assert_eq!(send(&mut ledger, &places, Outcome::Accepted, at(600)).len(), 2);
}

#[test]
fn an_end_never_overtakes_the_event() {
    let (mut ledger, places) = (Ledger::default(), robot());
    tell(&mut ledger, event("crm", Severity::Critical, 0), &places);
    send(&mut ledger, &places, Outcome::Retryable(None), at(0));
    ledger.ran("gz", Some("crm"), Task::Backup, Some(RunId::new()), at(5), &places);
    assert_eq!(ledger.next(&places, at(5)), Next::Wait(at(30)));
    assert_eq!(
        send(&mut ledger, &places, Outcome::Accepted, at(30)),
        ["ops: crm Failed", "ops: crm Recovered"]
    );
}

#[test]
fn what_may_have_arrived_is_sent_once_more_and_marked() {
    let (mut ledger, places) = (Ledger::default(), robot());
    tell(&mut ledger, event("crm", Severity::Critical, 0), &places);
    assert_eq!(send(&mut ledger, &places, Outcome::Unknown, at(0)).len(), 1);
    let Next::Send(batch) = ledger.next(&places, at(60)) else { panic!("nothing to send") };
    assert!(batch.repeat);
    // Whoever sent it is killed; whoever comes next must not send it a third time.
    ledger.settle_interrupted();
    assert_eq!(ledger.next(&places, at(120)), Next::Idle);
}

#[test]
fn a_place_that_refuses_is_an_event_for_the_others() {
    let places = places(
        "[[notify]]\nname = \"a\"\ntype = \"slack\"\nurl = \"{env:A}\"\n[[notify]]\nname = \"b\"\ntype = \"slack\"\nurl = \"{env:A}\"",
    );
    let mut ledger = Ledger::default();
    tell(&mut ledger, event("crm", Severity::Critical, 0), &places);
    let Next::Send(batch) = ledger.next(&places, at(0)) else { panic!("nothing to send") };
    assert_eq!(batch.place, "a");
    ledger.done(&batch, &answer(Outcome::Rejected), "gz", RunId::new(), at(0), &places);
    assert_eq!(send(&mut ledger, &places, Outcome::Accepted, at(0)), ["b: crm Failed", "b: - Failed"]);
    assert_eq!(ledger.open(), ["lifeboat/gz/-/notify/a", "lifeboat/gz/crm/backup"]);
    tell(&mut ledger, event("erp", Severity::Critical, 1), &places);
    assert_eq!(send(&mut ledger, &places, Outcome::Accepted, at(1)), ["a: erp Failed", "b: erp Failed"]);
    // What is left at once is kept for critical events.
    assert_eq!(send(&mut ledger, &places, Outcome::Accepted, at(61)), ["b: - Recovered"]);
}

#[test]
fn a_summary_is_sent_once_a_day_and_lists_what_is_open() {
    let places = places(
        "[[notify]]\nname = \"ops\"\ntype = \"slack\"\nurl = \"{env:A}\"\ndigest = \"08:00\"\nseverity = \"critical\"",
    );
    let mut ledger = Ledger::default();
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    let zone = TimeZone::UTC;
    tell(&mut ledger, event("crm", Severity::Warning, 0), &places);
    ledger.ran("gz", Some("crm"), Task::Backup, None, at(0), &places);
    ledger.ran("gz", Some("erp"), Task::Backup, Some(RunId::new()), at(0), &places);
    let mut sent = Vec::new();
    for now in
        ["2026-11-22T09:00:00Z", "2026-11-23T07:59:00Z", "2026-11-23T08:00:00Z", "2026-11-23T20:00:00Z"]
    {
        ledger.digest("gz", &places, &zone, time(now));
        while let Next::Send(batch) = ledger.next(&places, time(now)) {
            ledger.done(&batch, &answer(Outcome::Accepted), "gz", RunId::new(), time(now), &places);
            sent.push((now, batch));
        }
    }
    assert_eq!(sent.iter().map(|(now, _)| *now).collect::<Vec<_>>(), ["2026-11-23T08:00:00Z"]);
    let [Content::Digest(digest)] = &sent[0].1.contents[..] else { panic!("{sent:?}") };
    assert_eq!(digest.open.len(), 1);
    let runs: Vec<_> = digest.runs.iter().map(|run| (run.source.as_deref(), run.good, run.failed)).collect();
    assert_eq!(runs, [(Some("crm"), 0, 1), (Some("erp"), 1, 0)]);
}

#[test]
fn a_summary_tells_what_came_since_the_last_one_of_the_same_place() {
    let slack = |name: &str, hour: &str| {
        format!("[[notify]]\nname = \"{name}\"\ntype = \"slack\"\nurl = \"{{env:A}}\"\ndigest = \"{hour}\"\n")
    };
    let places = places(&(slack("ops", "08:00") + &slack("boss", "09:00")));
    let mut ledger = Ledger::default();
    let mut told = Vec::new();
    for day in 22..=25 {
        for hour in ["02:30", "08:00", "09:00"] {
            let now: Timestamp = format!("2026-11-{day}T{hour}:00Z").parse().expect("a time");
            if hour == "02:30" {
                ledger.ran("gz", Some("crm"), Task::Backup, Some(RunId::new()), now, &places);
                continue;
            }
            ledger.digest("gz", &places, &TimeZone::UTC, now);
            while let Next::Send(batch) = ledger.next(&places, now) {
                ledger.done(&batch, &answer(Outcome::Accepted), "gz", RunId::new(), now, &places);
                let [Content::Digest(digest)] = &batch.contents[..] else { panic!("{batch:?}") };
                told.push((day, batch.place, digest.runs[0].good));
            }
        }
    }
    // The first tells of the day on which the place was new as well.
    let expected = [(23, 2), (24, 1), (25, 1)]
        .map(|(day, good)| [(day, "ops".to_owned(), good), (day, "boss".to_owned(), good)]);
    assert_eq!(told, expected.concat());
}

#[test]
fn the_first_summary_of_a_place_that_comes_later_tells_of_its_own_days_alone() {
    let slack = |name: &str| {
        format!("[[notify]]\nname = \"{name}\"\ntype = \"slack\"\nurl = \"{{env:A}}\"\ndigest = \"08:00\"\n")
    };
    let (first, both) = (places(&slack("ops")), places(&(slack("ops") + &slack("boss"))));
    let mut ledger = Ledger::default();
    let mut told = Vec::new();
    for day in 10..=26 {
        let places = if day < 24 { &first } else { &both };
        let time = |hour: &str| format!("2026-11-{day}T{hour}:00Z").parse::<Timestamp>().expect("a time");
        ledger.ran("gz", Some("crm"), Task::Backup, Some(RunId::new()), time("02:30"), places);
        ledger.digest("gz", places, &TimeZone::UTC, time("08:00"));
        while let Next::Send(batch) = ledger.next(places, time("08:00")) {
            ledger.done(&batch, &answer(Outcome::Accepted), "gz", RunId::new(), time("08:00"), places);
            let [Content::Digest(digest)] = &batch.contents[..] else { panic!("{batch:?}") };
            if batch.place == "boss" {
                told.push((day, digest.runs[0].good));
            }
        }
    }
    assert_eq!(told, [(25, 2), (26, 1)]);
}

#[test]
fn the_ledger_survives_being_written() {
    let (mut ledger, places) = (Ledger::default(), robot());
    tell(&mut ledger, event("crm", Severity::Critical, 0), &places);
    send(&mut ledger, &places, Outcome::Retryable(Some(600)), at(0));
    let json = serde_json::to_string(&ledger).expect("JSON");
    assert_eq!(serde_json::from_str::<Ledger>(&json).expect("a ledger"), ledger);
}
