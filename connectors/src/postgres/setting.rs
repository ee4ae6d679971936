//! `ALTER DATABASE … SET` and `ALTER ROLE … IN DATABASE … SET`, and taking them back.

use super::facts::Setting;
use super::sql;

/// These hold a list of names, quoted already; as one string they would be one name.
const LISTS: [&str; 6] = [
    "search_path",
    "session_preload_libraries",
    "local_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
    "DateStyle",
];

impl Setting {
    /// The statement that makes it in `database`, which is quoted.
    pub(super) fn set(&self, database: &str) -> String {
        let is_list = LISTS.iter().any(|list| list.eq_ignore_ascii_case(&self.name));
        let value = if is_list && !self.value.is_empty() {
            list_items(&self.value).iter().map(|item| sql::literal(item)).collect::<Vec<_>>().join(", ")
        } else {
            sql::literal(&self.value)
        };
        format!("{} SET {} TO {value}", self.of(database), self.parameter())
    }

    /// The statement that takes it back.
    pub(super) fn reset(&self, database: &str) -> String {
        format!("{} RESET {}", self.of(database), self.parameter())
    }

    fn of(&self, database: &str) -> String {
        match &self.role {
            Some(role) => format!("ALTER ROLE {} IN DATABASE {database}", sql::ident(role)),
            None => format!("ALTER DATABASE {database}"),
        }
    }

    fn parameter(&self) -> String {
        self.name.split('.').map(sql::ident).collect::<Vec<_>>().join(".")
    }
}

/// Splits a list of names, each perhaps in double quotes.
fn list_items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let last = items.len() - 1;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                items[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => items.push(String::new()),
            ' ' if !quoted => {}
            other => items[last].push(other),
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_stays_a_list() {
        let setting = Setting { role: None, name: "search_path".into(), value: "\"a, b\", public".into() };
        let expected = "ALTER DATABASE \"crm\" SET \"search_path\" TO 'a, b', 'public'";
        assert_eq!(setting.set("\"crm\""), expected);
    }

    #[test]
    fn a_setting_is_taken_back_where_it_was_made() {
        let setting = Setting { role: Some("app".into()), name: "my.x".into(), value: String::new() };
        let expected = "ALTER ROLE \"app\" IN DATABASE \"crm\" RESET \"my\".\"x\"";
        assert_eq!(setting.reset("\"crm\""), expected);
    }
}
