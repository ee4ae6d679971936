//! Files of the state folder that are always whole: a new one takes the old one's place at once, so that whoever
//! reads meanwhile, or is killed, finds one or the other.

use std::io::{self, Write};
use std::path::Path;

/// Puts `bytes` in the place of the file, which need not be there yet. Two who do so at once leave one of both.
///
/// # Errors
/// What the disk says; the old file is there still.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
