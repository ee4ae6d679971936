//! `refuse` and `revoke`: what ends a request, or takes an approval back, and what that cannot undo.

use jiff::Timestamp;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, escape, print, print_json};
use lifeboat_vault::{PersonKey, RequestRecord, RequestState, Vault, find_request};
use serde_json::json;

use super::approve::deed_about;
use crate::approval::one_person;
use crate::cli::Objecting;
use crate::one_time_key::{OneTimeKey, usual};
use crate::open::AtHand;
use crate::record::{Recorder, ended, kind_of};
use crate::words;

/// Refuses a request.
pub async fn refuse(args: &Objecting, json: bool) -> Result<(), CommandError> {
    let answer = Answer { args, verb: "refuse", json };
    answer
        .give(async |vault, record, person, now| {
            lifeboat_vault::refuse(vault, record, person, &args.reason, now).await?;
            Ok(format!("request {} is refused, for everybody\n", record.id.short()))
        })
        .await
}

/// Takes a request or an approval back.
pub async fn revoke(args: &Objecting, json: bool) -> Result<(), CommandError> {
    let answer = Answer { args, verb: "revoke", json };
    answer
        .give(async |vault, record, person, now| {
            lifeboat_vault::revoke(vault, record, person, &args.reason, now).await?;
            let (id, own) = (record.id.short(), person.id() == record.requester);
            let text = match (own, record.request.kind.is_decision()) {
                (true, true) => format!("request {id} is taken back: nobody approves it, and nothing is done for it any more\n"),
                (false, _) => format!("your approval of request {id} counts no more\n"),
                (true, false) => {
                    let state = RequestState::Revoked { reason: args.reason.clone() };
                    let key = OneTimeKey::of(record, None).after(&state);
                    let key = key.unwrap_or_else(|| {
                        format!("remove its one-time key, which was {}", usual(record.id).display())
                    });
                    format!("request {id} is taken back: nobody approves it, and nothing is restored for it any more\n{key}\n")
                }
            };
            if record.request.kind.is_decision() {
                return Ok(text);
            }
            let fetched = "what this does not undo: a share that was given may have been fetched and opened already, and\n\
                opens what it opened; a new key, `lifeboat-restore keys rotate`, closes what is written from then on\n";
            Ok(text + fetched)
        })
        .await
}

/// An answer that somebody gives to a request.
struct Answer<'a> {
    args: &'a Objecting,
    verb: &'static str,
    json: bool,
}

impl Answer<'_> {
    async fn give(
        &self,
        give: impl AsyncFn(&Vault, &RequestRecord, &PersonKey, Timestamp) -> Result<String, lifeboat_vault::Error>,
    ) -> Result<(), CommandError> {
        let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
        let progress = Progress::new(self.json);
        let at_hand = AtHand::open(&self.args.access, &interrupt).await?;
        let recorder = Recorder::of(&at_hand);
        let vault = &at_hand.vault;
        let person = one_person(vault, &at_hand.identities)?;
        let record = interrupt.or(find_request(vault, &self.args.id)).await?;
        let now = Timestamp::now();
        let given = interrupt.or(give(vault, &record, &person, now)).await;
        if given.as_ref().err().is_none_or(|error| kind_of(error) == Kind::Denied) {
            let mut deed = ended(deed_about(&record, self.verb), &given);
            deed.reason = Some(self.args.reason.clone());
            recorder.write_at(&deed, now, &progress).await;
        }
        let text = given?;
        if self.json {
            let summary = json!({ "request": record.id, "by": person.name, "did": self.verb });
            return Ok(print_json("summary", &summary)?);
        }
        Ok(print(&escape_lines(&text))?)
    }
}

fn escape_lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", escape(line))).collect()
}
