//! The small web server of the daemon: two pages, no state, nothing secret, on loopback unless asked otherwise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, ResultExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::{Format, families};
use crate::history::History;
use crate::notify;
use crate::status::Status;

/// The scheduler's loop turns twice a minute at least; after this it hangs.
const ALIVE_SECONDS: i64 = 120;

/// The server; it ends when this is dropped.
pub struct Server {
    turned_at: Arc<AtomicI64>,
    config: watch::Sender<Config>,
    address: SocketAddr,
    serving: AbortHandle,
}

#[derive(Clone)]
struct Pages {
    turned_at: Arc<AtomicI64>,
    config: watch::Receiver<Config>,
    history: History,
}

impl Server {
    /// Begins to serve.
    ///
    /// # Errors
    /// When the address cannot be listened at.
    pub async fn start(listen: SocketAddr, config: &Config, history: &History) -> Result<Self, CommandError> {
        let listener = TcpListener::bind(listen)
            .await
            .context(|| format!("metrics cannot be served at {listen}"))
            .hint("set `listen` in [agent] to an address of this machine that is free")?;
        let address = listener.local_addr()?;
        let turned_at = Arc::new(AtomicI64::new(Timestamp::now().as_second()));
        let (tell, told) = watch::channel(config.clone());
        let pages = Pages { turned_at: Arc::clone(&turned_at), config: told, history: history.clone() };
        let routes =
            Router::new().route("/metrics", get(metrics)).route("/health", get(health)).with_state(pages);
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!("metrics are served no more: {error}");
            }
        });
        Ok(Self { turned_at, config: tell, address, serving: serving.abort_handle() })
    }

    /// Where it serves.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The scheduler's loop has turned.
    pub fn alive(&self, now: Timestamp) {
        self.turned_at.store(now.as_second(), Ordering::Relaxed);
    }

    /// The configuration was read again.
    pub fn reconfigure(&self, config: &Config) {
        self.config.send_replace(config.clone());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn metrics(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    let format = Format::accepted(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let config = pages.config.borrow().clone();
    match Status::look(&config, Some(&pages.history), Timestamp::now()).await {
        Ok(status) => {
            let families = families(&config.branch, &status, &notify::deliveries(&config.agent.state));
            ([(CONTENT_TYPE, format.content_type())], format.render(&families)).into_response()
        }
        Err(error) => {
            tracing::warn!("metrics cannot be told: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "the history cannot be read\n").into_response()
        }
    }
}

async fn health(State(pages): State<Pages>) -> Response {
    let age = Timestamp::now().as_second() - pages.turned_at.load(Ordering::Relaxed);
    match age <= ALIVE_SECONDS {
        true => (StatusCode::OK, "alive\n").into_response(),
        false => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("the scheduler has hung for {age} s\n")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::history::{Counts, Ended, Origin, RunOutcome};
    use crate::job::{Job, Task};
    use crate::run_id::RunId;

    const POINT: &str = "2026-11-23T02:30:00Z";

    fn config(state: &Path, sources: &[&str]) -> Config {
        let mut text = format!(
            "version = 1\nbranch = \"gz\"\n[vault]\nurl = \"file:///nowhere\"\n[people.wang]\nrecipient = \"age1wang\"\n\
             [agent]\nname = \"db1\"\nstate = \"{}\"\nschedule = [\"daily 02:30\"]\n",
            state.display()
        );
        for source in sources {
            text += &format!("[[source]]\nname = \"{source}\"\nurl = \"sqlite:///{source}.db\"\n");
        }
        Config::parse(&text, Path::new("lifeboat.toml")).expect("a good configuration")
    }

    /// A good run of `crm`, and one that is under way.
    async fn history(state: &Path) -> History {
        let history = History::open(state).await.expect("a history");
        let (job, point) = (Job::backup("crm"), POINT.parse().expect("a time"));
        let id = RunId::new();
        history.begin(id, &job, Origin::Schedule, None, point).await.expect("begun");
        let counts = Counts {
            point: Some(point),
            rows: Some(1200),
            raw_bytes: Some(4096),
            new_raw_bytes: Some(1024),
            stored_bytes: Some(512),
            ..Counts::default()
        };
        let ended = Ended { outcome: RunOutcome::Good, exit_code: Some(0), error: None, counts };
        history.end(id, &ended, point + jiff::SignedDuration::from_secs(90)).await.expect("ended");
        let later = point + jiff::SignedDuration::from_hours(1);
        history.begin(RunId::new(), &job, Origin::Schedule, None, later).await.expect("begun");
        history.settle(&job, point, crate::schedule::Outcome::Ran, None).await.expect("settled");
        // Two that failed, one of them longer ago than is counted.
        for days in [1, 40] {
            let (id, verify) = (RunId::new(), Job::of_vault(Task::Verify));
            let begun = Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
            history.begin(id, &verify, Origin::Hand, None, begun).await.expect("begun");
            let ended = Ended { outcome: RunOutcome::Failed, exit_code: Some(20), ..ended.clone() };
            history.end(id, &ended, begun).await.expect("ended");
        }
        history
    }

    /// The status, the content type and the body of a page.
    async fn get(server: &Server, page: &str, accept: &str) -> (u16, String, String) {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = format!("http://{}{page}", server.address());
        let request = reqwest::Client::new().get(url).header("accept", accept);
        let reply = request.send().await.expect("an answer");
        let header = reply.headers().get("content-type").and_then(|text| text.to_str().ok());
        let (status, kind) = (reply.status().as_u16(), header.unwrap_or_default().to_owned());
        (status, kind, reply.text().await.expect("a body"))
    }

    async fn start(config: &Config, state: &Path) -> Server {
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        Server::start(anywhere, config, &history(state).await).await.expect("it serves")
    }

    #[tokio::test]
    async fn metrics_are_served_in_both_forms() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let ledger = r#"{"places": {"ops": {"deliveries": {"rejected": 2}}}}"#;
        std::fs::write(state.path().join("notify.json"), ledger).expect("a ledger");
        let server = start(&config(state.path(), &["crm", "shop"]), state.path()).await;
        let (status, kind, text) = get(&server, "/metrics", "*/*").await;
        assert_eq!((status, &*kind), (200, "text/plain; version=0.0.4; charset=utf-8"));
        let crm = r#"branch="gz",source="crm",task="backup""#;
        for line in [
            format!("lifeboat_last_success_timestamp_seconds{{{crm}}} 1795401000"),
            r#"lifeboat_last_success_timestamp_seconds{branch="gz",source="shop",task="backup"} 0"#
                .to_owned(),
            r#"lifeboat_last_success_timestamp_seconds{branch="gz",task="verify"} 0"#.to_owned(),
            format!("lifeboat_last_run_timestamp_seconds{{{crm}}} 1795404600"),
            format!("lifeboat_last_run_status{{{crm},lifeboat_last_run_status=\"ok\"}} 1"),
            format!("lifeboat_last_run_status{{{crm},lifeboat_last_run_status=\"failed\"}} 0"),
            format!("lifeboat_run_duration_seconds{{{crm}}} 90"),
            format!("lifeboat_rows{{{crm}}} 1200"),
            format!("lifeboat_first_due_timestamp_seconds{{{crm}}} 1795401000"),
            format!("lifeboat_dedup_ratio{{{crm}}} 0.25"),
            format!("lifeboat_compression_ratio{{{crm}}} 0.5"),
            r#"lifeboat_runs_30d{branch="gz",task="verify",outcome="failed"} 1"#.to_owned(),
            r#"lifeboat_notify_deliveries_total{place="ops",outcome="rejected"} 2"#.to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains(r#"lifeboat_rpo_target_seconds{branch="gz",source="crm"} "#), "{text}");
        assert!(text.contains(&format!("lifeboat_schedule_seconds{{{crm}}} ")), "{text}");
        // What has no schedule is not expected.
        assert!(!text.contains(r#"lifeboat_schedule_seconds{branch="gz",task="verify"}"#), "{text}");
        let (status, kind, text) = get(&server, "/metrics", "application/openmetrics-text").await;
        assert_eq!((status, &*kind), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
        assert!(text.ends_with("\n# EOF\n"), "{text}");
    }

    #[tokio::test]
    async fn metrics_tell_what_the_vault_and_its_copies_hold() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let id = |digit: &str| digit.repeat(64);
        let (old, new) = ("2026-11-22T02:30:00Z", "2026-11-23T02:30:00Z");
        let seen = serde_json::json!({
            "time": new, "snapshots": { id("1"): old, id("2"): new }, "packs": 3, "bytes": 5000,
            "recipients": { "high": 1, "medium": 2, "low": 2 },
        });
        std::fs::write(state.path().join("vault.json"), seen.to_string()).expect("what was seen");
        let copy = serde_json::json!({
            "url": "s3://crm/north", "held": [id("1")], "spared": [], "verified": old, "tried": new,
            "failure": "the store does not answer", "findings": [], "objects": 7, "bytes": 4000,
        });
        let folder = state.path().join("copies/frankfurt");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("copy.json"), copy.to_string()).expect("a copy's record");
        let config = config(state.path(), &["crm"]);
        let text =
            config.to_masked_toml() + "[[vault.copy]]\nname = \"frankfurt\"\nurl = \"s3://crm/north\"\n";
        let config = Config::parse(&text, Path::new("lifeboat.toml")).expect("a good configuration");
        let server = start(&config, state.path()).await;
        let (_, _, text) = get(&server, "/metrics", "*/*").await;
        for line in [
            r#"lifeboat_snapshots{branch="gz"} 2"#,
            r#"lifeboat_snapshots{branch="gz",copy="frankfurt"} 1"#,
            r#"lifeboat_stored_bytes{branch="gz"} 5000"#,
            r#"lifeboat_stored_bytes{branch="gz",copy="frankfurt"} 4000"#,
            r#"lifeboat_oldest_snapshot_timestamp_seconds{branch="gz"} 1795314600"#,
            r#"lifeboat_recipients{branch="gz",grade="high"} 1"#,
            r#"lifeboat_copy_complete_timestamp_seconds{branch="gz",copy="frankfurt"} 1795314600"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let lag = text.lines().find_map(|line| {
            line.strip_prefix(r#"lifeboat_copy_lag_seconds{branch="gz",copy="frankfurt"} "#)
        });
        let lag: i64 = lag.expect("a lag").parse().expect("a number");
        let since = Timestamp::now().duration_since(new.parse().expect("a time")).as_secs();
        assert!((since - 60..=since).contains(&lag), "{lag} and not {since}");
    }

    #[tokio::test]
    async fn metrics_follow_a_configuration_that_is_read_again() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let server = start(&config(state.path(), &["crm"]), state.path()).await;
        assert!(!get(&server, "/metrics", "*/*").await.2.contains("forms"));
        server.reconfigure(&config(state.path(), &["crm", "forms"]));
        assert!(get(&server, "/metrics", "*/*").await.2.contains(r#"source="forms""#));
    }

    #[tokio::test]
    async fn metrics_say_when_the_scheduler_hangs() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let server = start(&config(state.path(), &["crm"]), state.path()).await;
        let now = Timestamp::now();
        assert_eq!(get(&server, "/health", "*/*").await.0, 200);
        server.alive(now - jiff::SignedDuration::from_secs(ALIVE_SECONDS + 10));
        let (status, _, text) = get(&server, "/health", "*/*").await;
        assert_eq!(status, 503);
        assert!(text.starts_with("the scheduler has hung for"), "{text}");
        server.alive(now);
        assert_eq!(get(&server, "/health", "*/*").await.0, 200);
    }

    #[tokio::test]
    async fn metrics_on_an_address_that_is_taken_are_an_error() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let config = config(state.path(), &["crm"]);
        let server = start(&config, state.path()).await;
        let history = History::open(state.path()).await.expect("a history");
        let error = Server::start(server.address(), &config, &history).await.map(drop).expect_err("taken");
        let text = error.classify(crate::explain::explain).render();
        assert!(text.contains("metrics cannot be served at 127.0.0.1:"), "{text}");
        assert!(text.contains("set `listen` in [agent]"), "{text}");
    }
}
