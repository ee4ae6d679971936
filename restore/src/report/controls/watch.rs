//! Whether somebody would notice, and what is left aside by decision.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::control::{Control, Depth, Judgement, Severity, without_config};
use super::super::said::{Said, said, words};
use super::super::suppress;
use super::{DAY, list, unreadable, unrecorded};

/// An event older than this says nothing of the rule today.
const RULE_DAYS: u64 = 90;

/// What was accepted longer ago says nothing of a channel today.
const TESTS_DAYS: u32 = 30;

pub static MON_01: Control = Control {
    id: "MON-01",
    severity: Severity::Critical,
    title: words("A dead-man ping outside notices silence", "外部心跳监测能发现静默"),
    supports: &["ISO/IEC 27001:2022 A.8.16", "NIST SP 800-53 r5 SI-4"],
    rationale: words("An agent that is gone sends no alert.", "已失效的代理不会发出告警。"),
    does_not_show: words(
        "that the service outside raises an alarm when calls stay away; calls for restores, which nothing schedules",
        "心跳中断时外部服务是否会发出警报；恢复演练的心跳（演练不由计划触发）",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = [&config.read, &facts.audit.read];
        if config.channels.iter().all(|(_, kind)| *kind != "ping") {
            let said = words("no [[notify]] of the type ping", "没有类型为 ping 的 [[notify]]");
            let fix = words("add one: silence is then noticed", "请添加，以便发现静默");
            return Judgement::fail(Depth::Config, said).seen([&config.read]).fix(fix);
        }
        if let Some(unknown) = unrecorded(facts) {
            return unknown;
        }
        let (mut late, mut untold, mut unplanned) = (Vec::new(), Vec::new(), Vec::new());
        for source in &config.sources {
            match (source.gap, facts.told.pings.get(&source.name)) {
                (None, _) => unplanned.push(source.name.as_str()),
                (_, None) => untold.push(source.name.as_str()),
                (Some(gap), Some(Some(age))) if *age <= gap * 2 => {}
                (_, Some(_)) => late.push(source.name.as_str()),
            }
        }
        let (late, untold, unplanned) = (list(late), list(untold), list(unplanned));
        if !late.is_empty() {
            let said = said!(
                "no call within two intervals was accepted, by the newest backup of: {late}",
                "最新备份显示两个间隔内没有被接受的心跳：{late}"
            );
            return Judgement::fail(Depth::Config, said)
                .seen(evidence)
                .fix(words("the agent's log says what the service answered", "代理日志记录了该服务的应答"));
        }
        if !untold.is_empty() || !unplanned.is_empty() || config.sources.is_empty() {
            return Judgement::unknown(said!(
                "the newest backup does not say whom its agent tells: {untold}; without a schedule: {unplanned}",
                "最新备份未说明代理通知了谁：{untold}；没有计划：{unplanned}"
            ))
            .seen(evidence)
            .fix(words(
                "take a backup with an agent of this version",
                "用本版本的代理做一次备份",
            ));
        }
        let count = config.sources.len();
        let said = said!(
            "sources of which a call within two intervals was accepted outside: {count}",
            "两个间隔内外部服务接受过心跳的数据源：{count} 个"
        );
        Judgement::pass(Depth::Config, said).seen(evidence)
    },
};

