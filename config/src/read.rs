//! From the text of a file to a [`Config`], one function for each table of the file.
//!
//! The keys that a table may hold stand in one list beside its reader; a test compares the lists with
//! the schema, so that neither can know a key that the other refuses.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use crate::position::Document;
use crate::section::{Field, Section, did_you_mean};
use crate::values::{self, Fault};
use crate::{
    Agent, Bandwidth, Config, ConfigError, Copy, Grade, Grading, Keep, Lock, Maintenance, Person, Schedule,
    SecretRef, Source, Vault, host,
};

pub(crate) mod fleet;
pub(crate) mod notify;
pub(crate) mod policy;
pub(crate) mod suppress;

type Result<T> = std::result::Result<T, ConfigError>;

pub(crate) const ROOT_KEYS: &[&str] = &[
    "version",
    "branch",
    "vault",
    "people",
    "policy",
    "agent",
    "maintenance",
    "source",
    "notify",
    "suppress",
];
pub(crate) const VAULT_KEYS: &[&str] = &[
    "url",
    "root",
    "keep",
    "keep_min_days",
    "credentials",
    "lock",
    "alone",
    "regions",
    "require_copies",
    "copy",
];
pub(crate) const COPY_KEYS: &[&str] =
    &["name", "url", "credentials", "bandwidth", "keep", "expire", "prune", "lock", "regions", "alone"];
pub(crate) const LOCK_KEYS: &[&str] = &["days", "mode"];
pub(crate) const KEEP_KEYS: &[&str] = &["last", "daily", "weekly", "monthly", "yearly", "tags"];
pub(crate) const PERSON_KEYS: &[&str] = &["recipient", "grades", "branch", "role"];
pub(crate) const AGENT_KEYS: &[&str] = &[
    "name",
    "state",
    "readers",
    "schedule",
    "timezone",
    "jitter",
    "deadline",
    "stalled_after",
    "retries",
    "jobs",
    "listen",
];
pub(crate) const MAINTENANCE_KEYS: &[&str] = &["verify", "expire", "prune", "copy"];
pub(crate) const SOURCE_KEYS: &[&str] = &[
    "name",
    "url",
    "password",
    "allow_plaintext",
    "schedule",
    "rto",
    "rpo",
    "keep",
    "keep_min_days",
    "grades",
];

/// More snapshots than this nobody counts one by one.
const KEEP_MAX: u32 = 100_000;

/// A hundred years.
const KEEP_MIN_DAYS_MAX: u32 = 36_500;

/// A hundred years, which is what S3 takes.
const LOCK_DAYS_MAX: u32 = 36_500;

/// More copies than this would be copies of a mistake; each takes memory while it is written.
const COPIES_MAX: usize = 8;

/// More regions than a provider has in the countries of one law.
const REGIONS_MAX: usize = 32;

/// More readers than this would be a load on the database that nobody means.
const READERS_MAX: u32 = 64;

/// What has failed so often will not go well before a person has looked.
const RETRIES_MAX: u32 = 20;

/// Each run takes up to 256 MiB.
const JOBS_MAX: u32 = 16;

/// A source that is due at more times than this is better described by one expression.
const SCHEDULES_MAX: usize = 32;

pub(crate) fn config(text: &str, path: &Path) -> Result<Config> {
    let document = Document { text, path };
    let table = DeTable::parse(text).map_err(|error| syntax(&document, &error))?;
    refuse_identities(&document, table.get_ref())?;
    let root = Section::root(&document, table.get_ref());
    let version = version(&root)?;
    let root = root.only(ROOT_KEYS)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let vault = vault(&root.required("vault", "a table headed [vault] with `url = \"…\"`")?, folder)?;
    let people = people(&root)?;
    let agent = agent(root.optional("agent"), folder)?;
    let branch = label(root.optional("branch"))?;
    Ok(Config {
        version,
        branch_is_named: branch.is_some(),
        branch: branch.unwrap_or_else(|| agent.name.clone()),
        maintenance: maintenance(root.optional("maintenance"), &vault)?,
        vault,
        policy: policy::all(root.optional("policy"), &people)?,
        people,
        sources: sources(root.optional("source"), folder, &agent.schedule)?,
        agent,
        notify: notify::all(root.optional("notify"), folder)?,
        suppressions: suppress::all(root.optional("suppress"))?,
    })
}

