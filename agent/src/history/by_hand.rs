//! A run that a person started, in the history. One that the daemon started is written down by the daemon,
//! which outlives it.

use std::path::Path;

use jiff::Timestamp;
use lifeboat_console::{CommandError, chain};

use super::{Ended, History, Origin};
use crate::job::Job;
use crate::run_id::RunId;
use crate::supervise::Supervision;

/// A run's place in the history, if it has one.
pub struct ByHand(Option<(History, RunId)>);

impl ByHand {
    /// Writes down that it begins. What cannot be written is told and keeps no backup from being taken.
    pub async fn begin(state: &Path, job: &Job, id: RunId, supervision: Supervision) -> Self {
        if supervision.supervised.is_some() {
            return Self(None);
        }
        let begun = async {
            let history = History::open(state).await?;
            history.begin(id, job, Origin::Hand, None, Timestamp::now()).await?;
            Ok((history, id))
        };
        Self(begun.await.map_err(|error| unwritten(&error)).ok())
    }

    /// Writes down how it ended.
    pub async fn end(&mut self, ended: Ended) {
        let Some((history, id)) = self.0.take() else { return };
        if let Err(error) = history.end(id, &ended, Timestamp::now()).await {
            unwritten(&error);
        }
    }
}

fn unwritten(error: &CommandError) {
    tracing::warn!("the history cannot be written: {}", chain(error.error()));
}
