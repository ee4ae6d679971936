//! Definitions, through pg_restore over the wire: never as SQL text through psql, whose meta-commands a
//! hostile name could smuggle in (CVE-2025-8714) and whose exit code hides failures.
//!
//! pg_restore goes on after an error; each one is read from what it says and told, none is dropped.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::connect::Endpoint;
use super::tools::Tool;
use crate::{Error, Result};

/// Memory for one index build; as many as there are writers may be under way.
const MAINTENANCE_WORK_MEM: &str = "256MB";

/// A pg_restore on one archive, and what of it is wanted.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) tool: Tool,
    pub(super) endpoint: Endpoint,
    pub(super) path: PathBuf,
    pub(super) no_owner: bool,
    /// Settings that make the server speak English, if it would not.
    pub(super) english: &'static str,
}

/// One thing that the target would not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The server's words.
    pub(super) error: String,
    /// The statement.
    pub(super) command: String,
}

/// Characters of a statement that a sentence shows.
const STATEMENT_CHARACTERS: usize = 160;

impl Refusal {
    /// A newer pg_restore sets what an older server does not know, and needs not.
    fn matters(&self) -> bool {
        !self.command.trim_start().starts_with("SET transaction_timeout ")
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let first =
            self.command.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("a definition");
        let shown: String =
            first.trim_end_matches([';', '(', ' ']).chars().take(STATEMENT_CHARACTERS).collect();
        write!(f, "{shown}: {}", self.error)
    }
}

impl Archive {
    /// Restores one section, `pre-data` or `post-data`, or what `list` names of it.
    pub(super) async fn restore(
        &self,
        section: &str,
        jobs: usize,
        list: Option<&Path>,
    ) -> Result<Vec<Refusal>> {
        let mut command = Command::new(&self.tool.path);
        command.arg(format!("--section={section}")).arg("--no-password");
        command.arg(format!("--dbname={}", self.endpoint.conninfo()));
        if jobs > 1 {
            command.arg(format!("--jobs={jobs}"));
        }
        if self.no_owner {
            command.args(["--no-owner", "--no-privileges"]);
        }
        if let Some(list) = list {
            command.arg("--use-list").arg(list);
        }
        command.arg(&self.path);
        let (success, said) = self.run(command).await?;
        let Some(refusals) = refused(success, &said) else {
            let reason = said.lines().find(|line| line.contains("error:")).unwrap_or(&said).trim();
            let reason = reason.trim_start_matches("pg_restore: error: ").to_owned();
            if ["connection to server", "closed the connection"].iter().any(|words| reason.contains(words)) {
                return Err(Error::Interrupted { endpoint: self.endpoint.label(), reason });
            }
            return Err(Error::Failed { what: format!("restoring the {section} definitions"), reason });
        };
        Ok(refusals)
    }

    /// Lists the archive's entries, each followed by what it depends on.
    pub(super) async fn entries(&self) -> Result<String> {
        let mut command = Command::new(&self.tool.path);
        command.args(["--list", "--verbose"]);
        self.print(command).await
    }

    /// Prints the SQL of what `list` names of a section, without running it.
    pub(super) async fn statements(&self, section: &str, list: &Path) -> Result<String> {
        let mut command = Command::new(&self.tool.path);
        command.arg(format!("--section={section}")).arg("--file=-").arg("--use-list").arg(list);
        self.print(command).await
    }

    async fn print(&self, mut command: Command) -> Result<String> {
        command.arg(&self.path).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(|source| self.io(source))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Damaged { what: "the schema's archive".into(), reason })
    }

    async fn run(&self, mut command: Command) -> Result<(bool, String)> {
        let english = self.english;
        let settings =
            format!("-c maintenance_work_mem={MAINTENANCE_WORK_MEM} -c synchronous_commit=off {english}");
        self.endpoint.lend(&mut command, &settings);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(|source| self.io(source))?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io { path: self.tool.path.display().to_string(), source }
    }
}

/// What the target would not take; nothing where pg_restore did not come to its end.
fn refused(success: bool, said: &str) -> Option<Vec<Refusal>> {
    let mut refusals = parse(said);
    if !success && (refusals.is_empty() || !said.contains("errors ignored on restore")) {
        return None;
    }
    refusals.retain(Refusal::matters);
    Some(refusals)
}

/// Reads the errors out of what pg_restore said.
fn parse(said: &str) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = Vec::new();
    let mut in_command = false;
    for line in said.lines() {
        if let Some(error) = line.strip_prefix("pg_restore: error: ") {
            // `could not execute query: ERROR:  the server's words`: `ERROR` in its language, and two spaces. Some
            // errors come without their statement: what was tried stands before.
            let (before, error) = error.split_once(":  ").unwrap_or(("", error));
            let tried = before.rsplit_once(": ").map_or("", |(tried, _)| tried);
            refusals.push(Refusal { error: error.trim().to_owned(), command: tried.to_owned() });
            in_command = false;
        } else if line.starts_with("pg_restore: ") {
            in_command = false;
        } else if let (Some(command), Some(last)) = (line.strip_prefix("Command was: "), refusals.last_mut())
        {
            last.command = command.to_owned();
            in_command = true;
        } else if let (true, Some(last)) = (in_command, refusals.last_mut()) {
            last.command.push('\n');
            last.command.push_str(line);
        }
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "pg_restore: error: could not execute query: ERROR:  role \"bob\" does not exist\n\
        Command was: ALTER TABLE public.bob OWNER TO bob;\n\n\n\
        pg_restore: warning: errors ignored on restore: 1\n";

    #[test]
    fn a_setting_that_an_older_server_does_not_know_is_no_refusal_and_no_failure() {
        let setting = "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"\n\
            Command was: SET transaction_timeout = 0;\n\n";
        let ended = "pg_restore: warning: errors ignored on restore: 1\n";
        assert_eq!(refused(false, &format!("{setting}{ended}")), Some(Vec::new()));
        assert_eq!(refused(false, &format!("{setting}{SAID}")).map(|refusals| refusals.len()), Some(1));
        let lost = "pg_restore: error: connection to server was lost\n";
        assert_eq!(refused(false, &format!("{setting}{lost}")), None);
        assert_eq!(refused(false, ""), None);
        assert_eq!(refused(true, ""), Some(Vec::new()));
    }

    #[test]
    fn what_pg_restore_says_is_read() {
        let refusals = parse(SAID);
        assert_eq!(refusals.len(), 1);
        assert_eq!(
            refusals[0].to_string(),
            "ALTER TABLE public.bob OWNER TO bob: role \"bob\" does not exist"
        );
    }

    #[test]
    fn what_a_server_says_in_chinese_is_read_too() {
        let said = "pg_restore: error: could not execute query: 错误:  未认可的配置参数 \"transaction_timeout\"\n\
            Command was: SET transaction_timeout = 0;\n\
            pg_restore: error: could not execute query: 错误:  角色 \"bob\" 不存在\n\
            Command was: ALTER TABLE public.bob OWNER TO bob;\n\n\n\
            pg_restore: warning: errors ignored on restore: 2\n";
        let refusals = refused(false, said).expect("it came to its end");
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        assert_eq!(refusals[0].to_string(), "ALTER TABLE public.bob OWNER TO bob: 角色 \"bob\" 不存在");
    }

    #[test]
    fn what_was_tried_is_told_where_no_statement_is() {
        let said = "pg_restore: error: could not set \"default_tablespace\" to fast: ERROR:  no fast\n";
        assert_eq!(parse(said)[0].to_string(), "could not set \"default_tablespace\" to fast: no fast");
    }
}
