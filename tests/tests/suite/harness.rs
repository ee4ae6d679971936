//! The harness itself: a server that lies about TLS or about creating once would make every other
//! test worthless.
mod servers;
