//! `init`: makes the vault and its keys, enrols this host and prints the recovery sheet.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind, Progress, ResultExt, print};
use lifeboat_vault::format::record::ChunkSizes;
use lifeboat_vault::store::{BucketLocks, Creation};
use lifeboat_vault::{AgentId, AgentKey, NewVault, Person, Store};
use serde_json::json;

use crate::cli::Init;
use crate::grades;
use crate::host;
use crate::locks;
use crate::sheet::Sheet;

/// Makes everything, or nothing.
pub async fn run(path: &Path, args: Init, json: bool) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    let people = people(&config, args.single_person)?;
    refuse_old_sheet(args.sheet.as_deref())?;
    let progress = Progress::new(json);
    let key = if args.no_enroll { None } else { Some(write_key(&config)?) };
    let made = make(&config, &people, &progress).await;
    if made.is_err() && key.is_some() {
        // The key was made a moment ago for a vault that does not exist: nobody can miss it.
        let _ = std::fs::remove_file(host::key_path(&config.agent));
    }
    let (vault, creation) = made?;
    let enrolled = enrol(&vault, key.as_ref()).await;
    let agent = key.as_ref().filter(|_| enrolled.is_ok()).map(|key| (key.name.as_str(), key.id().short()));
    let sheet = describe(&config, &vault, agent);
    if let Some(path) = &args.sheet {
        write_sheet(path, &sheet)?;
    }
    if json {
        let agent = enrolled.as_ref().ok().copied().flatten();
        progress.summary(&json!({
            "vault": config.vault.url,
            "id": vault.id,
            "root": vault.fingerprint,
            "agent": agent,
            "people": config.people.keys().collect::<Vec<_>>(),
            "quorum": config.policy.iter().map(|(grade, policy)| (grade.as_str(), policy.quorum)).collect::<BTreeMap<_, _>>(),
            "conditional_create": creation == Creation::Conditional,
            "sheet": args.sheet,
        }))?;
    } else {
        progress.finish();
        print(&format!("{sheet}\n{}", next_steps(path, &vault, &enrolled)))?;
    }
    enrolled
        .map(|_| ())
        .context(|| "the vault is made, but this host could not be enrolled in it")
        .hint("run `lifeboat-agent enroll` here, and have a person approve the line it prints")
}

/// Who may open the vault, each recipient tried before anything is made.
fn people(config: &Config, single_person: bool) -> Result<Vec<Person>, CommandError> {
    let mut people = Vec::new();
    for (name, person) in &config.people {
        let grades = person.grades.iter().map(|grade| grades::of(*grade)).collect();
        let lifeboat_config::Person { recipient, branch, role, .. } = person.clone();
        let person = Person { name: name.clone(), recipient, grades, branch, role };
        person
            .to_recipient()
            .kind(Kind::ConfigInvalid)
            .context(|| format!("the recipient of {name} cannot be used"))?;
        people.push(person);
    }
    if people.len() < 2 && !single_person {
        return Err(CommandError::new(
            Kind::Usage,
            "only one person could open this vault: a lost key would lose every backup",
        )
        .hint("name a second person in the configuration, or an escrow key that is kept in a safe")
        .hint("to accept the risk: lifeboat-agent init --single-person"));
    }
    Ok(people)
}

/// Makes this host's key. It is written before the vault is made, so that a full or read-only disk
/// stops `init` while there is nothing to undo.
fn write_key(config: &Config) -> Result<AgentKey, CommandError> {
    let path = host::key_path(&config.agent);
    if path.exists() {
        let text = format!("this host has a key already: {}", path.display());
        return Err(CommandError::new(Kind::Failed, text)
            .hint("if an init was interrupted after it made the vault: lifeboat-agent enroll")
            .hint("if its vault is gone for good, move that file away; a key is never replaced")
            .hint("to make a vault for other hosts: lifeboat-agent init --no-enroll"));
    }
    host::make_state(&config.agent)?;
    let key = AgentKey::generate(&config.agent.name);
    key.write_new(&path)?;
    Ok(key)
}

