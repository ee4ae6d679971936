//! From an operator's words to a cron expression.
//!
//! Cron programs disagree about two things, so neither is passed on: the numbers of weekdays (0 and 7 are
//! Sunday here, as in crontab; the `cron` crate counts from 1), and what a day of the month beside a weekday
//! means (either, or both at once), which is refused.

use crate::section::did_you_mean;
use crate::values::Fault;

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const LONG_DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Words that are not days and may stand in a schedule.
const WORDS: [&str; 7] = ["daily", "weekly", "monthly", "hourly", "weekdays", "weekends", "every"];

/// The last day that every month has.
const DAY_OF_EVERY_MONTH: u8 = 28;

/// What is wrong, and how a schedule is written.
pub(super) fn not_understood(message: &str) -> Fault {
    Fault { message: message.to_owned(), hints: vec![EXAMPLES.to_owned()] }
}

const EXAMPLES: &str = "write `daily 02:30`, `sun 03:30 weekly`, `weekdays 22:00`, `monthly 1 04:00`, `hourly :15`, `every 15 minutes`, or a cron expression of five fields (six begin with seconds)";

/// The expression that the words stand for, in the dialect of the `cron` crate.
pub(super) fn to_cron(text: &str) -> Result<String, Fault> {
    let fields: Vec<_> = text.split_whitespace().collect();
    let cron_like =
        |field: &&str| field.chars().any(|c| matches!(c, '*' | '?' | '/')) || field.parse::<u32>().is_ok();
    if (5..=7).contains(&fields.len()) && fields.iter().filter(|field| cron_like(field)).count() >= 2 {
        return from_fields(&fields);
    }
    let lower = text.to_lowercase();
    let words: Vec<_> = lower.split_whitespace().collect();
    match words[..] {
        [] => Err(not_understood("a schedule is empty")),
        ["every", number, unit] => every(text, number, unit),
        ["hourly"] => Ok("0 0 * * * *".to_owned()),
        ["hourly", minute] => {
            let minute = minute.strip_prefix(':').and_then(|minute| minute.parse::<u8>().ok());
            match minute.filter(|minute| *minute < 60) {
                Some(minute) => Ok(format!("0 {minute} * * * *")),
                None => Err(not_understood(&format!("`{text}`: the minute of `hourly` is written `:15`"))),
            }
        }
        _ => Days::read(text, &words)?.to_cron(text),
    }
}

/// A crontab's five fields lack the seconds, which come first.
fn from_fields(fields: &[&str]) -> Result<String, Fault> {
    let (seconds, rest) = if fields.len() == 5 { ("0", fields) } else { (fields[0], &fields[1..]) };
    let any = |field: &str| matches!(field, "*" | "?");
    let (day, weekday) = (rest[2], rest[4]);
    if !any(day) && !any(weekday) {
        let message =
            "a day of the month and a weekday together mean one thing to some programs and another to others";
        return Err(Fault {
            message: message.to_owned(),
            hints: vec![
                "write two entries, with `*` for the day in one and for the weekday in the other".into(),
            ],
        });
    }
    let mut cron = vec![seconds.to_owned(), rest[0].to_owned(), rest[1].to_owned(), day.to_owned()];
    cron.push(rest[3].to_owned());
    cron.push(weekdays(weekday)?);
    cron.extend(rest.get(5).map(|year| (*year).to_owned()));
    Ok(cron.join(" "))
}

/// A crontab's weekdays, by name.
fn weekdays(field: &str) -> Result<String, Fault> {
    if matches!(field, "*" | "?") {
        return Ok("*".to_owned());
    }
    let mut chosen = [false; 7];
    for item in field.split(',') {
        let wrong = || not_understood(&format!("`{item}` names no weekday"));
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?),
            None => (item, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((first, last)) => (weekday(first).ok_or_else(wrong)?, weekday(last).ok_or_else(wrong)?),
            None => {
                let day = weekday(range).ok_or_else(wrong)?;
                (day, day)
            }
        };
        // `fri-mon` goes over the end of the week.
        let last = if last < first { last + 7 } else { last };
        (first..=last).step_by(step).for_each(|day| chosen[day % 7] = true);
    }
    Ok(names(&chosen))
}

fn weekday(word: &str) -> Option<usize> {
    let word = word.to_lowercase();
    let named = |names: &[&str]| names.iter().position(|name| *name == word);
    named(&DAYS).or_else(|| named(&LONG_DAYS)).or_else(|| word.parse().ok().filter(|number| *number <= 7))
}

