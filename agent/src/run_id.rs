//! The name of one run, by which messages, logs and pings belong together.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A run's name: 128 random bits. People read the first eight digits, services the whole as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(u128);

impl RunId {
    /// A new one.
    pub fn new() -> Self {
        Self(rand::random())
    }

    /// All of its digits: what a program hands to another.
    pub fn hex(self) -> String {
        format!("{:032x}", self.0)
    }

    /// As a random UUID (RFC 9562, version 4).
    pub fn uuid(self) -> String {
        let bits = (self.0 & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("r-{:08x}", self.0 >> 96))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RunId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_a_short_name_and_a_uuid_that_begin_alike() {
        let run = RunId(0x7f3a_0012_3456_789a_bcde_f012_3456_789a);
        assert_eq!(run.to_string(), "r-7f3a0012");
        assert_eq!(run.uuid(), "7f3a0012-3456-489a-bcde-f0123456789a");
        let json = serde_json::to_string(&run).expect("JSON");
        assert_eq!(serde_json::from_str::<RunId>(&json).expect("a run"), run);
        assert_ne!(RunId::new(), RunId::new());
    }
}
