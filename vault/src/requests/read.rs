//! Reading requests and their answers: each object proves itself, or is not believed and told.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::format::envelope::Kind;
use crate::format::names;
use crate::format::request::{Approval, Objection, Request, SealedShare};
use crate::store::Listed;
use crate::{AgentId, Error, RequestId, Result, Vault, pack};

/// Requests read at once.
const READS_AT_ONCE: usize = 8;

/// A request as it stands in the vault, with what was answered.
#[derive(Debug)]
pub struct RequestRecord {
    /// What it is known by: the hash of the whole object.
    pub id: RequestId,
    /// Who made it.
    pub requester: AgentId,
    /// What the keyring calls them.
    pub requester_name: String,
    /// What is asked for.
    pub request: Request,
    /// Answers whose signatures verify and that name this very request.
    pub answers: Vec<Answer>,
    /// Answers that are not believed, and why.
    pub unbelieved: Vec<Error>,
    /// When the store says that the newest of these objects was written.
    pub written: Timestamp,
}

/// What somebody answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Who.
    pub by: AgentId,
    /// What the keyring calls them.
    pub name: String,
    /// When, by their clock.
    pub time: String,
    /// When the store says that it was written.
    pub written: Timestamp,
    /// What.
    pub says: Says,
}

impl Answer {
    /// Since when it counts, where it is judged by what there was at a time. Whoever may replace objects makes them
    /// look later to the store, and somebody's no must not come after what it forbids: it counts from when it was
    /// signed, if that is earlier.
    pub(super) fn since(&self) -> Timestamp {
        match (&self.says, self.time.parse::<Timestamp>()) {
            (Says::Refuse(_) | Says::Revoke(_), Ok(signed)) => self.written.min(signed),
            _ => self.written,
        }
    }
}

impl RequestRecord {
    /// Adds the answers that another store of the vault has to the same request. One that is in both is as old as
    /// it is in either.
    pub(crate) fn add_answers_of(&mut self, other: Self) {
        for answer in other.answers {
            let same = |own: &&mut Answer| {
                own.by == answer.by
                    && std::mem::discriminant(&own.says) == std::mem::discriminant(&answer.says)
            };
            match self.answers.iter_mut().find(same) {
                Some(own) => own.written = own.written.min(answer.written),
                None => self.answers.push(answer),
            }
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Says {
    /// It is approved, with these shares.
    Approve(Vec<SealedShare>),
    /// It is refused, for this reason.
    Refuse(String),
    /// Whoever made the request, or approved it, takes that back, for this reason.
    Revoke(String),
}

/// Reads one request and its answers.
///
/// # Errors
/// `Missing`, `Damaged` or `Untrusted` when the request itself is not what a person of this vault wrote.
pub async fn read_request(vault: &Vault, id: RequestId) -> Result<RequestRecord> {
    let listed = vault.store().list(&format!("{}/{id}", names::REQUESTS)).await?;
    read(vault, id, &listed).await
}

/// Reads every request, oldest first, and what was found wrong with those that cannot be read.
pub async fn list_requests(vault: &Vault) -> Result<(Vec<RequestRecord>, Vec<Error>)> {
    let mut parts: BTreeMap<RequestId, Vec<Listed>> = BTreeMap::new();
    for object in vault.store().list(names::REQUESTS).await? {
        if let Some((id, _)) = names::request_part(&object.name) {
            parts.entry(id).or_default().push(object);
        }
    }
    let reads = parts.iter().map(|(id, listed)| async move {
        match read(vault, *id, listed).await {
            Err(error) if error.is_damage() => Ok(Err(error)),
            other => other.map(Ok),
        }
    });
    let read: Vec<Result<_>> =
        futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE).try_collect().await?;
    let (mut records, mut damage) = (Vec::new(), Vec::new());
    for record in read {
        match record {
            Ok(record) => records.push(record),
            Err(error) => damage.push(error),
        }
    }
    records.sort_by(|a, b| (&a.request.made, a.id).cmp(&(&b.request.made, b.id)));
    Ok((records, damage))
}

async fn read(vault: &Vault, id: RequestId, listed: &[Listed]) -> Result<RequestRecord> {
    let name = names::request(id);
    let object = vault.store().get(&name).await?;
    let (requester, request) = check_request(vault, id, &object)?;
    let requester_name = vault.person_name(requester).unwrap_or_default();
    let written = listed.iter().map(|object| object.modified).max().unwrap_or(Timestamp::UNIX_EPOCH);
    let (answers, unbelieved) = (Vec::new(), Vec::new());
    let mut record = RequestRecord { id, requester, requester_name, request, answers, unbelieved, written };
    for Listed { name, modified, .. } in listed {
        let Some((_, Some((verb, person)))) = names::request_part(name) else { continue };
        let answer = match vault.store().get(name).await {
            Ok(object) => read_answer(vault, id, (name, verb, person), &object),
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => record.answers.push(Answer { written: *modified, ..answer }),
            Err(error) if error.is_damage() => record.unbelieved.push(error),
            Err(error) => return Err(error),
        }
    }
    record.answers.sort_by(|a, b| (&a.time, a.by).cmp(&(&b.time, b.by)));
    Ok(record)
}

/// Checks that an object is the request of this id.
fn check_request(vault: &Vault, id: RequestId, object: &[u8]) -> Result<(AgentId, Request)> {
    let name = names::request(id);
    if RequestId(*blake3::hash(object).as_bytes()) != id {
        return Err(Error::damaged(name, "its bytes do not hash to its name"));
    }
    let (requester, body) = vault.open_of_person(&name, Kind::Request, object)?;
    Ok((requester, json(&name, &body)?))
}

/// Checks that an object is the request or the answer of this name.
pub(crate) fn check_part(vault: &Vault, name: &str, object: &[u8]) -> Result<()> {
    match names::request_part(name) {
        Some((id, Some((verb, person)))) => read_answer(vault, id, (name, verb, person), object).map(drop),
        Some((id, None)) => check_request(vault, id, object).map(drop),
        None => Err(Error::damaged(name, "it is neither a request nor an answer")),
    }
}

/// Reads an answer of this name: of that person, and to that request.
pub(crate) fn read_answer(
    vault: &Vault,
    id: RequestId,
    (name, verb, person): (&str, &str, AgentId),
    object: &[u8],
) -> Result<Answer> {
    let kind = match verb {
        "approve" => Kind::Approval,
        "refuse" => Kind::Refusal,
        _ => Kind::Revocation,
    };
    let (by, body) = vault.open_of_person(name, kind, object)?;
    if by != person {
        return Err(Error::untrusted(name, "it is another person's answer under this name"));
    }
    let (request, time, says) = match kind {
        Kind::Approval => {
            let Approval { request, time, shares } = json(name, &body)?;
            (request, time, Says::Approve(shares))
        }
        _ => {
            let Objection { request, time, reason } = json(name, &body)?;
            let says = if kind == Kind::Refusal { Says::Refuse(reason) } else { Says::Revoke(reason) };
            (request, time, says)
        }
    };
    if request != id {
        return Err(Error::untrusted(name, format!("it answers request {}, not this one", request.short())));
    }
    let (name, written) = (vault.person_name(by).unwrap_or_default(), Timestamp::UNIX_EPOCH);
    Ok(Answer { by, name, time, written, says })
}

fn json<T: serde::de::DeserializeOwned>(name: &str, body: &[u8]) -> Result<T> {
    let json = pack::decompress_text(name, body)?;
    serde_json::from_str(&json).map_err(|error| Error::damaged(name, error))
}
