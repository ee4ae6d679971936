//! `audit`, as an operator types it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Access;

/// `audit`.
#[derive(Args)]
pub struct Audit {
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What to do with the record.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Show who did what, oldest first
    Show(AuditShow),
    /// Prove that no entry was altered, removed, replaced or reordered
    Verify(AuditVerify),
    /// Print every entry as a line of JSON
    Export(AuditExport),
    /// Print the ends of all chains, to be kept where this store's writers cannot reach them
    Anchor(AuditAnchor),
}

/// `audit show`.
#[derive(Args)]
pub struct AuditShow {
    #[command(flatten)]
    pub access: Access,
    /// Only entries about this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only entries of this kind, such as restore or keys
    #[arg(long, value_name = "WHAT")]
    pub what: Option<String>,
    /// Only entries of this person or agent
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// `audit verify`.
#[derive(Args)]
pub struct AuditVerify {
    #[command(flatten)]
    pub access: Access,
    /// A file with an anchor that was kept elsewhere (may be repeated)
    #[arg(long, value_name = "PATH")]
    pub anchor: Vec<PathBuf>,
}

/// `audit export`.
#[derive(Args)]
pub struct AuditExport {
    #[command(flatten)]
    pub access: Access,
}

/// `audit anchor`.
#[derive(Args)]
pub struct AuditAnchor {
    #[command(flatten)]
    pub access: Access,
}
