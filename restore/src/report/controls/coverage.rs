//! Whether every source is backed up, whole and in time.

use std::time::Duration;

use lifeboat_console::human_duration;

use super::super::control::{Control, Depth, Judgement, Severity, without_config};
use super::super::facts::{Planned, SnapshotFacts};
use super::super::said::{said, words};
use super::{list, unreadable};

/// How old the newest snapshot may become, of a source whose slots are this far apart.
fn late_after(gap: Duration) -> Duration {
    gap * 3 / 2
}

pub static COV_01: Control = Control {
    id: "COV-01",
    severity: Severity::Critical,
    title: words("Every configured source has a schedule", "每个已配置的数据源都有备份计划"),
    supports: &[
        "GB/T 22239-2019 8.1.10.11 a)",
        "CIS Controls v8 11.1",
        "NIST SP 800-53 r5 CP-9 a",
        "DORA art. 12(1)",
    ],
    rationale: words(
        "A source that nothing runs is lost on the first bad day.",
        "没有计划的数据源，出事时无从恢复。",
    ),
    does_not_show: words(
        "databases that nobody has written into the configuration; schedules outside of Lifeboat, such as cron",
        "未写入配置的数据库；Lifeboat 之外的计划任务（如 cron）",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = [&config.read];
        if config.sources.is_empty() {
            return Judgement::fail(Depth::Config, words("no source is configured", "未配置任何数据源"))
                .seen(evidence);
        }
        let idle = config.sources.iter().filter(|source| source.gap.is_none());
        let (idle, count) = (list(idle.map(|source| source.name.as_str())), config.sources.len());
        if idle.is_empty() {
            let said = said!("sources with a schedule: {count}", "有计划的数据源：{count} 个");
            return Judgement::pass(Depth::Config, said).seen(evidence);
        }
        Judgement::fail(Depth::Config, said!("no schedule for {idle}", "以下数据源没有计划：{idle}"))
            .seen(evidence)
            .fix(words(
                "write `schedule = [\"daily 02:30\"]` in [agent]",
                "在 [agent] 中写入 schedule = [\"daily 02:30\"]",
            ))
    },
};

pub static COV_02: Control = Control {
    id: "COV-02",
    severity: Severity::Critical,
    title: words("Every configured source has a snapshot", "每个已配置的数据源都有快照"),
    supports: &["Cybersecurity Law (CN) art. 23(4)", "Network Data Security Regulations (CN) art. 9"],
    rationale: words("A plan that never succeeded protects nothing.", "从未成功过的备份不提供任何保护。"),
    does_not_show: words("that the rows in it are the right ones", "快照中的数据内容是否正确"),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = [&config.read, &facts.vault.manifests];
        let without = config.sources.iter().filter(|source| facts.newest_of(&source.name).is_none());
        let (without, count) = (list(without.map(|source| source.name.as_str())), config.sources.len());
        let damaged = facts.vault.damage.len();
        if count == 0 {
            return Judgement::fail(Depth::Config, words("no source is configured", "未配置任何数据源"))
                .seen(evidence);
        }
        if without.is_empty() {
            let said = said!("sources with a snapshot: {count}", "有快照的数据源：{count} 个");
            return Judgement::pass(Depth::Probe, said).seen(evidence);
        }
        if damaged > 0 {
            return Judgement::unknown(said!(
                "no readable snapshot of {without}; objects that cannot be read: {damaged}",
                "{without} 没有可读的快照；无法读取的对象：{damaged} 个"
            ))
            .seen(evidence);
        }
        Judgement::fail(Depth::Probe, said!("no snapshot of {without}", "以下数据源没有快照：{without}"))
            .seen(evidence)
            .fix(words("run `lifeboat-agent backup`", "运行 lifeboat-agent backup"))
    },
};

pub static COV_04: Control = Control {
    id: "COV-04",
    severity: Severity::High,
    title: words("Nothing of a source is left out in silence", "数据源中没有被静默遗漏的内容"),
    supports: &["Implementing Regulation (EU) 2024/2690 Annex 4.2.2(b)", "CIS Controls v8 11.1"],
    rationale: words(
        "What a backup leaves out is missed on the day of the restore.",
        "备份遗漏的内容，恢复当天才会被发现。",
    ),
    does_not_show: words(
        "tables made after the last snapshot, which only a look at the live database shows; what the database hid from \
         the reading account; files and attachments outside of the database",
        "最近一次快照之后新建的表（须查看在线数据库）；数据库对读取账户隐藏的内容；数据库之外的文件与附件",
    ),
    valid_hours: 24,
    judge: |facts| {
        let newest = facts.newest();
        let gaps: usize = newest.iter().map(|snapshot| snapshot.not_covered.len()).sum();
        let evidence = [&facts.vault.manifests];
        if gaps > 0 {
            let with = newest.iter().filter(|snapshot| !snapshot.not_covered.is_empty());
            let of = list(with.map(|snapshot| snapshot.source.as_str()));
            let said =
                said!("recorded as not covered: {gaps}, in {of}", "记录为未覆盖的内容：{gaps} 项，涉及 {of}");
            return Judgement::fail(Depth::Config, said)
                .seen(evidence)
                .fix(words("`lifeboat-restore show` names them", "用 lifeboat-restore show 查看明细"));
        }
        let Some(config) = &facts.config else { return without_config() };
        if facts.vault.unreadable > 0 {
            return unreadable(facts).seen(evidence);
        }
        // What an old snapshot did not leave out says nothing of what there is now.
        let fresh = |source: &&Planned| {
            let newest = facts.newest_of(&source.name);
            newest.zip(source.gap).is_some_and(|(newest, gap)| newest.age <= late_after(gap))
        };
        let stale = config.sources.iter().filter(|source| !fresh(source));
        let (stale, count) = (list(stale.map(|source| source.name.as_str())), config.sources.len());
        if !stale.is_empty() || count == 0 {
            return Judgement::unknown(said!(
                "no snapshot within its schedule says what there is of: {stale}",
                "没有计划时间内的快照可说明其内容：{stale}"
            ))
            .seen(evidence);
        }
        let said = said!(
            "sources whose newest snapshot is in time, read everything that was there and left nothing out: {count}",
            "最新快照按时完成、读取了当时全部内容且无遗漏的数据源：{count} 个"
        );
        Judgement::pass(Depth::Config, said).seen([&config.read, &facts.vault.manifests])
    },
};

