//! Who may restore and delete, what is graded, and what must stay forgotten.
//!
//! Of erasures nothing of this version can answer: that is unknown, and says what was not seen.

use std::time::Duration;

use super::super::control::{Control, Depth, Judgement, Severity, without_config};
use super::super::facts::Restored;
use super::super::said::{said, words};
use super::{DAY, list, unrecorded};

/// So long a restore that too few approved is held against this vault.
const RESTORES_DAYS: u32 = 365;

pub static ACC_01: Control = Control {
    id: "ACC-01",
    severity: Severity::Critical,
    title: words("A restore of high data was approved by two others", "恢复高敏感数据须经另外两人批准"),
    supports: &["GB/T 22239-2019 8.1.4.2", "NIST SP 800-53 r5 CP-9(7)"],
    rationale: words("One person alone must not carry the customers away.", "不应由一人独自带走客户数据。"),
    does_not_show: words(
        "restores with another program by whoever opens the grade alone, or with credentials that may not write the \
         record; whether the others looked",
        "能独自打开该级别者使用其他程序的恢复，或使用无权写入审计记录的凭据的恢复；批准人是否认真核对",
    ),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.audit.read, &facts.deeds.read, &facts.vault.keyring];
        let lately = |age: Duration| age <= DAY * RESTORES_DAYS;
        if facts.deeds.glass.is_some_and(lately) {
            let said = words(
                "within a year somebody broke the glass: it was done without the approvals that it needed",
                "一年内有人执行紧急破窗：未取得所需批准即执行",
            );
            return Judgement::fail(Depth::Probe, said).seen(evidence);
        }
        let of_high = |restored: &&Restored| restored.grades.iter().any(|grade| grade == "high");
        let restores = || facts.deeds.begun.iter().filter(of_high).filter(|restored| lately(restored.age));
        let (all, alone) = (restores().count(), restores().filter(|restored| restored.others < 2).count());
        if alone > 0 {
            let said = said!(
                "restores of high data within a year that fewer than two others approved: {alone} of {all}",
                "一年内恢复高敏感数据且批准人少于两名：{all} 次中有 {alone} 次"
            );
            return Judgement::fail(Depth::Probe, said).seen(evidence);
        }
        let needed = facts.vault.others_for_high;
        if needed < 2 {
            let said = said!(
                "a restore of high data needs others: {needed}",
                "恢复高敏感数据所需的其他人数：{needed}"
            );
            return Judgement::fail(Depth::Config, said).seen(evidence).fix(words(
                "`lifeboat-restore keys approvals high 2`, or `keys quorum high 3`",
                "运行 lifeboat-restore keys approvals high 2 或 keys quorum high 3",
            ));
        }
        if let Some(unknown) = unrecorded(facts) {
            return unknown;
        }
        let said = said!(
            "a restore of high data needs {needed} others; restores of it within a year, each approved: {all}",
            "恢复高敏感数据需另外 {needed} 人；一年内此类恢复 {all} 次，均经批准"
        );
        Judgement::pass(Depth::Probe, said).seen(evidence)
    },
};

pub static ACC_02: Control = Control {
    id: "ACC-02",
    severity: Severity::Critical,
    title: words(
        "Deleting, shredding and shortening retention took two people",
        "删除、密钥销毁与缩短保留期须由两人执行",
    ),
    supports: &["NIST SP 800-53 r5 CP-9(7)"],
    rationale: words("One person alone must not destroy the past.", "不应由一人独自销毁历史备份。"),
    does_not_show: words(
        "deletions past these programs, by whoever has credentials of the store: see IMM-01",
        "持有存储凭据者绕过本程序的删除（参见 IMM-01）",
    ),
    valid_hours: 24,
    judge: |facts| {
        let evidence = [&facts.audit.read, &facts.vault.keyring];
        let lately = facts.deeds.destroyed.iter().filter(|one| one.age <= DAY * RESTORES_DAYS);
        let alone = lately.clone().filter(|one| one.others == 0).map(|one| one.what.as_str());
        let (alone, all) = (list(alone), lately.count());
        if !alone.is_empty() {
            let said = said!("within a year, by one person alone: {alone}", "一年内由一人独自执行：{alone}");
            return Judgement::fail(Depth::Probe, said).seen(evidence);
        }
        let people = facts.vault.root_people;
        if people < 2 {
            let said = words(
                "one person opens the root alone, and destroys keys with it",
                "一人即可独自打开根密钥并据此销毁密钥",
            );
            return Judgement::fail(Depth::Config, said).seen(evidence).fix(words(
                "`lifeboat-restore keys quorum high 2` splits it",
                "运行 lifeboat-restore keys quorum high 2 进行拆分",
            ));
        }
        if let Some(unknown) = unrecorded(facts) {
            return unknown;
        }
        let said = said!(
            "the root takes {people} people; destroyed by hand within a year, each by two or more: {all}",
            "打开根密钥需 {people} 人；一年内人工销毁 {all} 次，均由两人以上执行"
        );
        Judgement::pass(Depth::Probe, said).seen(evidence)
    },
};

