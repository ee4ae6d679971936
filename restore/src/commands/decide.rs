//! `request-expire`, `request-keep` and `request-release`: ask another person to approve what no key opens and two
//! people decide. An agent carries it out, on a host that may delete.

use std::collections::BTreeSet;

use lifeboat_config::Config;
use lifeboat_console::{CommandError, Interrupt, Kind, Progress};
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{
    Asked, Error, Identities, Keep, Opener, PersonKey, SnapshotId, Vault, expire_in_words, keep_in_words,
    list_notes, list_notes_of, of_copy, release_in_words,
};

use super::asking;
use crate::approval::one_person;
use crate::cli::{Asking, RequestExpire, RequestKeep, RequestRelease};
use crate::open::{AtHand, Opened, copy_store};
use crate::record::Recorder;
use crate::words;

/// Asks that snapshots be removed.
pub async fn expire(args: &RequestExpire, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let asker = Asker::open(&args.asking, json, &interrupt).await?;
    let opened = Opened::of(asker.vault.clone(), &interrupt).await?;
    opened.warn(&asker.progress);
    let snapshots = args.specs.iter().map(|spec| opened.find(spec)).collect::<Result<Vec<_>, _>>()?;
    let sources: BTreeSet<_> = snapshots.iter().map(|snapshot| snapshot.manifest.source.as_str()).collect();
    let wish = Decision {
        kind: Wish::Expire,
        plan: expire_in_words(&snapshots),
        source: sources.into_iter().collect::<Vec<_>>().join(", "),
        snapshots: snapshots.iter().map(|snapshot| snapshot.id).collect(),
    };
    let named: String = wish.snapshots.iter().map(|id| format!(" --snapshot {}", id.short())).collect();
    asker.ask(wish, &format!("lifeboat-agent expire{named}")).await
}

/// Asks that less be kept than was agreed on.
pub async fn keep(args: &RequestKeep, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let asker = Asker::open(&args.asking, json, &interrupt).await?;
    let of = match (&args.source, &args.copy) {
        (Some(source), _) => source.clone(),
        (None, copy) => of_copy(copy.as_deref().unwrap_or_default()),
    };
    let RequestKeep { last, daily, weekly, monthly, yearly, min_days, .. } = *args;
    let keep = Keep { last, daily, weekly, monthly, yearly, tags: args.tag.clone(), min_days };
    let copy = match &args.copy {
        Some(name) => interrupt.or(asker.copy(name)).await?,
        None => None,
    };
    let vaults: Vec<_> = [Some(&asker.vault), copy.as_ref()].into_iter().flatten().collect();
    let (notes, damage) = interrupt.or(list_notes_of(&vaults)).await?;
    let told = damage.iter().chain(&notes.unbelieved);
    told.for_each(|error| asker.progress.warn(&format!("a note is not believed: {error}")));
    let instead = notes.shortened_by(&of, &keep);
    if instead.is_empty() {
        let agreed: Vec<_> = notes.agreed_for(&of).iter().map(|agreed| agreed.keep.to_string()).collect();
        let error =
            CommandError::new(Kind::Usage, format!("this is no less than what was agreed on for {of}"));
        return Err(match agreed.is_empty() {
            true => error.hint("nothing was: the first `keep` that a backup or an expiry sees is agreed on"),
            false => error
                .hint(format!("agreed on: {}", agreed.join("; ")))
                .hint("write it into the configuration: more is agreed on at once"),
        });
    }
    let plan = keep_in_words(&of, &keep, &instead);
    let wish = Decision { kind: Wish::Keep, plan, source: of, snapshots: Vec::new() };
    asker.ask(wish, "lifeboat-agent expire").await
}

/// Asks that the holds on a snapshot end.
pub async fn release(args: &RequestRelease, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let asker = Asker::open(&args.asking, json, &interrupt).await?;
    let opened = Opened::of(asker.vault.clone(), &interrupt).await?;
    opened.warn(&asker.progress);
    let snapshot = opened.find(&args.spec)?;
    let (notes, damage) = interrupt.or(list_notes(&asker.vault)).await?;
    let told = damage.iter().chain(&notes.unbelieved);
    told.for_each(|error| asker.progress.warn(&format!("a note is not believed: {error}")));
    let holds: Vec<_> = notes.holds_on(snapshot.id).collect();
    if holds.is_empty() {
        let text = format!("nobody holds {} of {}", snapshot.id.short(), snapshot.manifest.source);
        return Err(CommandError::new(Kind::Usage, text));
    }
    let wish = Decision {
        kind: Wish::Release,
        plan: release_in_words(&holds),
        source: snapshot.manifest.source.clone(),
        snapshots: vec![snapshot.id],
    };
    asker.ask(wish, &format!("lifeboat-agent release {} --reason TEXT", snapshot.id.short())).await
}

/// What two people decide.
struct Decision {
    kind: Wish,
    plan: String,
    source: String,
    snapshots: Vec<SnapshotId>,
}

/// A person who asks another.
struct Asker<'a> {
    args: &'a Asking,
    vault: Vault,
    identities: Identities,
    config: Option<Config>,
    person: PersonKey,
    recorder: Recorder,
    progress: Progress,
    json: bool,
}

impl<'a> Asker<'a> {
    async fn open(args: &'a Asking, json: bool, interrupt: &Interrupt) -> Result<Self, CommandError> {
        let at_hand = AtHand::open(&args.access, interrupt).await?;
        let recorder = Recorder::of(&at_hand);
        let AtHand { vault, identities, config, .. } = at_hand;
        let person = one_person(&vault, &identities)?;
        if vault.others_who_decide(person.id())?.is_empty() {
            let text = "nobody else in this vault could approve it: there is nobody to ask";
            return Err(CommandError::new(Kind::Usage, text)
                .hint("`lifeboat-restore keys add` lets a second person in")
                .hint("until then one person decides alone, on the host that does it: --identity key.txt --reason TEXT"));
        }
        Ok(Self { args, vault, identities, config, person, recorder, progress: Progress::new(json), json })
    }

    /// A copy, where a configuration says where it is: it may have notes that the vault has lost. Nothing while it is
    /// not made yet.
    async fn copy(&self, name: &str) -> Result<Option<Vault>, CommandError> {
        let Some(config) = &self.config else { return Ok(None) };
        let copy = config.vault.copies.iter().find(|copy| copy.name == name).ok_or_else(|| {
            let names: Vec<_> = config.vault.copies.iter().map(|copy| copy.name.as_str()).collect();
            CommandError::new(Kind::Usage, format!("the configuration has no copy called {name}"))
                .hint(format!("its copies: {}", names.join(", ")))
        })?;
        let (opener, root) = (Opener::Person(&self.identities), self.vault.fingerprint());
        match Vault::open(copy_store(copy)?, opener, Some(&root)).await {
            Err(Error::NoVault { .. }) => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }

    async fn ask(&self, wish: Decision, then: &str) -> Result<(), CommandError> {
        let Decision { kind, plan, source, snapshots } = wish;
        let asked = Asked {
            kind,
            plan,
            grades: Vec::new(),
            source: Some(source),
            snapshots,
            target: None,
            reason: self.args.reason.clone(),
            life: self.args.life,
        };
        let asking = asking::Asking {
            vault: &self.vault,
            access: &self.args.access,
            person: &self.person,
            recorder: &self.recorder,
            progress: &self.progress,
            key_file: None,
            json: self.json,
        };
        asking.ask(asked, then).await
    }
}
