//! Proof by reading, and of the record itself.

use std::time::Duration;

use lifeboat_console::human_duration;

use super::super::control::{Control, Depth, Judgement, Severity};
use super::super::said::{said, words};
use super::{DAY, unrecorded};

pub static VER_01: Control = Control {
    id: "VER-01",
    severity: Severity::High,
    title: words(
        "Structure proven within 7 days, every stored byte within 30",
        "7 天内校验结构，30 天内校验全部存储字节",
    ),
    supports: &[
        "Implementing Regulation (EU) 2024/2690 Annex 4.2.3",
        "NIST SP 800-53 r5 CP-9(1)",
        "ISO/IEC 27001:2022 A.8.13",
    ],
    rationale: words("Stored bytes rot unseen.", "存储的字节会在无人察觉时损坏。"),
    does_not_show: words(
        "that the copies are whole; that the clock of whoever verified was right",
        "各副本是否完好；校验者的时钟是否准确",
    ),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.audit.read];
        let within = |age: Option<Duration>, days: u32| age.is_some_and(|age| age <= DAY * days);
        let told = |age: Option<Duration>| age.map_or("-".to_owned(), human_duration);
        let (structure, rows) = (told(facts.audit.verified), told(facts.audit.rows_verified));
        if let Some(unknown) = unrecorded(facts) {
            return unknown;
        }
        let said = said!(
            "every snapshot was verified {structure} ago, every row of them {rows} ago",
            "距上次校验全部快照 {structure}，距上次校验全部数据行 {rows}"
        );
        if within(facts.audit.verified, 7) && within(facts.audit.rows_verified, 30) {
            return Judgement::pass(Depth::Config, said).seen(evidence);
        }
        Judgement::fail(Depth::Config, said).seen(evidence).fix(words(
            "run `lifeboat-restore verify --read-data`",
            "运行 lifeboat-restore verify --read-data",
        ))
    },
};

pub static AUD_01: Control = Control {
    id: "AUD-01",
    severity: Severity::Critical,
    title: words("The audit chain verifies from its beginning", "审计链自起点起校验无误"),
    supports: &["NIST SP 800-53 r5 AU-9(3)", "GB/T 22239-2019 8.1.4.3 c)"],
    rationale: words("A record that can be changed proves nothing.", "可被篡改的记录不能证明任何事。"),
    does_not_show: words(
        "that no end was removed of a chain after which nobody wrote: an anchor kept elsewhere shows it",
        "链尾是否被删除且其后无人写入：须与异地保存的锚点比较",
    ),
    valid_hours: 24,
    judge: |facts| {
        let (evidence, entries) = ([&facts.audit.read], facts.audit.entries);
        let broken = facts.audit.broken.join("; ");
        if !broken.is_empty() {
            return Judgement::fail(Depth::Probe, said!("broken: {broken}", "已损坏：{broken}"))
                .seen(evidence);
        }
        if entries == 0 {
            return Judgement::unknown(words("the record has no entry", "审计记录为空")).seen(evidence);
        }
        let said = said!(
            "entries whose signatures and chains verify: {entries}",
            "签名与链均校验无误的条目：{entries} 条"
        );
        Judgement::pass(Depth::Probe, said).seen(evidence)
    },
};
