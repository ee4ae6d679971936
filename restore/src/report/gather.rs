//! All of the reading: configuration, vault, stores and, on the agent's host, the places where keys lie.
//! Nothing is written anywhere, and nothing is judged.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_config::{Config, Source};
use lifeboat_console::CommandError;
use lifeboat_vault::store::{Listed, StoreSettings};
use lifeboat_vault::{AuditReport, Grade, Notes, Snapshot, Store, Vault, list_notes, read_audit};
use url::Url;

use super::evidence::{Evidence, sha256};
use super::facts::{AuditFacts, ConfigFacts, Facts, Listing, Planned, SnapshotFacts, StoreFacts, VaultFacts};
use crate::cli::Access;
use crate::fleet as vaults;
use crate::open::{Opened, settings_of};
use crate::proven::Proven;

mod deeds;
pub mod fleet;
mod host;
mod keys;
mod locks;
mod region;
mod sealed;
mod tables;
mod told;

/// Over so many days a schedule's longest gap is looked for: a change of the clock lies within.
const SCHEDULE_DAYS: i64 = 60;

/// Objects of each store whose beginning is read.
const SAMPLES: usize = 25;

/// Of each of them.
const SAMPLE_BYTES: u64 = 512;

/// Gathers the facts at `now`. `config` is the file that `access` names, already read, and its digest.
pub async fn gather(
    access: &Access,
    config: Option<(&Config, String)>,
    opened: &Opened,
    now: Timestamp,
) -> Result<Facts, CommandError> {
    let path = access.config.as_deref();
    let (config, digest) = config.unzip();
    let here = config.zip(path);
    let tables = tables::of(opened, config, access.scratch.as_deref()).await?;
    let own = here.zip(digest).map(|((config, path), digest)| of_config(config, path, digest, now));
    let own = own.map(|mut own| {
        for source in &mut own.sources {
            source.ungraded = tables.ungraded.get(&source.name).cloned();
        }
        own
    });
    let (notes, unread) = list_notes(&opened.vault).await?;
    let mut vault = of_vault(opened, &notes, now).await?;
    vault.grades = tables.grades;
    vault.damage.extend(unread.iter().map(ToString::to_string));
    let report = read_audit(&opened.vault).await?;
    Ok(Facts {
        now,
        told: told::of(&report, now),
        fleet: None,
        audit: audit(&opened.vault, &report, now),
        deeds: deeds::of(&opened.vault, &report, now).await?,
        stores: stores(access, config, &opened.vault, now).await?,
        host: here.and_then(|(config, path)| host::look(config, path, &access.identity, &vault.people, now)),
        config: own,
        vault,
    })
}

fn of_config(config: &Config, path: &Path, digest: String, now: Timestamp) -> ConfigFacts {
    let zone = config.agent.zone();
    let planned = |source: &Source| Planned {
        name: source.name.clone(),
        gap: longest_gap(source, &zone, now),
        rto: source.rto,
        rpo: source.rpo,
        ungraded: None,
    };
    let people = config.people.iter().map(|(name, person)| (name.clone(), person.recipient.clone()));
    let channels = config.notify.iter().map(|target| (target.name.clone(), target.channel.kind()));
    ConfigFacts {
        read: Evidence { kind: "config", from: path.display().to_string(), at: now, digest },
        branch: config.branch.clone(),
        sources: config.sources.iter().map(planned).collect(),
        people: people.collect(),
        channels: channels.collect(),
        suppressions: config.suppressions.clone(),
    }
}

/// The longest time between two slots of a source, whichever of its schedules they are of.
fn longest_gap(source: &Source, zone: &TimeZone, now: Timestamp) -> Option<Duration> {
    let end = now.checked_add(SignedDuration::from_hours(SCHEDULE_DAYS * 24)).ok()?;
    let mut slots = Vec::new();
    for schedule in &source.schedule {
        slots.extend(schedule.after(now, zone).map(|slot| slot.at).take_while(|at| *at <= end));
    }
    slots.sort_unstable();
    let (first, last) = (slots.first()?, slots.last()?);
    let gaps = slots.windows(2).map(|pair| pair[1].duration_since(pair[0]));
    // What comes before the first and after the last is a gap as well: a yearly schedule has no other.
    let edges = [first.duration_since(now), end.duration_since(*last)];
    gaps.chain(edges).max().and_then(|gap| Duration::try_from(gap).ok())
}

