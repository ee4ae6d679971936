//! A change of keys that takes two people, and that one person is about to make.

use lifeboat_console::{CommandError, Progress, breaks_glass, decides_alone, undecided, unrecorded};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{Identities, Vault};

use crate::cli::Changing;
use crate::record::Recorder;

/// Such a change, with the identities that were given here.
pub(super) struct Alone<'a> {
    pub changing: &'a Changing,
    pub break_glass: bool,
    /// The source that it destroys.
    pub source: Option<&'a str>,
    /// What was typed, in short.
    pub command: String,
    /// The hint that says how another person is asked.
    pub ask: String,
}

impl Alone<'_> {
    /// Sees that nobody decides alone who could have asked another, unless the glass is broken and the record says so.
    ///
    /// # Errors
    /// `ApprovalMissing` when one person alone is here.
    pub(super) async fn refuse(
        self,
        vault: &Vault,
        identities: &Identities,
        recorder: &Recorder,
        progress: &Progress,
    ) -> Result<(), CommandError> {
        // Where the root is split, one person does not get so far.
        let people = vault.deciders(identities)?;
        let [one] = &people[..] else { return Ok(()) };
        if self.changing.dry_run || vault.splits_root() {
            return Ok(());
        }
        let others = vault.others_who_decide(one.id())?;
        if others.is_empty() {
            progress.warn(&decides_alone(&one.name));
            return Ok(());
        }
        if !self.break_glass {
            return Err(undecided(self.ask, "--break-glass --reason TEXT"));
        }
        progress.warn(&breaks_glass(&one.name, &others));
        let deed = Deed {
            what: "break-glass".into(),
            result: "begun".into(),
            source: self.source.map(str::to_owned),
            detail: Some(self.command),
            reason: self.changing.reason.clone(),
            ..Deed::default()
        };
        match recorder.write(&deed, progress).await {
            true => Ok(()),
            false => Err(unrecorded(self.ask)),
        }
    }
}
