//! How far a run has come, told in one of three ways chosen once: bars on a terminal, a plain line now
//! and then elsewhere, JSON lines for a program.
//!
//! Counting is a few atomic additions, so that it can be called for every batch from every thread; a
//! thread of its own looks at the counters at the face's pace and draws. Totals start anew with each
//! phase, and a table's counts go to the phase in which it was begun.

mod bars;
mod face;
mod status;
mod ticker;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use face::Face;
use status::{Status, TableStatus};
use ticker::Ticker;

/// The time since the run began. An argument, so that tests need not wait.
type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// A reporter. Cheap to clone; every clone speaks for the same run.
#[derive(Clone)]
pub struct Progress(Arc<Run>);

/// The counters of one table within a phase. Dropping it ends the table too.
pub struct TableProgress {
    run: Arc<Run>,
    phase: Arc<Phase>,
    table: Arc<TableCounts>,
}

struct Run {
    face: Face,
    clock: Clock,
    phase: Mutex<Option<Arc<Phase>>>,
    ticker: Mutex<Option<Ticker>>,
}

struct Phase {
    name: String,
    started: Duration,
    rows: AtomicU64,
    bytes: AtomicU64,
    rows_expected: AtomicU64,
    bytes_expected: AtomicU64,
    tables_done: AtomicU64,
    tables: Mutex<Vec<Arc<TableCounts>>>,
}

struct TableCounts {
    name: String,
    rows_expected: Option<u64>,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    /// The reporter for this process: JSON lines when asked, else bars when stderr is a terminal, else
    /// plain lines.
    pub fn new(json: bool) -> Self {
        let started = Instant::now();
        let progress = Self::with(Face::choose(json), Box::new(move || started.elapsed()));
        *lock(&progress.0.ticker) = Ticker::start(&progress.0);
        progress
    }

    /// A reporter that says nothing, for tests and for commands too short to report.
    pub fn hidden() -> Self {
        Self::with(Face::Hidden, Box::new(|| Duration::ZERO))
    }

    fn with(face: Face, clock: Clock) -> Self {
        Self(Arc::new(Run { face, clock, phase: Mutex::new(None), ticker: Mutex::new(None) }))
    }

    /// Ends the phase before and begins this one, such as `reading`.
    pub fn phase(&self, name: &str) {
        self.0.end_phase();
        let started = (self.0.clock)();
        *lock(&self.0.phase) = Some(Arc::new(Phase::new(name, started)));
        self.0.face.phase(name);
    }

    /// Says how many rows this phase will count in all, about.
    pub fn expect_rows(&self, rows: u64) {
        self.0.current().rows_expected.store(rows, Relaxed);
    }

    /// Says how many bytes this phase will count in all, about. The time left is judged by rows where
    /// they are known, else by bytes.
    pub fn expect_bytes(&self, bytes: u64) {
        self.0.current().bytes_expected.store(bytes, Relaxed);
    }

    /// Counts bytes of the phase that belong to no table.
    pub fn add_bytes(&self, bytes: u64) {
        self.0.current().bytes.fetch_add(bytes, Relaxed);
    }

    /// Begins a table of the current phase.
    pub fn table(&self, name: &str, rows_estimated: Option<u64>) -> TableProgress {
        let phase = self.0.current();
        let table = Arc::new(TableCounts {
            name: name.to_owned(),
            rows_expected: rows_estimated,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        lock(&phase.tables).push(Arc::clone(&table));
        TableProgress { run: Arc::clone(&self.0), phase, table }
    }

    /// Tells something worth knowing.
    pub fn note(&self, text: &str) {
        self.0.face.note(text);
    }

    /// Tells something that an operator should look at, on stderr whatever the face.
    pub fn warn(&self, text: &str) {
        self.0.face.warn(text);
    }

    /// Ends the last phase, takes the bars off the terminal and stops drawing. A second call does
    /// nothing.
    pub fn finish(&self) {
        self.0.end_phase();
        self.0.close();
    }

    /// Finishes, and under `--json` prints `value` with `"type":"summary"` as the last line.
    ///
    /// # Errors
    /// What stdout says, and `InvalidData` for a value that has no form in JSON.
    pub fn summary(&self, value: &impl Serialize) -> io::Result<()> {
        self.finish();
        self.0.face.json("summary", value)
    }

    #[cfg(test)]
    fn tick(&self) {
        self.0.tick();
    }
}

impl TableProgress {
    /// Counts a batch.
    pub fn add(&self, rows: u64, bytes: u64) {
        self.table.rows.fetch_add(rows, Relaxed);
        self.table.bytes.fetch_add(bytes, Relaxed);
        self.phase.rows.fetch_add(rows, Relaxed);
        self.phase.bytes.fetch_add(bytes, Relaxed);
    }

    /// Ends the table as done. A table that is dropped without this is no longer shown and not counted
    /// as done.
    pub fn finish(self) {
        self.phase.tables_done.fetch_add(1, Relaxed);
        self.run.face.table_done(&self.table.status());
    }
}

impl Drop for TableProgress {
    fn drop(&mut self) {
        lock(&self.phase.tables).retain(|table| !Arc::ptr_eq(table, &self.table));
    }
}

impl Run {
    /// Counting may begin before a phase was named; it then goes to one without a name.
    fn current(&self) -> Arc<Phase> {
        let mut phase = lock(&self.phase);
        Arc::clone(phase.get_or_insert_with(|| Arc::new(Phase::new("working", (self.clock)()))))
    }

    fn end_phase(&self) {
        let ended = lock(&self.phase).take();
        if let Some(phase) = ended {
            self.face.phase_done(&phase.status((self.clock)()));
        }
    }

    /// The drawing stops before the bars go: none can come back.
    fn close(&self) {
        let ticker = lock(&self.ticker).take();
        drop(ticker);
        self.face.close();
    }

    fn tick(&self) {
        let phase = lock(&self.phase).clone();
        if let Some(phase) = phase {
            self.face.draw(&phase.status((self.clock)()));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.close();
    }
}

impl Phase {
    fn new(name: &str, started: Duration) -> Self {
        Self {
            name: name.to_owned(),
            started,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            rows_expected: AtomicU64::new(0),
            bytes_expected: AtomicU64::new(0),
            tables_done: AtomicU64::new(0),
            tables: Mutex::new(Vec::new()),
        }
    }

    fn status(&self, now: Duration) -> Status {
        let known = |counter: &AtomicU64| Some(counter.load(Relaxed)).filter(|count| *count > 0);
        Status {
            phase: self.name.clone(),
            elapsed: now.saturating_sub(self.started),
            rows: self.rows.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            rows_expected: known(&self.rows_expected),
            bytes_expected: known(&self.bytes_expected),
            tables_done: self.tables_done.load(Relaxed),
            tables: lock(&self.tables).iter().map(|table| table.status()).collect(),
        }
    }
}

impl TableCounts {
    fn status(&self) -> TableStatus {
        TableStatus {
            name: self.name.clone(),
            rows: self.rows.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            rows_expected: self.rows_expected,
        }
    }
}

/// A thread that panicked while drawing must not take the run with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
