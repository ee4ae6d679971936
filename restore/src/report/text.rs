//! The report on a terminal: one line for each control, and below it what is to be done.

use lifeboat_console::{Align, Table, escape};

use super::Report;
use super::control::{Finding, Status};
use super::said::{Language, Words, words};

/// What no program can see. Never averaged into anything.
pub const BEYOND: [Words; 6] = [
    words("who really holds a key, and where it is kept", "密钥实际由谁持有、存放于何处"),
    words("physical segregation of places and machines", "场所与机器的物理隔离"),
    words("contracts with those who process data", "与受托处理者的合同"),
    words("training, and whether results were discussed by management", "培训情况，以及管理层是否讨论过结果"),
    words("whether important data was notified to an authority", "重要数据是否已向主管部门报告"),
    words("replication and redundancy that others run", "由他人运行的复制与冗余"),
];

/// What the report is, and is not.
pub const CLAIM: Words = words(
    "Each result is evidence for the clauses named beside it. This report states no legal conclusion; what was not \
     seen is unknown and counts for nothing.",
    "每项结果仅为所列条款的证据。本报告不作法律结论；未见到的内容为“未知”，不计入通过。",
);

/// The report as text.
pub fn text(report: &Report, language: Language) -> String {
    let of = |words: Words| words.of(language);
    let mut table = Table::new([
        (of(words("control", "控制项")), Align::Left),
        (of(words("result", "结果")), Align::Left),
        (of(words("severity", "严重性")), Align::Left),
        (of(words("what it asks", "要求")), Align::Left),
    ]);
    for finding in &report.findings {
        let control = finding.control;
        let (status, severity) = (finding.status.words(), control.severity.words());
        table.row([control.id, of(status), of(severity), of(control.title)]);
    }
    let mut text = format!("{}\n\n{table}\n", of(CLAIM));
    let told = [Status::Fail, Status::Suppressed, Status::Unknown, Status::Pass, Status::NotApplicable];
    for status in told {
        for finding in report.findings.iter().filter(|finding| finding.status == status) {
            text.push_str(&details(finding, language));
        }
    }
    text.push_str(&format!("\n{}\n", of(words("What no program can see:", "程序无法看到的内容："))));
    text.extend(BEYOND.iter().map(|words| format!("  {}\n", of(*words))));
    text.push_str(&format!("\n{}\n", counts(report, language)));
    text
}

fn details(finding: &Finding, language: Language) -> String {
    let message = escape(finding.judgement.message.of(language));
    let mut text = format!("{}  {}: {message}\n", finding.control.id, finding.status.words().of(language));
    text.extend(finding.suppression.iter().map(|said| format!("        {}\n", escape(said.of(language)))));
    text.extend(finding.judgement.fix.iter().map(|fix| format!("        {}\n", escape(fix.of(language)))));
    text
}

/// `pass 3, fail 1, …`.
pub fn counts(report: &Report, language: Language) -> String {
    let counts = report.counts();
    let count = |status: Status| format!("{} {}", status.words().of(language), counts.number(status));
    Status::ALL.map(count).join(", ")
}
