//! The vault: reachable, ours, writable, and agreeing with us about the time.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use lifeboat_config::{Config, Source};
use lifeboat_console::{CommandError, chain};
use lifeboat_vault::format::keys::PersonRecord;
use lifeboat_vault::store::{BucketLocks, Creation};
use lifeboat_vault::{AgentKey, Error, Snapshot, Store, Vault, list_snapshots};

use super::Findings;
use crate::{agreement, copies, grades, host, locks};

/// Clocks that differ by less need no one's attention.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// Looks at the vault as the agent that it will be opened by.
pub async fn all(config: &Config, path: &Path, sources: &[&Source], findings: &mut Findings) {
    let key = match host::read_key(&config.agent) {
        Ok(key) => key,
        Err(error) => return findings.error(None, "key", error),
    };
    let vault = match host::open_vault(config, &key).await {
        Ok(vault) => vault,
        Err(error) => return findings.error(None, "vault", error),
    };
    enrolled(config, &key, &vault, findings);
    if let Err(error) = people(config, path, &vault, findings) {
        findings.error(None, "people", error);
    }
    if let Err(error) = keys(&vault, findings).await {
        findings.error(None, "keys", error);
    }
    if let Err(error) = writable(&vault, findings).await {
        findings.error(None, "store", error);
    }
    if let Err(error) = kept(config, &vault, findings).await {
        findings.error(None, "retention", error);
    }
    copies(config, findings).await;
    match list_snapshots(&vault).await {
        Err(error) => findings.error(None, "snapshots", error),
        Ok((snapshots, damage)) => {
            for error in damage {
                let hint = "run `lifeboat-restore verify`".to_owned();
                findings.warning("snapshots", chain(&error), Some(hint));
            }
            clocks(&snapshots, sources, Timestamp::now(), findings);
        }
    }
}

fn enrolled(config: &Config, key: &AgentKey, vault: &Vault, findings: &mut Findings) {
    findings.ok("key", format!("agent {} ({}) is enrolled", key.name, key.id().short()));
    let root = vault.fingerprint();
    match &config.vault.root {
        Some(_) => findings.ok("vault", format!("{} has the pinned root {root}", vault.store().url())),
        None => {
            let text = format!(
                "{} is opened, but no root is pinned: another vault in its place would be believed",
                vault.store().url()
            );
            let hint = format!("compare with the recovery sheet and add to [vault]: root = \"{root}\"");
            findings.warning("vault", text, Some(hint));
        }
    }
}

/// Where a person belongs and what they are there by the configuration, as it is typed, where the vault says
/// something else.
fn said_otherwise(person: &lifeboat_config::Person, kept: &PersonRecord) -> Option<String> {
    let said = [("branch", &person.branch, &kept.branch), ("role", &person.role, &kept.role)];
    let other = said.into_iter().filter(|(_, ours, kept)| ours.is_some() && ours != kept);
    let typed = other.filter_map(|(option, ours, _)| Some(format!(" --{option} \"{}\"", ours.as_ref()?)));
    Some(typed.collect::<String>()).filter(|typed| !typed.is_empty())
}