fn names(chosen: &[bool; 7]) -> String {
    let names: Vec<_> = DAYS.iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(day, _)| *day).collect();
    names.join(",")
}

fn every(text: &str, number: &str, unit: &str) -> Result<String, Fault> {
    let number: u8 = number.parse().unwrap_or(0);
    let divides = |whole: u8| number > 0 && number < whole && whole.is_multiple_of(number);
    match unit.trim_end_matches('s') {
        "second" if divides(60) => Ok(format!("0/{number} * * * * *")),
        "minute" if divides(60) => Ok(format!("0 0/{number} * * * *")),
        "hour" if divides(24) => Ok(format!("0 0 0/{number} * * *")),
        "second" | "minute" => Err(not_understood(&format!("`{text}`: the number must divide 60, below it"))),
        "hour" => Err(not_understood(&format!("`{text}`: the number must divide 24, below it"))),
        _ => Err(not_understood(&format!("`{text}`: known here are seconds, minutes and hours"))),
    }
}

/// Days and a time of the day, in whatever order they were written.
#[derive(Default)]
struct Days {
    time: Option<(u8, u8, u8)>,
    weekdays: [bool; 7],
    day_of_month: Option<u8>,
    daily: bool,
    weekly: bool,
    monthly: bool,
}

impl Days {
    fn read(text: &str, words: &[&str]) -> Result<Self, Fault> {
        let mut days = Self::default();
        for word in words.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty()) {
            days.add(text, word)?;
        }
        Ok(days)
    }

    fn add(&mut self, text: &str, word: &str) -> Result<(), Fault> {
        match word {
            "daily" => self.daily = true,
            "weekly" => self.weekly = true,
            "monthly" => self.monthly = true,
            "weekdays" => self.weekdays[1..=5].fill(true),
            "weekends" => (self.weekdays[0], self.weekdays[6]) = (true, true),
            word if word.contains(':') => {
                let time = time(word).ok_or_else(|| {
                    not_understood(&format!("`{text}`: `{word}` is no time of the day from 00:00 to 23:59"))
                })?;
                if self.time.replace(time).is_some() {
                    return Err(Fault {
                        message: format!("`{text}` holds two times"),
                        hints: vec!["write one entry of the list for each time".into()],
                    });
                }
            }
            word => match (word.parse::<u8>(), weekday(word)) {
                (Ok(day), _) if self.day_of_month.is_none() => self.day_of_month = Some(day),
                (Err(_), Some(day)) => self.weekdays[day] = true,
                _ => return Err(unknown(text, word)),
            },
        }
        Ok(())
    }

    fn to_cron(&self, text: &str) -> Result<String, Fault> {
        let wrong = |reason: &str| not_understood(&format!("`{text}`: {reason}"));
        let named = self.weekdays.contains(&true);
        let Some((hour, minute, second)) = self.time else {
            return Err(wrong("at what time of the day? write it as 02:30"));
        };
        let time = format!("{second} {minute} {hour}");
        match (self.daily, self.weekly, self.monthly, named, self.day_of_month) {
            (true, false, false, false, None) => Ok(format!("{time} * * *")),
            (false, _, false, true, None) => Ok(format!("{time} * * {}", names(&self.weekdays))),
            (false, true, false, false, None) => Err(wrong("on which day of the week?")),
            (false, false, true, false, Some(day @ 1..=DAY_OF_EVERY_MONTH)) => {
                Ok(format!("{time} {day} * *"))
            }
            (false, false, true, false, Some(_)) => Err(wrong("every month has the days 1 to 28")),
            (false, false, true, false, None) => Err(wrong("on which day of the month?")),
            (false, false, false, false, None) => Err(wrong("on which days? `daily` means all")),
            _ => Err(wrong("these words do not go together")),
        }
    }
}

fn time(word: &str) -> Option<(u8, u8, u8)> {
    let mut parts = word.split(':').map(|part| part.parse::<u8>().ok().filter(|_| part.len() == 2));
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    (parts.next().is_none() && hour < 24 && minute < 60 && second < 60).then_some((hour, minute, second))
}

fn unknown(text: &str, word: &str) -> Fault {
    let known: Vec<_> = WORDS.iter().chain(&DAYS).chain(&LONG_DAYS).copied().collect();
    let hint = did_you_mean(word, &known);
    let hint = if hint.starts_with("did") { hint } else { EXAMPLES.to_owned() };
    Fault { message: format!("`{text}`: `{word}` means nothing here"), hints: vec![hint] }
}
