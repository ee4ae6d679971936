//! The source: a URL that can be captured.

use async_trait::async_trait;
use url::Url;

use super::capture::PostgresCapture;
use super::check;
use super::connect::Endpoint;
use crate::{Capture, CaptureOptions, Checked, Result, Source};

/// A PostgreSQL database that can be captured.
#[derive(Debug, Clone)]
pub struct PostgresSource {
    endpoint: Endpoint,
}

impl PostgresSource {
    /// Parses the URL; connects to nothing yet. `password` goes before one in the URL.
    ///
    /// Known parameters: `host` (a socket's folder), `port`, `user`, `dbname`, `sslmode`, `sslrootcert`,
    /// `sslcert`, `sslkey`. Without `sslmode` it is `verify-full`.
    ///
    /// # Errors
    /// `Error::Insecure` when the server would not be verified, is on another machine, and
    /// `allow_plaintext` is not set; `Error::Unsupported` for a parameter that is not known.
    pub fn open(url: &Url, password: Option<String>, allow_plaintext: bool) -> Result<Self> {
        Ok(Self { endpoint: Endpoint::parse(url, password, allow_plaintext)? })
    }

    pub(super) fn of(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

#[async_trait]
impl Source for PostgresSource {
    async fn check(&self) -> Result<Checked> {
        check::run(&self.endpoint).await
    }

    async fn capture(&self, options: &CaptureOptions) -> Result<Box<dyn Capture>> {
        Ok(Box::new(PostgresCapture::begin(&self.endpoint, options).await?))
    }
}
