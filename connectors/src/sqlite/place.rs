//! Where a database file is, from its URL. Looks at files by name only: opening a database file and
//! closing it again would drop every POSIX lock this process holds on it, SQLite's among them.

use std::path::{Path, PathBuf};

use url::Url;

use crate::{Error, Result};

/// Returns the absolute path that `sqlite:///path` names; `%20` and the like are decoded.
pub fn path_of(url: &Url) -> Result<PathBuf> {
    let unsupported =
        |reason: &str| Error::Unsupported { what: format!("the URL {url}"), reason: reason.into() };
    if url.host_str().is_some_and(|host| !host.is_empty()) {
        return Err(unsupported("a SQLite URL has three slashes: sqlite:///path/to/file.db"));
    }
    if !url.path().starts_with('/') {
        return Err(unsupported("the path must be absolute: sqlite:///path/to/file.db"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(unsupported("options are not known here; write `?` as %3F and `#` as %23 in a path"));
    }
    let path = decoded(url.path()).ok_or_else(|| unsupported("the path is not UTF-8 or holds a NUL byte"))?;
    if path.ends_with('/') {
        return Err(unsupported("it names a folder, not a file"));
    }
    Ok(PathBuf::from(path))
}

/// Returns the file beside `path` whose name is `path`'s with `suffix` added.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes an [`Error::Io`] of `path`.
pub fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::Io { path, source }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<&str>) {
        let path = path_of(&Url::parse(url).expect("a URL")).ok();
        assert_eq!(path, expected.map(PathBuf::from), "{url}");
    }

    #[test]
    fn a_url_names_an_absolute_path_with_any_character() {
        check("sqlite:///srv/crm.db", Some("/srv/crm.db"));
        check("sqlite:///srv/my%20crm 100%25.db", Some("/srv/my crm 100%.db"));
        check("sqlite:///srv/a%3Fb%23c.db", Some("/srv/a?b#c.db"));
        check("sqlite:///srv/%E5%AE%A2%E6%88%B7.db", Some("/srv/客户.db"));
    }

    #[test]
    fn a_url_that_names_no_file_is_refused() {
        for url in [
            "sqlite://srv/crm.db",
            "sqlite:crm.db",
            "sqlite:///srv/",
            "sqlite:///a?mode=ro",
            "sqlite:///a%00b",
        ] {
            check(url, None);
        }
    }
}
