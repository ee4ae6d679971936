//! Suppressions: accepted for a while, by somebody, for a reason; and shown, never counted as a pass.

use jiff::tz::TimeZone;
use lifeboat_config::Suppression;

use super::control::{Finding, Status};
use super::controls;
use super::facts::Facts;
use super::said::{Said, said};

/// Judges every control, then applies what the configuration suppresses.
pub fn applied(facts: &Facts) -> Vec<Finding> {
    let suppressions = facts.config.as_ref().map_or(&[][..], |config| &config.suppressions);
    let judged = controls::ALL.iter().map(|control| Finding::of(control, (control.judge)(facts), facts.now));
    judged
        .map(|finding| {
            // Whoever suppresses cannot suppress that it is noticed.
            let of_it = |one: &&Suppression| one.control == finding.control.id && one.control != "GOV-03";
            match suppressions.iter().find(of_it) {
                Some(suppression) => apply(finding, suppression, facts),
                None => finding,
            }
        })
        .collect()
}

fn apply(mut finding: Finding, suppression: &Suppression, facts: &Facts) -> Finding {
    let Suppression { reason, owner, .. } = suppression;
    match (suppression.expires, is_over(suppression, facts)) {
        (None, _) => {
            finding.suppression = Some(said!(
                "not suppressed: it has no day of expiry ({reason}; {owner})",
                "未搁置：没有到期日（{reason}；{owner}）"
            ));
        }
        (Some(day), true) => {
            finding.suppression = Some(said!(
                "the suppression ended on {day} ({reason}; {owner})",
                "搁置已于 {day} 到期（{reason}；{owner}）"
            ));
            if finding.status != Status::Pass {
                finding.status = Status::Fail;
            }
        }
        (Some(day), false) if matches!(finding.status, Status::Fail | Status::Unknown) => {
            finding.status = Status::Suppressed;
            finding.suppression = Some(said!(
                "suppressed until {day}: {reason} ({owner})",
                "搁置至 {day}：{reason}（{owner}）"
            ));
            finding.valid_until = finding.valid_until.min(end_of(suppression).unwrap_or(finding.valid_until));
        }
        (Some(_), false) => {}
    }
    finding
}

/// Whether its last day has passed.
pub fn is_over(suppression: &Suppression, facts: &Facts) -> bool {
    end_of(suppression).is_some_and(|end| end <= facts.now)
}

fn end_of(suppression: &Suppression) -> Option<jiff::Timestamp> {
    let after = suppression.expires?.tomorrow().ok()?;
    TimeZone::UTC.to_timestamp(after.at(0, 0, 0, 0)).ok()
}

/// What is wrong with a suppression, in words.
pub fn fault(suppression: &Suppression, facts: &Facts) -> Option<Said> {
    let control = &suppression.control;
    if controls::ALL.iter().all(|known| known.id != control) {
        return Some(said!("{control} is no control", "没有名为 {control} 的控制项"));
    }
    if control == "GOV-03" {
        return Some(said!("{control} cannot be suppressed", "{control} 不能搁置"));
    }
    if suppression.expires.is_none() {
        return Some(said!("{control} has no day of expiry", "{control} 没有到期日"));
    }
    if is_over(suppression, facts) {
        return Some(said!("that of {control} has ended", "{control} 的搁置已到期"));
    }
    if suppression.approved_by.len() < 2 {
        return Some(said!("{control} was not approved by two people", "{control} 未经两人批准"));
    }
    None
}
