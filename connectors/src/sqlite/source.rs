//! The source: a database file that can be captured.

use std::path::PathBuf;

use async_trait::async_trait;
use url::Url;

use super::{capture::SqliteCapture, check, connection::blocking, place};
use crate::{Capture, CaptureOptions, Checked, Result, Source};

/// A SQLite database file that can be captured.
#[derive(Debug, Clone)]
pub struct SqliteSource {
    pub(super) path: PathBuf,
}

impl SqliteSource {
    /// Opens the source that `sqlite:///path` names; touches nothing yet.
    pub fn open(url: &Url) -> Result<Self> {
        Ok(Self { path: place::path_of(url)? })
    }
}

#[async_trait]
impl Source for SqliteSource {
    async fn check(&self) -> Result<Checked> {
        let path = self.path.clone();
        blocking(move || check::run(&path)).await
    }

    async fn capture(&self, options: &CaptureOptions) -> Result<Box<dyn Capture>> {
        let (path, options) = (self.path.clone(), options.clone());
        Ok(Box::new(blocking(move || SqliteCapture::begin(&path, &options)).await?))
    }
}
