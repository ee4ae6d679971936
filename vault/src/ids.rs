//! Ids that never mix: each is its own type, printed and stored as lower-case hex.

use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Reads an id from exactly its number of bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The first eight hex digits, for people.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let mut id = [0; $bytes];
                hex::decode_to_slice(text, &mut id).map_err(|_| NotAnId)?;
                Ok(Self(id))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A vault, drawn at random when it is made.
    VaultId, 16
);
id!(
    /// An enrolled writer: the start of the BLAKE3 hash of its public signing key.
    AgentId, 16
);
id!(
    /// A chunk: keyed BLAKE3 of its plaintext under a key derived from the dedup secret and its grade.
    ChunkId, 32
);
id!(
    /// A pack: BLAKE3 of the whole object, so that any copy can be proven without a key.
    PackId, 32
);
id!(
    /// An index object: BLAKE3 of the whole object.
    IndexId, 32
);
id!(
    /// A snapshot: BLAKE3 of its manifest object.
    SnapshotId, 32
);

id!(
    /// A note: BLAKE3 of the whole object.
    NoteId, 32
);

id!(
    /// A mark: BLAKE3 of the whole object.
    MarkId, 32
);

id!(
    /// A request: BLAKE3 of the whole object.
    RequestId, 32
);

/// A text is not an id: wrong length, or not hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id in hex")]
pub struct NotAnId;