fn syntax(document: &Document<'_>, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    let bare = document.text[..span.start].trim_end().ends_with('=');
    let hint = bare.then(|| "text stands in quotes: `key = \"value\"`".to_owned());
    document.error(span, error.message().to_owned(), hint.into_iter().collect())
}

/// The secret half of a key may have been pasted anywhere; wherever it is, it is no longer safe.
fn refuse_identities(document: &Document<'_>, table: &DeTable<'_>) -> Result<()> {
    table.values().try_for_each(|value| refuse_identity(document, value))
}

fn refuse_identity(document: &Document<'_>, value: &Spanned<DeValue<'_>>) -> Result<()> {
    match value.get_ref() {
        DeValue::String(text) if values::is_identity(text) => Err(document.error(
            value.span(),
            "this is the secret half of a key, which opens data and must never stand in a configuration"
                .into(),
            vec![
                "write the recipient instead: `age-keygen -y key.txt` or the .pub file of an SSH key".into(),
                "if others could read this file, treat the key as stolen and make a new one".into(),
            ],
        )),
        DeValue::Table(table) => refuse_identities(document, table),
        DeValue::Array(items) => items.iter().try_for_each(|item| refuse_identity(document, item)),
        _ => Ok(()),
    }
}

/// Comes before everything else: what a newer version means cannot be judged by this one.
fn version(root: &Section<'_>) -> Result<u32> {
    let field = root.required("version", "`version = 1` as the first line")?;
    match field.integer(0..=u32::MAX)? {
        1 => Ok(1),
        0 => Err(field.refuse("there is no version 0".into(), vec!["write `version = 1`".into()])),
        newer => Err(field.refuse(
            format!("version {newer} is newer than this program, which reads version 1"),
            vec!["update Lifeboat on this machine".into()],
        )),
    }
}

fn vault(field: &Field<'_>, folder: &Path) -> Result<Vault> {
    let section = field.table("[vault]".into())?.only(VAULT_KEYS)?;
    let url = section.required("url", "`url = \"file:///path\"`, s3://, az:// or gs://")?;
    let url = value(&url, values::vault_url)?;
    let copies = copies(section.optional("copy"), &url, folder)?;
    Ok(Vault {
        root: section.optional("root").map(|root| value(&root, values::fingerprint)).transpose()?,
        keep: section.optional("keep").map(|field| keep(&field)).transpose()?,
        keep_min_days: keep_min_days(&section)?.unwrap_or(Vault::default_keep_min_days()),
        credentials: credentials(section.optional("credentials"), &url, folder)?,
        lock: lock(section.optional("lock"), &url)?,
        alone: flag(&section, "alone")?,
        regions: regions(section.optional("regions"))?,
        require_copies: require_copies(section.optional("require_copies"), copies.len())?,
        copies,
        url,
    })
}

/// Settings are several lines; in the configuration itself they would be a secret for everybody to see.
fn credentials(field: Option<Field<'_>>, store: &Url, folder: &Path) -> Result<Option<SecretRef>> {
    let Some(field) = field else { return Ok(None) };
    if store.scheme() == "file" {
        let message = format!("{} means nothing for a folder", field.name());
        return Err(field.refuse_key(message, vec!["take the line out".into()]));
    }
    match value(&field, |text| SecretRef::parse(text, folder))? {
        SecretRef::Literal(_) => Err(field.refuse(
            format!("{} is no reference", field.name()),
            vec![
                "put lines such as AWS_ACCESS_KEY_ID=… into a file of mode 600 and write `{file:PATH}`"
                    .into(),
            ],
        )),
        reference => Ok(Some(reference)),
    }
}

