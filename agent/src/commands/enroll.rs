//! `enroll`: a host asks for a place in the vault, and a person gives it one.
//!
//! The host makes its key itself and shows only the public half, in one line. A person who may open
//! the highest grade signs that line on a machine of their own, so that no identity that opens rows
//! ever comes near the database's host.

use std::path::{Path, PathBuf};

use age::cli_common::UiCallbacks;
use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind, ResultExt, escape, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{AgentKey, EnrolmentRequest, Error, Identities, Opener, Store, Vault};
use serde_json::json;
use url::Url;

use crate::cli::Enroll;
use crate::host;
use crate::record;

/// Asks, or approves.
pub async fn run(path: &Path, args: Enroll, json: bool) -> Result<(), CommandError> {
    match &args.approve {
        Some(line) => approve(path, &args, line, json).await,
        None => ask(path, json).await,
    }
}

async fn ask(path: &Path, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let key_path = host::key_path(&config.agent);
    if !key_path.exists() {
        host::make_state(&config.agent)?;
        let key = AgentKey::generate(&config.agent.name);
        key.write_new(&key_path)?;
        return show_request(&config, &key, json);
    }
    let key = host::read_key(&config.agent)?;
    let store = host::open_vault_store(&config, false)?;
    match Vault::open(store, Opener::Agent(&key), config.vault.root.as_deref()).await {
        Ok(vault) => show_enrolled(&vault, &key.request(), "is enrolled already", json),
        Err(Error::NoKey { .. }) => show_request(&config, &key, json),
        Err(error) => Err(error.into()),
    }
}

fn show_request(config: &Config, key: &AgentKey, json: bool) -> Result<(), CommandError> {
    let request = key.request().to_string();
    if json {
        let asked = json!({ "status": "requested", "agent": key.id(), "name": key.name, "request": request });
        return Ok(print_json("summary", &asked)?);
    }
    Ok(print(&format!(
        "{request}

This line is the request of agent {} ({}); it holds no secret. Send it to a person who may open
grade high. They compare it with yours by another way, and run on their own machine:

  lifeboat-agent enroll --approve 'THE LINE' --identity key.txt --vault '{}'

Then run `lifeboat-agent check` here.
",
        key.name,
        key.id().short(),
        escape(config.vault.url.as_str()),
    ))?)
}

async fn approve(path: &Path, args: &Enroll, line: &str, json: bool) -> Result<(), CommandError> {
    let request: EnrolmentRequest = line
        .parse()
        .kind(Kind::Usage)
        .hint("copy the line whole, in quotes: --approve 'lifeboat-host-1:…'")?;
    let (url, root) = vault_of(path, args)?;
    let identities = read_identities(&args.identity)?;
    let store = Store::open(&url, false)?;
    let vault = Vault::open(store, Opener::Person(&identities), root.as_deref()).await?;
    if vault.agent_name(request.id()).is_some() {
        return show_enrolled(&vault, &request, "was enrolled already", json);
    }
    vault.enrol(&request, &identities, Timestamp::now()).await?;
    let detail = Some(format!("enrol agent {} ({})", request.name, request.id().short()));
    let deed = Deed { what: "keys".into(), result: "done".into(), detail, ..Deed::default() };
    record::write_as_person(&vault, &identities, &deed, json).await;
    show_enrolled(&vault, &request, "is enrolled now", json)
}

/// The vault on the command line, else that of the configuration.
fn vault_of(path: &Path, args: &Enroll) -> Result<(Url, Option<String>), CommandError> {
    let Some(text) = &args.vault else {
        let config =
            Config::load(path).map_err(CommandError::from).hint("or name the vault with `--vault URL`")?;
        return Ok((config.vault.url, config.vault.root));
    };
    let url = Url::parse(text)
        .kind(Kind::Usage)
        .context(|| "the vault's URL is not understood")
        .hint("write file:///folder, s3://bucket/prefix, az://container/prefix or gs://bucket/prefix")?;
    Ok((url, args.root.clone()))
}

pub fn read_identities(paths: &[PathBuf]) -> Result<Identities, CommandError> {
    let mut all = Identities::new(Vec::new());
    for path in paths {
        all.extend(Identities::read(path, UiCallbacks)?);
    }
    Ok(all)
}

fn show_enrolled(
    vault: &Vault,
    request: &EnrolmentRequest,
    how: &str,
    json: bool,
) -> Result<(), CommandError> {
    let (id, root) = (request.id(), vault.fingerprint());
    if json {
        let enrolled = json!({ "status": "enrolled", "agent": id, "name": request.name, "vault": vault.id(), "root": root });
        return Ok(print_json("summary", &enrolled)?);
    }
    Ok(print(&format!(
        "agent {} ({}) {how} in {}\nthe vault's root is {root}: compare it with the recovery sheet\n",
        escape(&request.name),
        id.short(),
        escape(vault.store().url()),
    ))?)
}
