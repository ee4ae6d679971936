//! Enrolling a host: the root signs its public keys and seals the metadata identity to it.

use age::secrecy::ExposeSecret;
use age::x25519;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::SigningKey;
use jiff::Timestamp;

use super::{GivenShares, Vault, create};
use crate::format::envelope::Kind;
use crate::format::keys::Enrolment;
use crate::format::names;
use crate::keys::{EnrolmentRequest, Identities};
use crate::seal::seal_to;
use crate::store::Store;
use crate::{AgentId, Result, VaultId};

impl Vault {
    /// Enrols a host, with the identities of a person whom the root key is wrapped to.
    ///
    /// # Errors
    /// `NoKey` when these identities do not open the root key; `NotEmpty` when the host is enrolled.
    pub async fn enrol(
        &self,
        request: &EnrolmentRequest,
        by: &Identities,
        now: Timestamp,
    ) -> Result<AgentId> {
        self.enrol_with(request, (by, &GivenShares::default()), now).await
    }

    /// The same with shares of the root that others gave for a request.
    pub(crate) async fn enrol_with(
        &self,
        request: &EnrolmentRequest,
        (by, given): (&Identities, &GivenShares),
        now: Timestamp,
    ) -> Result<AgentId> {
        let root = self.root_key_with(by, given).await?;
        let metadata: Vec<_> = self.inner.metadata.values().cloned().collect();
        write(self.store(), self.id(), &root, &metadata, request, now).await
    }
}

/// Writes the enrolment object.
pub(super) async fn write(
    store: &Store,
    vault: VaultId,
    root: &SigningKey,
    metadata: &[x25519::Identity],
    request: &EnrolmentRequest,
    now: Timestamp,
) -> Result<AgentId> {
    let id = request.id();
    let enrolment = Enrolment {
        id,
        name: request.name.clone(),
        created: now.to_string(),
        signing: hex::encode(request.signing.as_bytes()),
        recipient: Some(request.recipient.to_string()),
        metadata: for_agent(&request.recipient, metadata),
    };
    create::write_signed(store, &names::agent(id), Kind::Agent, root, vault, &enrolment).await?;
    Ok(id)
}

/// The metadata identities, sealed to an agent.
pub(super) fn for_agent(recipient: &x25519::Recipient, metadata: &[x25519::Identity]) -> String {
    let lines = metadata.iter().map(|identity| format!("{}\n", identity.to_string().expose_secret()));
    BASE64_STANDARD.encode(seal_to(recipient, lines.collect::<String>().as_bytes()))
}
