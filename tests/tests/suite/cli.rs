//! What the two programs say, word for word, and what they must never say.

mod golden;
mod messages;
mod secrets;
mod usage;
