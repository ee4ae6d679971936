//! Lifeboat's end-to-end tests, one binary by subject, so that the workspace is linked once.

mod architecture;
mod cli;
mod company;
mod crash;
mod daemon;
mod databases;
mod documents;
mod grades;
mod harness;
mod metrics;
mod people;
mod stores;
mod told;
mod two_people;
