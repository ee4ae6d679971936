//! A folder of its own for each test, the program run in it, and its words made comparable.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use age::secrecy::ExposeSecret;
use tempfile::TempDir;

/// Two people's public keys, so that golden files stay the same.
const LI: &str = "age1sjplvv87ze99aka7y9c063c6l2m5nqllgkwlaj7lz6y72h6xpacq6xqq98";

/// A folder with two people's keys and room for a vault.
pub struct Lab {
    folder: TempDir,
    wang: String,
}

impl Lab {
    /// An empty folder but for identities.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let wang = age::x25519::Identity::generate();
        let stranger = age::x25519::Identity::generate();
        let lab = Self { folder, wang: wang.to_public().to_string() };
        for (name, identity) in [("wang.txt", wang), ("stranger.txt", stranger)] {
            std::fs::write(lab.path(name), identity.to_string().expose_secret()).expect("an identity");
        }
        lab
    }

    /// A configuration of one SQLite source; DIR stands for the folder, WANG and LI for their keys.
    pub fn default_config(&self) -> String {
        "version = 1
[vault]
url = \"file://DIR/vault\"
[people.wang]
recipient = \"WANG\"
[people.li]
recipient = \"LI\"
[agent]
name = \"db1\"
state = \"DIR/state\"
[[source]]
name = \"crm\"
url = \"sqlite://DIR/crm.db\"
"
        .to_owned()
    }

    /// Writes the configuration.
    pub fn config(&self, text: &str) {
        let text = text.replace("DIR", &self.dir()).replace("\"WANG\"", &format!("\"{}\"", self.wang));
        let text = text.replace("\"LI\"", &format!("\"{LI}\""));
        std::fs::write(self.path("lifeboat.toml"), text).expect("the configuration");
    }

    /// The vault's URL.
    pub fn vault_url(&self) -> String {
        format!("file://{}/vault", self.dir())
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs SQL in the source's database.
    pub fn sqlite(&self, sql: &str) {
        let done =
            Command::new("sqlite3").arg(self.path("crm.db")).arg(sql).status().expect("sqlite3 starts");
        assert!(done.success(), "{sql}");
    }

    /// Whether something is there.
    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// A file's text.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file of the folder")
    }

    /// A file's permissions.
    pub fn mode(&self, name: &str) -> u32 {
        self.path(name).metadata().expect("a file of the folder").permissions().mode() & 0o777
    }

    /// Runs the program and returns its exit code, stdout and stderr.
    pub fn run<S: AsRef<str>>(&self, args: &[S]) -> (Option<i32>, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_lifeboat-agent"))
            .args(args.iter().map(AsRef::as_ref))
            .args(["--config", "lifeboat.toml"])
            .current_dir(self.folder.path())
            .env_remove("LIFEBOAT_LOG")
            .env("NO_COLOR", "1")
            .output()
            .expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Runs the program and compares everything it says with a golden file.
    #[track_caller]
    pub fn check<S: AsRef<str>>(&self, golden: &str, args: &[S]) {
        let (code, stdout, stderr) = self.run(args);
        let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let said = format!(
            "exit code {code}\n--- stdout\n{}--- stderr\n{}",
            self.comparable(&stdout),
            self.comparable(&stderr)
        );
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{golden}.txt"));
        if std::env::var_os("LIFEBOAT_GOLDEN").is_some_and(|wish| wish == "write") {
            std::fs::write(&path, &said).expect("the golden file is written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(said, expected, "{golden} is not what {} says", path.display());
    }

    fn dir(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Replaces what differs from run to run: the folder, ids, keys, times, sizes on disk.
    fn comparable(&self, text: &str) -> String {
        let text = text.replace(&self.dir(), "DIR").replace(&self.wang, "WANG").replace(LI, "LI");
        text.lines().map(|line| format!("{}\n", comparable_line(line))).collect()
    }
}

/// Replaces `2026-11-23 02:30` with MINUTE.
fn without_minutes(line: &str) -> String {
    let is_minute = |text: &str| {
        text.len() == 16
            && text.chars().zip("dddd-dd-dd dd:dd".chars()).all(|(found, form)| match form {
                'd' => found.is_ascii_digit(),
                form => found == form,
            })
    };
    let at = (0..line.len()).find(|at| line.get(*at..at + 16).is_some_and(is_minute));
    match at {
        Some(at) => format!("{}MINUTE{}", &line[..at], without_minutes(&line[at + 16..])),
        None => line.to_owned(),
    }
}

fn comparable_line(line: &str) -> String {
    let line = &without_minutes(line);
    if line.starts_with("Made ") {
        return "Made           DATE".to_owned();
    }
    if let Some((_, rest)) = line.split_once(" in ").filter(|(_, rest)| rest.contains(" pack")) {
        return format!("BYTES in N{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    if line.starts_with("  stored ") {
        return "  stored   BYTES added to the vault".to_owned();
    }
    let line = match line.split_once(" free in ") {
        Some((before, place)) => {
            let head: String = before.trim_end_matches(|c: char| !c.is_whitespace()).trim_end().to_owned();
            let head = head.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned();
            format!("{head}BYTES free in {place}")
        }
        None => line.to_owned(),
    };
    // How much was copied, how large an object was and how long it took differ from run to run.
    if line.starts_with("copying: ") {
        return "copying: done".to_owned();
    }
    if let Some((before, rest)) = line.split_once("; ")
        && before.starts_with("copy ")
        && rest.contains(" copied, in ")
    {
        return format!("{before}; OBJECTS copied, in TIME");
    }
    let is_number = |(_, rest): &(&str, &str)| rest.starts_with(|c: char| c.is_ascii_digit());
    let line = match line.split_once(": expected ").filter(is_number) {
        Some((before, rest)) => {
            format!("{before}: expected BYTES{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => line,
    };
    let line = match line.rfind(" in ") {
        Some(at) if line.ends_with(" s") || line.ends_with(" ms") => format!("{} in TIME", &line[..at]),
        _ => line,
    };
    let mut shown = String::new();
    for word in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !"-.".contains(c)) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let rest = &word[bare.len()..];
        match bare {
            bare if bare.len() >= 8 && bare.chars().all(|c| c.is_ascii_hexdigit() && !c.is_uppercase()) => {
                shown.push_str("HEX");
            }
            bare if bare.starts_with("age1") => shown.push_str("AGE"),
            bare => shown.push_str(bare),
        }
        shown.push_str(rest);
    }
    match shown.find("20").filter(|at| shown[*at..].contains('T') && shown.ends_with('Z')) {
        Some(at) => format!("{}TIMESTAMP", &shown[..at]),
        None => shown,
    }
}