async fn make(
    config: &Config,
    people: &[Person],
    progress: &Progress,
) -> Result<(NewVault, Creation), CommandError> {
    let store = host::open_vault_store(config, true)?;
    refuse_locks(&store).await?;
    let creation = store.probe_creation().await?;
    if creation == Creation::Overwrites {
        progress.warn(
            "this store lets a second write replace the first: a thief of its credentials, or a second vault made here by mistake, could overwrite objects; turn on versioning or object lock, or use a store that honours If-None-Match",
        );
    }
    let quorum: Vec<_> =
        config.policy.iter().map(|(grade, policy)| (grades::of(grade), policy.quorum)).collect();
    let (chunks, now) = (ChunkSizes::default(), Timestamp::now());
    let vault = lifeboat_vault::create(store, people, &quorum, chunks, now).await?;
    Ok((vault, creation))
}

/// Keys that nobody can shred, or a lock that is asked for and cannot be had: found out before anything is
/// written.
async fn refuse_locks(store: &Store) -> Result<(), CommandError> {
    let locking = store.lock_policy().is_some();
    match store.bucket_locks().await {
        Ok(Some(BucketLocks::Always(how))) => {
            let text =
                format!("this bucket locks every object by itself ({how}): keys in it could not be shredded");
            Err(CommandError::new(Kind::Failed, text).hint(locks::DEFAULT_HINT))
        }
        Ok(Some(BucketLocks::Never)) if locking => {
            let text = "`lock` is configured, and this bucket has no object lock";
            Err(CommandError::new(Kind::Failed, text).hint(locks::NONE_HINT))
        }
        Err(error) if locking => Err(error.into()),
        _ => Ok(()),
    }
}

async fn enrol(vault: &NewVault, key: Option<&AgentKey>) -> lifeboat_vault::Result<Option<AgentId>> {
    match key {
        Some(key) => vault.enrol(&key.request(), Timestamp::now()).await.map(Some),
        None => Ok(None),
    }
}

fn describe(config: &Config, vault: &NewVault, agent: Option<(&str, String)>) -> String {
    let people: Vec<_> = config
        .people
        .iter()
        .map(|(name, person)| (name.as_str(), person.recipient.as_str(), person.grades.clone()))
        .collect();
    let sources: Vec<_> = config.sources.iter().map(|source| source.name.as_str()).collect();
    let made = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string();
    Sheet {
        url: config.vault.url.as_str(),
        vault: &vault.id.to_string(),
        root: &vault.fingerprint,
        made: &made,
        people: &people,
        policy: &config.policy,
        agent,
        sources: &sources,
    }
    .to_string()
}

fn refuse_old_sheet(path: Option<&Path>) -> Result<(), CommandError> {
    match path {
        Some(path) if path.exists() => {
            let text = format!("{} exists already: a recovery sheet is never overwritten", path.display());
            Err(CommandError::new(Kind::Usage, text).hint("choose another name with `--sheet PATH`"))
        }
        _ => Ok(()),
    }
}

fn write_sheet(path: &Path, sheet: &str) -> Result<(), CommandError> {
    let write = || {
        let mut file = std::fs::File::create_new(path)?;
        file.write_all(sheet.as_bytes())?;
        file.sync_all()
    };
    write()
        .context(|| {
            format!("the vault is made, but its recovery sheet cannot be written to {}", path.display())
        })
        .hint("run `lifeboat-agent check`: it prints the root fingerprint of the vault")
}

fn next_steps(path: &Path, vault: &NewVault, enrolled: &lifeboat_vault::Result<Option<AgentId>>) -> String {
    let config = path.display();
    let next = match enrolled {
        Ok(Some(_)) => format!("lifeboat-agent check --config {config}"),
        _ => "lifeboat-agent enroll, on the database's host".to_owned(),
    };
    format!(
        "Print the sheet above. In {config}, pin the vault:\n  [vault]\n  root = \"{}\"\nThen: {next}\n",
        vault.fingerprint
    )
}
