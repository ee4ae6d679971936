//! `keys shred`: keys are destroyed in the vault and in every copy, after somebody has said that it is meant.

use jiff::SignedDuration;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress};
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{Asked, GivenShares, Grade, Identities, KeyChange, Vault, find_request};

use super::change::Changed;
use crate::approval::{Approved, Proposal, claim, one_person};
use crate::cli::{Changing, KeysShred};
use crate::commands::asking::Asking;
use crate::commands::confirm::confirm;
use crate::open::AtHand;
use crate::record::Recorder;
use crate::words;

/// How long a request is good when nobody says so.
const LIFE: SignedDuration = SignedDuration::from_hours(8);

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
    if args.ask {
        return ask(args, grade, json).await;
    }
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
    let request = args.request.as_ref().map(|id| ByRequest { args, grade, id });
    let changed = Changed::make_with(&args.changing, &change, false, request.as_ref(), json).await?;
    changed.tell(&format!("{what} is shredded"), "shred", None)
}

/// A request that keys are destroyed by.
pub(super) struct ByRequest<'a> {
    args: &'a KeysShred,
    grade: Grade,
    id: &'a str,
}

impl ByRequest<'_> {
    /// Opens the shares of the root that were given for exactly this.
    pub(super) async fn claim(
        &self,
        vault: &Vault,
        identities: &Identities,
    ) -> Result<(GivenShares, Approved), CommandError> {
        let record = find_request(vault, self.id).await?;
        let proposal = propose(vault, self.grade, self.args.epoch)?;
        claim(vault, &record, identities, (Wish::Shred, &proposal), self.args.request_key.as_deref())
    }
}

/// Asks those who have a share of the root.
async fn ask(args: &KeysShred, grade: Grade, json: bool) -> Result<(), CommandError> {
    let Changing { access, reason, .. } = &args.changing;
    let reason = reason.clone().ok_or_else(|| {
        CommandError::new(Kind::Usage, "those who are asked want to know why").hint("say it: --reason TEXT")
    })?;
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let at_hand = AtHand::open(access, &interrupt).await?;
    let recorder = Recorder::of(&at_hand);
    let vault = &at_hand.vault;
    let person = one_person(vault, &at_hand.identities)?;
    if !vault.splits_root() {
        let text = "one person destroys keys alone in this vault: there is nobody to ask";
        return Err(CommandError::new(Kind::Usage, text)
            .hint("`lifeboat-restore keys quorum high 2` lets it take two people"));
    }
    let asked = Asked {
        kind: Wish::Shred,
        plan: propose(vault, grade, args.epoch)?.words,
        grades: Vec::new(),
        source: None,
        snapshots: Vec::new(),
        target: None,
        reason,
        life: args.life.unwrap_or(LIFE),
    };
    let asking = Asking {
        vault,
        access,
        person: &person,
        recorder: &recorder,
        progress: &Progress::new(json),
        key_file: args.request_key.as_deref(),
        json,
    };
    let epoch = args.epoch.map(|epoch| format!(" --epoch {epoch}")).unwrap_or_default();
    asking.ask(asked, &format!("lifeboat-restore keys shred --grade {grade}{epoch}")).await
}

/// Which keys go, by name: a key that is made meanwhile is not among them.
fn propose(vault: &Vault, grade: Grade, epoch: Option<u32>) -> Result<Proposal, CommandError> {
    let known = vault.epochs(grade).into_iter();
    let epochs: Vec<_> = known.filter(|known| epoch.is_none_or(|epoch| epoch == *known)).collect();
    if epochs.is_empty() {
        let text = format!("the vault has no key {grade} {}", epoch.unwrap_or_default());
        return Err(CommandError::new(Kind::Usage, text).hint("`lifeboat-restore keys list` shows every key"));
    }
    let lines = epochs.iter().map(|epoch| format!("destroy  key {grade} {epoch}\n"));
    Ok(Proposal { words: lines.collect(), together: Vec::new() })
}
