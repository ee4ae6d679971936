//! What can be wrong with a configuration, and where.

use std::path::PathBuf;

use thiserror::Error;

/// A configuration that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read at all.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file says something that cannot be meant.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong. Never a secret.
        message: String,
        /// What was probably meant, or what to do.
        hints: Vec<String>,
    },
}

impl ConfigError {
    /// The line at fault, from 1, where there is one.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Invalid { line, .. } => Some(*line),
            Self::Unreadable { .. } => None,
        }
    }

    /// The column at fault in characters, from 1, where there is one.
    pub fn column(&self) -> Option<usize> {
        match self {
            Self::Invalid { column, .. } => Some(*column),
            Self::Unreadable { .. } => None,
        }
    }

    /// What was probably meant, or what to do next.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Invalid { hints, .. } => hints.clone(),
            Self::Unreadable { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => vec!["name the file with `--config PATH`".into()],
                std::io::ErrorKind::PermissionDenied => {
                    vec!["run as the user that owns the file, or grant that user the right to read it".into()]
                }
                std::io::ErrorKind::InvalidData => vec!["save the file as UTF-8 text".into()],
                _ => Vec::new(),
            },
        }
    }
}
