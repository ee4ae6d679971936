//! `keys add`, `retire`, `rotate` and `rewrap`: a plan, carried out in the vault and in every copy that the
//! configuration names, and what it does not undo.

use jiff::Timestamp;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, escape, print, print_json};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{
    Error, GivenShares, Identities, KeyChange, KeyOutcome, KeyPlan, OldVersions, Person, Realm, StoreOutcome,
    Vault, WrappedKey,
};
use serde_json::json;

use super::alone::Alone;
use super::honest;
use super::shred::Deciding;
use crate::approval::Approved;
use crate::cli::{Changing, KeysAdd, KeysApprovals, KeysQuorum, KeysRetire, KeysRotate};
use crate::open::{AtHand, copy_store};
use crate::record::{Recorder, ended, kind_of};
use crate::words;

/// Lets a person open grades.
pub async fn add(args: &KeysAdd, json: bool) -> Result<(), CommandError> {
    let KeysAdd { name, recipient, grades, branch, role, .. } = args;
    let done = format!("{} can open grade {}", escape(name), words::listed(grades));
    let (name, recipient, grades) = (name.clone(), recipient.clone(), grades.clone());
    let (branch, role) = (branch.clone(), role.clone());
    let change = KeyChange::Add(Person { name, recipient, grades, branch, role });
    Changed::make(&args.changing, &change, false, json).await?.tell(&done, "add", None)
}

/// Ends a person's access.
pub async fn retire(args: &KeysRetire, json: bool) -> Result<(), CommandError> {
    let done = format!("{} is retired", escape(&args.name));
    let change = KeyChange::Retire { name: args.name.clone() };
    let changed = Changed::make(&args.changing, &change, args.keep_metadata, json).await?;
    changed.tell(&done, "retire", Some(&args.name))
}

/// Starts a new epoch.
pub async fn rotate(args: &KeysRotate, json: bool) -> Result<(), CommandError> {
    let done = format!("what is written from now on is sealed to a new key of {}", args.realm);
    Changed::make(&args.changing, &KeyChange::Rotate(args.realm), false, json)
        .await?
        .tell(&done, "rotate", None)
}

/// Says how many people it takes together.
pub async fn quorum(args: &KeysQuorum, json: bool) -> Result<(), CommandError> {
    let (grade, people) = (args.grade, args.people);
    let done = match people {
        1 => format!("any of those who have grade {grade} opens it alone"),
        some => format!("grade {grade} takes {some} people together"),
    };
    let change = KeyChange::Quorum { grade, people };
    Changed::make(&args.changing, &change, false, json).await?.tell(&done, "quorum", None)
}

/// Says how many others must approve a restore.
pub async fn approvals(args: &KeysApprovals, json: bool) -> Result<(), CommandError> {
    let (grade, people) = (args.grade, args.people);
    let done = match people {
        0 => format!("nobody needs to approve a restore of grade {grade}"),
        some => {
            format!("a restore of grade {grade} needs {} of others", words::counted(some.into(), "approval"))
        }
    };
    let change = KeyChange::Approvals { grade, people };
    let changed = Changed::make_with(&args.changing, &change, false, &Decides::Fewer(args), json).await?;
    changed.tell(&done, "approvals", None)
}

/// Makes every wrap anew.
pub async fn rewrap(args: &Changing, json: bool) -> Result<(), CommandError> {
    let done = "every key is wrapped anew to the people that the vault lists";
    Changed::make(args, &KeyChange::Rewrap, false, json).await?.tell(done, "rewrap", None)
}

/// How it is decided that a change is made.
pub(super) enum Decides<'a> {
    /// Whoever opens the root decides.
    OnePerson,
    /// Two people decide that keys are destroyed.
    Destroying(Deciding<'a>),
    /// Two people decide that fewer others approve a restore: else one alone would go without, and put it back.
    Fewer(&'a KeysApprovals),
}

impl Decides<'_> {
    async fn decide(
        &self,
        vault: &Vault,
        identities: &Identities,
        recorder: &Recorder,
        progress: &Progress,
    ) -> Result<(GivenShares, Option<Approved>), CommandError> {
        match self {
            Self::Destroying(deciding) => deciding.decide(vault, identities, recorder, progress).await,
            Self::Fewer(args) if args.people < vault.approvers(args.grade) => {
                let alone = Alone {
                    changing: &args.changing,
                    break_glass: args.break_glass,
                    source: None,
                    command: format!("keys approvals {} {}", args.grade, args.people),
                    ask: "fewer approvals than before are agreed on by another person who has grade high"
                        .into(),
                };
                alone.refuse(vault, identities, recorder, progress).await?;
                Ok((GivenShares::default(), None))
            }
            Self::OnePerson | Self::Fewer(_) => Ok((GivenShares::default(), None)),
        }
    }
}

