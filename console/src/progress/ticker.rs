//! The thread that draws at the face's pace until it is dropped.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Run, lock};

/// A running thread. Dropping it ends the thread and waits for it, so that nothing is drawn after.
pub(crate) struct Ticker {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Ticker {
    /// Starts drawing `run`, unless its face never draws. A machine that cannot start one more thread
    /// still makes its backup, without the drawing.
    pub(crate) fn start(run: &Arc<Run>) -> Option<Self> {
        let pace = run.face.pace()?;
        let stop = Arc::new(Stop::default());
        let (weak, stopped) = (Arc::downgrade(run), Arc::clone(&stop));
        let draw = move || {
            while !stopped.wait(pace) {
                let Some(run) = weak.upgrade() else { return };
                run.tick();
            }
        };
        let thread = thread::Builder::new().name("progress".into()).spawn(draw).ok()?;
        Some(Self { stop, thread: Some(thread) })
    }
}

impl Stop {
    /// Waits for `pace` at most and says whether to stop.
    fn wait(&self, pace: Duration) -> bool {
        let stopped = lock(&self.stopped);
        match self.changed.wait_timeout_while(stopped, pace, |stopped| !*stopped) {
            Ok((stopped, _)) => *stopped,
            Err(_) => true,
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        *lock(&self.stop.stopped) = true;
        self.stop.changed.notify_all();
        let Some(thread) = self.thread.take() else { return };
        // The last reference to a run may be the thread's own, for the moment in which it draws.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}
