//! What a request is good for: exactly what it says, once enough people have approved it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{RequestRecord, Tally, read_request};
use crate::format::names;
use crate::format::request::Wish;
use crate::{Error, Grade, RequestId, Result, Vault};

/// Finds a request by its id or the beginning of it.
///
/// # Errors
/// `NoSuchRequest` when there is none, or more than one; as [`read_request`].
pub async fn find_request(vault: &Vault, id: &str) -> Result<RequestRecord> {
    let listed = vault.store().list(names::REQUESTS).await?;
    let ids = listed.iter().filter_map(|object| names::request_part(&object.name)).map(|(id, _)| id);
    let found: BTreeSet<RequestId> =
        ids.filter(|known| !id.is_empty() && known.to_string().starts_with(&id.to_lowercase())).collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(id), None) => read_request(vault, id).await,
        (None, _) => Err(Error::NoSuchRequest(format!("there is no request `{}`", id.escape_debug()))),
        (Some(_), Some(_)) => {
            Err(Error::NoSuchRequest(format!("several requests begin with `{}`", id.escape_debug())))
        }
    }
}

impl RequestRecord {
    /// Refuses whatever is not exactly what was asked for.
    ///
    /// # Errors
    /// `AgainstPolicy` when it is for another kind of thing, `AnotherPlan` with the lines that differ.
    pub fn check_plan(&self, kind: Wish, plan: &str, grades: &[Grade]) -> Result<()> {
        let request = self.id.short();
        if self.request.kind != kind {
            return Err(Error::AgainstPolicy(format!("request {request} is for something else than this")));
        }
        if plan == self.request.plan && grades == self.request.grades {
            return Ok(());
        }
        let only = |of: &str, other: &str| -> Vec<String> {
            of.lines().filter(|line| other.lines().all(|known| known != *line)).map(str::to_owned).collect()
        };
        let (asked, at_hand) = (only(&self.request.plan, plan), only(plan, &self.request.plan));
        Err(Error::AnotherPlan { request, asked, at_hand })
    }

    /// Refuses what too few have approved, and returns who did.
    ///
    /// # Errors
    /// `Unapproved` with who still can; damage of the keyring's list of people.
    pub fn check_approved(&self, vault: &Vault, now: Timestamp) -> Result<Tally> {
        let tally = self.tally(vault, now)?;
        if tally.is_enough() {
            return Ok(tally);
        }
        Err(Error::Unapproved {
            request: self.id.short(),
            has: tally.approved.len(),
            needed: tally.needed,
            able: tally.able,
            unbelieved: self.unbelieved.iter().map(ToString::to_string).collect(),
        })
    }
}
