//! An S3 server that enforces object locks: LocalStack's, which is what Debian, PyPI and npm have that does.

use std::process::Command;

use tempfile::TempDir;

use super::keeper::Kept;
use super::port::{PORTS_TRIED_MAX, free_port};
use super::tools::tool;

const LAUNCHER: &str = include_str!("s3_locking.py");
/// A bucket with object lock, and without a default retention.
const BUCKET: &str = "lifeboat";
/// A bucket without any.
const PLAIN: &str = "plain";
/// The key that LocalStack knows, and its secret.
const KEY: &str = "test";

/// Runs with `s3`, a client, and `bucket` at hand.
const PRELUDE: &str = "
import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='test', aws_secret_access_key='test')
bucket = sys.argv[2]
";

/// A server with one bucket that locks and one that does not, gone with everything in it when dropped.
#[derive(Debug)]
pub struct LockingS3 {
    port: u16,
    _server: Kept,
    _folder: TempDir,
}

impl LockingS3 {
    /// Starts the server with its buckets.
    ///
    /// # Panics
    /// When LocalStack is not installed or does not start.
    pub fn start() -> Self {
        let python = tool("localstack/bin/python");
        let folder = TempDir::with_prefix("lifeboat-s3-locking-").expect("a temporary folder can be made");
        let (log, ready) = (folder.path().join("log"), folder.path().join("ready"));
        for _ in 0..PORTS_TRIED_MAX {
            let port = free_port();
            let number = port.to_string();
            let python = python.to_str().expect("the path is text");
            let home = folder.path().to_str().expect("the path is text");
            let server = Kept::start(&[python, "-c", LAUNCHER, &number, BUCKET, PLAIN, home], &log, "KILL");
            if server.wait_until("LocalStack", &log, || ready.exists()) {
                return Self { port, _server: server, _folder: folder };
            }
        }
        panic!("LocalStack does not start; it said:\n{}", std::fs::read_to_string(&log).unwrap_or_default())
    }

    /// The URL of `prefix` in the bucket that locks.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// The URL of `prefix` in the bucket that does not.
    pub fn plain_url(&self, prefix: &str) -> String {
        format!("s3://{PLAIN}/{prefix}")
    }

    /// The environment that leads `object_store`, and so both programs, to this server.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", KEY.into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Runs a few lines of Python against the bucket that locks, as somebody with every right, with `s3` (a
    /// client) and `bucket` at hand; returns what they print.
    ///
    /// # Panics
    /// When they fail.
    pub fn python(&self, lines: &str) -> String {
        let code = format!("{PRELUDE}{lines}");
        let done = Command::new(tool("localstack/bin/python"))
            .args(["-c", &code, &self.endpoint(), BUCKET])
            .output()
            .expect("Python runs");
        assert!(done.status.success(), "{lines}\n{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("it prints text")
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