/// A change, made or only planned.
pub(super) struct Changed {
    plan: KeyPlan,
    /// Nothing of a dry run.
    outcome: Option<KeyOutcome>,
    /// Agents that keep the metadata key from being changed, by name.
    unreached: Vec<String>,
    /// Whether the configuration could say which copies there are.
    copies_known: bool,
    json: bool,
}

impl Changed {
    async fn make(
        args: &Changing,
        change: &KeyChange,
        keep_metadata: bool,
        json: bool,
    ) -> Result<Self, CommandError> {
        Self::make_with(args, change, keep_metadata, &Decides::OnePerson, json).await
    }

    /// The same, once it is decided.
    pub(super) async fn make_with(
        args: &Changing,
        change: &KeyChange,
        keep_metadata: bool,
        deciding: &Decides<'_>,
        json: bool,
    ) -> Result<Self, CommandError> {
        let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
        let at_hand = AtHand::open(&args.access, &interrupt).await?;
        let recorder = Recorder::of(&at_hand);
        let AtHand { vault, identities, config, .. } = at_hand;
        let progress = Progress::new(json);
        let making = async {
            let (given, approved) = deciding.decide(&vault, &identities, &recorder, &progress).await?;
            let plan = KeyPlan::make_with(&vault, &identities, &given, change).await;
            Ok::<_, CommandError>((plan.map_err(needs_the_root)?, approved))
        };
        let deed = |detail: String| Deed {
            what: "keys".into(),
            detail: Some(detail),
            reason: args.reason.clone(),
            ..Deed::default()
        };
        let mut asked = in_words(change);
        let (mut plan, approved) = match interrupt.or(making).await {
            Err(error) if !args.dry_run && kind_of(&error) != Kind::Interrupted => {
                let failed: Result<Self, _> = Err(error);
                recorder.write(&ended(deed(asked), &failed), &progress).await;
                return failed;
            }
            made => made?,
        };
        asked.extend(approved.iter().map(|approved| format!(", {}", approved.in_words())));
        // A host that would be shut out backs nothing up until somebody goes there: that is for the operator
        // to ask for, with `rotate metadata`.
        let unreached = match change {
            KeyChange::Retire { .. } => plan.shut_out.clone(),
            _ => Vec::new(),
        };
        if keep_metadata || !unreached.is_empty() {
            plan.keep_metadata();
        }
        let copies_known = config.is_some();
        let (mut stores, mut closed) = (Vec::new(), Vec::new());
        for copy in config.iter().flat_map(|config| &config.vault.copies) {
            match copy_store(copy) {
                Ok(store) => stores.push(store),
                Err(error) => closed.push(unreachable(copy.url.as_str(), &error)),
            }
        }
        args.access.scratch.iter().for_each(|folder| plan.keep_scratch_in(folder));
        if args.dry_run {
            interrupt.or(plan.refuse_held(&stores)).await?;
            return Ok(Self { plan, outcome: None, unreached, copies_known, json });
        }
        progress.phase("changing keys");
        // Not to be dropped half-way: what is in force must be carried to the copies too.
        let now = Timestamp::now();
        let carried_out = plan.carry_out(&stores, now).await.map_err(CommandError::from);
        let mut outcome = match carried_out {
            Err(error) => {
                // Wraps may have been written, and it was tried.
                let failed: Result<Self, _> = Err(error);
                recorder.write_at(&ended(deed(asked), &failed), now, &progress).await;
                return failed;
            }
            Ok(outcome) => outcome,
        };
        outcome.stores.extend(closed);
        let detail = format!("{asked}: keyring {}", outcome.keyring);
        let proven = plan.shredded.is_empty() || (outcome.is_proven() && copies_known);
        let result = if outcome.is_complete() && proven { "done" } else { "partial" };
        let recorder = recorder.after_change(&identities).await;
        recorder.write_at(&Deed { result: result.into(), ..deed(detail) }, now, &progress).await;
        if let Some(approved) = approved.filter(|_| outcome.is_complete()) {
            approved.key.used(&progress);
        }
        progress.finish();
        Ok(Self { plan, outcome: Some(outcome), unreached, copies_known, json })
    }

