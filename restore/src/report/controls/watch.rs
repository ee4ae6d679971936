//! Whether somebody would notice, and what is left aside by decision.

use super::super::control::{Control, Depth, Judgement, Severity, without_config};
use super::super::said::{Said, said, words};
use super::super::suppress;
use super::{list, unreadable};

/// An event older than this says nothing of the rule today.
const RULE_DAYS: u64 = 90;

pub static MON_01: Control = Control {
    id: "MON-01",
    severity: Severity::Critical,
    title: words("A dead-man ping outside notices silence", "外部心跳监测能发现静默"),
    supports: &["ISO/IEC 27001:2022 A.8.16", "NIST SP 800-53 r5 SI-4"],
    rationale: words("An agent that is gone sends no alert.", "已失效的代理不会发出告警。"),
    does_not_show: words("that the service outside raises an alarm", "外部服务是否会发出警报"),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        if config.channels.iter().any(|(_, kind)| *kind == "ping") {
            return Judgement::unknown(words(
                "a ping is configured; whether it was accepted lately is known on the agent's host alone",
                "已配置心跳；近期是否被接受，仅代理主机知晓",
            ))
            .seen([&config.read]);
        }
        Judgement::fail(
            Depth::Config,
            words("no [[notify]] of the type ping", "没有类型为 ping 的 [[notify]]"),
        )
        .seen([&config.read])
        .fix(words("add one: silence is then noticed", "请添加，以便发现静默"))
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
        let kinds = config.channels.iter().map(|(_, kind)| *kind).filter(|kind| *kind != "ping");
        let kinds: std::collections::BTreeSet<_> = kinds.collect();
        let (count, named) = (kinds.len(), list(kinds));
        if count >= 2 {
            return Judgement::unknown(said!(
                "channels of {count} kinds are configured ({named}); their last test is known on the agent's host alone",
                "已配置 {count} 种渠道（{named}）；最近一次测试仅代理主机知晓"
            ))
            .seen([&config.read])
            .fix(words("`lifeboat-agent notify test` tries them", "运行 lifeboat-agent notify test 进行测试"));
        }
        let said = said!("kinds of channels: {count} ({named})", "渠道种类：{count}（{named}）");
        Judgement::fail(Depth::Config, said)
            .seen([&config.read])
            .fix(words("add a [[notify]] of another kind", "增加另一种类型的 [[notify]]"))
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
        "anything yet: no record of alerts is kept in the vault",
        "暂无：保险库中未保存告警记录",
    ),
    valid_hours: 24,
    judge: |_| {
        Judgement::unknown(words(
            "what an agent has told of a restore is known on its host alone",
            "代理就恢复操作发出的告警，仅代理主机知晓",
        ))
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
