//! The tables headed `[[notify]]`: keys that every place has, and those of its kind.

use std::collections::HashMap;
use std::path::Path;

use url::Url;

use super::{Result, path, value};
use crate::SecretRef;
use crate::notify::{Channel, Format, Language, Notify, Severity, TimeOfDay};
use crate::section::{Field, Section, did_you_mean};
use crate::values::{self, Fault};

pub(crate) const KEYS: &[&str] =
    &["name", "type", "severity", "branches", "sources", "language", "digest", "ca", "allow_plaintext"];

/// Each kind, and the keys that it has beside [`KEYS`].
pub(crate) const KINDS: &[(&str, &[&str])] = &[
    ("email", &["server", "password", "from", "to"]),
    ("slack", &["url"]),
    ("dingtalk", &["url", "secret", "mention"]),
    ("wecom", &["url", "format", "mention"]),
    ("feishu", &["url", "secret", "mention"]),
    ("webhook", &["url", "secret"]),
    ("ping", &["url"]),
    ("pagerduty", &["key", "url"]),
];

/// Reads all of them.
pub(crate) fn all(field: Option<Field<'_>>, folder: &Path) -> Result<Vec<Notify>> {
    let Some(field) = field else { return Ok(Vec::new()) };
    let mut lines: HashMap<String, usize> = HashMap::new();
    let mut targets = Vec::new();
    for section in field.tables("notify")? {
        let kind_field = section.required("type", "`type = \"email\"`, or another kind of place")?;
        let kind = kind_field.text()?;
        let Some((_, own)) = KINDS.iter().find(|(known, _)| *known == kind) else {
            let known: Vec<_> = KINDS.iter().map(|(kind, _)| *kind).collect();
            let message = format!("`{kind}` is no kind of place that can be told");
            return Err(kind_field.refuse(message, vec![did_you_mean(kind, &known)]));
        };
        let section = section.only(&[KEYS, own].concat())?;
        let name = section.required("name", "`name = \"ops\"`")?;
        let target = one(&section, kind, &name, folder)?;
        if let Some(line) = lines.insert(target.name.clone(), name.line()) {
            let message = format!("two [[notify]] are called `{}`; the first is on line {line}", target.name);
            return Err(name.refuse(message, vec!["give this one a name of its own".into()]));
        }
        targets.push(target);
    }
    Ok(targets)
}

fn one(section: &Section<'_>, kind: &str, name: &Field<'_>, folder: &Path) -> Result<Notify> {
    let plaintext = section.optional("allow_plaintext").map(|field| field.boolean()).transpose()?;
    let allow_plaintext = plaintext.unwrap_or(false);
    let digest = section.optional("digest");
    if let (Some(field), "ping" | "pagerduty") = (&digest, kind) {
        let message = format!("{} means nothing for {kind}, which nobody reads", field.name());
        return Err(field.refuse_key(message, vec!["take the line out".into()]));
    }
    Ok(Notify {
        name: value(name, values::name)?,
        channel: channel(section, kind, folder, allow_plaintext)?,
        severity: word(section, "severity", &SEVERITIES)?.unwrap_or_default(),
        branches: texts(section, "branches")?,
        sources: names(section, "sources")?,
        language: word(section, "language", &[("en", Language::En), ("zh", Language::Zh)])?
            .unwrap_or_default(),
        digest: digest.map(|field| value(&field, time_of_day)).transpose()?,
        ca: section.optional("ca").map(|field| path(&field, folder)).transpose()?,
        allow_plaintext,
    })
}

const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

fn channel(section: &Section<'_>, kind: &str, folder: &Path, allow_plaintext: bool) -> Result<Channel> {
    let optional = |key| secret(section.optional(key), folder);
    let needed = |key: &str| {
        let field = section.required(key, &format!("`{key} = \"{{file:/etc/lifeboat/{kind}.{key}}}\"`"))?;
        value(&field, |text| SecretRef::parse(text, folder))
    };
    Ok(match kind {
        "email" => email(section, optional("password")?, allow_plaintext)?,
        "slack" => Channel::Slack { url: needed("url")? },
        "dingtalk" => Channel::DingTalk {
            url: needed("url")?,
            secret: optional("secret")?,
            mention: texts(section, "mention")?,
        },
        "wecom" => wecom(section, needed("url")?)?,
        "feishu" => Channel::Feishu {
            url: needed("url")?,
            secret: optional("secret")?,
            mention: texts(section, "mention")?,
        },
        "webhook" => Channel::Webhook { url: needed("url")?, secret: optional("secret")? },
        "ping" => Channel::Ping { url: needed("url")? },
        _ => Channel::PagerDuty {
            key: needed("key")?,
            url: section.optional("url").map(|field| value(&field, web_url)).transpose()?,
        },
    })
}

