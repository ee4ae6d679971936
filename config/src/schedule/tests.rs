//! What each way of writing means, and what happens when the clock is changed.

use super::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a time zone")
}

/// The first slots after `after`, on the wall of `zone_name`.
fn slots(text: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
    let zone = zone(zone_name);
    let schedule = Schedule::parse(text).unwrap_or_else(|fault| panic!("{text}: {}", fault.message));
    let slots = schedule.after(after.parse().expect("an instant"), &zone).take(count);
    slots
        .map(|slot| {
            let shown = slot.at.to_zoned_datetime(zone.clone()).strftime("%a %d %H:%M:%S %:z").to_string();
            if slot.moved { format!("{shown} moved") } else { shown }
        })
        .collect()
}

fn check(text: &str, expected: &[&str]) {
    // A Monday.
    assert_eq!(slots(text, "UTC", "2026-11-23T02:30:00Z", expected.len()), expected, "{text}");
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    match Schedule::parse(text) {
        Ok(schedule) => panic!("{schedule:?} is understood"),
        Err(fault) => assert_eq!(fault.message, expected),
    }
}

#[test]
fn words_mean_what_they_say() {
    check("daily 02:30", &["Tue 24 02:30:00 +00:00", "Wed 25 02:30:00 +00:00"]);
    check("Daily 02:30:15", &["Mon 23 02:30:15 +00:00", "Tue 24 02:30:15 +00:00"]);
    check("sun 03:30 weekly", &["Sun 29 03:30:00 +00:00", "Sun 06 03:30:00 +00:00"]);
    check("weekly Sunday 03:30", &["Sun 29 03:30:00 +00:00"]);
    check("mon,thu 01:00", &["Thu 26 01:00:00 +00:00", "Mon 30 01:00:00 +00:00"]);
    check("weekends 23:59", &["Sat 28 23:59:00 +00:00", "Sun 29 23:59:00 +00:00"]);
    check("weekdays 22:00", &["Mon 23 22:00:00 +00:00", "Tue 24 22:00:00 +00:00"]);
    check("monthly 28 04:00", &["Sat 28 04:00:00 +00:00", "Mon 28 04:00:00 +00:00"]);
    check("hourly", &["Mon 23 03:00:00 +00:00", "Mon 23 04:00:00 +00:00"]);
    check("hourly :15", &["Mon 23 03:15:00 +00:00", "Mon 23 04:15:00 +00:00"]);
    check("every 20 minutes", &["Mon 23 02:40:00 +00:00", "Mon 23 03:00:00 +00:00"]);
    check("every 6 hours", &["Mon 23 06:00:00 +00:00", "Mon 23 12:00:00 +00:00"]);
    check("every 5 seconds", &["Mon 23 02:30:05 +00:00", "Mon 23 02:30:10 +00:00"]);
}