pub static MON_02: Control = Control {
    id: "MON-02",
    severity: Severity::High,
    title: words(
        "Two independent channels, each tested within 30 days",
        "两个独立的通知渠道，各自在 30 天内测试过",
    ),
    supports: &["ISO/IEC 27001:2022 A.8.16", "NIST SP 800-53 r5 SI-4"],
    rationale: words(
        "A mail server that is down takes its alerts with it.",
        "邮件服务器宕机时，告警也随之丢失。",
    ),
    does_not_show: words("that somebody reads them", "是否有人阅读"),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let channels = || config.channels.iter().filter(|(_, kind)| *kind != "ping");
        let kinds: BTreeSet<_> = channels().map(|(_, kind)| *kind).collect();
        let (count, named) = (kinds.len(), list(kinds));
        if count < 2 {
            let said = said!("kinds of channels: {count} ({named})", "渠道种类：{count}（{named}）");
            return Judgement::fail(Depth::Config, said)
                .seen([&config.read])
                .fix(words("add a [[notify]] of another kind", "增加另一种类型的 [[notify]]"));
        }
        if let Some(unknown) = unrecorded(facts) {
            return unknown;
        }
        let evidence = [&config.read, &facts.audit.read];
        let of = |(name, kind): &(String, &str)| facts.told.places.get(name)?.get(*kind).copied();
        let lately = |age: Duration| age <= DAY * TESTS_DAYS;
        let tested: BTreeSet<_> =
            channels().filter(|one| of(one).flatten().is_some_and(lately)).map(|(_, kind)| *kind).collect();
        let (good, tested) = (tested.len(), list(tested));
        if good >= 2 {
            let said = said!(
                "channels of {good} kinds accepted a message or a test within 30 days: {tested}",
                "30 天内接受过消息或测试的渠道种类：{good} 种（{tested}）"
            );
            return Judgement::pass(Depth::Config, said).seen(evidence);
        }
        let said = said!(
            "kinds of channels: {count} ({named}); accepted a message or a test within 30 days: {tested}",
            "渠道种类：{count}（{named}）；30 天内接受过消息或测试：{tested}"
        );
        // Of a channel that no entry names nothing is known.
        let judged = match channels().all(|one| of(one).is_some()) {
            true => Judgement::fail(Depth::Config, said),
            false => Judgement::unknown(said),
        };
        judged.seen(evidence).fix(words(
            "`lifeboat-agent notify test NAME` for each tries them and puts it on the record",
            "对每个渠道运行 lifeboat-agent notify test 名称，测试并记入审计记录",
        ))
    },
};

pub static MON_03: Control = Control {
    id: "MON-03",
    severity: Severity::High,
    title: words(
        "Unusual sizes, rows and compression are noticed, shown by an event within 90 days",
        "能发现异常的大小、行数与压缩率，且 90 天内有事件为证",
    ),
    supports: &["Data Security Law (CN) art. 29", "NIST SP 800-53 r5 SI-4"],
    rationale: words(
        "Encrypted columns are backed up every night, until it is too late.",
        "被加密的列会夜夜照常备份，直到为时已晚。",
    ),
    does_not_show: words("that the rule's bounds fit this database", "规则的界限是否适合该数据库"),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.vault.manifests];
        let newest = facts.newest();
        let blind = newest.iter().filter(|snapshot| !snapshot.measured);
        let blind = list(blind.map(|snapshot| snapshot.source.as_str()));
        if !blind.is_empty() {
            let said = said!("not measured by its agent: {blind}", "代理未作测量：{blind}");
            return Judgement::fail(Depth::Config, said).seen(evidence);
        }
        if facts.vault.unreadable > 0 {
            return unreadable(facts).seen(evidence);
        }
        let lately = |age: std::time::Duration| age.as_secs() < RULE_DAYS * 24 * 60 * 60;
        let caught = facts.vault.snapshots.iter().filter(|snapshot| lately(snapshot.age));
        let caught = caught.filter(|snapshot| !snapshot.flags.is_empty()).count();
        if newest.is_empty() || caught == 0 {
            let said = words(
                "no event of the last 90 days shows the rule at work",
                "90 天内没有事件表明规则在起作用",
            );
            return Judgement::unknown(said).seen(evidence);
        }
        let said = said!("snapshots flagged within 90 days: {caught}", "90 天内被标记的快照：{caught} 个");
        Judgement::pass(Depth::Config, said).seen(evidence)
    },
};