/// The vault's keyring says who can open it; the configuration says who should.
fn people(config: &Config, path: &Path, vault: &Vault, findings: &mut Findings) -> Result<(), CommandError> {
    let mut kept = vault.people()?;
    kept.retain(PersonRecord::is_active);
    let end = format!("--config {} --identity key.txt", path.display());
    let before = findings.0.len();
    for (name, person) in &config.people {
        let with_key = kept.iter().find(|kept| kept.recipient.trim() == person.recipient.trim());
        let kept_grades = with_key.map(|kept| &kept.grades[..]).unwrap_or_default();
        let lacks = person.grades.iter().map(|grade| grade.as_str());
        let lacks: Vec<_> =
            lacks.filter(|grade| kept_grades.iter().all(|kept| kept.as_str() != *grade)).collect();
        if !lacks.is_empty() {
            let text = format!("{name} of the configuration cannot open grade {}", lacks.join(", "));
            let add = format!(
                "a person who may open grade high lets them in: lifeboat-restore keys add {name} --recipient '{}' --grades {} {end}",
                person.recipient.trim(),
                lacks.join(",")
            );
            findings.warning("people", text, Some(add));
        } else if let Some(said) = with_key.and_then(|kept| said_otherwise(person, kept)) {
            let grades: Vec<_> = person.grades.iter().map(|grade| grade.as_str()).collect();
            let text = format!("of {name} the vault does not say what the configuration does:{said}");
            let add = format!(
                "a person who may open grade high has it say so: lifeboat-restore keys add {} --recipient '{}' --grades {}{said} {end}",
                with_key.map_or(name, |kept| &kept.name),
                person.recipient.trim(),
                grades.join(","),
            );
            findings.warning("people", text, Some(add));
        }
    }
    for person in &kept {
        let configured =
            config.people.values().find(|other| other.recipient.trim() == person.recipient.trim());
        let configured = configured.map(|person| &person.grades[..]).unwrap_or_default();
        let more = person.grades.iter().map(|grade| grade.as_str());
        let more: Vec<_> =
            more.filter(|grade| configured.iter().all(|other| other.as_str() != *grade)).collect();
        if !more.is_empty() {
            let text = format!(
                "{} can open grade {}, but the configuration no longer says so",
                person.name,
                more.join(", ")
            );
            let retire = format!(
                "a person who may open grade high ends it: lifeboat-restore keys retire {} {end}",
                person.name
            );
            findings.warning("people", text, Some(retire));
        }
    }
    if findings.0.len() == before {
        let names: Vec<_> = kept.iter().map(|person| person.name.as_str()).collect();
        findings.ok("people", format!("{} can open the vault", names.join(", ")));
    }
    for (grade, policy) in config.policy.iter() {
        let (wanted, together) = (policy.quorum, vault.quorum(grades::of(grade)));
        if wanted == together {
            findings.ok("policy", format!("grade {grade} takes {together} together"));
            continue;
        }
        let text = format!("grade {grade} takes {together} together, and {wanted} by the configuration");
        let hint = format!(
            "people who may open grade high change that: lifeboat-restore keys quorum {grade} {wanted} {end}"
        );
        findings.warning("policy", text, Some(hint));
    }
    for thin in vault.thin_grades()? {
        let hint =
            "add a second person, or an escrow key that is kept in a safe: `lifeboat-restore keys add`";
        findings.warning("people", thin.to_string(), Some(hint.into()));
    }
    Ok(())
}

/// Whether what people open the vault with is still there.
async fn keys(vault: &Vault, findings: &mut Findings) -> Result<(), CommandError> {
    let lost = vault.check_wraps().await?;
    if lost.is_empty() {
        findings.ok("keys", "every wrapped key is there, as it was written");
    }
    for error in lost {
        findings.error(None, "keys", error);
    }
    Ok(())
}

/// What the configuration keeps, held against what was agreed on.
async fn kept(config: &Config, vault: &Vault, findings: &mut Findings) -> Result<(), CommandError> {
    for (of, ask) in agreement::shorter(config, vault).await? {
        let text = format!("the configuration keeps less of {of} than was agreed on, which is kept still");
        findings.warning("retention", text, Some(format!("another person approves it: {ask}")));
    }
    Ok(())
}

