//! `keys shred`: keys are destroyed in the vault and in every copy, after somebody has said that it is meant.

mod source;

use jiff::SignedDuration;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress};
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{Asked, GivenShares, Grade, Identities, KeyChange, Vault, find_request};

use super::alone::Alone;
use super::change::{Changed, Decides};
use crate::approval::{Approved, Proposal, claim, one_person};
use crate::cli::{Changing, KeysShred};
use crate::commands::asking::{Asking, quoted};
use crate::commands::confirm::confirm;
use crate::open::AtHand;
use crate::record::Recorder;
use crate::words;

/// How long a request is good when nobody says so.
const LIFE: SignedDuration = SignedDuration::from_hours(8);

/// What is to be destroyed.
#[derive(Clone, Copy)]
enum What<'a> {
    /// Keys of a grade: of one epoch, or all.
    Keys(Grade, Option<u32>),
    /// Whatever a source has stored.
    Source(&'a str),
}

/// Asks, then destroys.
pub async fn run(args: &KeysShred, json: bool) -> Result<(), CommandError> {
    let what = What::of(args);
    match what {
        _ if args.ask => ask(args, what, json).await,
        What::Keys(grade, epoch) => keys(args, grade, epoch, json).await,
        What::Source(source) => source::run(args, source, json).await,
    }
}

/// Destroys keys of a grade.
async fn keys(args: &KeysShred, grade: Grade, epoch: Option<u32>, json: bool) -> Result<(), CommandError> {
    let words = match epoch {
        Some(epoch) => format!("{grade} {epoch}"),
        None => grade.to_string(),
    };
    if !args.yes && !args.changing.dry_run {
        confirm(
            &format!(
                "this destroys keys of this vault for ever: nobody, not even you, opens what was sealed to {words}\n"
            ),
            &format!("shred {words}"),
            "keys are destroyed only when somebody says that it is meant",
            "what it would do: the same command with --dry-run; to do it without being asked: --yes",
        )?;
    }
    let change = KeyChange::Shred { grade, epoch };
    let deciding = Decides::Destroying(Deciding { args, what: What::Keys(grade, epoch) });
    let changed = Changed::make_with(&args.changing, &change, false, &deciding, json).await?;
    changed.tell(&format!("{words} is shredded"), "shred", None)
}

/// How it is decided that keys are destroyed: that takes two people, whether or not the keys that do it are split.
pub(super) struct Deciding<'a> {
    args: &'a KeysShred,
    what: What<'a>,
}

impl Deciding<'_> {
    /// Opens the shares that were given for exactly this by a request; without one, sees that nobody decides alone
    /// who could have asked another.
    ///
    /// # Errors
    /// `ApprovalMissing` when one person alone is here; what is said of requests.
    pub(super) async fn decide(
        &self,
        vault: &Vault,
        identities: &Identities,
        recorder: &Recorder,
        progress: &Progress,
    ) -> Result<(GivenShares, Option<Approved>), CommandError> {
        let Some(id) = &self.args.request else {
            let options = self.what.options();
            let change = Alone {
                changing: &self.args.changing,
                break_glass: self.args.break_glass,
                source: self.what.source(),
                command: format!("keys shred {options}"),
                ask: format!("ask another person: lifeboat-restore keys shred {options} --ask --reason TEXT"),
            };
            change.refuse(vault, identities, recorder, progress).await?;
            return Ok((GivenShares::default(), None));
        };
        let record = find_request(vault, id).await?;
        let proposal = self.what.propose(vault)?;
        let key = self.args.request_key.as_deref();
        let (given, approved) = claim(vault, &record, identities, (Wish::Shred, &proposal), key)?;
        Ok((given, Some(approved)))
    }
}

/// Asks those who may approve it, and who have a share of the root and of the grades that must be opened.
async fn ask(args: &KeysShred, what: What<'_>, json: bool) -> Result<(), CommandError> {
    let Changing { access, reason, .. } = &args.changing;
    let reason = reason.clone().ok_or_else(|| {
        CommandError::new(Kind::Usage, "those who are asked want to know why").hint("say it: --reason TEXT")
    })?;
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let at_hand = AtHand::open(access, &interrupt).await?;
    let recorder = Recorder::of(&at_hand);
    let vault = &at_hand.vault;
    let person = one_person(vault, &at_hand.identities)?;
    let proposal = what.propose(vault)?;
    if vault.others_who_decide(person.id())?.is_empty() {
        let text = "nobody else in this vault could approve it: there is nobody to ask";
        return Err(CommandError::new(Kind::Usage, text)
            .hint("`lifeboat-restore keys add` lets a second person in")
            .hint("until then one person decides alone: without --ask"));
    }
    let asked = Asked {
        kind: Wish::Shred,
        plan: proposal.words,
        grades: proposal.together,
        source: what.source().map(str::to_owned),
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
    asking.ask(asked, &format!("lifeboat-restore keys shred {}", what.options())).await
}

impl<'a> What<'a> {
    fn of(args: &'a KeysShred) -> Self {
        match (&args.source, args.grade) {
            (Some(source), _) => Self::Source(source),
            (None, grade) => Self::Keys(grade.expect("the parser asks for one of the two"), args.epoch),
        }
    }

    fn source(self) -> Option<&'a str> {
        match self {
            Self::Source(source) => Some(source),
            Self::Keys(..) => None,
        }
    }

    fn options(self) -> String {
        match self {
            Self::Source(source) => format!("--source {}", quoted(source)),
            Self::Keys(grade, None) => format!("--grade {grade}"),
            Self::Keys(grade, Some(epoch)) => format!("--grade {grade} --epoch {epoch}"),
        }
    }

    /// Which keys go, by name: a key that is made meanwhile is not among them.
    fn propose(self, vault: &Vault) -> Result<Proposal, CommandError> {
        let keys = |grade: Grade| vault.epochs(grade).into_iter().map(move |epoch| (grade, epoch));
        let (mut words, keys, together): (_, Vec<_>, _) = match self {
            Self::Source(source) => {
                // What others need is opened, and sealed anew.
                let together = Grade::ALL.into_iter().filter(|grade| vault.quorum(*grade) > 1).collect();
                (
                    format!("destroy  source {source}\n"),
                    Grade::ALL.into_iter().flat_map(keys).collect(),
                    together,
                )
            }
            Self::Keys(grade, epoch) => {
                let keys = keys(grade).filter(|(_, known)| epoch.is_none_or(|epoch| epoch == *known));
                (String::new(), keys.collect(), Vec::new())
            }
        };
        if let (true, Self::Keys(grade, epoch)) = (keys.is_empty(), self) {
            let text = format!("the vault has no key {grade} {}", epoch.unwrap_or_default());
            return Err(
                CommandError::new(Kind::Usage, text).hint("`lifeboat-restore keys list` shows every key")
            );
        }
        words.extend(keys.iter().map(|(grade, epoch)| format!("destroy  key {grade} {epoch}\n")));
        Ok(Proposal { words, together })
    }
}
