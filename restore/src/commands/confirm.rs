//! Asks somebody at a terminal whether what cannot be undone is meant.

use std::io::{BufRead, IsTerminal, stdin};

use lifeboat_console::{CommandError, Kind, print};

/// Prints `what` and goes on when `word` is typed after it.
///
/// # Errors
/// `Usage` with `unasked` where nobody can be asked, and when something else was typed.
pub fn confirm(what: &str, word: &str, unasked: &str, hint: &str) -> Result<(), CommandError> {
    let refused = |text: &str| CommandError::new(Kind::Usage, text.to_owned()).hint(hint);
    if !stdin().is_terminal() {
        return Err(refused(unasked));
    }
    print(&format!("{what}to go on, type: {word}\n"))?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    match line.trim() == word {
        true => Ok(()),
        false => Err(refused("nothing was done: that was not what was asked for")),
    }
}
