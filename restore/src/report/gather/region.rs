//! Where stores lie, asked of them.

use lifeboat_vault::Store;
use lifeboat_vault::store::BucketRegion;

/// Amazon's buckets name no region where there was only one.
const AMAZON: &str = "amazonaws.com";
const AMAZONS_FIRST: &str = "us-east-1";

/// Asks a store of this provider.
pub async fn of(store: &Store, provider: &str) -> Result<String, String> {
    match store.bucket_region().await {
        Ok(BucketRegion::Named(region)) => Ok(region),
        Ok(BucketRegion::Unnamed) if provider == AMAZON => Ok(AMAZONS_FIRST.into()),
        Ok(BucketRegion::Unnamed) => Err("it names no region".into()),
        Ok(BucketRegion::NotAsked) if store.url().starts_with("file:") => Err("it is a folder".into()),
        Ok(BucketRegion::NotAsked) => Err("only S3 is asked".into()),
        Err(error) => Err(error.to_string()),
    }
}
