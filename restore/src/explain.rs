//! Which exit code and which hints belong to the errors of our libraries.

use std::error::Error;

use lifeboat_config::{ConfigError, SecretError};
use lifeboat_connectors::Error as SourceError;
use lifeboat_console::{Explanation, Kind};
use lifeboat_vault::Error as VaultError;

/// Explains one error of a chain, if it is one of ours.
pub fn explain(error: &(dyn Error + 'static)) -> Option<Explanation> {
    if let Some(error) = error.downcast_ref::<VaultError>() {
        return Some(Explanation { kind: vault_kind(error), hints: error.hints() });
    }
    if let Some(error) = error.downcast_ref::<SourceError>() {
        return Some(Explanation { kind: source_kind(error), hints: error.hints() });
    }
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        return Some(Explanation { kind: Kind::ConfigInvalid, hints: error.hints() });
    }
    let error = error.downcast_ref::<SecretError>()?;
    Some(Explanation { kind: Kind::ConfigInvalid, hints: error.hints() })
}

fn vault_kind(error: &VaultError) -> Kind {
    match error {
        VaultError::NoVault { .. } => Kind::VaultMissing,
        VaultError::NoKey { .. } => Kind::NoUsableKey,
        VaultError::AgainstPolicy(_) | VaultError::AnotherPlan { .. } => Kind::Denied,
        VaultError::Unapproved { .. } => Kind::ApprovalMissing,
        VaultError::NoSuchRequest(_) => Kind::Usage,
        VaultError::KeysChanged { .. } => Kind::Locked,
        error if error.is_damage() => Kind::Damage,
        _ => Kind::Failed,
    }
}

fn source_kind(error: &SourceError) -> Kind {
    match error {
        SourceError::Locked { .. } => Kind::Locked,
        _ => Kind::Failed,
    }
}
