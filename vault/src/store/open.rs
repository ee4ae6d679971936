//! From a URL to a store.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use url::Url;

use super::Store;
use crate::{Error, Result};

/// The longest a request may take: a pack over a line of 1 Mbit/s, with some to spare.
const TIMEOUT: &str = "5 minutes";

impl Store {
    /// Opens the store that `url` names; connects to nothing yet.
    ///
    /// `file:///folder` (created when `create` is set), `s3://bucket/prefix`, `az://container/prefix`,
    /// `gs://bucket/prefix`; credentials and endpoint come from the environment as object_store reads
    /// them (`AWS_…`, `AZURE_…`, `GOOGLE_…`).
    pub fn open(url: &Url, create: bool) -> Result<Self> {
        let shown = without_secrets(url);
        let bad = |reason: String| Error::BadStore { url: shown.clone(), reason };
        if url.password().is_some() {
            return Err(bad("credentials belong in the environment, not in the URL".into()));
        }
        if url.scheme() == "file" {
            return open_folder(url, create, &shown);
        }
        let built: object_store::Result<Arc<dyn ObjectStore>> = match url.scheme() {
            "s3" => {
                let builder = AmazonS3Builder::from_env()
                    .with_url(url.as_str())
                    .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT)
                    .with_retry(retry());
                let allowed = AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp);
                let (endpoint, allowed) = (&AmazonS3ConfigKey::Endpoint, &allowed);
                refuse_plain(builder.get_config_value(endpoint), builder.get_config_value(allowed), "AWS")
                    .map_err(bad)?;
                builder.build().map(|store| Arc::new(store) as _)
            }
            "az" => {
                let builder = MicrosoftAzureBuilder::from_env()
                    .with_url(url.as_str())
                    .with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT)
                    .with_retry(retry());
                let allowed = AzureConfigKey::Client(ClientConfigKey::AllowHttp);
                let (endpoint, allowed) = (&AzureConfigKey::Endpoint, &allowed);
                refuse_plain(builder.get_config_value(endpoint), builder.get_config_value(allowed), "AZURE")
                    .map_err(bad)?;
                builder.build().map(|store| Arc::new(store) as _)
            }
            "gs" => GoogleCloudStorageBuilder::from_env()
                .with_url(url.as_str())
                .with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT)
                .with_retry(retry())
                .build()
                .map(|store| Arc::new(store) as _),
            other => return Err(bad(format!("{other}: is not one of file:, s3:, az:, gs:"))),
        };
        let inner = built.map_err(|error| bad(error.to_string()))?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| bad(error.to_string()))?;
        Ok(Self::new(inner, prefix, shown))
    }
}

/// What the client itself tries again before [`super::Patience`] counts a failure: enough for a server
/// that asks to slow down, little enough that a lasting fault is told within minutes.
fn retry() -> RetryConfig {
    RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() }
}

/// Plain HTTP must be asked for: it shows the sizes and times of everything, and the credentials' use,
/// to whoever listens.
fn refuse_plain(endpoint: Option<String>, allowed: Option<String>, service: &str) -> Result<(), String> {
    let plain = endpoint.filter(|endpoint| endpoint.to_ascii_lowercase().starts_with("http://"));
    match plain {
        Some(endpoint) if allowed.as_deref() != Some("true") => Err(format!(
            "its endpoint {endpoint} is plain HTTP: use https://, or set {service}_ALLOW_HTTP=true to ask for it"
        )),
        _ => Ok(()),
    }
}

/// A local folder: files and their folders are synced to disk before a write counts.
fn open_folder(url: &Url, create: bool, shown: &str) -> Result<Store> {
    let bad = |reason: String| Error::BadStore { url: shown.to_owned(), reason };
    let folder = url.to_file_path().map_err(|()| bad("it is not an absolute path of this machine".into()))?;
    if create {
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
    } else if !folder.is_dir() {
        return Err(Error::NoVault { url: shown.to_owned() });
    }
    let inner = LocalFileSystem::new_with_prefix(&folder).map_err(|error| bad(error.to_string()))?;
    let inner = inner.with_fsync(true).with_automatic_cleanup(true);
    Ok(Store::new(Arc::new(inner), Path::default(), shown))
}

fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        let _ = url.set_password(Some("…"));
    }
    url.set_query(None);
    url.to_string()
}
