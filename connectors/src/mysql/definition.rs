//! A table's definition taken apart, so that what is quicker or only possible after the rows can wait:
//! secondary indexes of large tables, and foreign keys.
//!
//! It reads what `SHOW CREATE TABLE` prints, one definition after another between the outer brackets,
//! and knows quotes and brackets but no grammar: what it does not recognise stays where it is.

mod unique;

use unique::Unique;

/// A definition: what stands before the first element, the elements, and what follows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    head: String,
    elements: Vec<String>,
    tail: String,
    /// What was taken out of it.
    left_out: Vec<String>,
    /// The unique keys that wait for the rows.
    unique: Vec<Unique>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignKey {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// The referenced table, after its database where it is in another.
    pub(super) parent: Vec<String>,
    pub(super) parent_columns: Vec<String>,
}

impl Definition {
    /// Takes a statement apart; none if it is not of the form that is known.
    pub(super) fn parse(create: &str) -> Option<Self> {
        let bytes = create.as_bytes();
        let (mut depth, mut at, mut open, mut start) = (0_usize, 0, None, 0);
        let mut elements = Vec::new();
        while at < bytes.len() {
            match bytes[at] {
                quote @ (b'`' | b'\'' | b'"') => at = after_quote(bytes, at, quote)?,
                b'(' => {
                    depth += 1;
                    if depth == 1 {
                        (open, start) = (Some(at), at + 1);
                    }
                }
                b')' => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        elements.push(create[start..at].trim().to_owned());
                        let head = create[..=open?].to_owned();
                        let tail = create[at..].to_owned();
                        return Some(Self { head, elements, tail, left_out: Vec::new(), unique: Vec::new() });
                    }
                }
                b',' if depth == 1 => {
                    elements.push(create[start..at].trim().to_owned());
                    start = at + 1;
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    /// The statement without the elements that `leave_out` names.
    pub(super) fn without(&self, leave_out: impl Fn(&str) -> bool) -> String {
        let kept: Vec<_> =
            self.elements.iter().map(String::as_str).filter(|element| !leave_out(element)).collect();
        format!("{}\n  {}\n{}", self.head, kept.join(",\n  "), self.tail)
    }

    /// The definition with NULL allowed in these columns, and in those that are computed from others; spatial
    /// indexes, which allow none, are left out. A column that counts by itself goes on counting.
    pub(super) fn allowing_null(mut self, columns: &[String]) -> Self {
        let is_withheld = |element: &str| {
            let named = identifiers(element).into_iter().next().is_some_and(|name| columns.contains(&name));
            named && !element.contains(" AUTO_INCREMENT")
        };
        let spatial = |element: &str| {
            let named = identifiers(element).into_iter().skip(1).any(|name| columns.contains(&name));
            element.starts_with("SPATIAL KEY") && named
        };
        self.elements.retain(|element| !spatial(element));
        for element in self.elements.iter_mut().filter(|element| element.starts_with('`')) {
            if (is_withheld(element) || element.contains(" GENERATED ALWAYS AS ("))
                && let Some(at) = outside_brackets(element, " NOT NULL")
            {
                element.replace_range(at..at + " NOT NULL".len(), " NULL");
            }
        }
        self
    }

    /// The definition without the checks that name one of these columns.
    pub(super) fn without_checks_of(mut self, columns: &[String]) -> Self {
        let asks = |check: &str| identifiers(check).iter().any(|name| columns.contains(name));
        let mut left_out = Vec::new();
        self.elements.retain_mut(|element| {
            let Some(at) = outside_brackets(element, " CHECK (") else { return true };
            let Some(end) = after_bracket(element.as_bytes(), at + " CHECK ".len()) else { return true };
            let name = identifiers(element).into_iter().next().unwrap_or_default();
            if !asks(&element[at..end]) {
                return true;
            }
            if element.starts_with("CONSTRAINT ") {
                left_out.push(format!("check {}", name.escape_debug()));
                return false;
            }
            left_out.push(format!("the check of {}", name.escape_debug()));
            element.replace_range(at..end, "");
            true
        });
        self.left_out.extend(left_out);
        self
    }

    /// The definition as one of a single table, where one of these columns says to which range or list of values,
    /// and so to which partition, a row belongs.
    pub(super) fn without_partitions_by(mut self, columns: &[String]) -> Self {
        let Some((at, key)) = partition_key(&self.tail) else { return self };
        if key_columns(key).iter().any(|name| columns.contains(name)) {
            self.tail.truncate(at);
            self.left_out.push("its division into partitions".into());
        }
        self
    }

    /// What was taken out of it, in words.
    pub(super) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Columns whose text is in another character set than one of UTF-8.
    pub(super) fn not_utf8(&self) -> Vec<String> {
        let set_of = |text: &str, words: &str| {
            let at = outside_brackets(text, words)? + words.len();
            let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            Some(end.map_or(&text[at..], |end| &text[at..at + end]).to_owned())
        };
        let of_table = set_of(&self.tail[1..], " CHARSET=");
        let columns = self.elements.iter().filter(|element| element.starts_with('`'));
        let foreign = columns.filter(|column| {
            let set = set_of(column, " CHARACTER SET ").or_else(|| of_table.clone());
            set.is_some_and(|set| !UTF8.contains(&set.as_str()))
        });
        foreign.filter_map(|column| identifiers(column).into_iter().next()).collect()
    }

    /// The indexes that may be built after the rows. One that an AUTO_INCREMENT column leads cannot.
    pub(super) fn late_indexes(&self) -> Vec<&str> {
        let counted = self.auto_increment();
        let leads = |element: &str| {
            counted.as_ref().is_some_and(|column| identifiers(element).get(1) == Some(column))
        };
        let indexes = self.elements.iter().map(String::as_str).filter(|element| is_index(element));
        indexes.filter(|element| !leads(element)).collect()
    }

    /// The column that counts by itself.
    pub(super) fn auto_increment(&self) -> Option<String> {
        let counts = |element: &&String| element.starts_with('`') && element.contains(" AUTO_INCREMENT");
        identifiers(self.elements.iter().find(counts)?).into_iter().next()
    }

    /// The foreign keys, each with its text.
    pub(super) fn foreign_keys(&self) -> Vec<(&str, ForeignKey)> {
        let elements = self.elements.iter().map(String::as_str);
        elements.filter_map(|element| Some((element, foreign_key(element)?))).collect()
    }

    /// Whether `columns` lead the primary key, which is there before the rows.
    pub(super) fn has_primary_key_on(&self, columns: &[String]) -> bool {
        let key = self.elements.iter().find(|element| element.starts_with("PRIMARY KEY"));
        key.is_some_and(|key| identifiers(key).starts_with(columns))
    }
}

/// Character sets whose text is UTF-8 as it is.
const UTF8: [&str; 4] = ["utf8mb4", "utf8mb3", "utf8", "ascii"];

fn is_index(element: &str) -> bool {
    ["KEY `", "UNIQUE KEY `", "FULLTEXT KEY `", "SPATIAL KEY `"]
        .iter()
        .any(|start| element.starts_with(start))
}

/// Where the partitions by range or list begin in what follows a table's elements, and what they are chosen by.
fn partition_key(tail: &str) -> Option<(usize, &str)> {
    let at = 1 + outside_brackets(&tail[1..], "PARTITION BY ")?;
    let by = &tail[at + "PARTITION BY ".len()..];
    if !(by.starts_with("RANGE") || by.starts_with("LIST")) {
        return None;
    }
    let ends = [" (PARTITION ", "\n(PARTITION ", "\nSUBPARTITION BY "].iter().filter_map(|end| by.find(end));
    let key = &by[..ends.min().unwrap_or(by.len())];
    // MySQL has them in a comment for servers from some version on.
    let comment = tail[..at].rfind("/*!").filter(|start| !tail[*start..at].contains("*/"));
    Some((comment.unwrap_or(at), key))
}

/// The columns that partitions are chosen by. MySQL quotes no plain name in a list of them.
fn key_columns(key: &str) -> Vec<String> {
    let list = key.split_once("COLUMNS(").map_or("", |(_, list)| list.trim_end_matches(')'));
    let bare = list.split(',').filter(|name| !name.contains('`')).map(|name| name.trim().to_owned());
    identifiers(key).into_iter().chain(bare).collect()
}

fn foreign_key(element: &str) -> Option<ForeignKey> {
    let (name, rest) = element.strip_prefix("CONSTRAINT ")?.split_once(" FOREIGN KEY (")?;
    let (columns, rest) = rest.split_once(") REFERENCES ")?;
    let (parent, rest) = rest.split_once(" (")?;
    let parent_columns = rest.split_once(')')?.0;
    Some(ForeignKey {
        name: identifiers(name).into_iter().next()?,
        columns: identifiers(columns),
        parent: identifiers(parent),
        parent_columns: identifiers(parent_columns),
    })
}

/// Every quoted identifier, unquoted, in order.
fn identifiers(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let quote = bytes[at];
        if matches!(quote, b'`' | b'\'' | b'"') {
            let Some(end) = after_quote(bytes, at, quote) else { break };
            if quote == b'`' {
                found.push(text[at + 1..end].replace("``", "`"));
            }
            at = end;
        }
        at += 1;
    }
    found
}

/// Where `words` stand outside of quotes and brackets.
fn outside_brackets(text: &str, words: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'`' | b'\'' | b'"') => at = after_quote(bytes, at, quote)?,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && bytes[at..].starts_with(words.as_bytes()) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// What follows the bracket that opens at `at`, once it has closed.
fn after_bracket(bytes: &[u8], at: usize) -> Option<usize> {
    let (mut at, mut depth) = (at, 0_usize);
    loop {
        match *bytes.get(at)? {
            quote @ (b'`' | b'\'' | b'"') => at = after_quote(bytes, at, quote)?,
            b'(' => depth += 1,
            b')' if depth <= 1 => return Some(at + 1),
            b')' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

/// Where the quote that opens at `at` closes.
fn after_quote(bytes: &[u8], at: usize, quote: u8) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if quote != b'`' => at += 1,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 1,
            byte if byte == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = "CREATE TABLE `we``ird (` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `a,b` varchar(20) DEFAULT 'x),(''\\'' COMMENT 'KEY `no`',\n  \
        `two\nlines` decimal(10,2) DEFAULT 0.00,\n  PRIMARY KEY (`a,b`,`id`),\n  KEY `by_id` (`id`),\n  \
        UNIQUE KEY `u` (`a,b`(5) DESC),\n  KEY `f` ((lower(`a,b`))),\n  \
        CONSTRAINT `fk` FOREIGN KEY (`a,b`) REFERENCES `other`.`p` (`x`) ON DELETE CASCADE,\n  CONSTRAINT `c` CHECK (`id` > 0)\n) ENGINE=InnoDB COMMENT='(,)'";

    #[test]
    fn a_definition_is_taken_apart_at_its_own_commas() {
        let definition = Definition::parse(CREATE).expect("it is one");
        assert_eq!(definition.elements.len(), 9);
        assert_eq!(definition.head, "CREATE TABLE `we``ird (` (");
        assert_eq!(definition.tail, ") ENGINE=InnoDB COMMENT='(,)'");
        assert_eq!(definition.without(|_| false), CREATE);
    }

    #[test]
    fn an_index_that_counts_stays_and_the_others_wait() {
        let definition = Definition::parse(CREATE).expect("it is one");
        assert_eq!(definition.late_indexes(), ["UNIQUE KEY `u` (`a,b`(5) DESC)", "KEY `f` ((lower(`a,b`)))"]);
        assert!(definition.has_primary_key_on(&["a,b".into()]));
        assert!(!definition.has_primary_key_on(&["id".into()]));
    }

    #[test]
    fn null_is_allowed_where_it_is_asked_for_and_nowhere_else() {
        let create = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL,\n  `a` varchar(9) NOT NULL DEFAULT ' NOT NULL',\n  \
            `p` point NOT NULL,\n  PRIMARY KEY (`id`),\n  SPATIAL KEY `s` (`p`)\n)";
        let definition = Definition::parse(create).expect("it is one");
        let expected = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL,\n  `a` varchar(9) NULL DEFAULT ' NOT NULL',\n  \
            `p` point NULL,\n  PRIMARY KEY (`id`)\n)";
        assert_eq!(definition.allowing_null(&["a".into(), "p".into()]).without(|_| false), expected);
    }

    #[test]
    fn checks_of_a_column_go_and_others_stay() {
        let create = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL CHECK (`a` > 0 and (`b` < 9)) COMMENT ' CHECK (`c`)',\n  \
            `c` text DEFAULT NULL CHECK (json_valid(`c`)),\n  CONSTRAINT `k` CHECK (`b` in ('(', 'x')),\n  \
            CONSTRAINT `l` CHECK (`d` > 1)\n)";
        let definition = Definition::parse(create).expect("it is one").without_checks_of(&["b".into()]);
        let expected = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL COMMENT ' CHECK (`c`)',\n  \
            `c` text DEFAULT NULL CHECK (json_valid(`c`)),\n  CONSTRAINT `l` CHECK (`d` > 1)\n)";
        assert_eq!(definition.without(|_| false), expected);
        assert_eq!(definition.left_out(), ["the check of a", "check k"]);
    }

    #[test]
    fn partitions_go_where_they_are_chosen_by_a_column_of_these() {
        let check = |by: &str, goes: bool| {
            let start = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  `d` date DEFAULT NULL\n) ENGINE=InnoDB COMMENT='PARTITION BY LIST (`a`)'";
            let definition = Definition::parse(&format!("{start}{by}")).expect("it is one");
            let left = definition.without_partitions_by(&["d".into()]);
            let expected = if goes { format!("{start}\n ") } else { format!("{start}{by}") };
            assert_eq!(left.without(|_| false).trim_end(), expected.trim_end(), "{by}");
            assert_eq!(left.left_out().len(), usize::from(goes), "{by}");
        };
        let parts = "\n(PARTITION `d` VALUES LESS THAN (2020) ENGINE = InnoDB)";
        check(&format!("\n PARTITION BY RANGE (year(`d`)){parts}"), true);
        check(
            &format!(
                "\n PARTITION BY RANGE (`a`)\nSUBPARTITION BY HASH (to_days(`d`))\nSUBPARTITIONS 2{parts}"
            ),
            false,
        );
        check(&format!("\n PARTITION BY RANGE  COLUMNS(`a`,`d`){parts}"), true);
        check(&format!("\n/*!50100 PARTITION BY LIST (`d`){parts} */"), true);
        check(&format!("\n/*!50500 PARTITION BY LIST  COLUMNS(a,d){parts} */"), true);
        check(&format!("\n/*!50500 PARTITION BY LIST  COLUMNS(a){parts} */"), false);
        check(&format!("\n PARTITION BY RANGE (`a`){parts}"), false);
        check("\n PARTITION BY HASH (`d`)\nPARTITIONS 4", false);
        check("", false);
    }

    #[test]
    fn a_column_says_whether_its_text_is_utf8() {
        let columns = |create: &str| Definition::parse(create).expect("it is one").not_utf8();
        let columns_of = "CREATE TABLE `t` (\n  `a` char(9) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL,\n  \
            `b` char(9) NOT NULL,\n  `c` char(9) CHARACTER SET utf8mb4 COMMENT ' CHARACTER SET gbk',\n  KEY `k` (`a`)\n)";
        assert_eq!(
            columns(&format!(
                "{columns_of} ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci"
            )),
            ["a"]
        );
        assert_eq!(columns(&format!("{columns_of} ENGINE=InnoDB DEFAULT CHARSET=gbk")), ["a", "b"]);
    }

    #[test]
    fn a_foreign_key_says_what_it_ties_to_what() {
        let definition = Definition::parse(CREATE).expect("it is one");
        let [(_, key)] = &definition.foreign_keys()[..] else { panic!("one") };
        assert_eq!((key.name.as_str(), &key.columns[..]), ("fk", &["a,b".to_owned()][..]));
        assert_eq!(
            (&key.parent[..], &key.parent_columns[..]),
            (&["other".to_owned(), "p".into()][..], &["x".to_owned()][..])
        );
    }
}