pub static MON_04: Control = Control {
    id: "MON-04",
    severity: Severity::Critical,
    title: words(
        "Unusual restores are noticed, shown by an event within 90 days",
        "能发现异常的恢复操作，且 90 天内有事件为证",
    ),
    supports: &["Data Security Law (CN) art. 29", "PIPL (CN) art. 51"],
    rationale: words(
        "A backup is the easiest way to carry everything away.",
        "备份是带走全部数据的最便捷途径。",
    ),
    does_not_show: words(
        "restores with another program, or with credentials that may not write the record; that somebody reads the \
         alerts; restores from before an agent first read the record, unless refused or by breaking the glass in the \
         8 days before",
        "使用其他程序或无权写入审计记录的凭据的恢复；是否有人阅读告警；代理首次读取记录之前的恢复\
         （此前 8 天内被拒绝或未经批准的除外）",
    ),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.audit.read];
        if let Some(unknown) = unrecorded(facts) {
            return unknown;
        }
        let missed = list(facts.told.missed.iter().map(String::as_str));
        if !missed.is_empty() {
            let said = said!(
                "refused, or done without approval, and no channel has accepted an alert of it: {missed}",
                "被拒绝或未经批准的操作，没有渠道接受过相应告警：{missed}"
            );
            return Judgement::fail(Depth::Config, said).seen(evidence).fix(words(
                "`lifeboat-agent notify test NAME`; `lifeboat-agent run` looks at the record every few minutes, and \
                 each backup does",
                "运行 lifeboat-agent notify test 名称；lifeboat-agent run 每隔几分钟检查一次记录，每次备份时也会检查",
            ));
        }
        let silent = facts.sources().into_iter().filter(|source| !facts.told.pings.contains_key(*source));
        let (silent, caught) = (list(silent), facts.told.caught);
        if caught == 0 || !silent.is_empty() {
            return Judgement::unknown(said!(
                "restores within 90 days of which somebody was told: {caught}; the newest backup does not say whom its \
                 agent tells: {silent}",
                "90 天内已告警的恢复操作：{caught} 次；最新备份未说明代理通知了谁：{silent}"
            ))
            .seen(evidence)
            .fix(words(
                "restore a table into a scratch database at night, or as somebody who has not restored before; \
                 `lifeboat-agent run` tells of it within five minutes, the next backup otherwise",
                "在夜间或由从未恢复过的人员将一张表恢复到临时数据库；lifeboat-agent run 会在五分钟内告警，否则由下一次备份告警",
            ));
        }
        let said = said!(
            "restores within 90 days of which somebody was told: {caught}",
            "90 天内已告警的恢复操作：{caught} 次"
        );
        Judgement::pass(Depth::Config, said).seen(evidence)
    },
};

pub static GOV_03: Control = Control {
    id: "GOV-03",
    severity: Severity::High,
    title: words(
        "Every suppression has a reason, an owner, two approvers and a day on which it ends",
        "每项搁置都有理由、负责人、两名批准人与到期日",
    ),
    supports: &["NIST SP 800-53 r5 CM-6 c"],
    rationale: words(
        "What is left aside for ever is a hole that nobody sees.",
        "永久搁置的问题是无人看见的漏洞。",
    ),
    does_not_show: words(
        "that the approvers have signed: the configuration names them",
        "批准人是否签字：仅由配置文件列名",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let faults: Vec<Said> =
            config.suppressions.iter().filter_map(|one| suppress::fault(one, facts)).collect();
        let join = |texts: Vec<&str>, between: &str| texts.join(between);
        if faults.is_empty() {
            let count = config.suppressions.len();
            let said = said!("suppressions, each in order: {count}", "搁置项 {count} 个，均符合要求");
            return Judgement::pass(Depth::Declared, said).seen([&config.read]);
        }
        let said = Said {
            en: join(faults.iter().map(|fault| fault.en.as_str()).collect(), "; "),
            zh: join(faults.iter().map(|fault| fault.zh.as_str()).collect(), "；"),
        };
        Judgement::fail(Depth::Declared, said).seen([&config.read])
    },
};