    /// Says what was done, what is left, and what a retired person can open still.
    pub(super) fn tell(&self, done: &str, verb: &str, retired: Option<&str>) -> Result<(), CommandError> {
        if self.json {
            print_json("summary", &self.summary(verb, retired))?;
        } else {
            print(&self.told(done, retired))?;
        }
        match &self.outcome {
            Some(outcome) if !outcome.is_complete() => Err(incomplete(outcome)),
            Some(outcome) if !self.plan.shredded.is_empty() && !outcome.is_proven() => Err(unproven()),
            Some(_) if !self.plan.shredded.is_empty() && !self.copies_known => Err(unseen_copies()),
            _ => Ok(()),
        }
    }

    fn told(&self, done: &str, retired: Option<&str>) -> String {
        let plan = &self.plan;
        let mut text = match &self.outcome {
            Some(outcome) => format!("{done}: keyring {} is in force\n", outcome.keyring),
            None => "nothing was changed: this was a dry run, which would do this\n".to_owned(),
        };
        if !plan.new_epochs.is_empty() {
            text.push_str(&format!("  new keys      {}\n", epochs(&plan.new_epochs)));
        }
        if !plan.shredded.is_empty() {
            text.push_str(&format!("  destroyed     {}\n", epochs(&plan.shredded)));
        }
        if !plan.rewrapped.is_empty() {
            text.push_str(&format!("  wrapped anew  {}\n", keys(&plan.rewrapped)));
        }
        for store in self.outcome.iter().flat_map(|outcome| &outcome.stores) {
            text.push_str(&told_of_store(store));
        }
        if !self.copies_known {
            text.push_str(
                "  not looked at: copies of the vault in other stores, which --config would name\n",
            );
        }
        if !self.unreached.is_empty() {
            text.push_str(&format!(
                "  the metadata key stays: it cannot be given anew to {}; enrol them with new keys, then rotate metadata\n",
                escape(&self.unreached.join(", "))
            ));
        }
        for agent in &plan.shut_out {
            text.push_str(&format!(
                "  agent {} does not have the new metadata key: run `lifeboat-agent enroll` there, with a new key\n",
                escape(agent)
            ));
        }
        if !plan.shredded.is_empty() {
            text.push_str(&honest::about_shredded(&epochs(&plan.shredded), self.outcome.as_ref()));
        }
        if let Some(name) = retired {
            text.push_str(&honest::about_retired(name, plan, self.outcome.as_ref()));
        }
        text
    }

    fn summary(&self, verb: &str, retired: Option<&str>) -> serde_json::Value {
        let stores = self.outcome.iter().flat_map(|outcome| &outcome.stores).map(store_json);
        json!({
            "did": verb,
            "dry_run": self.outcome.is_none(),
            "keyring": self.outcome.as_ref().map(|outcome| outcome.keyring),
            "retired": retired,
            "new_keys": self.plan.new_epochs.iter().map(|(realm, epoch)| format!("{realm} {epoch}")).collect::<Vec<_>>(),
            "destroyed": self.plan.shredded.iter().map(|(realm, epoch)| format!("{realm} {epoch}")).collect::<Vec<_>>(),
            "wrapped_anew": self.plan.rewrapped.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "agents_to_enrol": self.plan.shut_out.iter().chain(&self.unreached).collect::<Vec<_>>(),
            "stores": stores.collect::<Vec<_>>(),
            "copies_known": self.copies_known,
        })
    }
}

/// What became of the wraps in one store.
pub(super) fn store_json(store: &StoreOutcome) -> serde_json::Value {
    let left = store.left.iter();
    let left = left.map(|(object, reason)| json!({ "object": object, "reason": reason.to_string() }));
    json!({
        "url": store.url,
        "removed": store.removed,
        "approvals": store.approvals,
        "versions_removed": match &store.versions {
            OldVersions::Removed(some) => Some(some),
            OldVersions::Unknown | OldVersions::Failed(_) => None,
        },
        "left": left.collect::<Vec<_>>(),
        "failed": store.failed.as_ref().map(ToString::to_string),
    })
}

