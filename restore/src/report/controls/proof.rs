//! Proof by reading and by drill, and of the record itself.

use std::time::Duration;

use lifeboat_console::human_duration;

use super::super::control::{Control, Depth, Judgement, Severity};
use super::super::said::{said, words};
use super::{DAY, list};

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
        if facts.audit.entries == 0 || !facts.audit.broken.is_empty() {
            let said = words("the record is empty or broken", "审计记录为空或已损坏");
            return Judgement::unknown(said).seen(evidence);
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

pub static VER_02: Control = Control {
    id: "VER-02",
    severity: Severity::Critical,
    title: words(
        "A real restore of each grade within 30, 90 and 180 days",
        "各级别数据分别在 30、90、180 天内完成过真实恢复",
    ),
    supports: &[
        "GDPR art. 32(1)(d)",
        "DORA art. 12(2)",
        "CIS Controls v8 11.5",
        "SOC 2 A1.3",
        "NIST SP 800-53 r5 CP-9(2), CP-4",
        "GB/T 22239-2019 8.1.10.13",
    ],
    rationale: words("Only a restore proves a backup.", "只有恢复才能证明备份。"),
    does_not_show: words(
        "where it was restored to, and that applications start on it; restores whose credentials may not write the \
         record; grades that no snapshot has, which no restore opens",
        "恢复到何处、应用能否在其上启动；无权写入审计记录的凭据所做的恢复；快照中不存在的级别（任何恢复都不会打开）",
    ),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.audit.read];
        if facts.audit.entries == 0 || !facts.audit.broken.is_empty() {
            let said = words("the record is empty or broken", "审计记录为空或已损坏");
            return Judgement::unknown(said).seen(evidence);
        }
        let restored = |grade: &str| {
            let of_grade = facts.deeds.done.iter().filter(|one| one.grades.iter().any(|own| own == grade));
            of_grade.map(|one| one.age).min()
        };
        let late = |(grade, days): &(&'static str, u32)| {
            facts.vault.grades.iter().any(|used| used == grade)
                && restored(grade).is_none_or(|age| age > DAY * *days)
        };
        let due = [("high", 30), ("medium", 90), ("low", 180)];
        let late = list(due.iter().filter(|one| late(one)).map(|(grade, _)| *grade));
        let used = list(facts.vault.grades.iter().map(String::as_str));
        if used.is_empty() {
            let said =
                words("no backup of the record says which grades there are", "记录中的备份未说明有哪些级别");
            return Judgement::unknown(said).seen(evidence);
        }
        if late.is_empty() {
            let said = said!("restored whole in time: {used}", "均已按期完整恢复：{used}");
            return Judgement::pass(Depth::Config, said).seen(evidence);
        }
        let said = said!(
            "no whole restore in time of grade {late}; grades that there are: {used}",
            "未按期完整恢复的级别：{late}；现有级别：{used}"
        );
        Judgement::fail(Depth::Config, said).seen(evidence).fix(words(
            "restore the newest snapshot into an empty database: `lifeboat-restore restore SOURCE@latest --to URL`",
            "将最新快照恢复到空数据库：lifeboat-restore restore SOURCE@latest --to URL",
        ))
    },
};

pub static VER_03: Control = Control {
    id: "VER-03",
    severity: Severity::Critical,
    title: words(
        "The drill compared counts and digests with those taken at the source",
        "演练将行数与摘要同源端取值进行了比较",
    ),
    supports: &["DORA art. 12(7)", "Implementing Regulation (EU) 2024/2690 Annex 4.2.2(b)"],
    rationale: words(
        "A restore that lost rows looks like any other.",
        "丢失数据行的恢复看起来与正常恢复无异。",
    ),
    does_not_show: words("anything yet: no record of drills is read", "暂无：未读取演练记录"),
    valid_hours: 24,
    judge: |_| Judgement::unknown(words("this version reads no record of drills", "本版本不读取演练记录")),
};

pub static VER_04: Control = Control {
    id: "VER-04",
    severity: Severity::High,
    title: words("Measured recovery time and point within their targets", "实测恢复时间与恢复点均在目标之内"),
    supports: &["DORA art. 12(6)", "NIST SP 800-53 r5 CP-10(4)"],
    rationale: words("A target that nobody measured is a wish.", "未经测量的目标只是愿望。"),
    does_not_show: words("anything yet: no record of drills is read", "暂无：未读取演练记录"),
    valid_hours: 24,
    judge: |_| Judgement::unknown(words("this version reads no record of drills", "本版本不读取演练记录")),
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