fn require_copies(field: Option<Field<'_>>, copies: usize) -> Result<Option<u32>> {
    let Some(field) = field else { return Ok(None) };
    let required = field.integer(0..=COPIES_MAX as u32)?;
    if required as usize > copies {
        let message = format!("{} is {required}, and there are only {copies} [[vault.copy]]", field.name());
        return Err(
            field.refuse(message, vec!["no backup could ever succeed: lower it, or add a copy".into()])
        );
    }
    Ok(Some(required))
}

fn copies(field: Option<Field<'_>>, vault: &Url, folder: &Path) -> Result<Vec<Copy>> {
    let Some(field) = field else { return Ok(Vec::new()) };
    let mut copies: Vec<Copy> = Vec::new();
    for section in field.tables("vault.copy")? {
        let section = section.only(COPY_KEYS)?;
        let name_field = section.required("name", "`name = \"frankfurt\"`")?;
        let name = value(&name_field, values::name)?;
        let url_field =
            section.required("url", "`url = \"s3://bucket/prefix\"`, az://, gs:// or file:///path")?;
        let url = value(&url_field, values::vault_url)?;
        if copies.iter().any(|copy| copy.name == name) {
            let message = format!("two copies are called `{name}`");
            return Err(name_field.refuse(message, vec!["give this one a name of its own".into()]));
        }
        let credentials = credentials(section.optional("credentials"), &url, folder)?;
        let place = |other: &Url| other.as_str().trim_end_matches('/') == url.as_str().trim_end_matches('/');
        let lock = lock(section.optional("lock"), &url)?;
        let same_account = credentials.is_none();
        if same_account && (place(vault) || copies.iter().any(|copy| place(&copy.url))) {
            let message = format!("{} is a place that is used already", url_field.name());
            return Err(
                url_field.refuse(message, vec!["a copy is a store of its own: name another place".into()])
            );
        }
        copies.push(Copy {
            name,
            url,
            credentials,
            bandwidth: bandwidth(section.optional("bandwidth"))?,
            keep: section.optional("keep").map(|field| keep(&field)).transpose()?,
            expire: optional_schedules(&section, "expire")?,
            prune: optional_schedules(&section, "prune")?,
            lock,
            regions: regions(section.optional("regions"))?,
            alone: flag(&section, "alone")?,
        });
    }
    if copies.len() > COPIES_MAX {
        return Err(field.refuse_key(format!("there are more than {COPIES_MAX} [[vault.copy]]"), vec![]));
    }
    Ok(copies)
}

/// What is not said is not so.
fn flag(section: &Section<'_>, key: &str) -> Result<bool> {
    Ok(section.optional(key).map(|field| field.boolean()).transpose()?.unwrap_or(false))
}

fn regions(field: Option<Field<'_>>) -> Result<Vec<String>> {
    let Some(field) = field else { return Ok(Vec::new()) };
    let items = field.list()?;
    if items.is_empty() || items.len() > REGIONS_MAX {
        let message = format!("{} names no region, or more than {REGIONS_MAX}", field.name());
        return Err(field.refuse(message, vec!["leave the line out where none is excluded".into()]));
    }
    items.iter().map(|region| value(region, values::name)).collect()
}

fn bandwidth(field: Option<Field<'_>>) -> Result<Vec<Bandwidth>> {
    let Some(field) = field else { return Ok(Vec::new()) };
    field.list()?.iter().map(|limit| value(limit, Bandwidth::parse)).collect()
}

