//! The recovery sheet: the page an operator prints and puts in a safe. No secret is on it.

use std::fmt;

use lifeboat_config::{Grade, Policies};
use lifeboat_console::escape;

/// What the sheet says.
pub struct Sheet<'a> {
    /// Where the vault is.
    pub url: &'a str,
    /// Its id.
    pub vault: &'a str,
    /// The fingerprint of its root key.
    pub root: &'a str,
    /// When it was made.
    pub made: &'a str,
    /// Who can open what.
    pub people: &'a [(&'a str, &'a str, Vec<Grade>)],
    /// How many of them it takes together.
    pub policy: &'a Policies,
    /// The agent enrolled, and its id.
    pub agent: Option<(&'a str, String)>,
    /// The sources configured.
    pub sources: &'a [&'a str],
}

impl fmt::Display for Sheet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "LIFEBOAT RECOVERY SHEET\n")?;
        writeln!(f, "Keep this page where a lost building does not take it along. It holds no secret.\n")?;
        writeln!(f, "Vault          {}", escape(self.url))?;
        writeln!(f, "Vault id       {}", self.vault)?;
        writeln!(f, "Root to trust  {}", self.root)?;
        writeln!(f, "Made           {}", self.made)?;
        match &self.agent {
            Some((name, id)) => {
                writeln!(f, "Agent          {name} ({id}): writes snapshots, cannot read rows")?
            }
            None => {
                writeln!(f, "Agent          none yet: run `lifeboat-agent enroll` on the database's host")?
            }
        }
        writeln!(f, "\nWho can open what, each with the secret half of the key named here:\n")?;
        for (name, recipient, grades) in self.people {
            let grades: Vec<_> = grades.iter().map(|grade| grade.as_str()).collect();
            writeln!(f, "  {}: {}\n    {}", escape(name), grades.join(", "), escape(recipient))?;
        }
        for (grade, together) in self.together() {
            writeln!(
                f,
                "  grade {grade} takes {together} of those who have it together, and none of them opens it alone"
            )?;
        }
        self.with_lifeboat(f)?;
        without_lifeboat(f)?;
        match self.together().next() {
            None => Ok(()),
            Some(_) => f.write_str(SHARES),
        }
    }
}

impl Sheet<'_> {
    /// Grades that no person opens alone, and how many it takes.
    fn together(&self) -> impl Iterator<Item = (Grade, u8)> {
        let policies = self.policy.iter().map(|(grade, policy)| (grade, policy.quorum));
        policies.filter(|(_, people)| *people > 1)
    }

    fn with_lifeboat(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vault = format!("--vault '{}' --identity key.txt", escape(self.url));
        let source = self.sources.first().unwrap_or(&"crm");
        writeln!(
            f,
            "\nTo get the data back, on any machine, with the file key.txt of one of these people:\n"
        )?;
        writeln!(f, "  lifeboat-restore snapshots {vault}")?;
        writeln!(f, "  lifeboat-restore verify {source}@latest --read-data {vault}")?;
        writeln!(f, "  lifeboat-restore restore {source}@latest --to postgres://…/{source}_new {vault}")?;
        writeln!(f, "  (or --to sqlite:///path/new.db; the target must be empty)")?;
        if !self.url.starts_with("file:") {
            writeln!(f, "  The store's credentials come from the environment (AWS_…, AZURE_…, GOOGLE_…).")?;
        }
        if self.together().next().is_some() {
            writeln!(
                f,
                "\nWhat takes several of them: each gives an `--identity` to that command, on one machine; or one asks,"
            )?;
            writeln!(
                f,
                "the others approve, each on a machine of their own, and the first restores with `--request ID`:\n"
            )?;
            writeln!(
                f,
                "  lifeboat-restore request {source}@latest --to postgres://…/{source}_new --reason WHY {vault}"
            )?;
            writeln!(f, "  lifeboat-restore approve ID {vault}")?;
        }
        Ok(())
    }
}

/// What is by hand where keys are split.
const SHARES: &str = "  Where a grade takes several people, its keys/*.age each hold one person's share, `lifeboat-share 1 HEX`. What
  they make together FORMAT.md says under \"Several people together\".
";

/// What anybody can do with the `age` and `zstd` programs; FORMAT.md has every step.
fn without_lifeboat(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(
        "
Without Lifeboat, by hand, with the age and zstd programs and FORMAT.md from Lifeboat's sources:

  Every object in the vault is a file. keys/*.age are the vault's keys, sealed to the people above:
    age -d -i key.txt keys/metadata-1-*.age > metadata.txt
    age -d -i key.txt keys/high-1-*.age > high.txt
  metadata.txt opens manifests, indexes and recipes, which say where rows lie; high.txt opens rows
  (a piece of a pack each):
    age -d -i high.txt segment.age | zstd -d
  FORMAT.md says how to find the pieces; keep a copy of it beside this page.
",
    )
}
