//! Asking for a passphrase once. age's SSH identities ask again for every file that they open, and a vault has
//! a wrapped key for each grade and epoch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use age::secrecy::SecretString;

/// Callbacks that remember what was answered, for as long as the identity lives.
#[derive(Clone)]
pub(super) struct Remembering<C> {
    inner: C,
    known: Arc<Mutex<HashMap<String, SecretString>>>,
}

impl<C> Remembering<C> {
    pub(super) fn new(inner: C) -> Self {
        Self { inner, known: Arc::default() }
    }
}

impl<C: age::Callbacks> age::Callbacks for Remembering<C> {
    fn display_message(&self, message: &str) {
        self.inner.display_message(message);
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        self.inner.confirm(message, yes, no)
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        self.inner.request_public_string(description)
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.get(description) {
            return Some(answer.clone());
        }
        let answer = self.inner.request_passphrase(description)?;
        known.insert(description.to_owned(), answer.clone());
        Some(answer)
    }
}
