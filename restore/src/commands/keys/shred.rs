//! `keys shred`: keys are destroyed in the vault and in every copy, after somebody has said that it is meant.

use lifeboat_console::{CommandError, Kind};
use lifeboat_vault::KeyChange;

use super::change::Changed;
use crate::cli::KeysShred;
use crate::commands::confirm::confirm;

/// Asks, then destroys.
pub async fn run(args: &KeysShred, json: bool) -> Result<(), CommandError> {
    let Some(grade) = args.grade else {
        let text = "this vault's format has no keys of a single source: they are of a grade and an epoch";
        return Err(CommandError::new(Kind::Usage, text)
            .hint("to end one source, expire its snapshots and prune: lifeboat-agent expire, then prune")
            .hint("sources whose data must be destroyed by themselves get vaults of their own"));
    };
    let what = match args.epoch {
        Some(epoch) => format!("{grade} {epoch}"),
        None => grade.to_string(),
    };
    if !args.yes && !args.changing.dry_run {
        confirm(
            &format!(
                "this destroys keys of this vault for ever: nobody, not even you, opens what was sealed to {what}\n"
            ),
            &format!("shred {what}"),
            "keys are destroyed only when somebody says that it is meant",
            "what it would do: the same command with --dry-run; to do it without being asked: --yes",
        )?;
    }
    let change = KeyChange::Shred { grade, epoch: args.epoch };
    let changed = Changed::make(&args.changing, &change, false, json).await?;
    changed.tell(&format!("{what} is shredded"), "shred", None)
}