fn keep(field: &Field<'_>) -> Result<Keep> {
    let section = field.table("keep".into())?.only(KEEP_KEYS)?;
    let count = |key: &str| -> Result<u32> {
        Ok(section.optional(key).map(|field| field.integer(0..=KEEP_MAX)).transpose()?.unwrap_or(0))
    };
    let mut tags = Vec::new();
    for item in section.optional("tags").map(|field| field.list()).transpose()?.unwrap_or_default() {
        tags.push(value(&item, values::name)?);
    }
    let (last, daily, weekly) = (count("last")?, count("daily")?, count("weekly")?);
    let keep = Keep { last, daily, weekly, monthly: count("monthly")?, yearly: count("yearly")?, tags };
    if [keep.last, keep.daily, keep.weekly, keep.monthly, keep.yearly] == [0; 5] {
        let hint = "write `keep = { last = 3, daily = 7, weekly = 8, monthly = 12, yearly = 7 }`, or leave it out to keep everything";
        return Err(field.refuse(format!("{} would keep one snapshot only", field.name()), vec![hint.into()]));
    }
    Ok(keep)
}

/// Only S3 has a lock of each object, by a call that Lifeboat knows.
fn lock(field: Option<Field<'_>>, store: &Url) -> Result<Option<Lock>> {
    let Some(field) = field else { return Ok(None) };
    if store.scheme() != "s3" {
        let message = format!("{} is of an s3:// store alone", field.name());
        let hint =
            "what protects an Azure container, a Google bucket or a folder is set there: config/STORES.md";
        return Err(field.refuse_key(message, vec![hint.into()]));
    }
    let section = field.table("lock".into())?.only(LOCK_KEYS)?;
    let days = section.required("days", "`days = 30`")?.integer(1..=LOCK_DAYS_MAX)?;
    let mode = match section.optional("mode") {
        None => Lock::default_mode(),
        Some(mode) => value(&mode, values::lock_mode)?,
    };
    Ok(Some(Lock { days, mode }))
}

fn keep_min_days(section: &Section<'_>) -> Result<Option<u32>> {
    section.optional("keep_min_days").map(|field| field.integer(0..=KEEP_MIN_DAYS_MAX)).transpose()
}

fn people(root: &Section<'_>) -> Result<BTreeMap<String, Person>> {
    let nobody = || vec!["add a table headed [people.NAME] with `recipient = \"age1…\"`".to_owned()];
    let message = "nobody is named in [people], so nobody could open the vault";
    let Some(field) = root.optional("people") else { return Err(root.refuse(message.into(), nobody())) };
    let mut people = BTreeMap::new();
    let mut owners: HashMap<String, &str> = HashMap::new();
    for (name, entry) in field.table("[people]".into())?.fields() {
        let key = values::name(name).map_err(|fault| entry.refuse_key(fault.message, fault.hints))?;
        let section = entry.table(format!("[people.{name}]"))?.only(PERSON_KEYS)?;
        let recipient_field = section.required("recipient", "`recipient = \"age1…\"`")?;
        let recipient = value(&recipient_field, values::recipient)?;
        if let Some(other) = owners.insert(recipient.clone(), name) {
            let message = format!("{name} and {other} have the same recipient");
            let hint = "give each person a key of their own: two people with one key are one person";
            return Err(recipient_field.refuse(message, vec![hint.into()]));
        }
        let grades = grades(section.optional("grades"))?;
        let (branch, role) = (label(section.optional("branch"))?, label(section.optional("role"))?);
        people.insert(key, Person { recipient, grades, branch, role });
    }
    if people.is_empty() { Err(field.refuse_key(message.into(), nobody())) } else { Ok(people) }
}

fn label(field: Option<Field<'_>>) -> Result<Option<String>> {
    field.map(|field| value(&field, values::label)).transpose()
}

fn grades(field: Option<Field<'_>>) -> Result<Vec<Grade>> {
    let Some(field) = field else { return Ok(Grade::all()) };
    let mut grades = Vec::new();
    for item in field.list()? {
        let grade = grade(&item)?;
        if grades.contains(&grade) {
            return Err(item.refuse(format!("{grade} stands twice in {}", item.name()), vec![]));
        }
        grades.push(grade);
    }
    if grades.is_empty() {
        let hint = "name at least one grade, or leave the key out for all three";
        return Err(field.refuse(format!("{} is empty", field.name()), vec![hint.into()]));
    }
    grades.sort_by(|a, b| b.cmp(a));
    Ok(grades)
}