pub static RUN_01: Control = Control {
    id: "RUN-01",
    severity: Severity::Critical,
    title: words(
        "The last snapshot is not older than 1.5 times its interval",
        "最近快照的时间不超过备份间隔的 1.5 倍",
    ),
    supports: &["CIS Controls v8 11.2", "Cybersecurity Law (CN) art. 23(4)"],
    rationale: words("Everything since the last snapshot would be lost.", "最近快照之后的数据将会丢失。"),
    does_not_show: words(
        "a recovery point that somebody has promised: the schedule's longest interval stands for it",
        "对外承诺的恢复点目标：此处以计划的最长间隔代替",
    ),
    valid_hours: 12,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = [&config.read, &facts.vault.manifests];
        let (mut late, mut unplanned) = (Vec::new(), Vec::new());
        for source in &config.sources {
            match (source.gap, facts.newest_of(&source.name)) {
                (None, _) => unplanned.push(source.name.as_str()),
                (Some(gap), Some(newest)) if newest.age <= late_after(gap) => {}
                (_, Some(newest)) => late.push(format!("{} ({})", source.name, human_duration(newest.age))),
                (_, None) => late.push(source.name.clone()),
            }
        }
        let late = late.join(", ");
        if !late.is_empty() {
            return Judgement::fail(Depth::Probe, said!("too old or missing: {late}", "过旧或缺失：{late}"))
                .seen(evidence)
                .fix(words(
                    "`lifeboat-agent status` says what came of the runs",
                    "用 lifeboat-agent status 查看运行结果",
                ));
        }
        if !unplanned.is_empty() || config.sources.is_empty() {
            let of = list(unplanned);
            let said = said!("no interval to judge by: {of}", "没有可供判断的间隔：{of}");
            return Judgement::unknown(said).seen(evidence);
        }
        let count = config.sources.len();
        Judgement::pass(Depth::Probe, said!("sources in time: {count}", "按时备份的数据源：{count} 个"))
            .seen(evidence)
    },
};

pub static RUN_03: Control = Control {
    id: "RUN-03",
    severity: Severity::High,
    title: words("A partial run is not called a success", "部分完成的备份不会被称为成功"),
    supports: &["NIST SP 800-53 r5 CP-9 d"],
    rationale: words(
        "Whoever believes a partial backup learns of it too late.",
        "轻信部分备份，发现时已太晚。",
    ),
    does_not_show: words("gaps that the database hid from the reading account", "数据库对读取账户隐藏的内容"),
    valid_hours: 24,
    judge: |facts| {
        let newest = facts.newest();
        let evidence = [&facts.vault.manifests];
        let is_open = |snapshot: &SnapshotFacts| {
            !snapshot.not_covered.is_empty() || (!snapshot.flags.is_empty() && !snapshot.accepted)
        };
        let open = newest.iter().filter(|snapshot| is_open(snapshot));
        let (open, count) = (list(open.map(|snapshot| snapshot.source.as_str())), newest.len());
        if count == 0 {
            return Judgement::unknown(words("there is no snapshot", "没有快照")).seen(evidence);
        }
        if open.is_empty() && facts.vault.unreadable > 0 {
            return unreadable(facts).seen(evidence);
        }
        if open.is_empty() {
            let said = said!(
                "newest snapshots without a gap or an open flag: {count}",
                "无遗漏、无待处理标记的最新快照：{count} 个"
            );
            return Judgement::pass(Depth::Config, said).seen(evidence);
        }
        let said = said!(
            "the newest snapshot has a gap, or a flag that nobody accepted: {open}",
            "最新快照存在遗漏或未处理的标记：{open}"
        );
        Judgement::fail(Depth::Config, said)
            .seen(evidence)
            .fix(words("look at it, then `lifeboat-agent accept`", "核实后运行 lifeboat-agent accept"))
    },
};
