//! Approvals without a server: somebody asks in the vault, others answer there, each on their own machine.
//!
//! A [`NewRequest`] says exactly what is to be done and carries an age recipient made for it alone. Whoever has
//! a share of the keys that it needs seals that share to the recipient ([`approve`]); with enough of them
//! whoever asked opens what was asked for. Nobody is believed but people whom the keyring lists and has not
//! retired, each once, and nobody answers their own request. What binds a share to the plan is the program
//! of whoever asked: a share that was given is out, and taking it back ends what is given next.

use age::x25519;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::format::envelope::{Kind, Signer, sign};
use crate::format::names;
use crate::format::request::{Approval, Objection, Request, SealedShare, Wish};
use crate::keys::{Identities, PersonKey};
use crate::vault::open_own_share;
use crate::{Error, GivenShares, Grade, RequestId, Result, SnapshotId, Vault, pack, seal};

mod read;
mod tally;
mod using;

pub use read::{Answer, RequestRecord, Says, list_requests, read_request};
pub(crate) use read::{check_part, read_answer};
pub use tally::{RequestState, Tally};
pub use using::find_request;

/// No request is good for longer: whoever approves one does not answer for a day that nobody remembers.
pub const REQUEST_LIFE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How far the clocks of two people may be apart.
const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_mins(10);

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What is to be done.
    pub kind: Wish,
    /// Exactly what, in words: what is carried out must come to the same.
    pub plan: String,
    /// Grades whose keys are to be opened for it.
    pub grades: Vec<Grade>,
    /// The source.
    pub source: Option<String>,
    /// The snapshots.
    pub snapshots: Vec<SnapshotId>,
    /// Where rows go, without account and password.
    pub target: Option<String>,
    /// Why.
    pub reason: String,
    /// For how long it may be approved and used.
    pub life: SignedDuration,
}

/// A request that is not in the vault yet: the one-time identity is to be kept first.
pub struct NewRequest {
    /// What it is known by.
    pub id: RequestId,
    /// Opens the shares that are given for it. It belongs in a file of whoever asks, and nowhere else.
    pub identity: x25519::Identity,
    /// Until when it is good.
    pub expires: Timestamp,
    object: Bytes,
}

impl NewRequest {
    /// Makes and signs a request.
    ///
    /// # Errors
    /// `AgainstPolicy` when it is to be good for too long.
    pub fn make(vault: &Vault, by: &PersonKey, asked: Asked, now: Timestamp) -> Result<Self> {
        if asked.life > REQUEST_LIFE_MAX || asked.life <= SignedDuration::ZERO {
            let days = REQUEST_LIFE_MAX.as_hours() / 24;
            return Err(Error::AgainstPolicy(format!("a request is good for {days} days at most")));
        }
        let identity = x25519::Identity::generate();
        let expires = now + asked.life;
        let request = Request {
            kind: asked.kind,
            plan: asked.plan,
            grades: asked.grades,
            source: asked.source,
            snapshots: asked.snapshots,
            target: asked.target,
            recipient: identity.to_public().to_string(),
            reason: asked.reason,
            made: now.to_string(),
            expires: expires.to_string(),
        };
        let object = signed(vault, Kind::Request, by, &request)?;
        let id = RequestId(*blake3::hash(&object).as_bytes());
        Ok(Self { id, identity, expires, object })
    }

    /// Puts it into the vault.
    ///
    /// # Errors
    /// What the store says.
    pub async fn write(&self, vault: &Vault) -> Result<()> {
        vault.store().create_confirmed(&names::request(self.id), self.object.clone()).await.map(drop)
    }
}

