//! Proof by restoring: how lately, how well compared, and how fast.

use std::time::Duration;

use lifeboat_console::human_duration;

use super::super::control::{Control, Depth, Judgement, Severity, without_config};
use super::super::facts::{Facts, Measured};
use super::super::said::{Words, said, words};
use super::{DAY, list, unrecorded};

/// A restore that is longer ago says nothing of a database, and of people, that have changed since.
const RESTORES_DAYS: u32 = 180;

/// Of so many restores of a source the slowest counts.
const RESTORES_TIMED: usize = 3;

/// How a restore comes to be on record.
const DRILL: Words = words(
    "restore the newest snapshot into an empty database: `lifeboat-restore restore SOURCE@latest --to URL`",
    "将最新快照恢复到空数据库：lifeboat-restore restore SOURCE@latest --to URL",
);

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
         record; restores of some tables, of some grades, or under masks, which do not count; grades that no snapshot \
         has, which no restore opens",
        "恢复到何处、应用能否在其上启动；无权写入审计记录的凭据所做的恢复；仅恢复部分表、部分级别或使用掩码的恢复（不计入）；快照中不存在的级别（任何恢复都不会打开）",
    ),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.audit.read];
        if let Some(unknown) = unrecorded(facts) {
            return unknown;
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
        Judgement::fail(Depth::Config, said).seen(evidence).fix(DRILL)
    },
};

/// Whole restores of a source that still say something, the newest first.
fn lately<'a>(facts: &'a Facts, source: &str) -> impl Iterator<Item = &'a Measured> {
    let of_it = facts.deeds.measured.iter().filter(move |one| one.source == source);
    of_it.filter(|one| one.age <= DAY * RESTORES_DAYS)
}

pub static VER_03: Control = Control {
    id: "VER-03",
    severity: Severity::Critical,
    title: words(
        "The last whole restore compared rows and digests with those taken at the source",
        "最近一次完整恢复将行数与摘要同源端取值进行了比较",
    ),
    supports: &["DORA art. 12(7)", "Implementing Regulation (EU) 2024/2690 Annex 4.2.2(b)"],
    rationale: words(
        "A restore that lost rows looks like any other.",
        "丢失数据行的恢复看起来与正常恢复无异。",
    ),
    does_not_show: words(
        "checks of the application, orphans of foreign keys that nothing enforces, values of sequences: the manifest's \
         counts and digests, taken while the source was read at one point, are what was compared; restores that may not \
         write the record, or of tables or columns only",
        "应用层检查、无约束外键的孤立行、序列值：比较的是清单中的行数与摘要（在同一时间点读取源端时取得）；无权写入审计记录的恢复，以及部分表或列的恢复",
    ),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.audit.read, &facts.vault.manifests];
        if let Some(unknown) = unrecorded(facts) {
            return unknown;
        }
        let (mut differ, mut uncompared, mut none) = (Vec::new(), Vec::new(), Vec::new());
        let sources = facts.sources();
        for source in &sources {
            match lately(facts, source).next().map(|last| last.differences) {
                None => none.push(*source),
                Some(None) => uncompared.push(*source),
                Some(Some(0)) => {}
                Some(Some(tables)) => differ.push(format!("{source} ({tables})")),
            }
        }
        let (differ, uncompared, without) = (differ.join(", "), list(uncompared), list(none));
        if !differ.is_empty() || !uncompared.is_empty() {
            let said = said!(
                "tables that differed in the last whole restore: {differ}; sources of which it compared nothing: \
                 {uncompared}",
                "最近一次完整恢复中有差异的表：{differ}；未作比较的数据源：{uncompared}"
            );
            return Judgement::fail(Depth::Config, said).seen(evidence).fix(words(
                "`lifeboat-restore verify --read-data`, then restore into an empty database, without --no-compare",
                "先运行 lifeboat-restore verify --read-data，再恢复到空数据库，不使用 --no-compare",
            ));
        }
        if !without.is_empty() || sources.is_empty() {
            return Judgement::unknown(said!(
                "no whole restore within 180 days is on record of: {without}",
                "180 天内没有完整恢复记录的数据源：{without}"
            ))
            .seen(evidence)
            .fix(DRILL);
        }
        let count = sources.len();
        let said = said!(
            "sources whose last whole restore was compared and did not differ: {count}",
            "最近一次完整恢复经比较无差异的数据源：{count} 个"
        );
        Judgement::pass(Depth::Config, said).seen(evidence)
    },
};

pub static VER_04: Control = Control {
    id: "VER-04",
    severity: Severity::High,
    title: words("Measured recovery time and point within their targets", "实测恢复时间与恢复点均在目标之内"),
    supports: &["DORA art. 12(6)", "NIST SP 800-53 r5 CP-10(4)"],
    rationale: words("A target that nobody measured is a wish.", "未经测量的目标只是愿望。"),
    does_not_show: words(
        "the time from the alarm to the command, for approvals, and until applications run again; how long a backup \
         itself took; that the machine of the drill is the one of the emergency",
        "从发现故障到执行命令、审批以及应用恢复运行所需的时间；备份本身的耗时；演练所用机器是否即为应急时的机器",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = [&config.read, &facts.audit.read];
        if let Some(unknown) = unrecorded(facts) {
            return unknown;
        }
        let (mut over, mut undeclared, mut unmeasured, mut within) = Default::default();
        for source in &config.sources {
            let slowest = lately(facts, &source.name).take(RESTORES_TIMED).map(|one| one.took).max();
            let gap = facts.deeds.gaps.get(&source.name).copied();
            for (what, measured, target) in [("rto", slowest, source.rto), ("rpo", gap, source.rpo)] {
                let told =
                    |list: &mut Vec<String>, what: String| list.push(format!("{} {what}", source.name));
                match (measured, target) {
                    (_, None) => told(&mut undeclared, what.to_owned()),
                    (None, Some(_)) => told(&mut unmeasured, what.to_owned()),
                    (Some(measured), Some(target)) => {
                        let list = if measured > target { &mut over } else { &mut within };
                        told(list, of(what, measured, target));
                    }
                }
            }
        }
        let [over, undeclared, unmeasured, within] =
            [over, undeclared, unmeasured, within].map(|list: Vec<String>| list.join(", "));
        if !over.is_empty() {
            return Judgement::fail(Depth::Config, said!("over the target: {over}", "超出目标：{over}"))
                .seen(evidence);
        }
        if !undeclared.is_empty() {
            let said = said!("no target is declared: {undeclared}", "未声明目标：{undeclared}");
            return Judgement::unknown(said).seen(evidence).fix(words(
                "write what was promised in [[source]]: `rto = \"4h\"`, `rpo = \"25h\"`",
                "在 [[source]] 中写入对外承诺的目标：rto = \"4h\"、rpo = \"25h\"",
            ));
        }
        if !unmeasured.is_empty() || within.is_empty() {
            let said = said!("nothing on record measures: {unmeasured}", "没有记录可供测量：{unmeasured}");
            return Judgement::unknown(said).seen(evidence).fix(DRILL);
        }
        Judgement::pass(Depth::Config, said!("measured: {within}", "实测：{within}")).seen(evidence)
    },
};

/// A measure beside its target.
fn of(what: &str, measured: Duration, target: Duration) -> String {
    format!("{what} {} / {}", human_duration(measured), human_duration(target))
}
