//! The vault through its API: round trips, crashes at every store call, damage of every kind, stores
//! that misbehave, and random days against a plain model.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod audit;
mod clock;
mod copies;
mod copy_retention;
mod crash;
mod damage;
mod decisions;
mod delta;
mod expire;
mod forge;
mod grades;
mod growth;
mod keys;
mod lab;
mod lease;
mod locks;
mod model;
mod prune;
mod requests;
mod round_trip;
mod stores;
mod trust;
mod year;
