//! The words of messages in English and in Chinese.

use lifeboat_config::{Language, Severity};

use crate::event::{Check, Event, State, Task};

/// A label of a message's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// The branch.
    Branch,
    /// The source.
    Source,
    /// The task.
    Task,
    /// Since when.
    Since,
    /// The last good snapshot.
    LastGood,
    /// The cause.
    Why,
    /// What to do.
    Next,
    /// The run's id.
    Run,
    /// When.
    At,
    /// A problem that is not over.
    Open,
}

/// A label's text with its colon.
pub fn label(label: Label, language: Language) -> &'static str {
    let (en, zh) = match label {
        Label::Branch => ("Branch: ", "分支机构："),
        Label::Source => ("Source: ", "数据源："),
        Label::Task => ("Task: ", "任务："),
        Label::Since => ("Since: ", "开始于："),
        Label::LastGood => ("Last good snapshot: ", "最近一次成功："),
        Label::Why => ("Why: ", "原因："),
        Label::Next => ("Next: ", "处理："),
        Label::Run => ("Run: ", "运行号："),
        Label::At => ("At: ", "时间："),
        Label::Open => ("Open: ", "未恢复："),
    };
    in_language(language, en, zh)
}

/// One of two texts.
pub fn in_language(language: Language, en: &'static str, zh: &'static str) -> &'static str {
    match language {
        Language::En => en,
        Language::Zh => zh,
    }
}

/// How bad, in brackets before the title.
pub fn severity(severity: Severity, state: State, language: Language) -> &'static str {
    match (state, severity) {
        (State::Recovered, _) => in_language(language, "[recovered]", "[已恢复]"),
        (State::Failed, Severity::Critical) => in_language(language, "[critical]", "[严重]"),
        (State::Failed, Severity::Warning) => in_language(language, "[warning]", "[警告]"),
        (State::Failed, Severity::Info) => in_language(language, "[info]", "[提示]"),
    }
}

/// The task's name.
pub fn task(task: Task, language: Language) -> &'static str {
    match task {
        Task::Backup => in_language(language, "backup", "备份"),
        Task::Verify => in_language(language, "verify", "校验"),
        Task::Drill => in_language(language, "drill", "恢复演练"),
        Task::Expire => in_language(language, "expire", "快照过期"),
        Task::Prune => in_language(language, "prune", "空间回收"),
        Task::Copy => in_language(language, "copy", "异地副本"),
        Task::Report => in_language(language, "report", "报告"),
    }
}

/// What happened.
pub fn what(event: &Event, language: Language) -> &'static str {
    let (en, zh) = match (event.check, event.state) {
        (Check::Backup, State::Failed) => ("backup failed", "备份失败"),
        (Check::Backup, State::Recovered) => ("backups work again", "备份已恢复"),
        (Check::Schedule, State::Failed) => ("a run was missed", "错过了一次运行"),
        (Check::Schedule, State::Recovered) => ("runs are on time again", "已按时运行"),
        (Check::Anomaly, State::Failed) => ("an unusual snapshot is held", "快照异常，暂停过期清理"),
        (Check::Anomaly, State::Recovered) => ("snapshots are as usual again", "快照恢复正常"),
        (Check::Copy, State::Failed) => ("a copy is behind", "异地副本落后"),
        (Check::Copy, State::Recovered) => ("the copy is complete again", "异地副本已完整"),
        (Check::Expire, State::Failed) => ("expiry failed", "快照过期失败"),
        (Check::Expire, State::Recovered) => ("expiry works again", "快照过期已恢复"),
        (Check::Prune, State::Failed) => ("freeing space failed", "空间回收失败"),
        (Check::Prune, State::Recovered) => ("freeing space works again", "空间回收已恢复"),
        (Check::Verify, State::Failed) => ("verification failed", "校验失败"),
        (Check::Verify, State::Recovered) => ("verification is good again", "校验已恢复"),
        (Check::Drill, State::Failed) => ("the restore drill failed", "恢复演练失败"),
        (Check::Drill, State::Recovered) => ("the restore drill works again", "恢复演练已恢复"),
        (Check::Agent, State::Failed) => ("the agent needs attention", "代理程序需要处理"),
        (Check::Agent, State::Recovered) => ("the agent is well again", "代理程序已恢复"),
        (Check::Notify, State::Failed) => ("messages do not arrive", "通知无法送达"),
        (Check::Notify, State::Recovered) => ("messages arrive again", "通知已恢复"),
        (Check::Record, State::Failed) => ("something unusual is on the record", "审计记录出现异常"),
        (Check::Record, State::Recovered) => ("the record is as usual again", "审计记录恢复正常"),
        (Check::Lock, State::Failed) => ("locks could not be extended", "对象锁未能续期"),
        (Check::Lock, State::Recovered) => ("locks are extended again", "对象锁已恢复续期"),
    };
    in_language(language, en, zh)
}

/// What to do where the event itself does not say.
pub fn usual_next(event: &Event, language: Language) -> &'static str {
    let (en, zh) = match event.check {
        Check::Backup | Check::Schedule => {
            ("run `lifeboat-agent check` on the agent's machine", "在代理所在机器上运行 lifeboat-agent check")
        }
        Check::Anomaly => (
            "compare the snapshot with the one before; accept it if the change was meant",
            "与前一个快照比较；若属正常变更，请确认接受",
        ),
        Check::Copy => ("check the copy's store and its credentials", "检查副本的存储及其凭据"),
        Check::Verify => ("run `lifeboat-restore verify`", "运行 lifeboat-restore verify"),
        Check::Record => ("run `lifeboat-restore audit show`", "运行 lifeboat-restore audit show"),
        Check::Lock => (
            "check the bucket's object lock and these credentials' rights: config/STORES.md",
            "检查存储桶的对象锁与凭据权限：config/STORES.md",
        ),
        Check::Notify => {
            ("run `lifeboat-agent notify test` for it", "对该通知渠道运行 lifeboat-agent notify test")
        }
        Check::Expire | Check::Prune | Check::Drill | Check::Agent => {
            ("look at the agent's log for this run", "查看代理日志中该次运行的记录")
        }
    };
    in_language(language, en, zh)
}
