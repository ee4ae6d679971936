//! S3's versions of objects, listed and removed by requests of our own.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, Result};
use reqwest::Method;
use serde::Deserialize;

use super::s3_requests::{S3Requests, generic};
use super::versions::{ObjectVersions, Version};

/// The versions of a bucket.
#[derive(Debug)]
pub(super) struct S3Versions(pub(super) Arc<S3Requests>);

/// One page of a listing: versions and marks of deletion follow each other in any order.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(rename = "$value", default)]
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
enum Item {
    Version(Entry),
    DeleteMarker(Entry),
    NextKeyMarker(String),
    NextVersionIdMarker(String),
    IsTruncated(bool),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    key: String,
    version_id: String,
    #[serde(default)]
    is_latest: bool,
}

#[async_trait::async_trait]
impl ObjectVersions for S3Versions {
    async fn list(&self, folder: &Path) -> Result<Vec<Version>> {
        let (bucket, prefix) = (Path::default(), format!("{folder}/"));
        let (mut found, mut after) = (Vec::new(), None::<(String, String)>);
        loop {
            let mut query = vec![("versions", ""), ("prefix", prefix.as_str())];
            if let Some((key, version)) = &after {
                query.push(("key-marker", key));
                query.push(("version-id-marker", version));
            }
            let answer = self.0.ask(Method::GET, &bucket, &query, Bytes::new()).await?;
            let (mut truncated, mut key, mut version) = (false, String::new(), String::new());
            for item in answer.read::<Page>(&bucket)?.items {
                match item {
                    Item::Version(entry) => found.push(entry.version(false)?),
                    Item::DeleteMarker(entry) => found.push(entry.version(true)?),
                    Item::NextKeyMarker(next) => key = next,
                    Item::NextVersionIdMarker(next) => version = next,
                    Item::IsTruncated(more) => truncated = more,
                    Item::Other => {}
                }
            }
            if !truncated {
                return Ok(found);
            }
            let next = Some((key, version));
            if next == after {
                return Err(generic("its list of versions says that it goes on, and does not".into()));
            }
            after = next;
        }
    }

    async fn remove(&self, version: &Version) -> Result<()> {
        let query = [("versionId", version.id.as_str())];
        self.0.ask(Method::DELETE, &version.path, &query, Bytes::new()).await?.judge(&version.path)
    }
}

impl Entry {
    fn version(self, is_marker: bool) -> Result<Version> {
        let path = Path::parse(&self.key).map_err(|source| Error::InvalidPath { source })?;
        Ok(Version { path, id: self.version_id, latest: self.is_latest, is_marker })
    }
}