fn grade(item: &Field<'_>) -> Result<Grade> {
    let word = item.text()?;
    let known = Grade::all();
    known.iter().copied().find(|grade| grade.as_str() == word).ok_or_else(|| {
        let words: Vec<_> = known.iter().map(|grade| grade.as_str()).collect();
        item.refuse(format!("`{word}` is not a grade"), vec![did_you_mean(word, &words)])
    })
}

fn agent(field: Option<Field<'_>>, folder: &Path) -> Result<Agent> {
    let Some(field) = field else { return Ok(Agent::named(host::agent_name())) };
    let section = field.table("[agent]".into())?.only(AGENT_KEYS)?;
    let mut agent = Agent::named(match section.optional("name") {
        Some(name) => value(&name, values::name)?,
        None => host::agent_name(),
    });
    if let Some(state) = section.optional("state") {
        agent.state = path(&state, folder)?;
    }
    if let Some(readers) = section.optional("readers") {
        agent.readers = readers.integer(1..=READERS_MAX)? as usize;
    }
    if let Some(schedule) = section.optional("schedule") {
        agent.schedule = schedules(&schedule)?;
    }
    if let Some(jitter) = section.optional("jitter") {
        agent.jitter = value(&jitter, values::duration)?;
    }
    if let Some(deadline) = section.optional("deadline") {
        agent.deadline = value(&deadline, values::duration_above_zero)?;
    }
    if let Some(stalled_after) = section.optional("stalled_after") {
        agent.stalled_after = value(&stalled_after, values::duration_above_zero)?;
    }
    if let Some(retries) = section.optional("retries") {
        agent.retries = retries.integer(0..=RETRIES_MAX)?;
    }
    if let Some(jobs) = section.optional("jobs") {
        agent.jobs = jobs.integer(1..=JOBS_MAX)? as usize;
    }
    agent.listen = section.optional("listen").map(|listen| value(&listen, values::listen)).transpose()?;
    agent.timezone = section.optional("timezone").map(|zone| value(&zone, values::zone)).transpose()?;
    Ok(agent)
}

fn maintenance(field: Option<Field<'_>>, vault: &Vault) -> Result<Maintenance> {
    let Some(field) = field else { return Ok(Maintenance::default()) };
    let section = field.table("[maintenance]".into())?.only(MAINTENANCE_KEYS)?;
    if let Some(copy) = section.optional("copy").filter(|_| vault.copies.is_empty()) {
        let hint = "add one with `name` and `url`, or leave the line out".into();
        return Err(copy.refuse_key(format!("{} has no [[vault.copy]] to serve", copy.name()), vec![hint]));
    }
    Ok(Maintenance {
        verify: optional_schedules(&section, "verify")?,
        expire: optional_schedules(&section, "expire")?,
        prune: optional_schedules(&section, "prune")?,
        copy: optional_schedules(&section, "copy")?,
    })
}

/// None where nothing is said.
fn optional_schedules(section: &Section<'_>, key: &str) -> Result<Vec<Schedule>> {
    Ok(section.optional(key).as_ref().map(schedules).transpose()?.unwrap_or_default())
}

fn schedules(field: &Field<'_>) -> Result<Vec<Schedule>> {
    let items = field.list()?;
    if items.len() > SCHEDULES_MAX {
        let message = format!("{} holds more than {SCHEDULES_MAX} schedules", field.name());
        return Err(field.refuse(message, vec!["a cron expression can hold many times".into()]));
    }
    let mut schedules = Vec::new();
    for item in items {
        let schedule = value(&item, values::schedule)?;
        if schedules.contains(&schedule) {
            return Err(item.refuse(format!("`{schedule}` stands twice in {}", item.name()), vec![]));
        }
        schedules.push(schedule);
    }
    Ok(schedules)
}

