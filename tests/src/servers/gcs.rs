//! A Google Cloud Storage bucket: a fake, because no emulator at hand speaks what object_store does; which
//! were tried, `gcs.py` says.

use std::net::TcpStream;

use object_store::ObjectStore;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use tempfile::TempDir;

use super::keeper::Kept;
use super::port::{PORTS_TRIED_MAX, free_port};

const SERVER: &str = include_str!("gcs.py");
const BUCKET: &str = "lifeboat";

/// A server with one empty bucket, gone with everything in it when dropped.
#[derive(Debug)]
pub struct GcsServer {
    port: u16,
    _server: Kept,
    _folder: TempDir,
}

impl GcsServer {
    /// Starts the server.
    ///
    /// # Panics
    /// When Python does not start.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one that only pretends to create conditionally.
    ///
    /// # Panics
    /// When Python does not start.
    pub fn start_pretending() -> Self {
        Self::start_with(&["pretends"])
    }

    fn start_with(arguments: &[&str]) -> Self {
        let folder = TempDir::with_prefix("lifeboat-gcs-").expect("a temporary folder can be made");
        let log = folder.path().join("log");
        for _ in 0..PORTS_TRIED_MAX {
            let port = free_port();
            let number = port.to_string();
            let command: Vec<_> =
                ["python3", "-c", SERVER, &number].into_iter().chain(arguments.iter().copied()).collect();
            let server = Kept::start(&command, &log, "KILL");
            if server.wait_until("the GCS fake", &log, || TcpStream::connect(("127.0.0.1", port)).is_ok()) {
                return Self { port, _server: server, _folder: folder };
            }
        }
        panic!("the GCS fake does not start; it said:\n{}", std::fs::read_to_string(&log).unwrap_or_default())
    }

    /// The URL of `prefix` in the bucket, as `[vault] url` takes it.
    pub fn url(&self, prefix: &str) -> String {
        format!("gs://{BUCKET}/{prefix}")
    }

    /// The environment that leads `object_store`, and so both programs, to this server.
    pub fn environment(&self) -> Vec<(String, String)> {
        // An account without OAuth is how object_store is led to a server that asks for no token.
        let account = serde_json::json!({
            "gcs_base_url": format!("http://127.0.0.1:{}", self.port),
            "disable_oauth": true,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        });
        [("GOOGLE_ALLOW_HTTP", "true".to_owned()), ("GOOGLE_SERVICE_ACCOUNT_KEY", account.to_string())]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }

    /// The bucket as a store, to look at or to damage what is in it.
    pub fn store(&self) -> impl ObjectStore + use<> {
        let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(BUCKET);
        for (name, value) in self.environment() {
            let key: GoogleConfigKey = name.to_lowercase().parse().expect("object_store knows the variable");
            builder = builder.with_config(key, value);
        }
        builder.build().expect("the settings are complete")
    }
}
