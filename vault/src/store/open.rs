//! From a URL to a store.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use url::Url;

use super::s3_locks::S3Locks;
use super::s3_requests::S3Requests;
use super::s3_versions::S3Versions;
use super::settings::Setting;
use super::{Store, StoreSettings};
use crate::{Error, Result};

/// The longest a request may take: a pack over a line of 1 Mbit/s, with some to spare.
const TIMEOUT: &str = "5 minutes";

impl Store {
    /// Opens the store that `url` names, led by the environment; connects to nothing yet.
    ///
    /// `file:///folder` (created when `create` is set), `s3://bucket/prefix`, `az://container/prefix`,
    /// `gs://bucket/prefix`; credentials and endpoint come from the environment as object_store reads
    /// them (`AWS_…`, `AZURE_…`, `GOOGLE_…`), or from the machine's own role where it names none.
    pub fn open(url: &Url, create: bool) -> Result<Self> {
        Self::open_with(url, create, &StoreSettings::Environment)
    }

    /// Opens the store that `url` names, led by `settings`.
    ///
    /// # Errors
    /// `BadStore` with the line of a setting that this kind of store does not know.
    pub fn open_with(url: &Url, create: bool, settings: &StoreSettings) -> Result<Self> {
        let shown = without_secrets(url);
        let bad = |reason: String| Error::BadStore { url: shown.clone(), reason };
        if url.password().is_some() {
            return Err(bad("credentials belong in the environment, not in the URL".into()));
        }
        let inner = match url.scheme() {
            "file" => return open_folder(url, create, &shown),
            "s3" => return open_s3(url, settings, &shown),
            "az" => open_azure(url, settings),
            "gs" => open_google(url, settings),
            other => Err(format!("{other}: is not one of file:, s3:, az:, gs:")),
        };
        let prefix = prefix(url).map_err(bad)?;
        Ok(Self::new(inner.map_err(bad)?, prefix, shown))
    }
}

/// An S3 store: Amazon's, or one that speaks its language at an endpoint of its own.
fn open_s3(url: &Url, settings: &StoreSettings, shown: &str) -> Result<Store> {
    let bad = |reason: String| Error::BadStore { url: shown.to_owned(), reason };
    let builder = s3_builder(url, settings).map_err(bad)?;
    let made = S3Requests::new(&builder).and_then(|requests| Ok((requests, builder.clone().build()?)));
    let (requests, inner) = made.map_err(|error| bad(error.to_string()))?;
    let requests = Arc::new(requests);
    let locks = S3Locks::new(&builder, Arc::clone(&requests));
    let mut store = Store::new(Arc::new(inner), prefix(url).map_err(bad)?, shown);
    store.requests = Some(Arc::clone(&requests));
    Ok(store.with_object_locks(Arc::new(locks)).with_object_versions(Arc::new(S3Versions(requests))))
}

fn s3_builder(url: &Url, settings: &StoreSettings) -> Result<AmazonS3Builder, String> {
    let mut builder = match settings {
        StoreSettings::Environment => AmazonS3Builder::from_env(),
        StoreSettings::Given(_) => AmazonS3Builder::new(),
    };
    for (key, value) in known::<AmazonS3ConfigKey>(settings, "s3:")? {
        builder = builder.with_config(key, value);
    }
    let builder = builder
        .with_url(url.as_str())
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT)
        .with_retry(retry());
    let allowed = builder.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    refuse_plain(builder.get_config_value(&AmazonS3ConfigKey::Endpoint), allowed, "AWS")?;
    Ok(builder)
}

/// An Azure Blob store.
fn open_azure(url: &Url, settings: &StoreSettings) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = match settings {
        StoreSettings::Environment => MicrosoftAzureBuilder::from_env(),
        StoreSettings::Given(_) => MicrosoftAzureBuilder::new(),
    };
    for (key, value) in known::<AzureConfigKey>(settings, "az:")? {
        builder = builder.with_config(key, value);
    }
    let builder = builder
        .with_url(url.as_str())
        .with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT)
        .with_retry(retry());
    let allowed = builder.get_config_value(&AzureConfigKey::Client(ClientConfigKey::AllowHttp));
    refuse_plain(builder.get_config_value(&AzureConfigKey::Endpoint), allowed, "AZURE")?;
    builder.build().map(|store| Arc::new(store) as _).map_err(|error| error.to_string())
}

/// A Google Cloud Storage bucket.
fn open_google(url: &Url, settings: &StoreSettings) -> Result<Arc<dyn ObjectStore>, String> {
    let mut builder = match settings {
        StoreSettings::Environment => GoogleCloudStorageBuilder::from_env(),
        StoreSettings::Given(_) => GoogleCloudStorageBuilder::new(),
    };
    for (key, value) in known::<GoogleConfigKey>(settings, "gs:")? {
        builder = builder.with_config(key, value);
    }
    let builder = builder
        .with_url(url.as_str())
        .with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT)
        .with_retry(retry());
    let allowed = builder.get_config_value(&GoogleConfigKey::Client(ClientConfigKey::AllowHttp));
    refuse_plain(builder.get_config_value(&GoogleConfigKey::BaseUrl), allowed, "GOOGLE")?;
    builder.build().map(|store| Arc::new(store) as _).map_err(|error| error.to_string())
}

/// The given settings by their keys. One that the store does not know is refused: a misspelt name would
/// otherwise be a setting that does nothing.
fn known<K: FromStr>(settings: &StoreSettings, kind: &str) -> Result<Vec<(K, String)>, String> {
    let StoreSettings::Given(given) = settings else { return Ok(Vec::new()) };
    let key = |setting: &Setting| match setting.name.to_ascii_lowercase().parse() {
        Ok(key) => Ok((key, setting.value.to_string())),
        Err(_) => Err(format!(
            "line {} of its credentials sets {}, which no {kind} store knows",
            setting.line, setting.name
        )),
    };
    given.iter().map(key).collect()
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

/// The folder of the bucket that a vault stands in.
fn prefix(url: &Url) -> Result<Path, String> {
    Path::from_url_path(url.path()).map_err(|error| error.to_string())
}

fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    if url.password().is_some() {
        let _ = url.set_password(Some("…"));
    }
    url.set_query(None);
    url.to_string()
}
