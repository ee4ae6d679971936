//! Puts a request into the vault, and says what everybody types next.
//!
//! The one-time key is written to a file before the request is in the vault: a request without it would be
//! approved for nothing. What people decide and no key opens needs none.

use std::path::Path;

use jiff::Timestamp;
use lifeboat_console::{CommandError, Progress, escape, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{Asked, NewRequest, PersonKey, Vault, plan_id, read_request};
use serde_json::json;

use crate::approval::indented;
use crate::cli::Access;
use crate::one_time_key::OneTimeKey;
use crate::record::Recorder;
use crate::words;

/// Somebody who asks.
pub struct Asking<'a> {
    pub vault: &'a Vault,
    pub access: &'a Access,
    pub person: &'a PersonKey,
    pub recorder: &'a Recorder,
    pub progress: &'a Progress,
    /// Where the one-time key goes, if somebody says so.
    pub key_file: Option<&'a Path>,
    pub json: bool,
}

impl Asking<'_> {
    /// Asks. `then` is what whoever asked types once it is approved, without what leads to the vault; of what
    /// people decide, what is typed on the host that carries it out, all of it.
    pub async fn ask(&self, asked: Asked, then: &str) -> Result<(), CommandError> {
        let (vault, now) = (self.vault, Timestamp::now());
        let deed = Deed {
            what: "request".into(),
            result: "done".into(),
            source: asked.source.clone(),
            snapshots: asked.snapshots.clone(),
            grades: asked.grades.clone(),
            target: asked.target.clone(),
            plan: Some(plan_id(&asked.plan)),
            reason: Some(asked.reason.clone()),
            ..Deed::default()
        };
        let (kind, plan, grades) = (asked.kind, asked.plan.clone(), asked.grades.clone());
        let request = NewRequest::make(vault, self.person, asked, now)?;
        let short = request.id.short();
        let file = if kind.is_decision() { None } else { Some(OneTimeKey::write(&request, self.key_file)?) };
        request.write(vault).await?;
        let detail = Some(format!("request {short} until {:.0}", request.expires));
        self.recorder.write_at(&Deed { detail, ..deed }, now, self.progress).await;
        self.progress.finish();
        let tally = read_request(vault, request.id).await?.tally(vault, now)?;
        let approve = format!(
            "lifeboat-restore approve {short} --vault {} --root {} --identity YOUR.key",
            quoted(vault.store().url()),
            vault.fingerprint()
        );
        let then = match &file {
            Some(file) => format!("{then}{} --request {short} --request-key {}", self.place(), quoted(file)),
            // An expiry finds by itself what was decided about its rules.
            None if kind == Wish::Keep => then.to_owned(),
            None => format!("{then} --request {short}"),
        };
        if self.json {
            return Ok(print_json(
                "summary",
                &json!({
                    "request": request.id,
                    "plan": plan,
                    "plan_id": plan_id(&plan),
                    "grades": grades,
                    "expires": request.expires,
                    "needed": tally.needed,
                    "able": tally.able,
                    "key_file": file,
                    "approve": approve,
                    "then": then,
                }),
            )?);
        }
        let mut text = format!("request {}, good until {:.0}\n", request.id, request.expires);
        text.push_str(&indented(&plan));
        text.push_str(&format!(
            "\nit takes {} of {}; each types, on a machine of their own:\n  {approve}\n",
            words::counted(tally.needed as u64, "approval"),
            escape(&tally.able.join(", ")),
        ));
        match &file {
            Some(file) => text.push_str(&format!(
                "then, here, before it expires:\n  {then}\nits one-time key is in {}: it stays on this machine\n",
                escape(file)
            )),
            None => text.push_str(&format!(
                "then, on a host that may delete in the vault, before it expires:\n  {then}\n"
            )),
        }
        Ok(print(&text)?)
    }

    /// What led to the vault, and opened it.
    fn place(&self) -> String {
        let mut text = match &self.access.config {
            Some(config) => format!(" --config {}", quoted(&config.display().to_string())),
            None => format!(" --vault {}", quoted(self.vault.store().url())),
        };
        let files = self.access.identity.iter().map(|file| file.display().to_string());
        text.extend(files.map(|file| format!(" --identity {}", quoted(&file))));
        text
    }
}

/// A word that a shell takes as it is.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", escape(&word.replace('\'', "'\\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_change_it() {
        assert_eq!(quoted("sqlite:///srv/crm.db"), "sqlite:///srv/crm.db");
        assert_eq!(
            quoted("postgres://u@h/db?sslmode=require&x=1"),
            "'postgres://u@h/db?sslmode=require&x=1'"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
