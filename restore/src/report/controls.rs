//! The table of controls: those that matter first, of the checklist that this project keeps for auditors.
//!
//! Each is data (what it asks, why, which clauses it is evidence for, what a pass does not show) and one
//! pure function. Clauses are cited by number and never as met: GB/T 20988-2025 replaced the edition of
//! 2007, and the Cybersecurity Law's articles are numbered as since 2026-01-01.

mod access;
mod branches;
mod copies;
mod coverage;
mod drills;
mod keys;
mod places;
mod proof;
mod watch;

use std::time::Duration;

use super::control::{Control, Judgement};
use super::facts::Facts;
use super::said::{said, words};

/// Every control, in the order of the report.
pub static ALL: [&Control; 32] = [
    &coverage::COV_01,
    &coverage::COV_02,
    &coverage::COV_04,
    &coverage::RUN_01,
    &coverage::RUN_03,
    &copies::CPY_01,
    &copies::CPY_02,
    &copies::CPY_04,
    &copies::IMM_01,
    &copies::IMM_02,
    &keys::CRY_01,
    &keys::CRY_02,
    &keys::CRY_03,
    &keys::CRY_04,
    &keys::CRY_06,
    &branches::CRY_09,
    &access::ACC_01,
    &access::ACC_02,
    &branches::ACC_06,
    &proof::VER_01,
    &drills::VER_02,
    &drills::VER_03,
    &drills::VER_04,
    &proof::AUD_01,
    &access::CLS_01,
    &places::XBR_01,
    &access::RET_02,
    &watch::MON_01,
    &watch::MON_02,
    &watch::MON_03,
    &watch::MON_04,
    &watch::GOV_03,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Names, for a sentence.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// What is said where the record cannot be relied upon.
fn unrecorded(facts: &Facts) -> Option<Judgement> {
    (facts.audit.entries == 0 || !facts.audit.broken.is_empty()).then(|| {
        let said = words("the record is empty or broken", "审计记录为空或已损坏");
        Judgement::unknown(said).seen([&facts.audit.read])
    })
}

/// What is said where the newest snapshot may be one whose manifest cannot be read.
fn unreadable(facts: &Facts) -> Judgement {
    let count = facts.vault.unreadable;
    Judgement::unknown(said!(
        "the newest snapshot may be one that cannot be read; manifests that cannot be: {count}",
        "最新快照可能正是无法读取的那个；无法读取的清单：{count} 个"
    ))
}