fn path(field: &Field<'_>, folder: &Path) -> Result<PathBuf> {
    match field.text()? {
        "" => Err(field.refuse(format!("{} is empty", field.name()), vec!["name a folder".into()])),
        text => Ok(folder.join(text)),
    }
}

fn sources(field: Option<Field<'_>>, folder: &Path, default: &[Schedule]) -> Result<Vec<Source>> {
    let Some(field) = field else { return Ok(Vec::new()) };
    let mut lines: HashMap<String, usize> = HashMap::new();
    let mut sources = Vec::new();
    for section in field.tables("source")? {
        let section = section.only(SOURCE_KEYS)?;
        let name = section.required("name", "`name = \"crm\"`")?;
        let source = source(&section, &name, folder, default)?;
        if let Some(line) = lines.insert(source.name.clone(), name.line()) {
            let message = format!("two sources are called `{}`; the first is on line {line}", source.name);
            return Err(name.refuse(message, vec!["give this one a name of its own".into()]));
        }
        sources.push(source);
    }
    Ok(sources)
}

fn source(section: &Section<'_>, name: &Field<'_>, folder: &Path, default: &[Schedule]) -> Result<Source> {
    let url = section.required(
        "url",
        "`url = \"postgres://user@host/database\"`, `mysql://user@host/database` or `sqlite:///path`",
    )?;
    let password = section.optional("password");
    let plaintext = section.optional("allow_plaintext");
    let source = Source {
        name: value(name, values::name)?,
        url: value(&url, values::source_url)?,
        password: password
            .as_ref()
            .map(|field| value(field, |text| SecretRef::parse(text, folder)))
            .transpose()?,
        allow_plaintext: plaintext.as_ref().map(Field::boolean).transpose()?.unwrap_or(false),
        keep: section.optional("keep").map(|field| keep(&field)).transpose()?,
        keep_min_days: keep_min_days(section)?,
        schedule: match section.optional("schedule") {
            Some(schedule) => schedules(&schedule)?,
            None => default.to_vec(),
        },
        rto: section.optional("rto").map(|field| value(&field, values::target)).transpose()?,
        rpo: section.optional("rpo").map(|field| value(&field, values::target)).transpose()?,
        grades: Grading::default(),
    };
    let idle = password.or(plaintext.filter(|_| source.allow_plaintext));
    match idle.filter(|_| source.url.scheme() == "sqlite") {
        Some(field) => {
            let message = format!("{} means nothing for SQLite, which is a file", field.name());
            Err(field.refuse_key(message, vec!["take the line out".into()]))
        }
        None => {
            let grades = grading(section.optional("grades"), &source)?;
            Ok(Source { grades, ..source })
        }
    }
}

fn grading(field: Option<Field<'_>>, source: &Source) -> Result<Grading> {
    let mut grading = Grading::default();
    let Some(field) = field else { return Ok(grading) };
    let schemas = source.url.scheme().starts_with("postgres");
    for (pattern, entry) in field.table("[source.grades]".into())?.fields() {
        if entry.is_table() {
            let hint = "a pattern stands in quotes: `\"public.contacts.phone\" = \"high\"`".to_owned();
            return Err(entry.refuse_key(format!("{} is no grade", entry.name()), vec![hint]));
        }
        let added = grading.add(pattern, grade(&entry)?, schemas);
        added.map_err(|fault| entry.refuse_key(fault.message, fault.hints))?;
    }
    Ok(grading)
}

fn value<T>(field: &Field<'_>, parse: impl Fn(&str) -> std::result::Result<T, Fault>) -> Result<T> {
    parse(field.text()?)
        .map_err(|fault| field.refuse(format!("{}: {}", field.name(), fault.message), fault.hints))
}

#[cfg(test)]
mod tests;
