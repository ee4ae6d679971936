//! What an operator is told when a command fails, and with which code the program ends.
//!
//! Any library's error becomes a [`CommandError`] by `?`, as a plain failure. What kind it really is and
//! what to do about it, a program says in one function for all its commands, see
//! [`CommandError::classify`].

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::escape::escape_lines;
use crate::output::{end_bars, print, print_err};

/// What kind of ending this is: decides exit code and heading.
///
/// The codes are the same for both programs and never change their meaning:
///
/// | code | meaning | | code | meaning |
/// | --- | --- | --- | --- | --- |
/// | 0 | ok | | 20 | damage found |
/// | 1 | failed | | 21 | drill failed |
/// | 2 | usage | | 22 | anomaly held the run |
/// | 3 | partial | | 30 | approval missing |
/// | 10 | vault missing | | 31 | denied by policy |
/// | 11 | locked | | 40 | config invalid |
/// | 12 | no usable key | | 130 | interrupted |
///
/// The code without a kind here (21) is kept for commands that do not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The command failed, and no other kind fits.
    Failed,
    /// The command line cannot be meant.
    Usage,
    /// Something was done and something was left out; what, the message says.
    Partial,
    /// There is no vault at this place.
    VaultMissing,
    /// Somebody else holds what the command needs.
    Locked,
    /// None of the identities given opens what the command needs.
    NoUsableKey,
    /// Stored data is damaged.
    Damage,
    /// Something unusual about the data held the command back, until somebody accepts it.
    Anomaly,
    /// Others have not approved yet what they must approve.
    ApprovalMissing,
    /// What was decided for this vault forbids it.
    Denied,
    /// The configuration cannot be used.
    ConfigInvalid,
    /// A signal ended the command.
    Interrupted,
}

impl Kind {
    /// Every kind, in the order of the codes.
    pub const ALL: [Self; 12] = [
        Self::Failed,
        Self::Usage,
        Self::Partial,
        Self::VaultMissing,
        Self::Locked,
        Self::NoUsableKey,
        Self::Damage,
        Self::Anomaly,
        Self::ApprovalMissing,
        Self::Denied,
        Self::ConfigInvalid,
        Self::Interrupted,
    ];

    /// The program's exit code.
    pub const fn exit_code(self) -> u8 {
        self.entry().0
    }

    /// The word before the message on stderr.
    pub const fn heading(self) -> &'static str {
        self.entry().1
    }

    /// How a deed ended, in the word that a vault's record has for it; `None` is a good end.
    pub const fn result(kind: Option<Self>) -> &'static str {
        match kind {
            None => "done",
            Some(Self::Partial) => "partial",
            Some(Self::NoUsableKey | Self::Anomaly | Self::ApprovalMissing | Self::Denied) => "refused",
            Some(_) => "failed",
        }
    }

    /// The word for this kind in JSON.
    pub const fn as_str(self) -> &'static str {
        self.entry().2
    }

    const fn entry(self) -> (u8, &'static str, &'static str) {
        match self {
            Self::Failed => (1, "error", "failed"),
            Self::Usage => (2, "error", "usage"),
            Self::Partial => (3, "incomplete", "partial"),
            Self::VaultMissing => (10, "error", "vault missing"),
            Self::Locked => (11, "error", "locked"),
            Self::NoUsableKey => (12, "error", "no usable key"),
            Self::Damage => (20, "error", "damage found"),
            Self::Anomaly => (22, "held back", "anomaly held the run"),
            Self::ApprovalMissing => (30, "held back", "approval missing"),
            Self::Denied => (31, "denied", "denied by policy"),
            Self::ConfigInvalid => (40, "error", "config invalid"),
            Self::Interrupted => (130, "interrupted", "interrupted"),
        }
    }
}

/// Why a command ended without success, and what to do next.
///
/// It is deliberately no [`std::error::Error`] itself, so that every such error converts into it by `?`.
pub struct CommandError {
    kind: Option<Kind>,
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

/// What a program knows about an error of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What kind of ending it is.
    pub kind: Kind,
    /// What to do next: a command to type, or the question a colleague would ask.
    pub hints: Vec<String>,
}

