//! `keygen`: a key pair for a person, in the format of `age-keygen`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use jiff::Timestamp;
use lifeboat_console::{CommandError, Kind, ResultExt, escape, print, print_json};
use serde_json::json;

use crate::cli::Keygen;

/// Writes the secret half to a new file and prints the public half.
pub fn run(args: &Keygen, json: bool) -> Result<(), CommandError> {
    let identity = Identity::generate();
    let public = identity.to_public();
    let text = format!(
        "# created: {:.0}\n# public key: {public}\n{}\n",
        Timestamp::now(),
        identity.to_string().expose_secret()
    );
    write_new(&args.file, &text)?;
    let file = args.file.display().to_string();
    if json {
        return Ok(print_json("summary", &json!({ "file": file, "recipient": public.to_string() }))?);
    }
    Ok(print(&format!(
        "the secret key is in {}: keep it off the databases' machines, and a copy of it in a safe

In the configuration, its owner is named by the public half:

  [people.NAME]
  recipient = \"{public}\"
",
        escape(&file)
    ))?)
}

/// Writes a secret key to a new file that its owner alone reads.
pub fn write_new(path: &Path, text: &str) -> Result<(), CommandError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    match write() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = format!("{} exists already: a key is never replaced", path.display());
            Err(CommandError::new(Kind::Usage, text).hint("choose another name"))
        }
        written => written.context(|| format!("the key cannot be written to {}", path.display())),
    }
}
