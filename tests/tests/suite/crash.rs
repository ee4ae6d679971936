//! Machines die, disks fill, states are lost: the vault stays whole, and the next run goes on.

mod at_once;
mod disk;
mod init;
mod keys;
mod kill;
mod restoring;
mod server;
mod soak;
mod state;
pub mod victim;
