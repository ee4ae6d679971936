//! The report as one file to print: style within, nothing from elsewhere, no script. Every text that comes
//! from a vault, a path or a configuration is escaped.

use super::Report;
use super::control::{Finding, Severity, Status};
use super::said::{Language, Words, words};
use super::text::{BEYOND, CLAIM, counts};

const STYLE: &str = include_str!("html/style.css");

/// The report as HTML.
pub fn html(report: &Report, language: Language) -> String {
    let of = |words: Words| escaped(words.of(language));
    let (lang, title) = match language {
        Language::En => ("en", "Backup controls: evidence"),
        Language::Zh => ("zh-CN", "备份控制项证据报告"),
    };
    let rows: String = report.findings.iter().map(|finding| row(finding, language)).collect();
    let details: String = report.findings.iter().map(|finding| details(finding, language)).collect();
    let beyond: String = BEYOND.iter().map(|words| format!("<li>{}</li>\n", of(*words))).collect();
    let head = [
        words("Control", "控制项"),
        words("Result", "结果"),
        words("Severity", "严重性"),
        words("What it asks", "要求"),
    ];
    let head: String = head.iter().map(|words| format!("<th>{}</th>", of(*words))).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{scope}\
         <p class=\"claim\">{claim}</p>\n<p class=\"counts\">{counts}</p>\n\
         <table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n{details}\
         <section>\n<h2>{beyond_title}</h2>\n<ul>\n{beyond}</ul>\n</section>\n</body>\n</html>\n",
        scope = scope(report, language),
        claim = of(CLAIM),
        counts = escaped(&counts(report, language)),
        beyond_title = of(words("What no program can see", "程序无法看到的内容")),
    )
}

fn scope(report: &Report, language: Language) -> String {
    let mut lines =
        vec![(words("Made", "生成时间"), format!("{} UTC", report.at.strftime("%Y-%m-%d %H:%M:%S")))];
    lines.extend(report.branch.clone().map(|branch| (words("Branch", "分支机构"), branch)));
    lines.push((words("Vault", "保险库"), format!("{} ({})", report.vault.1, report.vault.0)));
    let line = |(name, value): &(Words, String)| {
        format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name.of(language)), escaped(value))
    };
    format!("<dl class=\"scope\">\n{}</dl>\n", lines.iter().map(line).collect::<String>())
}

/// Names of classes in the style.
fn class(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Unknown => "unknown",
        Status::NotApplicable => "none",
        Status::Suppressed => "suppressed",
    }
}

fn row(finding: &Finding, language: Language) -> String {
    let control = finding.control;
    format!(
        "<tr><td><a href=\"#{id}\">{id}</a></td><td class=\"{class}\">{status}</td><td>{severity}</td><td>{title}</td></tr>\n",
        id = control.id,
        class = class(finding.status),
        status = escaped(finding.status.words().of(language)),
        severity = escaped(control.severity.words().of(language)),
        title = escaped(control.title.of(language)),
    )
}

fn details(finding: &Finding, language: Language) -> String {
    let (control, judgement) = (finding.control, &finding.judgement);
    let of = |words: Words| words.of(language).to_owned();
    let mut lines = vec![(words("Seen", "所见"), judgement.message.of(language).to_owned())];
    lines.extend(
        finding.suppression.iter().map(|said| (words("Suppression", "搁置"), said.of(language).to_owned())),
    );
    lines.extend(judgement.fix.iter().map(|fix| (words("Next", "下一步"), fix.of(language).to_owned())));
    lines.push((words("Why it is asked", "理由"), of(control.rationale)));
    lines.push((words("Evidence for", "可作为以下条款的证据"), control.supports.join("; ")));
    lines.push((words("Does not show", "未能说明"), of(control.does_not_show)));
    let until = finding.valid_until.strftime("%Y-%m-%d %H:%M UTC");
    lines.push((
        words("Depth, valid until", "深度与有效期"),
        format!("{}, {until}", of(judgement.depth.words())),
    ));
    lines.extend(judgement.evidence.iter().map(|read| {
        let at = read.at.strftime("%Y-%m-%d %H:%M:%S UTC");
        (words("Read", "读取"), format!("{}: {}, {at}, {}", read.kind, read.from, read.digest))
    }));
    let line = |(name, value): &(Words, String)| {
        format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name.of(language)), escaped(value))
    };
    format!(
        "<section id=\"{id}\">\n<h2>{id} <span class=\"{class}\">{status}</span>{mark}</h2>\n<p>{title}</p>\n<dl>\n{lines}</dl>\n</section>\n",
        id = control.id,
        class = class(finding.status),
        status = escaped(finding.status.words().of(language)),
        mark =
            if control.severity == Severity::Critical && finding.status == Status::Fail { " !" } else { "" },
        title = escaped(control.title.of(language)),
        lines = lines.iter().map(line).collect::<String>(),
    )
}

/// Text as it may stand between tags and in attributes; what steers a terminal or turns a line around is
/// shown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in lifeboat_console::escape(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
