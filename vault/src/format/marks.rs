//! Marks: text, one line `pack <pack id>` for each pack that is to go.

use crate::{Error, PackId, Result};

/// Writes the lines.
pub fn packs_to_text(packs: &[PackId]) -> String {
    packs.iter().map(|pack| format!("pack {pack}\n")).collect()
}

/// Reads them; `what` is for messages. A line that is none is damage: what is not understood marks nothing.
pub fn packs_from_text(what: &str, text: &str) -> Result<Vec<PackId>> {
    let pack = |line: &str| line.strip_prefix("pack ")?.parse().ok();
    let packs: Option<_> = text.lines().map(pack).collect();
    packs.ok_or_else(|| Error::damaged(what, "it holds a line that cannot be read"))
}
