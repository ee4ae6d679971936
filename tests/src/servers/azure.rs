//! An Azure Blob server: Azurite, Microsoft's own emulator.

use std::net::TcpStream;
use std::process::Command;

use object_store::ObjectStore;
use object_store::azure::MicrosoftAzureBuilder;
use tempfile::TempDir;

use super::keeper::Kept;
use super::port::{PORTS_TRIED_MAX, free_port};
use super::tools::tool;

const CONTAINER_SCRIPT: &str = include_str!("azure_container.mjs");
const CONTAINER: &str = "lifeboat";
/// The account that every emulator has; its key is published and opens nothing else.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// An Azure Blob server with one empty container, gone with everything in it when dropped.
#[derive(Debug)]
pub struct AzureServer {
    port: u16,
    _server: Kept,
    _folder: TempDir,
}

impl AzureServer {
    /// Starts the server and makes its container.
    ///
    /// # Panics
    /// When Azurite is not installed or does not start.
    pub fn start() -> Self {
        let azurite = tool("azurite/node_modules/azurite/dist/src/blob/main.js");
        let folder = TempDir::with_prefix("lifeboat-azure-").expect("a temporary folder can be made");
        let log = folder.path().join("log");
        for _ in 0..PORTS_TRIED_MAX {
            let port = free_port().to_string();
            let command = [
                "node",
                azurite.to_str().expect("the path is text"),
                "--blobHost",
                "127.0.0.1",
                "--blobPort",
                &port,
                "--location",
                folder.path().to_str().expect("the path is text"),
                "--skipApiVersionCheck",
                "--disableTelemetry",
                "--silent",
            ];
            let server = Kept::start(&command, &log, "KILL");
            let address = format!("127.0.0.1:{port}");
            if server.wait_until("azurite", &log, || TcpStream::connect(&address).is_ok()) {
                let port = port.parse().expect("it was a number");
                let started = Self { port, _server: server, _folder: folder };
                started.create_container();
                return started;
            }
        }
        panic!("azurite does not start; it said:\n{}", std::fs::read_to_string(&log).unwrap_or_default())
    }

    /// The URL of `prefix` in the container, as `[vault] url` takes it.
    pub fn url(&self, prefix: &str) -> String {
        format!("az://{CONTAINER}/{prefix}")
    }

    /// The environment that leads `object_store`, and so both programs, to this server.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()),
            ("AZURITE_BLOB_STORAGE_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AZURE_ALLOW_HTTP", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// What leads there without the emulator's own switches, as a file of settings says it.
    pub fn settings(&self) -> Vec<(String, String)> {
        [
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY.to_owned()),
            ("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)),
            ("AZURE_ALLOW_HTTP", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// The container as a store, to look at or to damage what is in it.
    pub fn store(&self) -> impl ObjectStore + use<> {
        MicrosoftAzureBuilder::new()
            .with_account(ACCOUNT)
            .with_access_key(KEY)
            .with_endpoint(format!("http://127.0.0.1:{}/{ACCOUNT}", self.port))
            .with_allow_http(true)
            .with_container_name(CONTAINER)
            .build()
            .expect("the settings are complete")
    }

    /// Asks for the container over HTTP: object_store makes objects, never containers.
    fn create_container(&self) {
        let port = self.port.to_string();
        let arguments = ["--input-type=module", "-e", CONTAINER_SCRIPT, &port, ACCOUNT, KEY, CONTAINER];
        crate::run(Command::new("node").args(arguments)).success();
    }
}