fn email(section: &Section<'_>, password: Option<SecretRef>, allow_plaintext: bool) -> Result<Channel> {
    let server = section.required("server", "`server = \"smtps://user@mail.example.com\"`")?;
    let from = section.required("from", "`from = \"lifeboat@example.com\"`")?;
    let to = section.required("to", "`to = [\"ops@example.com\"]`")?;
    let addresses: Vec<_> = to.list()?.iter().map(|item| value(item, address)).collect::<Result<_>>()?;
    if addresses.is_empty() {
        return Err(to.refuse(format!("{} is empty", to.name()), vec!["name at least one address".into()]));
    }
    let url = value(&server, mail_server)?;
    let has_user = !url.username().is_empty();
    if password.is_some() != has_user {
        let (message, hint) = match has_user {
            true => {
                ("a user is named and no password", "add `password = \"{file:/etc/lifeboat/mail.password}\"`")
            }
            false => ("a password is given and no user", "name the user in `server`: smtps://user@host"),
        };
        return Err(server.refuse(format!("{}: {message}", server.name()), vec![hint.into()]));
    }
    if allow_plaintext && url.scheme() == "smtps" {
        let message = format!("{} demands TLS and `allow_plaintext` does without", server.name());
        return Err(server.refuse(message, vec!["take one of the two out".into()]));
    }
    Ok(Channel::Email { server: url, password, from: value(&from, address)?, to: addresses })
}

fn wecom(section: &Section<'_>, url: SecretRef) -> Result<Channel> {
    let format = word(section, "format", &[("markdown", Format::Markdown), ("text", Format::Text)])?;
    let (format, mention) = (format.unwrap_or_default(), texts(section, "mention")?);
    match section.optional("mention") {
        Some(field) if format == Format::Markdown && !mention.is_empty() => {
            let message = format!("{} works in plain text only", field.name());
            Err(field.refuse_key(message, vec!["add `format = \"text\"`".into()]))
        }
        _ => Ok(Channel::WeCom { url, format, mention }),
    }
}

fn secret(field: Option<Field<'_>>, folder: &Path) -> Result<Option<SecretRef>> {
    field.map(|field| value(&field, |text| SecretRef::parse(text, folder))).transpose()
}

/// One of a few words.
fn word<T: Copy>(section: &Section<'_>, key: &str, known: &[(&str, T)]) -> Result<Option<T>> {
    let Some(field) = section.optional(key) else { return Ok(None) };
    let text = field.text()?;
    match known.iter().find(|(word, _)| *word == text) {
        Some((_, found)) => Ok(Some(*found)),
        None => {
            let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
            let message = format!("`{text}` cannot be {}", field.name());
            Err(field.refuse(message, vec![did_you_mean(text, &words)]))
        }
    }
}

/// A list of short texts.
fn texts(section: &Section<'_>, key: &str) -> Result<Vec<String>> {
    let Some(field) = section.optional(key) else { return Ok(Vec::new()) };
    field.list()?.iter().map(|item| value(item, values::label)).collect()
}

fn names(section: &Section<'_>, key: &str) -> Result<Vec<String>> {
    let Some(field) = section.optional(key) else { return Ok(Vec::new()) };
    field.list()?.iter().map(|item| value(item, values::name)).collect()
}

fn time_of_day(text: &str) -> std::result::Result<TimeOfDay, Fault> {
    let fault = || Fault::new("this is no time of day", "write hours and minutes, such as \"08:00\"");
    let (hour, minute) = text.split_once(':').ok_or_else(fault)?;
    let number = |digits: &str, max: u8| match digits.len() {
        2 => digits.parse().ok().filter(|number| *number <= max),
        _ => None,
    };
    Ok(TimeOfDay { hour: number(hour, 23).ok_or_else(fault)?, minute: number(minute, 59).ok_or_else(fault)? })
}

/// What a mail server would take for an address; it is parsed in full when mail is sent.
fn address(text: &str) -> std::result::Result<String, Fault> {
    let good = text.chars().all(|c| !c.is_control() && !matches!(c, ',' | ';'))
        && text.trim_end_matches('>').rsplit_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !host.contains(char::is_whitespace)
        });
    match good {
        true => Ok(text.to_owned()),
        false => Err(Fault::new("this is no mail address", "write one address, such as \"ops@example.com\"")),
    }
}

fn mail_server(text: &str) -> std::result::Result<Url, Fault> {
    let url = values::url(text)?;
    if !matches!(url.scheme(), "smtp" | "smtps") {
        return Err(values::unknown_scheme(url.scheme(), &["smtps", "smtp"]));
    }
    if url.password().is_some() {
        return Err(Fault::new(
            "a password does not belong in a URL, which logs show",
            "take it out and write `password = \"{file:/path/to/password}\"`, `{env:NAME}` or `{credential:NAME}`",
        ));
    }
    if !url.has_host() || !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(Fault::new("this is no mail server", "write `smtps://user@mail.example.com`"));
    }
    Ok(url)
}

fn web_url(text: &str) -> std::result::Result<Url, Fault> {
    let url = values::url(text)?;
    match url.scheme() {
        "https" | "http" => Ok(url),
        other => Err(values::unknown_scheme(other, &["https"])),
    }
}
