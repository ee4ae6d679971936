//! PostgreSQL against a real server: what is captured, lost and loaded again is the same; what cannot be
//! is refused in words that help.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "postgres/capture.rs"]
mod capture;
#[path = "postgres/load.rs"]
mod load;
#[path = "postgres/round_trip.rs"]
mod round_trip;
mod support;
