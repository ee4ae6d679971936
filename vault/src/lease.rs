//! The lease: at most one host deletes in a vault at a time.
//!
//! A lease is a chain of numbered objects, each created once and conditionally; the highest number is in
//! force, is never removed, and is the fencing token. To take, renew or give back the lease is to create
//! the next number, and then to see that none is higher. So it needs nothing of a store but conditional
//! create, and a host that slept while another took over fails at its next number. All times are the
//! store's: a lease that was not renewed for [`LEASE_SECONDS`] is lost to its holder too, even when nobody
//! has taken it.

use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;

use crate::format::envelope::{Envelope, Kind, Signer, sign};
use crate::format::lease::LeaseRecord;
use crate::format::names;
use crate::keys::AgentKey;
use crate::store::{Created, Creation, Listed};
use crate::{Error, Result, Vault};

/// A lease that was not renewed for so long may be taken by another host.
pub const LEASE_SECONDS: i64 = 600;

/// [`Lease::keep`] renews after so many seconds: often enough that a slow store does not lose it.
const RENEW_AFTER_SECONDS: u64 = 60;

/// The right to delete.
pub struct Lease {
    vault: Vault,
    agent: AgentKey,
    holder: String,
    purpose: &'static str,
    number: u64,
    /// When the store saw the newest number.
    renewed: Timestamp,
    /// The same by this machine, which may have slept: only to renew in time, never to decide.
    renewed_here: Instant,
}

impl Lease {
    /// Takes the lease. `alone` says that the operator answers for it that no other host deletes, for a
    /// store that cannot.
    ///
    /// # Errors
    /// `Locked` when another host has it; `NotExclusive` when the store lets a second create replace the
    /// first and the operator has not said `alone`.
    pub async fn take(vault: &Vault, agent: &AgentKey, purpose: &'static str, alone: bool) -> Result<Self> {
        vault.agent_key("this agent's key", agent.id())?;
        if !alone && vault.store().probe_creation().await? == Creation::Overwrites {
            return Err(Error::NotExclusive);
        }
        let now = vault.store().time().await?;
        let number = match newest(vault).await? {
            None => 1,
            Some((number, listed)) => {
                refuse_held(vault, number, now.duration_since(listed.modified).as_secs()).await?;
                number + 1
            }
        };
        let holder = hex::encode(rand::random::<[u8; 16]>());
        let (vault, agent) = (vault.clone(), agent.clone());
        let renewed_here = Instant::now();
        let mut lease = Self { vault, agent, holder, purpose, number, renewed: now, renewed_here };
        lease.write(number, false).await?;
        lease.remove_superseded().await?;
        Ok(lease)
    }

    /// Renews the lease, unless that was done a moment ago: for long work between deletions.
    ///
    /// # Errors
    /// As [`Lease::renew`].
    pub async fn keep(&mut self) -> Result<()> {
        if self.renewed_here.elapsed().as_secs() < RENEW_AFTER_SECONDS { Ok(()) } else { self.renew().await }
    }

    /// Proves that the lease is still this holder's, and renews it. Called before anything is deleted.
    ///
    /// # Errors
    /// `LeaseLost` when another host has taken it, or this one was not heard of for too long.
    pub async fn renew(&mut self) -> Result<()> {
        let (before, superseded) = (self.renewed, self.number);
        self.write(self.number + 1, false).await?;
        let silent = self.renewed.duration_since(before).as_secs();
        if silent > LEASE_SECONDS {
            let reason = format!("this host was not heard of for {silent} s: did it sleep?");
            return Err(Error::LeaseLost { reason });
        }
        self.vault.store().remove(&names::lease(superseded)).await.map(drop)
    }

    /// Gives the lease back, so that the next host need not wait.
    ///
    /// # Errors
    /// As [`Lease::renew`].
    pub async fn give_back(mut self) -> Result<()> {
        let superseded = self.number;
        self.write(self.number + 1, true).await?;
        self.vault.store().remove(&names::lease(superseded)).await.map(drop)
    }

    /// What time it was by the store's clock when the lease was renewed last.
    pub fn time(&self) -> Timestamp {
        self.renewed
    }

    /// Removes what holders who were killed have left.
    async fn remove_superseded(&self) -> Result<()> {
        for object in self.vault.store().list(names::LEASE).await? {
            if names::lease_number(&object.name).is_some_and(|number| number < self.number) {
                self.vault.store().remove(&object.name).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, number: u64, ends: bool) -> Result<()> {
        let holder = if ends { String::new() } else { self.holder.clone() };
        let (agent, purpose) = (self.agent.name.clone(), self.purpose.to_owned());
        let record = LeaseRecord { number, holder, agent, purpose };
        let json = serde_json::to_vec(&record).expect("a lease serialises");
        let object =
            sign(Kind::Lease, Signer::Agent(self.agent.id()), &self.agent.signing, self.vault.id(), &json);
        let name = names::lease(number);
        let created = self.vault.store().create(&name, Bytes::from(object.clone())).await?;
        // A create that was carried out and reported as failed is tried again and finds itself.
        if created == Created::Exists && self.vault.store().get(&name).await? != object {
            return Err(Error::LeaseLost { reason: "another host has taken it".into() });
        }
        match newest(&self.vault).await? {
            Some((highest, listed)) if highest == number => {
                (self.number, self.renewed, self.renewed_here) = (number, listed.modified, Instant::now());
                Ok(())
            }
            _ => Err(Error::LeaseLost { reason: "another host has taken it".into() }),
        }
    }
}

/// The lease in force, whoever has it.
pub(crate) async fn newest(vault: &Vault) -> Result<Option<(u64, Listed)>> {
    let listed = vault.store().list(names::LEASE).await?.into_iter();
    let numbered = listed.filter_map(|object| Some((names::lease_number(&object.name)?, object)));
    Ok(numbered.max_by_key(|(number, _)| *number))
}

/// Refuses while another host is heard of. A lease that cannot be read is somebody's until it is old.
async fn refuse_held(vault: &Vault, number: u64, seconds_ago: i64) -> Result<()> {
    if seconds_ago > LEASE_SECONDS {
        return Ok(());
    }
    let unknown =
        || (format!("somebody whose lease {} cannot be read", names::lease(number)), "deleting".into());
    let (by, purpose) = match read(vault, number).await {
        Ok(LeaseRecord { holder, .. }) if holder.is_empty() => return Ok(()),
        Ok(LeaseRecord { agent, purpose, .. }) => (agent, purpose),
        Err(error) if error.is_damage() => unknown(),
        Err(error) => return Err(error),
    };
    Err(Error::Locked { by, purpose, seconds_ago })
}

async fn read(vault: &Vault, number: u64) -> Result<LeaseRecord> {
    let name = names::lease(number);
    let object = vault.store().get(&name).await?;
    let envelope = Envelope::parse(&name, Kind::Lease, &object)?;
    let Signer::Agent(agent) = envelope.signer else {
        return Err(Error::untrusted(name, "it is not signed by an agent"));
    };
    let body = envelope.verify(&name, vault.agent_key(&name, agent)?, vault.id())?;
    let record: LeaseRecord = serde_json::from_slice(body).map_err(|error| Error::damaged(&name, error))?;
    if record.number == number {
        Ok(record)
    } else {
        Err(Error::untrusted(name, "it is another lease under this name"))
    }
}
