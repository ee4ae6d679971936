//! The account that a server runs under, and what a URL wants escaped.
//!
//! Database servers refuse root, so root uses the account that their package made.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

use crate::run;

/// Who runs a server: the package's account when the tests run as root, ourselves otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account(Option<(u32, u32)>);

impl Account {
    /// The account called `name`, if we are root.
    pub fn of(name: &str) -> Self {
        let me = fs::metadata("/proc/self").expect("/proc is mounted").uid();
        if me != 0 {
            return Self(None);
        }
        let id = |flag| {
            let answer = run(Command::new("id").args([flag, name])).success().stdout;
            answer.trim().parse().expect("an id is a number")
        };
        Self(Some((id("-u"), id("-g"))))
    }

    /// Gives it a file or folder, not what is below.
    pub fn own(self, path: &Path) {
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group)).expect("root can give files away");
        }
    }

    /// `line` as the account runs it. `setpriv` replaces itself, so the process id stays true.
    pub fn command_line(self, line: &[&str]) -> Vec<String> {
        let mut whole: Vec<String> = Vec::new();
        if let Some((user, group)) = self.0 {
            let (user, group) = (format!("--reuid={user}"), format!("--regid={group}"));
            whole.extend(["setpriv".into(), user, group, "--init-groups".into()]);
        }
        whole.extend(line.iter().map(|&word| word.to_owned()));
        whole
    }
}

/// `text` with everything that means something in a URL percent-encoded.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
