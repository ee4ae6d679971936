//! One source into one snapshot.
//!
//! The connector reads on the runtime's threads while each lane hashes, cuts, compresses and seals on
//! a thread of its own. Whatever fails anywhere stops everything, and no manifest is written: a
//! snapshot that is reported good holds every row of its point.

mod lanes;
mod scratch;
mod stop;
mod summary;
mod tables;
mod usual;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use lifeboat_config::{Agent, Source};
use lifeboat_connectors::{Capture, CaptureOptions, PointInTime};
use lifeboat_console::{CommandError, Interrupt, Progress, chain};
use lifeboat_vault::{
    AgentKey, Comparison, Draft, Error as VaultError, SnapshotWriter, Vault, Written, list_notes,
};

use crate::grades::{Catalogue, named};
use crate::host;
use lanes::Read;
use scratch::Scratch;
pub use summary::{Summary, seconds};

/// What one source's backup needs.
pub struct Run<'a> {
    /// The source, as configured.
    pub source: &'a Source,
    /// This agent, as configured.
    pub agent: &'a Agent,
    /// Its key.
    pub key: &'a AgentKey,
    /// The vault, opened with that key.
    pub vault: &'a Vault,
    /// Words that retention may go by.
    pub tags: &'a [String],
    /// Says when to stop.
    pub interrupt: &'a Interrupt,
    /// Is told how far the run has come.
    pub progress: &'a Progress,
}

