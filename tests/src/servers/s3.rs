//! An S3 server: moto, which honours conditional writes and object locks, and checks signatures and the
//! policies of users.

use std::net::TcpStream;

use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use tempfile::TempDir;

use super::keeper::Kept;
use super::machine::MachineRole;
use super::port::{PORTS_TRIED_MAX, free_port};
use super::tools::tool;

const LAUNCHER: &str = include_str!("s3.py");
const BUCKET: &str = "lifeboat";
/// The key of the user who may do everything.
const KEY: &str = "lifeboat";
const SECRET: &str = "lifeboat-secret";

/// An S3 server with one empty bucket, gone with everything in it when dropped.
#[derive(Debug)]
pub struct S3Server {
    port: u16,
    _server: Kept,
    _folder: TempDir,
}

impl S3Server {
    /// Starts the server with its bucket.
    ///
    /// # Panics
    /// When moto is not installed or does not start.
    pub fn start() -> Self {
        Self::with_branches(&[])
    }

    /// Starts the server with an environment of its own besides, such as a clock's.
    ///
    /// # Panics
    /// As [`S3Server::start`].
    pub fn in_environment(environment: &[(String, String)]) -> Self {
        Self::launch(environment, &[])
    }

    /// Starts the server with users who each may do everything below the prefix of their name, and may
    /// neither list nor touch anything else.
    ///
    /// # Panics
    /// As [`S3Server::start`].
    pub fn with_branches(branches: &[&str]) -> Self {
        Self::launch(&[], branches)
    }

    fn launch(environment: &[(String, String)], branches: &[&str]) -> Self {
        let python = tool("moto/bin/python");
        let folder = TempDir::with_prefix("lifeboat-s3-").expect("a temporary folder can be made");
        let log = folder.path().join("log");
        for _ in 0..PORTS_TRIED_MAX {
            let port = free_port();
            let number = port.to_string();
            let python = python.to_str().expect("the path is text");
            let settings: Vec<_> =
                environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let settings: Vec<_> = settings.iter().map(String::as_str).collect();
            let launcher = [python, "-c", LAUNCHER, &number, BUCKET, KEY, SECRET];
            let command = [&["env"], &settings[..], &launcher, branches].concat();
            let server = Kept::start(&command, &log, "KILL");
            if server.wait_until("moto", &log, || TcpStream::connect(("127.0.0.1", port)).is_ok()) {
                return Self { port, _server: server, _folder: folder };
            }
        }
        panic!("moto does not start; it said:\n{}", std::fs::read_to_string(&log).unwrap_or_default())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of `prefix` in the bucket, as `[vault] url` takes it.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// The environment that leads `object_store`, and so both programs, to this server.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment_with(KEY, SECRET)
    }

    /// The same with the bucket in the host's name, as Amazon, Aliyun, Tencent and Huawei want it: this server
    /// stands in for Amazon's as a proxy does, so that no name needs to be looked up.
    pub fn environment_by_host(&self) -> Vec<(String, String)> {
        let mut environment = self.environment();
        environment[0].1 = format!("http://{BUCKET}.s3.us-east-1.amazonaws.com");
        environment.extend([
            ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST".into(), "true".into()),
            ("AWS_PROXY_URL".into(), format!("http://127.0.0.1:{}", self.port)),
        ]);
        environment
    }

    /// The machine's role, and an environment that names no key, so that it is asked for.
    pub fn machine_role(&self) -> (MachineRole, Vec<(String, String)>) {
        let role = MachineRole::serve(&format!("{KEY}-role"), SECRET, &format!("{KEY}-token"));
        let mut environment = self.environment();
        environment.retain(|(name, _)| !name.contains("KEY"));
        environment.push(("AWS_METADATA_ENDPOINT".into(), role.endpoint()));
        (role, environment)
    }

    /// The same for the user of a branch.
    pub fn environment_of(&self, branch: &str) -> Vec<(String, String)> {
        self.environment_with(&format!("{KEY}-{branch}"), &format!("{SECRET}-{branch}"))
    }

    fn environment_with(&self, key: &str, secret: &str) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", key.into()),
            ("AWS_SECRET_ACCESS_KEY", secret.into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The bucket as a store, to look at or to damage what is in it.
    pub fn store(&self) -> impl ObjectStore + use<> {
        Self::store_by(self.environment())
    }

    /// The bucket as the user of a branch sees it.
    pub fn store_of(&self, branch: &str) -> impl ObjectStore + use<> {
        Self::store_by(self.environment_of(branch))
    }

    fn store_by(environment: Vec<(String, String)>) -> impl ObjectStore + use<> {
        let mut builder = AmazonS3Builder::new().with_bucket_name(BUCKET);
        for (name, value) in environment {
            let key: AmazonS3ConfigKey =
                name.to_lowercase().parse().expect("object_store knows the variable");
            builder = builder.with_config(key, value);
        }
        builder.build().expect("the settings are complete")
    }
}
