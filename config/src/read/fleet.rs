//! The file of a fleet: who opens the vaults, and one `[[vault]]` for each.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::{Result, credentials, path, refuse_identities, syntax, value, version};
use crate::fleet::{Branch, Fleet};
use crate::position::Document;
use crate::section::{Field, Section};
use crate::values;

const ROOT_KEYS: &[&str] = &["version", "identity", "vault"];
const VAULT_KEYS: &[&str] = &["name", "url", "root", "credentials", "identity"];

/// More branches than this belong into several files: each is open at some time.
const VAULTS_MAX: usize = 1000;

pub(crate) fn fleet(text: &str, path: &Path) -> Result<Fleet> {
    let document = Document { text, path };
    let table = DeTable::parse(text).map_err(|error| syntax(&document, &error))?;
    refuse_identities(&document, table.get_ref())?;
    let root = Section::root(&document, table.get_ref());
    version(&root)?;
    let root = root.only(ROOT_KEYS)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let everywhere = identities(root.optional("identity"), folder)?;
    let field = root.required("vault", "a table headed [[vault]] with name and url")?;
    let mut branches: Vec<Branch> = Vec::new();
    for section in field.tables("vault")? {
        branches.push(branch(section, &branches, &everywhere, folder)?);
    }
    match branches.len() {
        0 => Err(field.refuse_key("there is no [[vault]]".into(), vec!["add one for each branch".into()])),
        1..=VAULTS_MAX => Ok(Fleet { branches }),
        _ => Err(field.refuse_key(format!("there are more than {VAULTS_MAX} [[vault]]"), vec![])),
    }
}

fn branch(section: Section<'_>, before: &[Branch], everywhere: &[PathBuf], folder: &Path) -> Result<Branch> {
    let section = section.only(VAULT_KEYS)?;
    let name_field = section.required("name", "`name = \"hamburg\"`")?;
    let name = value(&name_field, values::name)?;
    if before.iter().any(|branch| branch.name == name) {
        let message = format!("two vaults are called `{name}`");
        return Err(name_field.refuse(message, vec!["give this one a name of its own".into()]));
    }
    let url = section.required("url", "`url = \"s3://bucket/prefix\"`, az://, gs:// or file:///path")?;
    let url = value(&url, values::vault_url)?;
    let own = identities(section.optional("identity"), folder)?;
    let identities = if own.is_empty() { everywhere.to_vec() } else { own };
    if identities.is_empty() {
        let hint = "write `identity = \"head-office.key\"` at the top of the file, or in this [[vault]]";
        return Err(name_field.refuse(format!("no identity opens {name}"), vec![hint.into()]));
    }
    Ok(Branch {
        root: section.optional("root").map(|root| value(&root, values::fingerprint)).transpose()?,
        credentials: credentials(section.optional("credentials"), &url, folder)?,
        identities,
        name,
        url,
    })
}

/// One path or several.
fn identities(field: Option<Field<'_>>, folder: &Path) -> Result<Vec<PathBuf>> {
    let Some(field) = field else { return Ok(Vec::new()) };
    if field.is_list() {
        return field.list()?.iter().map(|item| path(item, folder)).collect();
    }
    Ok(vec![path(&field, folder)?])
}