impl Run<'_> {
    /// Takes the snapshot.
    ///
    /// # Errors
    /// The first true cause; then no snapshot was written, and what was uploaded is left for the next
    /// run.
    pub async fn take(&self) -> Result<Summary, CommandError> {
        let started = Instant::now();
        let source = host::open_source(self.source)?;
        // A state folder that cannot be written costs what would be kept in it, and not the backup.
        let _ = host::make_state(self.agent);
        self.progress.phase("opening");
        let begin = SnapshotWriter::begin(self.vault, self.key, &self.agent.state, &self.source.name);
        let writer = self.interrupt.or(begin).await?;
        if let Some(error) = &writer.index_elsewhere {
            self.progress.warn(&format!(
                "the vault's index cannot be kept in {}: {}; it was gathered in a temporary folder, and will be again",
                self.agent.state.display(),
                chain(error)
            ));
        }
        let scratch = Scratch::make(&self.agent.state, &self.source.name)?;
        let lost_keys = self.lost_keys().await?;
        let damage: Vec<_> =
            self.vault.damage().chain(&writer.sync.damage).map(|error| chain(error)).collect();
        let adopted_packs = writer.sync.adopted;

        let (draft, point, catalogue) = match self.read(&*source, &writer, &scratch).await {
            Ok(read) => read,
            Err(error) => return Err(give_up(writer, error).await),
        };
        self.warn(&point, &damage, adopted_packs);
        self.progress.phase("completing");
        let (tables, files) = (draft.tables.len() as u64, draft.files.len() as u64);
        let rows = draft.tables.iter().map(|table| table.rows).sum();
        let time = draft.time;
        let (notes, _) = list_notes(self.vault).await?;
        let mut ungraded = Vec::new();
        let judge = |comparison: &Comparison<'_>| {
            ungraded = catalogue.new_ungraded(comparison.tables_before.as_deref());
            usual::unusual(comparison)
        };
        let written = self.complete(writer.finish_judged(draft, &notes, judge)).await?;
        self.warn_of_grades(&ungraded, &catalogue.unused);
        for reason in &written.not_remembered {
            self.progress.warn(&format!(
                "{}: the rows' fingerprints were not used or not kept: {reason}; nothing is lost, but more is stored than has changed",
                self.source.name
            ));
        }
        let Written { snapshot, raw_bytes, new_raw_bytes, stored_bytes, fingerprint_bytes, flags, .. } =
            written;
        Ok(Summary {
            source: self.source.name.clone(),
            snapshot: snapshot.to_string(),
            rows,
            raw_bytes,
            new_raw_bytes,
            stored_bytes,
            seconds: summary::seconds(started.elapsed()),
            fingerprint_bytes,
            time,
            tables,
            files,
            not_covered: point.not_covered,
            plaintext: point.plaintext,
            adopted_packs,
            damage,
            lost_keys,
            flags,
            ungraded,
        })
    }

    /// Wrapped keys that are gone or damaged: what they would open stays closed to everybody.
    async fn lost_keys(&self) -> Result<Vec<String>, CommandError> {
        let lost = self.interrupt.or(self.vault.check_wraps()).await?;
        Ok(lost.iter().map(|error| chain(error)).collect())
    }

    /// Lets the last step run to its end: a snapshot that lacks only its manifest is not given up.
    async fn complete<T>(&self, finish: impl Future<Output = T>) -> T {
        let mut finish = std::pin::pin!(finish);
        tokio::select! {
            written = &mut finish => written,
            _ = self.interrupt.wait() => {
                self.progress.note("every row is read: the snapshot is completed first; a second signal stops at once");
                finish.await
            }
        }
    }

    /// Fixes the point, reads everything and confirms that the point held.
    async fn read(
        &self,
        source: &dyn lifeboat_connectors::Source,
        writer: &SnapshotWriter,
        scratch: &Scratch,
    ) -> Result<(Draft, PointInTime, Catalogue), CommandError> {
        let readers = self.agent.readers;
        let scratch = scratch.path().to_owned();
        let options = CaptureOptions { readers, scratch, ..CaptureOptions::default() };
        let capture = self.interrupt.or(source.capture(&options)).await?;
        let time = Timestamp::now();
        let mut point = capture.point().clone();

        self.progress.phase("reading");
        self.progress.expect_rows(capture.tables().iter().map(|table| table.rows_estimated).sum());
        let capture = Arc::new(capture);
        let catalogue = Catalogue::of(&self.source.grades, capture.tables())?;
        let read = lanes::read(
            Arc::clone(&capture),
            &catalogue,
            readers,
            writer,
            self.vault,
            self.interrupt,
            self.progress,
        );
        let Read { files, tables } = read.await?;
        point.not_covered.extend(capture.also_not_covered());
        let capture: Box<dyn Capture> = Arc::into_inner(capture).expect("nobody reads any more");
        self.interrupt.or(capture.finish()).await?;
        let draft = Draft {
            time,
            agent: format!("{}, Lifeboat {}", self.key.name, env!("CARGO_PKG_VERSION")),
            point: serde_json::to_value(&point)?,
            flags: Vec::new(),
            tags: self.tags.to_vec(),
            files,
            tables: tables.into_records(&self.vault.row_digest()),
        };
        Ok((draft, point, catalogue))
    }

    /// Tells of columns that are high because nobody graded them, when they are new, and of patterns that grade
    /// nothing.
    fn warn_of_grades(&self, ungraded: &[String], unused: &[String]) {
        let name = &self.source.name;
        if !ungraded.is_empty() {
            self.progress.warn(&format!(
                "{name}: nobody has graded {}, which the last snapshot did not have: high, but for keys, until [source.grades] says otherwise",
                named(ungraded)
            ));
        }
        if !unused.is_empty() {
            self.progress
                .warn(&format!("{name}: no column is meant by {} in [source.grades]", named(unused)));
        }
    }

    /// Tells an operator what to look at although the backup goes well.
    fn warn(&self, point: &PointInTime, damage: &[String], adopted_packs: u64) {
        let name = &self.source.name;
        if adopted_packs > 0 {
            self.progress.note(&format!(
                "an interrupted run had left {adopted_packs} packs in the vault: they are used"
            ));
        }
        for damage in damage {
            self.progress.warn(&format!(
                "the vault is damaged: {damage}; this snapshot does without it, older ones may not: run `lifeboat-restore verify`"
            ));
        }
        if point.plaintext {
            self.progress
                .warn(&format!("{name}: the rows crossed the network in plain text (allow_plaintext)"));
        }
        for sentence in &point.not_covered {
            self.progress.warn(&format!("{name}: not covered: {sentence}"));
        }
    }
}

/// Lets the packer end and finds out who failed first: what a lane reports as cancelled, the packer
/// knows the cause of.
async fn give_up(writer: SnapshotWriter, error: CommandError) -> CommandError {
    let packer = writer.abandon().await;
    match (error.error().downcast_ref(), packer) {
        (Some(VaultError::Cancelled), Some(cause)) => cause.into(),
        _ => error,
    }
}
