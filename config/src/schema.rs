//! The configuration as a JSON Schema, for editors and for those who generate configurations.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use crate::Config;

impl Config {
    /// The JSON Schema (draft 2020-12) that `config schema` prints, indented.
    pub fn json_schema() -> String {
        let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(as_toml));
        let schema = settings.into_generator().into_root_schema_for::<Config>();
        serde_json::to_string_pretty(&schema).expect("a schema is JSON")
    }
}

/// TOML has no null, so what may be left out is simply not required; and a description is one line,
/// however the comment in the code was wrapped.
fn as_toml(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|option| option.get("type") != Some(&Value::from("null")));
        if let [Value::Object(only)] = &options[..] {
            let only = only.clone();
            schema.remove("anyOf");
            only.into_iter().for_each(|(key, value)| drop(schema.insert(key, value)));
        }
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::read;

    fn check(schema: &Value, pointer: &str, known: &[&str]) {
        let object = schema.pointer(pointer).expect("the schema has this type");
        let mut keys: Vec<_> =
            object["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
        let mut known = known.to_vec();
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known, "{pointer}");
        assert_eq!(object["additionalProperties"], false, "{pointer}");
        let described = |property: &Value| property.get("description").is_some();
        assert!(object["properties"].as_object().expect("properties").values().all(described), "{pointer}");
    }

    #[test]
    fn the_schema_and_the_reader_know_the_same_keys() {
        let schema: Value = serde_json::from_str(&Config::json_schema()).expect("JSON");
        check(&schema, "", read::ROOT_KEYS);
        check(&schema, "/$defs/Vault", read::VAULT_KEYS);
        check(&schema, "/$defs/Keep", read::KEEP_KEYS);
        check(&schema, "/$defs/Copy", read::COPY_KEYS);
        check(&schema, "/$defs/Lock", read::LOCK_KEYS);
        check(&schema, "/$defs/Person", read::PERSON_KEYS);
        check(&schema, "/$defs/Policies", read::policy::KEYS);
        check(&schema, "/$defs/Policy", read::policy::POLICY_KEYS);
        check(&schema, "/$defs/Agent", read::AGENT_KEYS);
        check(&schema, "/$defs/Maintenance", read::MAINTENANCE_KEYS);
        check(&schema, "/$defs/Source", read::SOURCE_KEYS);
        check(&schema, "/$defs/Suppression", read::suppress::KEYS);
        check_notify(&schema);
    }

    /// A place that is told has the keys of every place, and those of its kind.
    fn check_notify(schema: &Value) {
        let keys = |object: &Value| {
            let properties = object["properties"].as_object().expect("properties").clone();
            properties.into_iter().map(|(key, _)| key).collect::<BTreeSet<_>>()
        };
        let notify = schema.pointer("/$defs/Notify").expect("the schema has this type");
        assert_eq!(notify["unevaluatedProperties"], false, "{notify:#}");
        let mut common = keys(notify);
        common.insert("type".into());
        assert_eq!(common, read::notify::KEYS.iter().map(|key| (*key).to_owned()).collect());
        let mut kinds = BTreeMap::new();
        for kind in notify["oneOf"].as_array().expect("kinds") {
            let mut own = keys(kind);
            assert!(own.remove("type"), "{kind:#}");
            kinds.insert(kind["properties"]["type"]["const"].as_str().expect("a word").to_owned(), own);
        }
        let own = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>();
        let known = read::notify::KINDS.iter().map(|(kind, keys)| ((*kind).to_owned(), own(keys)));
        assert_eq!(kinds, known.collect());
    }

    #[test]
    fn only_what_the_reader_demands_is_required() {
        let schema: Value = serde_json::from_str(&Config::json_schema()).expect("JSON");
        let required = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(required("/required"), serde_json::json!(["version", "vault", "people"]));
        assert_eq!(required("/$defs/Vault/required"), serde_json::json!(["url"]));
        assert_eq!(required("/$defs/Person/required"), serde_json::json!(["recipient"]));
        assert_eq!(required("/$defs/Copy/required"), serde_json::json!(["name", "url"]));
        assert_eq!(required("/$defs/Lock/required"), serde_json::json!(["days"]));
        assert_eq!(required("/$defs/Policy/required"), serde_json::json!(["quorum"]));
        assert_eq!(required("/$defs/Agent/required"), Value::Null);
        assert_eq!(required("/$defs/Keep/required"), Value::Null);
        assert_eq!(required("/$defs/Source/required"), serde_json::json!(["name", "url"]));
        assert_eq!(required("/$defs/Notify/required"), serde_json::json!(["name"]));
        assert_eq!(
            required("/$defs/Suppression/required"),
            serde_json::json!(["control", "reason", "owner"])
        );
        let text = Config::json_schema();
        assert!(!text.contains("null") && !text.contains("\\n"), "{text}");
    }
}
