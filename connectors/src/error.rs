//! What can go wrong between Lifeboat and a database, named by what the caller should do.

/// The result of a connector.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A connector's error. Text is a fragment; [`Error::hints`] says what to do next. Never holds a
/// password: URLs in it are stripped of theirs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server does not answer: wrong host, port or socket, or it is down.
    #[error("cannot reach {endpoint}: {reason}")]
    Unreachable {
        /// Host and port, or path.
        endpoint: String,
        /// The system's words.
        reason: String,
    },
    /// The server refuses the account, or the account may not read something.
    #[error("{what} is denied: {reason}")]
    Denied {
        /// What was tried.
        what: String,
        /// The server's words.
        reason: String,
        /// The statement that would help.
        hint: String,
    },
    /// The connection is not safe: a certificate that does not verify, or no TLS at all.
    #[error("the connection to {endpoint} is not secure: {reason}")]
    Insecure {
        /// Host and port.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// Something named does not exist: a database, a file, a table.
    #[error("{what} does not exist")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// A program that the connector needs is not there or does not fit.
    #[error("{tool} {reason}")]
    ToolMissing {
        /// Such as `pg_dump 17`.
        tool: String,
        /// Such as `was not found on PATH or in /usr/lib/postgresql`.
        reason: String,
        /// The package to install.
        hint: String,
    },
    /// This version, type or feature is not supported.
    #[error("{what} is not supported: {reason}")]
    Unsupported {
        /// What was asked.
        what: String,
        /// Why not.
        reason: String,
    },
    /// A lock was not to be had in time.
    #[error("{what} stayed locked for {seconds} s")]
    Locked {
        /// The table.
        what: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The source changed under the capture in a way that would have torn it; try again.
    #[error("{what} changed while the snapshot was being taken: {change}")]
    Changed {
        /// The table.
        what: String,
        /// What happened to it.
        change: String,
    },
    /// The connection was lost in the middle: a restart, a failover, a network cut; try again.
    #[error("lost the connection to {endpoint}: {reason}")]
    Interrupted {
        /// Host and port.
        endpoint: String,
        /// The system's words.
        reason: String,
    },
    /// The target may not be written: it is not empty, or not ours. It was left untouched.
    #[error("{target} is not empty: {found}")]
    Refused {
        /// The target, without secrets.
        target: String,
        /// What is in it.
        found: String,
    },
    /// The data is not what it should be: corrupt source, rows that do not fit their table.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// The table, file or object.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// A statement or tool failed for a reason of its own.
    #[error("{what}: {reason}")]
    Failed {
        /// What was being done.
        what: String,
        /// The server's or tool's words.
        reason: String,
    },
    /// The other side of a channel went away; its own error says why.
    #[error("cancelled")]
    Cancelled,
    /// A local file could not be used.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// What the operator should do or ask next; may be empty.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Denied { hint, .. } | Self::Insecure { hint, .. } | Self::ToolMissing { hint, .. } => {
                vec![hint.clone()]
            }
            Self::Unreachable { .. } => {
                vec!["is the server running, and do host, port and firewall fit?".into()]
            }
            Self::NotFound { .. } => vec!["check the spelling in the source's or target's URL".into()],
            Self::Locked { .. } => {
                vec!["find who holds the lock, or run the backup at a quieter hour".into()]
            }
            Self::Changed { .. } | Self::Interrupted { .. } => {
                vec!["nothing was recorded as good; run the same command again".into()]
            }
            Self::Refused { .. } => {
                vec!["restore into an empty target, or use --into-new to have a new database created".into()]
            }
            _ => Vec::new(),
        }
    }
}