/// Each copy's store: reachable and writable, with its own settings.
async fn copies(config: &Config, findings: &mut Findings) {
    for copy in &config.vault.copies {
        let subject = format!("copy {}", copy.name);
        let probed = match copies::open_store(copy) {
            Ok(store) => {
                locks(&subject, &store, findings).await;
                store.probe_creation().await.map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        match probed {
            Ok(Creation::Conditional) => {
                findings.ok(&subject, "can be written and read, and refuses to overwrite")
            }
            Ok(Creation::Overwrites) => findings.warning(
                &subject,
                "can be written and read, but lets a second write replace the first",
                Some("turn on versioning or object lock there".into()),
            ),
            Err(error) => findings.error(None, &subject, error),
        }
    }
}

/// Whether the bucket locks as the configuration asks for it, and never more than that.
async fn locks(subject: &str, store: &Store, findings: &mut Findings) {
    let locking = store.lock_policy().is_some();
    match store.probe_locks().await {
        Ok(Some(BucketLocks::Always(how))) => findings.warning(
            subject,
            format!("the bucket locks every object by itself ({how}): keys in it cannot be shredded"),
            Some(locks::DEFAULT_HINT.into()),
        ),
        Ok(Some(BucketLocks::Never)) if locking => {
            let text = "`lock` is configured, and the bucket has no object lock";
            findings.problem(subject, text, Some(locks::NONE_HINT.into()));
        }
        Ok(Some(BucketLocks::OnRequest)) if locking => {
            findings.ok(subject, "locks what is written, and these credentials may extend locks")
        }
        Ok(Some(BucketLocks::OnRequest)) => {
            let hint = "write `lock = { days = 30 }` beside its url, or protect it otherwise";
            findings.warning(subject, "the bucket has object lock, and nothing is locked", Some(hint.into()));
        }
        Ok(Some(BucketLocks::Never) | None) => {}
        // A bucket without locks denies the question to those who need not ask.
        Err(Error::Denied { .. } | Error::Unavailable { .. }) if !locking => {}
        Err(error) => findings.error(None, subject, error),
    }
}

async fn writable(vault: &Vault, findings: &mut Findings) -> Result<(), CommandError> {
    match vault.store().probe_creation().await? {
        Creation::Conditional => findings.ok("store", "can be written and read, and refuses to overwrite"),
        Creation::Overwrites => findings.warning(
            "store",
            "can be written and read, but lets a second write replace the first",
            Some("turn on versioning or object lock, or use a store that honours If-None-Match".into()),
        ),
    }
    locks("store", vault.store(), findings).await;
    Ok(())
}

/// Compares this machine's clock with what the newest snapshots say, and the sources' clocks with that
/// of the agent that captured them.
fn clocks(snapshots: &[Snapshot], sources: &[&Source], now: Timestamp, findings: &mut Findings) {
    let times = snapshots.iter().filter_map(|snapshot| snapshot.manifest.time.parse::<Timestamp>().ok());
    match times.max() {
        Some(newest) if newest.duration_since(now) > CLOCK_TOLERANCE => {
            let text = format!("it is {now:.0} here, but the newest snapshot is of {newest:.0}");
            findings.warning("clock", text, Some("is this machine's clock set by NTP?".into()));
        }
        _ => findings.ok("clock", format!("it is {now:.0}")),
    }
    for source in sources {
        let of_source = snapshots.iter().filter(|snapshot| snapshot.manifest.source == source.name);
        let Some(newest) = of_source.max_by_key(|snapshot| snapshot.manifest.number) else {
            findings.ok("snapshots", format!("none of {} yet", source.name));
            continue;
        };
        let time = newest.manifest.time.parse::<Timestamp>();
        let time = time.map_or_else(|_| newest.manifest.time.clone(), |time| format!("{time:.0}"));
        findings.ok("snapshots", format!("the newest of {} is of {time}", source.name));
        if let Some(apart) = clocks_apart(newest).filter(|apart| *apart > CLOCK_TOLERANCE) {
            let text =
                format!("the clocks of {} and of its agent were {} s apart", source.name, apart.as_secs());
            findings.warning(
                "clock",
                text,
                Some("set both by NTP: times in reports and restores rely on them".into()),
            );
        }
    }
}

/// How far the source's clock was from the agent's when the snapshot was taken.
fn clocks_apart(snapshot: &Snapshot) -> Option<SignedDuration> {
    let of_agent: Timestamp = snapshot.manifest.time.parse().ok()?;
    let of_source: Timestamp = snapshot.manifest.point.get("time")?.as_str()?.parse().ok()?;
    Some(of_source.duration_since(of_agent).abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_says_of_a_person_and_the_vault_does_not_is_typed_out() {
        let check = |configured: [Option<&str>; 2], listed: [Option<&str>; 2], expected: Option<&str>| {
            let mut config =
                "version = 1\nvault.url = \"file:///v\"\nagent.name = \"db1\"\n[people.wang]\n".to_owned();
            config += "recipient = \"age1a\"\n";
            for (key, said) in ["branch", "role"].into_iter().zip(configured) {
                config += &said.map(|said| format!("{key} = \"{said}\"\n")).unwrap_or_default();
            }
            let config = Config::parse(&config, Path::new("lifeboat.toml")).expect("a good configuration");
            let [branch, role] = listed.map(|said| said.map(str::to_owned));
            let kept = lifeboat_vault::Person { branch, role, ..lifeboat_vault::Person::default() };
            let said = said_otherwise(&config.people["wang"], &PersonRecord::from(&kept));
            assert_eq!(said.as_deref(), expected);
        };
        let (office, lead) = (Some("head office"), Some("lead"));
        check([None, None], [office, lead], None);
        check([office, lead], [office, lead], None);
        check([office, None], [office, lead], None);
        check([office, lead], [None, lead], Some(" --branch \"head office\""));
        check([office, lead], [Some("hamburg"), None], Some(" --branch \"head office\" --role \"lead\""));
    }
}
