//! What takes two people and no key enforces: who decided it, by a request that another approved or by their
//! identities here.
//!
//! This is the program's own rule: whoever has the host's key and a credential that may delete can delete
//! without it. What it keeps is honest programs from doing what one person alone has typed.

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Progress, breaks_glass, decides_alone, undecided, unrecorded};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{AgentKey, Identities, RequestId, Vault, find_request, plan_id};

use crate::cli::Deciding;
use crate::commands::read_identities;
use crate::record;
use crate::watch;

/// What is to be decided.
pub struct Question<'a> {
    /// Whom to tell of a refusal or a broken glass.
    pub config: &'a Config,
    pub vault: &'a Vault,
    /// This host's key: a refusal is recorded by it where no person is here.
    pub key: &'a AgentKey,
    /// What a request for it must be of.
    pub kind: Wish,
    /// Exactly what, as whoever asks puts it too.
    pub plan: &'a str,
    /// What is recorded of it.
    pub deed: &'a Deed,
    /// What asks another person for it, to be typed elsewhere.
    pub ask: String,
}

/// What leads another person to the vault, as it is typed.
pub fn place(vault: &Vault) -> String {
    format!("--vault {} --root {} --identity YOUR.key", vault.store().url(), vault.fingerprint())
}

/// Who decided it.
pub enum Decided {
    /// Whoever asked, and those who approved it.
    ByRequest(RequestId, String),
    /// People whose identities are here.
    Here(Identities, String),
}

impl Decided {
    /// For the record and for notes.
    pub fn in_words(&self) -> &str {
        let (Self::ByRequest(_, words) | Self::Here(_, words)) = self;
        words
    }
}

impl Question<'_> {
    /// Finds out who decided it. Breaking the glass, or one person's deciding where nobody else could, is told
    /// and recorded before anything is done.
    ///
    /// # Errors
    /// `ApprovalMissing` when fewer than two have; `Denied` when the request is for something else, refused, taken
    /// back or over.
    pub async fn decide(&self, by: &Deciding, json: bool) -> Result<Decided, CommandError> {
        let decided = match &by.request {
            Some(id) => self.by_request(id).await,
            None => self.here(by, json).await,
        };
        if let Err(error) = &decided {
            let refused = record::ended(&self.deed.what, Some(error));
            let plan = Some(plan_id(self.plan));
            let deed = Deed { result: refused.result, kind: refused.kind, plan, ..self.deed.clone() };
            let identities = read_identities(&by.identity)?;
            if self.vault.person_keys(&identities)?.is_empty() {
                record::write(self.vault, self.key, &deed, json).await;
            } else {
                record::write_as_person(self.vault, &identities, &deed, json).await;
            }
            self.tell(json).await;
        }
        decided
    }

    /// What is new on the record is told before anything is done.
    async fn tell(&self, json: bool) {
        watch::look(self.vault, self.config, self.key, json).await;
    }

    async fn by_request(&self, id: &str) -> Result<Decided, CommandError> {
        let record = find_request(self.vault, id).await?;
        let now = Timestamp::now();
        record.check_open(self.vault, now)?;
        record.check_plan(self.kind, self.plan, &[])?;
        let tally = record.check_approved(self.vault, now)?;
        let words = format!(
            "request {} of {}, approved by {}",
            record.id.short(),
            record.requester_name,
            tally.approved.join(", ")
        );
        Ok(Decided::ByRequest(record.id, words))
    }

    async fn here(&self, by: &Deciding, json: bool) -> Result<Decided, CommandError> {
        let identities = read_identities(&by.identity)?;
        let people = self.vault.deciders(&identities)?;
        let names: Vec<_> = people.iter().map(|person| person.name.as_str()).collect();
        let words = format!("decided by {}", names.join(", "));
        let [one] = &people[..] else {
            return match people.is_empty() {
                true => Err(self.missing()),
                false => Ok(Decided::Here(identities, words)),
            };
        };
        let others = self.vault.others_who_decide(one.id())?;
        let progress = Progress::new(json);
        if others.is_empty() {
            progress.warn(&decides_alone(&one.name));
            return Ok(Decided::Here(identities, format!("{words} alone: nobody else could")));
        }
        if !by.break_glass {
            return Err(self.missing());
        }
        progress.warn(&breaks_glass(&one.name, &others));
        let plan = Some(plan_id(self.plan));
        let deed = Deed { what: "break-glass".into(), result: "begun".into(), plan, ..self.deed.clone() };
        if !record::write_as_person(self.vault, &identities, &deed, json).await {
            return Err(unrecorded(self.ask_another()));
        }
        self.tell(json).await;
        Ok(Decided::Here(identities, format!("{words} alone, by breaking the glass")))
    }

    fn ask_another(&self) -> String {
        format!("ask another person, on a machine of your own: {}", self.ask)
    }

    fn missing(&self) -> CommandError {
        undecided(self.ask_another(), "--break-glass --identity YOUR.key --reason TEXT")
    }
}