pub static CLS_01: Control = Control {
    id: "CLS-01",
    severity: Severity::High,
    title: words("Every table and column is graded", "所有表与列均已分级"),
    supports: &["Data Security Law (CN) art. 21", "GB/T 43697-2024", "PIPL (CN) art. 51(2)"],
    rationale: words("Protection follows the grade.", "保护措施取决于级别。"),
    does_not_show: words(
        "that the grades are right; tables made after the last snapshot",
        "分级是否正确；最近一次快照之后新建的表",
    ),
    valid_hours: 24,
    judge: |facts| {
        let Some(config) = &facts.config else { return without_config() };
        let evidence = [&config.read, &facts.vault.manifests];
        let ungraded = config.sources.iter().filter_map(|source| source.ungraded.as_ref());
        let ungraded: Vec<_> = ungraded.flatten().map(String::as_str).collect();
        if let Some(first) = ungraded.first() {
            let count = ungraded.len();
            let said = said!(
                "columns that nobody graded, which are high: {count}, such as {first}",
                "未分级而按高级别处理的列：{count} 个，例如 {first}"
            );
            return Judgement::fail(Depth::Config, said).seen(evidence).fix(words(
                "`lifeboat-agent classify` proposes [source.grades]",
                "用 lifeboat-agent classify 生成 [source.grades] 建议",
            ));
        }
        let unread = config.sources.iter().filter(|source| source.ungraded.is_none());
        let unread = list(unread.map(|source| source.name.as_str()));
        if !unread.is_empty() || config.sources.is_empty() {
            let said = said!("no catalogue was read of: {unread}", "未读取以下数据源的目录：{unread}");
            return Judgement::unknown(said).seen(evidence);
        }
        let count = config.sources.len();
        let said =
            said!("sources of which every column is graded: {count}", "所有列均已分级的数据源：{count} 个");
        Judgement::pass(Depth::Config, said).seen(evidence)
    },
};

pub static RET_02: Control = Control {
    id: "RET-02",
    severity: Severity::Critical,
    title: words(
        "A restore applies the ledger of erasures before it is handed over",
        "恢复交付前重新执行个人信息删除记录",
    ),
    supports: &["GDPR art. 17", "PIPL (CN) art. 47", "Network Data Security Regulations (CN) art. 24"],
    rationale: words("Whom a company has forgotten must not come back.", "已删除的个人信息不应随恢复重现。"),
    does_not_show: words(
        "anything: no ledger of erasures is kept, and a restore brings back whoever was in the snapshot",
        "无：未保存删除记录，恢复会重现快照中的所有人",
    ),
    valid_hours: 24,
    judge: |_| {
        Judgement::unknown(words(
            "no ledger of erasures is kept: whether whoever was erased since the snapshot was erased again after a \
             restore is not seen",
            "未保存删除记录：无法判断快照之后被删除的个人信息在恢复后是否再次删除",
        ))
        .fix(words(
            "keep a list of erasures outside of the database, erase again after each restore, before it is handed over, \
             and note both where the restore is ordered",
            "在数据库之外保存删除清单，每次恢复后、交付前重新删除，并在恢复工单中记录",
        ))
    },
};
