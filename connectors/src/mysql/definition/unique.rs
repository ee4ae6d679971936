//! Unique keys of masked columns.
//!
//! Masks of different values differ, but not to every key: a collation may take an accent, a kind of kana or a
//! space at the end for nothing, and a key may be of a column's beginning or of what is computed from it. So such a
//! key is a plain one until the rows are there, and unique again if they allow it.

use super::{Definition, identifiers, outside_brackets};
use crate::mysql::sql::ident;

/// What a primary key is called as long as it is a plain one.
const PLAIN_PRIMARY: &str = "lifeboat_primary";

/// A unique key that waits for the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mysql) struct Unique {
    /// Its definition.
    text: String,
    /// The plain key in its place; none where there can be none.
    plain: Option<String>,
}

impl Definition {
    /// The definition with plain keys in the place of unique ones that have one of these columns, or one that is
    /// computed from them.
    pub(in crate::mysql) fn with_plain_keys_of(mut self, columns: &[String]) -> Self {
        let columns = self.with_computed(columns);
        let mut unique = Vec::new();
        self.elements.retain_mut(|element| {
            let Some(key) = Unique::of(element).filter(|key| key.has_one_of(&columns)) else { return true };
            let plain = key.plain_text();
            unique.push(key);
            let stays = plain.is_some();
            plain.into_iter().for_each(|plain| *element = plain);
            stays
        });
        self.unique = unique;
        self
    }

    /// The unique keys that wait for the rows.
    pub(in crate::mysql) fn unique(&self) -> &[Unique] {
        &self.unique
    }

    /// These columns and those that are computed from them.
    fn with_computed(&self, columns: &[String]) -> Vec<String> {
        let computed = |element: &&String| outside_brackets(element, " GENERATED ALWAYS AS (").is_some();
        let mut all = columns.to_vec();
        loop {
            let names = self.elements.iter().filter(computed).map(|element| identifiers(element));
            let more = names.filter(|names| names.iter().skip(1).any(|name| all.contains(name)));
            let more: Vec<_> = more.filter_map(|names| names.into_iter().next()).collect();
            let more: Vec<_> = more.into_iter().filter(|name| !all.contains(name)).collect();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }
}

impl Unique {
    fn of(element: &str) -> Option<Self> {
        let is_primary = element.starts_with("PRIMARY KEY ");
        if !is_primary && !element.starts_with("UNIQUE KEY `") {
            return None;
        }
        // A hash of long values is unique or it is not there; so is a key of periods.
        let is_only_unique = element.contains(" USING HASH") || element.contains(" WITHOUT OVERLAPS");
        let name =
            if is_primary { PLAIN_PRIMARY.to_owned() } else { identifiers(element).into_iter().next()? };
        Some(Self { text: element.to_owned(), plain: (!is_only_unique).then_some(name) })
    }

    fn has_one_of(&self, columns: &[String]) -> bool {
        let names = identifiers(&self.text);
        let of_columns = &names[usize::from(!self.is_primary())..];
        of_columns.iter().any(|name| columns.contains(name))
    }

    fn is_primary(&self) -> bool {
        self.text.starts_with("PRIMARY KEY ")
    }

    fn plain_text(&self) -> Option<String> {
        let plain = self.plain.as_ref()?;
        let rest = self.text.strip_prefix("UNIQUE ").map(str::to_owned);
        let of_primary = || self.text.replacen("PRIMARY KEY ", &format!("KEY {} ", ident(plain)), 1);
        Some(rest.unwrap_or_else(of_primary))
    }

    /// The statement that makes it unique.
    pub(in crate::mysql) fn make(&self, table: &str) -> String {
        let drop = self.plain.iter().map(|plain| format!("DROP KEY {}, ", ident(plain)));
        format!("ALTER TABLE {} {}ADD {}", ident(table), drop.collect::<String>(), self.text)
    }
}

/// Its name, in words.
impl std::fmt::Display for Unique {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match identifiers(&self.text).first().filter(|_| !self.is_primary()) {
            Some(name) => write!(f, "unique key {}", name.escape_debug()),
            None => f.write_str("the primary key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_keys_of_these_columns_wait_for_the_rows() {
        let create = "CREATE TABLE `t` (\n  `a` varchar(9) NOT NULL,\n  `b` text DEFAULT NULL,\n  `c` int(11) DEFAULT NULL,\n  \
            `g` varchar(9) GENERATED ALWAYS AS (lcase(`a`)) VIRTUAL,\n  `h` int(11) GENERATED ALWAYS AS (length(`g`)) STORED,\n  \
            PRIMARY KEY (`a`,`c`),\n  UNIQUE KEY `c` (`c`),\n  UNIQUE KEY `h``s` (`h`),\n  UNIQUE KEY `long` (`a`,`b`) USING HASH,\n  \
            KEY `plain` (`a`)\n)";
        let definition = Definition::parse(create).expect("it is one").with_plain_keys_of(&["a".into()]);
        let expected = create
            .replace("PRIMARY KEY (", "KEY `lifeboat_primary` (")
            .replace("UNIQUE KEY `h``s`", "KEY `h``s`")
            .replace("UNIQUE KEY `long` (`a`,`b`) USING HASH,\n  ", "");
        assert_eq!(definition.without(|_| false), expected);
        let made: Vec<_> =
            definition.unique().iter().map(|key| format!("{key}: {}", key.make("t"))).collect();
        assert_eq!(
            made,
            [
                "the primary key: ALTER TABLE `t` DROP KEY `lifeboat_primary`, ADD PRIMARY KEY (`a`,`c`)",
                "unique key h`s: ALTER TABLE `t` DROP KEY `h``s`, ADD UNIQUE KEY `h``s` (`h`)",
                "unique key long: ALTER TABLE `t` ADD UNIQUE KEY `long` (`a`,`b`) USING HASH",
            ]
        );
    }
}
