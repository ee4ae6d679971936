//! The one-time key of a request, in a file on the machine of whoever asked: it opens the shares that others give,
//! so it goes as soon as it is good for nothing more. Until the request is used, ended or over it stays, because a
//! restore that is interrupted is begun again with it.

use std::path::{Path, PathBuf, absolute};

use age::secrecy::ExposeSecret;
use age::x25519;
use lifeboat_console::{CommandError, Kind, Progress, ResultExt};
use lifeboat_vault::{NewRequest, RequestId, RequestRecord, RequestState};

use crate::commands::write_new;

/// Where it is, and what it must be the key of.
pub struct OneTimeKey {
    id: RequestId,
    recipient: String,
    file: PathBuf,
}

impl OneTimeKey {
    /// That of a request, in this file or where it is when nobody says otherwise.
    pub fn of(record: &RequestRecord, file: Option<&Path>) -> Self {
        let file = file.map_or_else(|| usual(record.id), Path::to_owned);
        Self { id: record.id, recipient: record.request.recipient.clone(), file }
    }

    /// Writes a new request's key to a new file, and returns where that is.
    pub fn write(request: &NewRequest, file: Option<&Path>) -> Result<String, CommandError> {
        let file = absolute(file.map_or_else(|| usual(request.id), Path::to_owned))?;
        let secret = request.identity.to_string();
        let note = format!("# one-time key of request {}, good until {:.0}\n", request.id, request.expires);
        write_new(&file, &format!("{note}{}\n", secret.expose_secret()))?;
        Ok(file.display().to_string())
    }

    /// Reads it.
    ///
    /// # Errors
    /// `NoUsableKey` when it cannot be read, or is another request's.
    pub fn read(&self) -> Result<x25519::Identity, CommandError> {
        let hint = "it was made on the machine where the request was; say where it is with `--request-key`";
        let file = self.file.display();
        let text = std::fs::read_to_string(&self.file)
            .context(|| format!("the request's one-time key cannot be read from {file}"))
            .kind(Kind::NoUsableKey)
            .hint(hint)?;
        self.in_text(&text).ok_or_else(|| {
            let text = format!("{file} is not the one-time key of request {}", self.id.short());
            CommandError::new(Kind::NoUsableKey, text).hint(hint)
        })
    }

    /// Removes the file, if it is there and holds this key and nothing else: whatever else stands in it may be
    /// all that somebody has. Returns whether it is gone now and was there, or why it stays.
    pub fn discard(&self) -> Result<bool, String> {
        let Ok(text) = std::fs::read_to_string(&self.file) else { return Ok(false) };
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        if self.in_text(&text).is_none() {
            return Ok(false);
        }
        let file = self.file.display();
        if lines.count() > 1 {
            return Err(format!("{file} holds more than the request's one-time key: take that out of it"));
        }
        std::fs::remove_file(&self.file)
            .map(|()| true)
            .map_err(|error| format!("the request's one-time key cannot be removed from {file}: {error}"))
    }

    /// Removes it after it was used, and tells.
    pub fn used(&self, progress: &Progress) {
        match self.discard() {
            Ok(true) => {
                progress.note(&format!("{} is removed: the one-time key was used", self.file.display()))
            }
            Ok(false) => {}
            Err(why) => progress.warn(&why),
        }
    }

    /// Removes it when the request has ended for good, and says so.
    pub fn after(&self, state: &RequestState) -> Option<String> {
        let ended = match state {
            RequestState::Refused { .. } | RequestState::Revoked { .. } | RequestState::Expired => true,
            // It may come to count again: clocks are set, people let in.
            RequestState::Open | RequestState::Approved | RequestState::Void(_) => false,
        };
        match ended.then(|| self.discard())? {
            Ok(true) => Some(format!("{} is removed: its request has ended", self.file.display())),
            Ok(false) => None,
            Err(why) => Some(why),
        }
    }

    fn in_text(&self, text: &str) -> Option<x25519::Identity> {
        let line = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-"))?;
        let identity: x25519::Identity = line.trim().parse().ok()?;
        (identity.to_public().to_string() == self.recipient).then_some(identity)
    }
}

/// Where it is when nobody says otherwise.
pub fn usual(id: RequestId) -> PathBuf {
    PathBuf::from(format!("lifeboat-request-{}.key", id.short()))
}