async fn of_vault(opened: &Opened, notes: &Notes, now: Timestamp) -> Result<VaultFacts, CommandError> {
    let vault = &opened.vault;
    let ids: Vec<_> = opened.snapshots.iter().map(|snapshot| snapshot.id.to_string()).collect();
    let (access, since, keyring) = keys::read(vault, now).await?;
    let people = vault.people()?.into_iter().filter(|person| person.is_active());
    let people = people.map(|person| (person.name, person.recipient));
    Ok(VaultFacts {
        id: vault.id().to_string(),
        url: vault.store().url().to_owned(),
        manifests: Evidence {
            kind: "vault.manifests",
            from: format!("{}/snapshots, {} read", vault.store().url(), ids.len()),
            at: now,
            digest: sha256(ids.join("\n").as_bytes()),
        },
        snapshots: opened.snapshots.iter().map(|snapshot| of_snapshot(snapshot, notes, now)).collect(),
        damage: opened.damage().collect(),
        unreadable: opened.unreadable.len() as u64,
        keyring,
        people: people.collect(),
        keys: keys::newest(&access, &since),
        others_for_high: u64::from(
            vault.quorum(Grade::High).saturating_sub(1).max(vault.approvers(Grade::High)),
        ),
        grades: Vec::new(),
        root_people: if vault.splits_root() { u64::from(vault.quorum(Grade::High)) } else { 1 },
        strangers: keys::with_strangers(&access),
        unread_keys: keys::unread(&access),
    })
}

fn of_snapshot(snapshot: &Snapshot, notes: &Notes, now: Timestamp) -> SnapshotFacts {
    SnapshotFacts {
        source: snapshot.manifest.source.clone(),
        age: vaults::age(snapshot, now),
        flags: snapshot.manifest.flags.clone(),
        accepted: notes.accepted.contains(&snapshot.id),
        not_covered: vaults::not_covered(snapshot),
        measured: snapshot.manifest.measured.is_some(),
    }
}

fn audit(vault: &Vault, report: &AuditReport, now: Timestamp) -> AuditFacts {
    let proven = Proven::by(report);
    let age = |time: Timestamp| Duration::try_from(now.duration_since(time)).unwrap_or_default();
    let hashes: Vec<_> = report.records.iter().map(|record| record.hash.as_str()).collect();
    AuditFacts {
        read: Evidence {
            kind: "vault.audit",
            from: format!("{}/audit, {} entries", vault.store().url(), hashes.len()),
            at: now,
            digest: sha256(hashes.join("\n").as_bytes()),
        },
        entries: report.records.len() as u64,
        broken: report.findings.iter().map(ToString::to_string).collect(),
        verified: proven.structure.map(age),
        rows_verified: proven.rows.map(age),
    }
}

async fn stores(
    access: &Access,
    config: Option<&Config>,
    vault: &Vault,
    now: Timestamp,
) -> Result<Vec<StoreFacts>, CommandError> {
    let own = config.filter(|_| access.vault.is_none());
    let of_vault = own.and_then(|config| config.vault.credentials.as_ref());
    let settings = settings_of(of_vault)?;
    let listed = vault.store().list("").await?;
    let mut first = facts("vault", vault.store().url(), &settings);
    first.allowed = own.map(|config| config.vault.regions.clone()).unwrap_or_default();
    first.lies_in = region::of(vault.store(), &first.provider).await;
    first.found = Ok(look(vault.store(), &listed, &[], now).await?);
    let mut stores = vec![first];
    for copy in config.map_or(&[][..], |config| &config.vault.copies) {
        let settings = settings_of(copy.credentials.as_ref());
        let mut copied =
            facts(&copy.name, copy.url.as_str(), settings.as_ref().unwrap_or(&StoreSettings::Environment));
        copied.in_part = copy.keep.is_some();
        copied.allowed = copy.regions.clone();
        let store = settings.and_then(|settings| Ok(Store::open_with(&copy.url, false, &settings)?));
        match store {
            Ok(store) => {
                copied.lies_in = region::of(&store, &copied.provider).await;
                copied.found = of_copy(&store, &listed, now).await.map_err(|error| error.to_string());
            }
            Err(error) => copied.found = Err(error.error().to_string()),
        }
        stores.push(copied);
    }
    Ok(stores)
}

async fn of_copy(store: &Store, wanted: &[Listed], now: Timestamp) -> lifeboat_vault::Result<Listing> {
    let listed = store.list("").await?;
    look(store, &listed, wanted, now).await
}

