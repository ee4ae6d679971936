//! Every kind of store keeps the same promises, and carries the whole story from backup to restore.

mod branches;
mod conformance;
mod copies;
mod faults;
mod locks;
mod story;
mod versions;
