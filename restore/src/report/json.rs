//! The report for programs: `lifeboat.report/1`.

use serde_json::{Value, json};

use super::Report;
use super::control::Finding;
use super::said::Words;
use super::text::{BEYOND, CLAIM};

/// The report as JSON, in both languages.
pub fn json(report: &Report) -> Value {
    json!({
        "schema": "lifeboat.report/1",
        "generated_at": report.at,
        "scope": { "branch": report.branch, "vault": report.vault.0, "url": report.vault.1 },
        "claim": of(CLAIM),
        "results": report.findings.iter().map(result).collect::<Vec<_>>(),
        "attestations": BEYOND.map(of),
        "summary": report.counts(),
    })
}

fn result(finding: &Finding) -> Value {
    let (control, judgement) = (finding.control, &finding.judgement);
    let said = |said: &super::said::Said| json!({ "en": said.en, "zh-CN": said.zh });
    json!({
        "check": control.id,
        "status": finding.status,
        "judged": judgement.status,
        "severity": control.severity,
        "depth": judgement.depth,
        "valid_until": finding.valid_until,
        "title": of(control.title),
        "message": said(&judgement.message),
        "suppression": finding.suppression.as_ref().map(said),
        "fix": judgement.fix.as_ref().map(said),
        "evidence": judgement.evidence,
        "supports": control.supports,
        "rationale": of(control.rationale),
        "does_not_show": of(control.does_not_show),
    })
}

fn of(words: Words) -> Value {
    json!({ "en": words.en, "zh-CN": words.zh })
}
