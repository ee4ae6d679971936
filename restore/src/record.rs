//! What this program writes to the vault's record. A restore is never kept back by it: credentials that may
//! only read are what an incident responder should have, and then the missing entry is told loudly.

use jiff::Timestamp;
use lifeboat_console::{CommandError, Kind, Progress};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{AgentKey, AuditWriter, Identities, Opener, PersonKey, Vault, record};

use crate::explain::explain;
use crate::open::AtHand;

/// Writes entries as the person, or the agent, that the vault was opened by.
pub struct Recorder {
    vault: Vault,
    writer: Option<Writer>,
    /// Those who opened the vault together with a person who writes.
    with: Vec<String>,
    host: String,
}

enum Writer {
    Person(PersonKey),
    Agent(AgentKey),
}

impl Recorder {
    /// Finds out who it is that opened the vault. A list of people that cannot be read names nobody, and is
    /// told as damage of the vault.
    pub fn of(at_hand: &AtHand) -> Self {
        let vault = at_hand.vault.clone();
        let (person, with) = people(&vault, &at_hand.identities);
        let enrolled = at_hand.agents.iter().find(|agent| vault.agent_name(agent.id()).is_some());
        let writer = person.or_else(|| enrolled.cloned().map(Writer::Agent));
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { vault, writer, with, host }
    }

    /// The same after the keys were changed, when whoever it is may have been given a signing key. Who can
    /// open the vault no longer writes this last entry with the key of before.
    pub async fn after_change(self, identities: &Identities) -> Self {
        let (store, root) = (self.vault.store().clone(), self.vault.fingerprint());
        match Vault::open(store, Opener::Person(identities), Some(&root)).await {
            Ok(vault) => {
                let (person, with) = people(&vault, identities);
                Self { vault, writer: person.or(self.writer), with, host: self.host }
            }
            Err(_) => self,
        }
    }

    /// Writes an entry, or tells why there is none. Returns whether it is written.
    pub async fn write(&self, deed: &Deed, progress: &Progress) -> bool {
        self.write_at(deed, Timestamp::now(), progress).await
    }

    /// The same, of a deed of this time.
    pub async fn write_at(&self, deed: &Deed, now: Timestamp, progress: &Progress) -> bool {
        let writer = match &self.writer {
            Some(Writer::Person(person)) => AuditWriter::Person(person),
            Some(Writer::Agent(agent)) => AuditWriter::Agent(agent),
            None => {
                progress.warn(&format!(
                    "NOT RECORDED: this {} is in no record, because the vault has no signing key for this \
                     identity; `lifeboat-restore keys rewrap` makes one for everybody",
                    deed.what
                ));
                return false;
            }
        };
        let mut deed = deed.clone();
        if !self.with.is_empty() {
            let with = format!("together with {}", self.with.join(", "));
            deed.detail = Some(deed.detail.map_or(with.clone(), |detail| format!("{detail}, {with}")));
        }
        match record(&self.vault, writer, &self.host, &deed, now).await {
            Ok(_) => true,
            Err(error) => {
                progress.warn(&format!(
                    "NOT RECORDED: this {} is in no record, because its entry cannot be written ({error}); write \
                     down who did it, when and why",
                    deed.what
                ));
                false
            }
        }
    }
}

/// The person who writes, and the names of the others whose identities these are.
fn people(vault: &Vault, identities: &Identities) -> (Option<Writer>, Vec<String>) {
    let mut keys = vault.person_keys(identities).unwrap_or_default().into_iter();
    let first = keys.next().map(Writer::Person);
    (first, keys.map(|key| key.name).collect())
}

/// The same deed, with how it ended.
pub fn ended<T>(deed: Deed, ended: &Result<T, CommandError>) -> Deed {
    let kind = ended.as_ref().err().map(kind_of);
    Deed { result: Kind::result(kind).into(), kind: kind.map(|kind| kind.as_str().into()), ..deed }
}

/// What kind an error will be told as.
pub fn kind_of(error: &CommandError) -> Kind {
    error.explained(explain).kind
}
