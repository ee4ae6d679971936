//! The source: a URL that can be captured.

use async_trait::async_trait;
use url::Url;

use super::capture::MysqlCapture;
use super::check;
use super::connect::Endpoint;
use crate::{Capture, CaptureOptions, Checked, Result, Source};

/// A MySQL or MariaDB database that can be captured.
#[derive(Debug, Clone)]
pub struct MysqlSource {
    endpoint: Endpoint,
}

impl MysqlSource {
    /// Parses the URL; connects to nothing yet. `password` goes before one in the URL.
    ///
    /// Known parameters: `socket` (a path), `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`. Without `ssl-mode`
    /// it is `verify_identity`.
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
impl Source for MysqlSource {
    async fn check(&self) -> Result<Checked> {
        check::run(&self.endpoint).await
    }

    async fn capture(&self, options: &CaptureOptions) -> Result<Box<dyn Capture>> {
        Ok(Box::new(MysqlCapture::begin(&self.endpoint, options).await?))
    }
}
