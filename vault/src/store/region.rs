//! Where a bucket lies, as the store itself says: what settings call its region leads requests there and proves nothing.

use bytes::Bytes;
use object_store::path::Path;
use reqwest::Method;
use serde::Deserialize;

use super::Store;
use crate::Result;

/// What a bucket says of its region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketRegion {
    /// This one.
    Named(String),
    /// It answers and names none, as Amazon's do in `us-east-1`, and others wherever they are.
    Unnamed,
    /// This kind of store is not asked: only S3 is.
    NotAsked,
}

/// S3's answer: `<LocationConstraint>eu-central-1</LocationConstraint>`, or the element empty.
#[derive(Debug, Deserialize)]
struct Location {
    #[serde(rename = "$text", default)]
    region: String,
}

impl Store {
    /// Asks the bucket for its region.
    ///
    /// # Errors
    /// `Denied` when these credentials may not ask.
    pub async fn bucket_region(&self) -> Result<BucketRegion> {
        let Some(requests) = &self.requests else { return Ok(BucketRegion::NotAsked) };
        let bucket = Path::default();
        let ask = || async {
            let answer = requests.ask(Method::GET, &bucket, &[("location", "")], Bytes::new()).await?;
            answer.read::<Location>(&bucket)
        };
        let location = self.retry("tell the region of", "the bucket", ask).await?;
        Ok(match location.region.trim() {
            "" => BucketRegion::Unnamed,
            // What the first bucket in Europe was made with.
            "EU" => BucketRegion::Named("eu-west-1".into()),
            region => BucketRegion::Named(region.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn a_region_is_read_with_and_without_a_name() {
        let check = |xml: &str, expected: &str| {
            let location: Location = quick_xml::de::from_str(xml).expect("S3's XML");
            assert_eq!(location.region, expected, "{xml}");
        };
        let of = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
        check(&format!("<LocationConstraint {of}>eu-central-1</LocationConstraint>"), "eu-central-1");
        check(&format!("<LocationConstraint {of}></LocationConstraint>"), "");
        check(&format!("<?xml version=\"1.0\"?><LocationConstraint {of}/>"), "");
    }
}
