//! What both programs say where something takes two people and fewer have decided it.

use crate::error::{CommandError, Kind};

/// One person decides, as nobody else could.
pub fn decides_alone(name: &str) -> String {
    format!("ONE PERSON DECIDES ALONE: this takes two people, and this vault has nobody but {name}")
}

/// One person decides, although others could have.
pub fn breaks_glass(name: &str, others: &[String]) -> String {
    format!(
        "THE GLASS IS BROKEN: {name} decides alone what takes two people, and {} could have approved it; the record \
         says who, when and why, and whoever watches the vault is told",
        others.join(", ")
    )
}

/// The glass was to be broken, and the record cannot say so: then it stays whole. `ask` as in [`undecided`].
pub fn unrecorded(ask: impl Into<String>) -> CommandError {
    let text =
        "one person alone must be on the record before anything is done, and the entry cannot be written";
    CommandError::new(Kind::ApprovalMissing, text).hint("why it cannot stands above: mend that").hint(ask)
}

/// Fewer than two have decided it. `ask` is the hint that says how another person is asked, and `glass` the options
/// that go without one.
pub fn undecided(ask: impl Into<String>, glass: &str) -> CommandError {
    CommandError::new(Kind::ApprovalMissing, "this takes two people, and they have not decided it")
        .hint(ask)
        .hint("or both give their identity here: --identity wang.key --identity li.key")
        .hint(format!("when it cannot wait: {glass}, which is told to whoever watches the vault"))
}