#[test]
fn cron_expressions_have_five_fields_or_six_and_one_sunday() {
    check("0 0 2 * * *", &["Tue 24 02:00:00 +00:00", "Wed 25 02:00:00 +00:00"]);
    check("30 2 * * *", &["Tue 24 02:30:00 +00:00"]);
    check("30 2 * * 0", &["Sun 29 02:30:00 +00:00", "Sun 06 02:30:00 +00:00"]);
    check("0 30 2 ? * 7", &["Sun 29 02:30:00 +00:00", "Sun 06 02:30:00 +00:00"]);
    check("30 3 * * 1-5", &["Mon 23 03:30:00 +00:00", "Tue 24 03:30:00 +00:00"]);
    check("30 3 * * fri-mon/2", &["Fri 27 03:30:00 +00:00", "Sun 29 03:30:00 +00:00"]);
    check("*/20 * * * *", &["Mon 23 02:40:00 +00:00", "Mon 23 03:00:00 +00:00"]);
    check("0 0 4 1 1 * 2028", &["Sat 01 04:00:00 +00:00"]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    refused("", "a schedule is empty");
    refused("daily", "`daily`: at what time of the day? write it as 02:30");
    refused("daily 24:00", "`daily 24:00`: `24:00` is no time of the day from 00:00 to 23:59");
    refused("daily 2:30", "`daily 2:30`: `2:30` is no time of the day from 00:00 to 23:59");
    refused("daily 02:30 14:30", "`daily 02:30 14:30` holds two times");
    refused("weekly 03:00", "`weekly 03:00`: on which day of the week?");
    refused("monthly 31 03:00", "`monthly 31 03:00`: every month has the days 1 to 28");
    refused("daily sun 03:00", "`daily sun 03:00`: these words do not go together");
    refused("dayly 03:00", "`dayly 03:00`: `dayly` means nothing here");
    refused("02:30", "`02:30`: on which days? `daily` means all");
    refused("every 7 minutes", "`every 7 minutes`: the number must divide 60, below it");
    refused("every 2 days", "`every 2 days`: known here are seconds, minutes and hours");
    refused("30 2 * * 8", "`8` names no weekday");
    refused("0 0 2 30 2 *", "`0 0 2 30 2 *` never comes");
    refused(
        "0 4 1 * 1",
        "a day of the month and a weekday together mean one thing to some programs and another to others",
    );
    assert!(Schedule::parse("61 2 * * *").is_err());
}

#[test]
fn a_time_that_the_clock_skips_comes_once_at_the_moment_it_skips_to() {
    let spring = ["Sat 28 02:30:00 +01:00", "Sun 29 03:00:00 +02:00 moved", "Mon 30 02:30:00 +02:00"];
    assert_eq!(slots("daily 02:30", "Europe/Berlin", "2026-03-27T12:00:00Z", 3), spring);
    let both = ["Sun 29 03:00:00 +02:00 moved", "Mon 30 02:10:00 +02:00", "Mon 30 02:40:00 +02:00"];
    assert_eq!(slots("10,40 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 3), both);
    let with_three = ["Sun 29 03:00:00 +02:00 moved", "Mon 30 02:00:00 +02:00", "Mon 30 03:00:00 +02:00"];
    assert_eq!(slots("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 3), with_three);
}

#[test]
fn a_time_that_the_clock_shows_twice_comes_once() {
    let autumn = ["Sat 24 02:30:00 +02:00", "Sun 25 02:30:00 +02:00", "Mon 26 02:30:00 +01:00"];
    assert_eq!(slots("daily 02:30", "Europe/Berlin", "2026-10-23T12:00:00Z", 3), autumn);
    // Asked within the hour that is shown again, and at its very beginning.
    let after = ["Mon 26 02:30:00 +01:00"];
    assert_eq!(slots("daily 02:30", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), after);
    assert_eq!(slots("daily 02:30", "Europe/Berlin", "2026-10-25T01:00:00Z", 1), after);
    let at_two = ["Sun 25 02:00:00 +02:00", "Mon 26 02:00:00 +01:00"];
    assert_eq!(slots("daily 02:00", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), at_two);
    let at_three = ["Sun 25 03:00:00 +01:00", "Mon 26 03:00:00 +01:00"];
    assert_eq!(slots("daily 03:00", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), at_three);
}

#[test]
fn what_comes_every_hour_goes_on_by_the_hours_that_pass() {
    let spring = ["Sun 29 01:15:00 +01:00", "Sun 29 03:15:00 +02:00", "Sun 29 04:15:00 +02:00"];
    assert_eq!(slots("hourly :15", "Europe/Berlin", "2026-03-29T00:00:00Z", 3), spring);
    let autumn = ["Sun 25 02:15:00 +02:00", "Sun 25 02:15:00 +01:00", "Sun 25 03:15:00 +01:00"];
    assert_eq!(slots("hourly :15", "Europe/Berlin", "2026-10-25T00:00:00Z", 3), autumn);
}

#[test]
fn a_day_that_a_country_skipped_and_half_hours_are_survived() {
    // Samoa left out 30 December 2011; Lord Howe changes its clocks by half an hour.
    let samoa = ["Thu 29 02:30:00 -10:00", "Sat 31 00:00:00 +14:00 moved", "Sat 31 02:30:00 +14:00"];
    assert_eq!(slots("daily 02:30", "Pacific/Apia", "2011-12-29T12:00:00Z", 3), samoa);
    let howe = ["Sun 04 02:30:00 +11:00 moved", "Mon 05 02:15:00 +11:00"];
    assert_eq!(slots("daily 02:15", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", 2), howe);
}

#[test]
fn slots_only_grow() {
    for text in ["daily 02:30", "*/7 * * * *", "hourly", "0 0,2,3 * * *", "every 4 hours"] {
        for name in ["Europe/Berlin", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"] {
            let (zone, schedule) = (zone(name), Schedule::parse(text).expect("a schedule"));
            let from: Timestamp = "2026-01-01T00:00:00Z".parse().expect("an instant");
            let year = schedule.after(from, &zone).take(4_000);
            let mut last = from;
            for slot in year {
                assert!(slot.at > last, "{text} in {name}: {} after {last}", slot.at);
                last = slot.at;
            }
        }
    }
}
