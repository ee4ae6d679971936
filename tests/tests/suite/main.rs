//! Lifeboat's end-to-end tests, one binary by subject, so that the workspace is linked once.

mod architecture;
mod company;
mod crash;
mod harness;
mod stores;
