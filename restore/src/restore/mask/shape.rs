//! Which kind of value a column holds, as far as a mask must know to make another one of the same kind.

/// What stands in a column, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Letters and digits of any kind.
    Text,
    /// A whole number up to this.
    Integer(u64),
    /// A number with a point, perhaps with an exponent.
    Decimal,
    /// `2026-11-23`.
    Date,
    /// `2026-11-23 02:30:00.5+00`, and times of day.
    Time,
    /// Digits of base 16, such as a UUID's and PostgreSQL's bytea.
    Hex,
    /// Raw bytes.
    Bytes,
    /// JSON, whose names and structure stay.
    Json,
    /// By the class that SQLite keeps with each value.
    Classed,
}

impl Shape {
    /// What a column of this type holds in a system; nothing for a type of which no other value can be made.
    pub fn of(system: &str, type_name: &str) -> Option<Self> {
        if system == "sqlite" {
            return Some(Self::Classed);
        }
        let name = type_name.to_ascii_lowercase();
        let unsigned = u64::from(name.contains("unsigned"));
        let signed = |largest: u64| Some(Self::Integer(largest * (1 + unsigned) + unsigned));
        let end = name.find(['(', ' ']).unwrap_or(name.len());
        if name.ends_with("[]") {
            return None;
        }
        // An extension's own, which may be in any schema.
        if name.ends_with(".citext") {
            return Some(Self::Text);
        }
        match &name[..end] {
            "text" | "varchar" | "character" | "char" | "bpchar" | "citext" | "tinytext" | "mediumtext"
            | "longtext" => Some(Self::Text),
            "tinyint" => signed(i8::MAX as u64),
            "smallint" => signed(i16::MAX as u64),
            "mediumint" => signed((1 << 23) - 1),
            "integer" | "int" => signed(i32::MAX as u64),
            "bigint" => signed(i64::MAX as u64),
            "numeric" | "decimal" | "real" | "double" | "float" => Some(Self::Decimal),
            "date" => Some(Self::Date),
            "timestamp" | "datetime" | "time" => Some(Self::Time),
            "uuid" | "bytea" => Some(Self::Hex),
            "json" | "jsonb" => Some(Self::Json),
            "blob" | "tinyblob" | "mediumblob" | "longblob" | "binary" | "varbinary" => Some(Self::Bytes),
            _ => None,
        }
    }
}

impl Shape {
    /// In columns of one kind the same value is written the same way, and so has the same mask.
    pub fn kind(system: &str, type_name: &str) -> String {
        let name = type_name.to_ascii_lowercase();
        // These are filled up to their length.
        let is_filled =
            ["char(", "character(", "char ", "binary("].iter().any(|start| name.starts_with(start));
        match Self::of(system, type_name) {
            Some(Self::Text) if !is_filled => "text".into(),
            Some(Self::Bytes) if !is_filled => "bytes".into(),
            Some(Self::Integer(largest)) => format!("integer to {largest}"),
            Some(Self::Classed) => "any".into(),
            _ => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_of_one_kind_where_they_write_a_value_alike() {
        let check = |system, one, other, expected| {
            assert_eq!(Shape::kind(system, one) == Shape::kind(system, other), expected, "{one}, {other}");
        };
        check("postgres", "character varying(80)", "text", true);
        check("postgres", "character(18)", "character varying(18)", false);
        check("postgres", "integer", "bigint", false);
        check("postgres", "numeric(10,2)", "numeric(10,4)", false);
        check("mysql", "int(10)", "int(11)", true);
        check("mysql", "int(10)", "int(10) unsigned", false);
        check("sqlite", "INTEGER", "text", true);
    }

    #[test]
    fn a_type_says_what_its_column_holds() {
        let check = |system, name, expected| assert_eq!(Shape::of(system, name), expected, "{name}");
        check("postgres", "character varying(80)", Some(Shape::Text));
        check("postgres", "public.citext", Some(Shape::Text));
        check("postgres", "integer", Some(Shape::Integer(2_147_483_647)));
        check("mysql", "int(10) unsigned", Some(Shape::Integer(4_294_967_295)));
        check("mysql", "bigint(20) unsigned", Some(Shape::Integer(u64::MAX)));
        check("postgres", "timestamp with time zone", Some(Shape::Time));
        check("postgres", "double precision", Some(Shape::Decimal));
        check("postgres", "integer[]", None);
        check("postgres", "mood", None);
        check("mysql", "enum('a','b')", None);
        check("sqlite", "anything", Some(Shape::Classed));
    }
}