/// The change in a few words, for the record.
fn in_words(change: &KeyChange) -> String {
    match change {
        KeyChange::Add(person) => format!("add {} for grade {}", person.name, words::listed(&person.grades)),
        KeyChange::Retire { name } => format!("retire {name}"),
        KeyChange::Rotate(realm) => format!("rotate {realm}"),
        KeyChange::RotateRows => "rotate every grade".into(),
        KeyChange::ShredOlder => "shred every older key of rows".into(),
        KeyChange::Rewrap => "rewrap".into(),
        KeyChange::Quorum { grade, people } => format!("grade {grade} takes {people} together"),
        KeyChange::Approvals { grade, people } => {
            format!("a restore of grade {grade} needs {people} approvals")
        }
        KeyChange::Shred { grade, epoch: Some(epoch) } => format!("shred {grade} {epoch}"),
        KeyChange::Shred { grade, epoch: None } => format!("shred {grade}"),
    }
}

pub(super) fn told_of_store(store: &StoreOutcome) -> String {
    let url = escape(&store.url);
    if let Some(error) = &store.failed {
        return format!("  FAILED        {url}: {}\n", escape(&error.to_string()));
    }
    let mut text = match store.removed.len() as u64 {
        0 => format!("  nothing old   in {url}\n"),
        some => format!("  taken away    {} from {url}\n", words::counted(some, "old wrapped key")),
    };
    if !store.approvals.is_empty() {
        let some = words::counted(store.approvals.len() as u64, "approval");
        text.push_str(&format!("  taken away    {some} with shares of old keys from {url}\n"));
    }
    match &store.versions {
        OldVersions::Removed(0) | OldVersions::Unknown => {}
        OldVersions::Removed(some) => {
            let some = words::counted(*some, "version");
            text.push_str(&format!(
                "  taken away    {some} of old wrapped keys from {url}, and none is listed\n"
            ));
        }
        OldVersions::Failed(error) => {
            text.push_str(&format!("  NOT PROVEN    versions in {url}: {}\n", escape(&error.to_string())));
        }
    }
    for (object, reason) in &store.left {
        text.push_str(&format!(
            "  STILL THERE   {} in {url}: {}\n",
            escape(object),
            escape(&reason.to_string())
        ));
    }
    text
}

pub(super) fn epochs(epochs: &[(Realm, u32)]) -> String {
    epochs.iter().map(|(realm, epoch)| format!("{realm} {epoch}")).collect::<Vec<_>>().join(", ")
}

fn keys(keys: &[WrappedKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A copy whose store cannot even be opened.
fn unreachable(url: &str, error: &CommandError) -> StoreOutcome {
    let failed = Some(Error::BadStore { url: url.to_owned(), reason: error.error().to_string() });
    StoreOutcome { failed, ..StoreOutcome::of(url) }
}

pub(super) fn needs_the_root(error: Error) -> CommandError {
    let hint = match &error {
        Error::NoKey { what, .. } if what.contains("root") => {
            "keys are changed by a person who may open grade high, never by an agent: give theirs with `--identity`"
        }
        Error::NoKey { .. } => {
            "what is to be wrapped anew must be opened first: give the identity of somebody who can, beside yours"
        }
        _ => return error.into(),
    };
    CommandError::new(Kind::NoUsableKey, error).hint(hint)
}

/// What was destroyed may be left where nobody looked.
fn unseen_copies() -> CommandError {
    let text = "keys are destroyed in the vault, but whether copies of it have their wraps was not looked at";
    CommandError::new(Kind::Partial, text)
        .hint("with the configuration, which names the copies or that there are none: lifeboat-restore keys rewrap --config FILE")
}

/// What was destroyed may be left in versions of a bucket.
pub(super) fn unproven() -> CommandError {
    let text = "keys are destroyed, but whether a bucket keeps versions of their wraps could not be asked";
    CommandError::new(Kind::Partial, text)
        .hint("in az:// and gs://, where this program cannot ask: see there that no version or soft-deleted object is left of what is named above")
        .hint("with credentials that may list and delete versions (s3:ListBucketVersions, s3:DeleteObjectVersion): lifeboat-restore keys rewrap")
}

pub(super) fn incomplete(outcome: &KeyOutcome) -> CommandError {
    let text = format!("keyring {} is in force, but old wrapped keys are left", outcome.keyring);
    CommandError::new(Kind::Partial, text)
        .hint("with credentials that may delete below keys/, and every copy within reach: lifeboat-restore keys rewrap")
        .hint("or remove these objects by hand; the keyring in force does not name them")
}