impl CommandError {
    /// An error of this kind: from a library's error, or from text.
    pub fn new(kind: Kind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: Some(kind), error: error.into(), hints: Vec::new() }
    }

    /// What kind of ending this is: [`Kind::Failed`] unless something said otherwise.
    pub fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Failed)
    }

    /// What to do next, in the order in which it is printed.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The error itself, with its sources.
    pub fn error(&self) -> &(dyn Error + 'static) {
        &*self.error
    }

    /// Adds a hint: the next command to type, or the question a colleague would ask.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds several hints.
    #[must_use]
    pub fn with_hints<I>(mut self, hints: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.hints.extend(hints.into_iter().map(Into::into));
        self
    }

    /// Says the kind, over whatever was said before.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Puts `message` first; what was first becomes the first cause.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self { error: Box::new(Context { message: message.into(), source: self.error }), ..self }
    }

    /// What it will be reported as, once [`CommandError::classify`] has asked `explain`: for those who are told
    /// of it elsewhere.
    ///
    /// The error is asked about and then its causes, from the outside in, and the first answer is taken: its
    /// kind, unless one was said before, and its hints. `explain` downcasts:
    /// `error.downcast_ref::<vault::Error>()`.
    pub fn explained(&self, explain: impl Fn(&(dyn Error + 'static)) -> Option<Explanation>) -> Explanation {
        let found = sources(&*self.error).find_map(explain);
        let kind = self.kind.or(found.as_ref().map(|found| found.kind)).unwrap_or(Kind::Failed);
        let mut hints = self.hints.clone();
        // One that was classified before has them already.
        hints.extend(
            found.into_iter().flat_map(|found| found.hints).filter(|hint| !self.hints.contains(hint)),
        );
        Explanation { kind, hints }
    }

    /// Makes kind and hints those that [`CommandError::explained`] says.
    #[must_use]
    pub fn classify(self, explain: impl Fn(&(dyn Error + 'static)) -> Option<Explanation>) -> Self {
        let Explanation { kind, hints } = self.explained(explain);
        Self { kind: Some(kind), hints, ..self }
    }

    /// The lines for stderr: heading and message, each cause once, hints; each with its line end.
    pub fn render(&self) -> String {
        let mut texts = self.texts().into_iter();
        let mut lines = format!("{}: {}\n", self.kind().heading(), texts.next().unwrap_or_default());
        lines.extend(texts.map(|text| format!("caused by: {text}\n")));
        lines.extend(self.hints.iter().map(|hint| format!("hint: {}\n", escape_lines(hint))));
        lines
    }

    /// The line for stdout under `--json`, with its line end.
    pub fn to_json_line(&self) -> String {
        let texts = self.texts();
        let (first, causes) = texts.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        let fields: [(&str, Value); 6] = [
            ("type", json!("error")),
            ("kind", json!(self.kind().as_str())),
            ("code", json!(self.kind().exit_code())),
            ("error", json!(first)),
            ("causes", json!(causes)),
            ("hints", json!(self.hints)),
        ];
        let object: Map<_, _> = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        format!("{}\n", Value::Object(object))
    }

    /// Takes progress off the terminal, prints the error to stderr and, under `--json`, to stdout as well;
    /// gives the code to end with.
    pub fn report(&self, json: bool) -> ExitCode {
        end_bars();
        print_err(&self.render());
        if json {
            // The error has just been told on stderr, and the exit code tells it again.
            let _ = print(&self.to_json_line());
        }
        ExitCode::from(self.kind().exit_code())
    }

    /// The message and its causes, escaped.
    fn texts(&self) -> Vec<String> {
        texts(&*self.error).iter().map(|text| escape_lines(text)).collect()
    }
}

/// An error and its causes on one line: `source crm failed: no server: connection refused`.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    texts(error).join(": ")
}

/// A cause whose text already ends the one above is left out: many libraries repeat their source.
fn texts(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in sources(error).map(ToString::to_string) {
        if texts.last().is_none_or(|above| !above.ends_with(&text)) {
            texts.push(text);
        }
    }
    texts
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render().trim_end())
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for CommandError {
    fn from(error: E) -> Self {
        Self { kind: None, error: Box::new(error), hints: Vec::new() }
    }
}

#[derive(Debug)]
struct Context {
    message: String,
    source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Context {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The builders of [`CommandError`] on any result whose error converts into one.
pub trait ResultExt<T> {
    /// Says the kind of a failure.
    ///
    /// # Errors
    /// The failure itself, of that kind.
    fn kind(self, kind: Kind) -> Result<T, CommandError>;

    /// Puts a message before a failure's own; it is made only when needed.
    ///
    /// # Errors
    /// The failure itself, under that message.
    fn context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T, CommandError>;

    /// Adds a hint to a failure.
    ///
    /// # Errors
    /// The failure itself, with that hint.
    fn hint(self, hint: impl Into<String>) -> Result<T, CommandError>;
}

impl<T, E: Into<CommandError>> ResultExt<T> for Result<T, E> {
    fn kind(self, kind: Kind) -> Result<T, CommandError> {
        self.map_err(|error| error.into().with_kind(kind))
    }

    fn context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T, CommandError> {
        self.map_err(|error| error.into().context(message()))
    }

    fn hint(self, hint: impl Into<String>) -> Result<T, CommandError> {
        self.map_err(|error| error.into().hint(hint))
    }
}

#[cfg(test)]
mod tests;