/// Approves a request: seals the person's share of each split key that it needs to the request's recipient.
/// Returns how many shares were given.
///
/// # Errors
/// `AgainstPolicy` when this person may not, or the request is good no more; `NoKey` when these identities open
/// no share of a key.
pub async fn approve(
    vault: &Vault,
    record: &RequestRecord,
    by: &PersonKey,
    identities: &Identities,
    now: Timestamp,
) -> Result<usize> {
    record.may_answer(vault, by, now)?;
    if record.answers.iter().any(|answer| answer.by == by.id && matches!(answer.says, Says::Approve(_))) {
        return Err(Error::AgainstPolicy(format!("{} has approved it already", by.name)));
    }
    let recipient: x25519::Recipient = record
        .request
        .recipient
        .parse()
        .map_err(|reason| Error::damaged(names::request(record.id), reason))?;
    let mut shares = Vec::new();
    for key in record.split_keys(vault) {
        let own = open_own_share(vault.store(), key.shares, identities).await?;
        let (wrap, plain) = own.ok_or_else(|| Error::no_key(format!("a share of {}", key.name), None))?;
        shares.push(SealedShare { wrap, sealed: BASE64_STANDARD.encode(seal::seal_to(&recipient, &plain)) });
    }
    let given = shares.len();
    let approval = Approval { request: record.id, time: now.to_string(), shares };
    answer(vault, record.id, (Kind::Approval, "approve"), by, &approval).await?;
    Ok(given)
}

/// Refuses a request: nobody approves it any more, and nothing is opened for it.
///
/// # Errors
/// `AgainstPolicy` when this person may not, or the request is good no more.
pub async fn refuse(
    vault: &Vault,
    record: &RequestRecord,
    by: &PersonKey,
    reason: &str,
    now: Timestamp,
) -> Result<()> {
    record.may_answer(vault, by, now)?;
    object(vault, record, (Kind::Refusal, "refuse"), by, reason, now).await
}

/// Takes back a request, as whoever made it, or an approval of one's own.
///
/// # Errors
/// `AgainstPolicy` when this person has neither asked nor approved, or has taken it back already.
pub async fn revoke(
    vault: &Vault,
    record: &RequestRecord,
    by: &PersonKey,
    reason: &str,
    now: Timestamp,
) -> Result<()> {
    record.may_revoke(by)?;
    object(vault, record, (Kind::Revocation, "revoke"), by, reason, now).await
}

async fn object(
    vault: &Vault,
    record: &RequestRecord,
    what: (Kind, &str),
    by: &PersonKey,
    reason: &str,
    now: Timestamp,
) -> Result<()> {
    let objection = Objection { request: record.id, time: now.to_string(), reason: reason.to_owned() };
    answer(vault, record.id, what, by, &objection).await
}

/// Opens the shares of every approval that counts with the request's own identity. Whether they are what they
/// should be shows when they are put together.
pub fn gather(vault: &Vault, record: &RequestRecord, identity: &x25519::Identity) -> Result<GivenShares> {
    let mut given = GivenShares::default();
    for (answer, shares) in record.counted(vault, &vault.people()?) {
        let name = names::answer(record.id, "approve", answer.by);
        for share in shares {
            let sealed = BASE64_STANDARD.decode(&share.sealed);
            let sealed = sealed.map_err(|_| Error::damaged(&name, "a share is not base64"))?;
            let opened = seal::open(std::iter::once(identity as &dyn age::Identity), &sealed);
            let plain =
                opened.map_err(|_| Error::damaged(&name, "a share is not sealed to this request's key"))?;
            given.add(share.wrap.clone(), plain);
        }
    }
    Ok(given)
}

/// Writes an answer, once for each person and verb.
async fn answer(
    vault: &Vault,
    id: RequestId,
    (kind, verb): (Kind, &str),
    by: &PersonKey,
    says: &impl serde::Serialize,
) -> Result<()> {
    let object = signed(vault, kind, by, says)?;
    vault.store().create_confirmed(&names::answer(id, verb, by.id), object).await.map(drop)
}

fn signed(vault: &Vault, kind: Kind, by: &PersonKey, body: &impl serde::Serialize) -> Result<Bytes> {
    let json = serde_json::to_string(body).expect("plain data serialises");
    let (_, recipient) = vault.sealing(crate::Realm::Metadata)?;
    let sealed = seal::seal_to(&recipient, &pack::compress_text(&json));
    Ok(Bytes::from(sign(kind, Signer::Person(by.id), &by.signing, vault.id(), &sealed)))
}
