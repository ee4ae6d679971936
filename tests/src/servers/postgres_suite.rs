//! A PostgreSQL server that knows more extensions than are installed.
//!
//! It finds its files from where its program lies. So the program is copied, and around it stand links to
//! everything else, with the added extensions among its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Builds that place in the new folder `usr`, with the files of `more`, and returns the server's program.
pub(super) fn relocated(programs: &Path, usr: &Path, more: &Path) -> PathBuf {
    let home = programs.parent().expect("Debian's lib/postgresql/VERSION/bin");
    let version = home.file_name().expect("a version");
    let share = home.join("../../../share/postgresql").join(version);
    let new_version = usr.join("lib/postgresql").join(version);
    let (bin, new_share) = (new_version.join("bin"), usr.join("share/postgresql").join(version));
    let extensions = new_share.join("extension");
    for folder in [&bin, &extensions] {
        fs::create_dir_all(folder).expect("a folder can be made");
    }
    fs::copy(programs.join("postgres"), bin.join("postgres")).expect("the program can be copied");
    link(&home.join("lib"), &new_version.join("lib"));
    link_all(&share, &new_share, "extension");
    link_all(&share.join("extension"), &extensions, "");
    link_all(more, &extensions, "");
    bin.join("postgres")
}

fn link(from: &Path, to: &Path) {
    symlink(from, to).unwrap_or_else(|error| panic!("cannot link {}: {error}", to.display()));
}

/// Links everything in `from` but the entry `except`.
fn link_all(from: &Path, to: &Path, except: &str) {
    for entry in fs::read_dir(from).expect("a folder of the server's") {
        let entry = entry.expect("an entry");
        if entry.file_name() != except {
            link(&entry.path(), &to.join(entry.file_name()));
        }
    }
}
