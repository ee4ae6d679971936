//! Who may restore and delete, what is graded, where copies lie: controls that wait for a record to be kept.
//!
//! Nothing of this version can answer them, so each is unknown, and says what was not seen.

use super::super::control::{Control, Judgement, Severity};
use super::super::said::words;

pub static ACC_01: Control = Control {
    id: "ACC-01",
    severity: Severity::Critical,
    title: words("A restore of high data was approved by two others", "恢复高敏感数据须经另外两人批准"),
    supports: &["GB/T 22239-2019 8.1.4.2", "NIST SP 800-53 r5 CP-9(7)"],
    rationale: words("One person alone must not carry the customers away.", "不应由一人独自带走客户数据。"),
    does_not_show: words("anything yet: no record of approvals is read", "暂无：未读取审批记录"),
    valid_hours: 24,
    judge: |_| Judgement::unknown(words("the report reads no record of approvals", "报告未读取审批记录")),
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
    does_not_show: words("anything yet: no record of approvals is read", "暂无：未读取审批记录"),
    valid_hours: 24,
    judge: |_| Judgement::unknown(words("the report reads no record of approvals", "报告未读取审批记录")),
};

pub static ACC_06: Control = Control {
    id: "ACC-06",
    severity: Severity::Critical,
    title: words(
        "A branch's operator neither lists nor opens another branch's data",
        "分支机构人员不能列出或打开其他分支机构的数据",
    ),
    supports: &["PIPL (CN) art. 51(4)"],
    rationale: words("Branches must not see each other's customers.", "分支机构之间不应看到彼此的客户。"),
    does_not_show: words(
        "anything yet: one branch's credentials were used",
        "暂无：只使用了一个分支机构的凭据",
    ),
    valid_hours: 24,
    judge: |_| {
        Judgement::unknown(words(
            "no other branch's credential was at hand to try",
            "没有其他分支机构的凭据可供尝试",
        ))
    },
};

pub static CLS_01: Control = Control {
    id: "CLS-01",
    severity: Severity::High,
    title: words("Every table and column is graded", "所有表与列均已分级"),
    supports: &["Data Security Law (CN) art. 21", "GB/T 43697-2024", "PIPL (CN) art. 51(2)"],
    rationale: words("Protection follows the grade.", "保护措施取决于级别。"),
    does_not_show: words("anything yet: grades are not compared", "暂无：未比较分级"),
    valid_hours: 24,
    judge: |_| {
        Judgement::unknown(words(
            "the report does not compare grades with tables; what nobody graded is high",
            "报告未将分级与表进行比较；未分级的内容按高级别处理",
        ))
    },
};

pub static XBR_01: Control = Control {
    id: "XBR-01",
    severity: Severity::Critical,
    title: words(
        "Each copy lies in a region that is allowed to this branch",
        "每份副本均位于该分支机构允许的区域",
    ),
    supports: &["PIPL (CN) art. 38, 40", "Cybersecurity Law (CN) art. 39", "GDPR art. 44"],
    rationale: words("A copy abroad may be an export of personal data.", "境外副本可能构成个人信息出境。"),
    does_not_show: words("anything yet: no region was asked of a store", "暂无：未向存储查询区域"),
    valid_hours: 24,
    judge: |_| {
        Judgement::unknown(words(
            "no store was asked where it is, and no regions are declared as allowed",
            "未向存储查询其所在位置，也未声明允许的区域",
        ))
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
    does_not_show: words("anything yet: there is no such ledger", "暂无：尚无此记录"),
    valid_hours: 24,
    judge: |_| Judgement::unknown(words("this version keeps no ledger of erasures", "本版本不保存删除记录")),
};