/// Looks at a store: what it lacks of `wanted`, and how the beginnings of some objects look.
async fn look(
    store: &Store,
    listed: &[Listed],
    wanted: &[Listed],
    now: Timestamp,
) -> lifeboat_vault::Result<Listing> {
    let mut names: Vec<_> = listed.iter().map(|object| (object.name.as_str(), object.bytes)).collect();
    names.sort_unstable();
    let held: HashSet<_> = names.iter().copied().collect();
    let needed = |object: &&Listed| {
        let kept = ["packs/", "index/", "snapshots/", "keys/", "agents/"];
        object.name == "vault" || kept.iter().any(|folder| object.name.starts_with(folder))
    };
    let lacking =
        wanted.iter().filter(needed).filter(|object| !held.contains(&(object.name.as_str(), object.bytes)));
    let text: String = names.iter().map(|(name, bytes)| format!("{name} {bytes}\n")).collect();
    let read = Evidence {
        kind: "store.listing",
        from: store.url().to_owned(),
        at: now,
        digest: sha256(text.as_bytes()),
    };
    let mut listing = Listing {
        read,
        snapshots: names.iter().filter(|(name, _)| name.starts_with("snapshots/")).count() as u64,
        lacking: lacking.count() as u64,
        sampled: 0,
        open: Vec::new(),
        unjudged: Vec::new(),
        locks: locks::of(store, &names, now).await,
    };
    let step = names.len().div_ceil(SAMPLES).max(1);
    for (name, bytes) in names.iter().step_by(step).filter(|(_, bytes)| *bytes > 0) {
        let beginning = store.get_range(name, 0, SAMPLE_BYTES.min(*bytes)).await?;
        listing.sampled += 1;
        match sealed::look_of(name, &beginning) {
            sealed::Look::Sealed | sealed::Look::Public => {}
            sealed::Look::Open => listing.open.push((*name).to_owned()),
            sealed::Look::Unjudged => listing.unjudged.push((*name).to_owned()),
        }
    }
    Ok(listing)
}

/// What a store's URL and settings say of it.
fn facts(name: &str, url: &str, settings: &StoreSettings) -> StoreFacts {
    let scheme = url.split(':').next().unwrap_or_default();
    let plain = |names: &[&str]| if scheme == "file" { None } else { settings.plain(names) };
    let endpoint = plain(&["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT"]);
    let host = endpoint.and_then(|url| Some(Url::parse(&url).ok()?.host_str()?.to_owned()));
    let account = plain(&["AZURE_STORAGE_ACCOUNT_NAME"]);
    let key = || plain(&["AWS_ACCESS_KEY_ID", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_APPLICATION_CREDENTIALS"]);
    StoreFacts {
        name: name.to_owned(),
        url: url.to_owned(),
        provider: host.map_or_else(|| by_itself(scheme).to_owned(), |host| provider(&host)),
        account_is_known: account.is_some(),
        account: account.or_else(key).map(|account| sha256(account.as_bytes())).unwrap_or_default(),
        region: plain(&["AWS_REGION", "AWS_DEFAULT_REGION"]).filter(|_| scheme == "s3"),
        allowed: Vec::new(),
        lies_in: Err("it was not reached".into()),
        in_part: false,
        found: Err(String::new()),
    }
}

/// Who runs the stores of a kind, where no endpoint is named.
fn by_itself(scheme: &str) -> &str {
    match scheme {
        "s3" => "amazonaws.com",
        "az" => "windows.net",
        "gs" => "googleapis.com",
        other => other,
    }
}

/// Whose an endpoint is: the end of its host's name that somebody registers. Each region, and each style of address,
/// has a host of its own.
fn provider(host: &str) -> String {
    /// Registered below these names of countries, and not themselves.
    const SECOND: [&str; 7] = ["com", "net", "org", "gov", "edu", "co", "ac"];
    if host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[') {
        return host.to_owned();
    }
    let host = host.trim_end_matches('.').to_lowercase();
    let labels: Vec<_> = host.split('.').collect();
    let own = match labels[..] {
        [.., second, country] if country.len() == 2 && SECOND.contains(&second) => 3,
        _ => 2,
    };
    match labels[labels.len().saturating_sub(own)..].join(".") {
        // Amazon's in China are run by others, and are still one name to move a copy away from.
        chinese if chinese == "amazonaws.com.cn" => "amazonaws.com".into(),
        provider => provider,
    }
}

#[cfg(test)]
mod tests {
    use super::{by_itself, provider};

    #[test]
    fn two_endpoints_of_one_provider_are_one_provider() {
        let check = |hosts: &[&str], expected: &str| {
            hosts.iter().for_each(|host| assert_eq!(provider(host), expected, "{host}"));
        };
        let amazons =
            ["s3.eu-central-1.amazonaws.com", "b.s3.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn"];
        check(&amazons, by_itself("s3"));
        check(&["oss-cn-shanghai.aliyuncs.com", "OSS-EU-CENTRAL-1.aliyuncs.com."], "aliyuncs.com");
        check(&["a.blob.core.windows.net"], by_itself("az"));
        check(&["s3.branch.com.cn", "minio.branch.com.cn"], "branch.com.cn");
        check(&["127.0.0.1"], "127.0.0.1");
        check(&["minio"], "minio");
    }
}
