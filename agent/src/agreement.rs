//! What the configuration keeps, held against what was agreed on in the vault: more is agreed at once, and less
//! when two people have decided it.

use jiff::Timestamp;
use lifeboat_config::Config;
use lifeboat_console::{CommandError, Kind};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::format::request::Wish;
use lifeboat_vault::{
    AgentKey, Error, ExpirePlan, Keep, NoteAuthor, Notes, Vault, agree_to_keep, agree_to_keep_less,
    keep_in_words, list_notes, list_notes_of, list_requests, of_copy, plan_id,
};

use crate::cli::Deciding;
use crate::copies::own_keep;
use crate::decision::{Decided, Question, place};
use crate::record;
use crate::retention::keep_of;

/// A rule of the configuration, and what it is agreed on as.
struct Rule {
    of: String,
    keep: Keep,
}

/// The rules of the sources that are configured here and pass, and those of the copies that keep less.
fn rules(config: &Config, sources: impl Fn(&str) -> bool) -> Vec<Rule> {
    let names = config.sources.iter().map(|source| source.name.as_str()).filter(|name| sources(name));
    let sources = names.filter_map(|name| Some(Rule { of: name.to_owned(), keep: keep_of(config, name)? }));
    let copies = config.vault.copies.iter();
    let copies = copies.filter_map(|copy| Some(Rule { of: of_copy(&copy.name), keep: own_keep(copy)? }));
    sources.chain(copies).collect()
}

/// Takes what the configuration keeps as agreed, where it is the first rule or keeps more than was agreed on.
pub async fn take_longer(
    config: &Config,
    vault: &Vault,
    key: &AgentKey,
    sources: impl Fn(&str) -> bool,
) -> Result<(), CommandError> {
    let rules = rules(config, sources);
    if rules.is_empty() {
        return Ok(());
    }
    let (notes, _) = list_notes(vault).await?;
    for Rule { of, keep } in rules {
        agree_to_keep(vault, key, &notes, (&of, &keep), Timestamp::now()).await?;
    }
    Ok(())
}

/// What the configuration keeps less of than was agreed on, each with what asks another person for it.
pub async fn shorter(config: &Config, vault: &Vault) -> Result<Vec<(String, String)>, CommandError> {
    let (notes, _) = list_notes(vault).await?;
    let is_shorter = |rule: &Rule| !notes.shortened_by(&rule.of, &rule.keep).is_empty();
    let shorter = rules(config, |_| true).into_iter().filter(is_shorter);
    Ok(shorter.map(|rule| (rule.of.clone(), ask(&place(vault), &rule))).collect())
}

/// Where the configuration keeps less than was agreed on.
pub struct Shortened<'a> {
    pub config: &'a Config,
    pub vault: &'a Vault,
    /// The copy that is to keep less, where it is one: it may have a note that the vault has lost.
    pub copy: Option<&'a Vault>,
    pub key: &'a AgentKey,
    pub json: bool,
}

impl Shortened<'_> {
    /// The rules that are shorter than what a plan was made by as well. A source that is not configured here is
    /// kept as was agreed, and nobody is asked.
    fn rules(&self, plan: &ExpirePlan) -> Vec<Rule> {
        let is_shortened = |of: &str| {
            let mut sources = plan.sources.iter().filter(|source| !source.shortened.is_empty());
            sources.any(|source| source.shortened.iter().any(|agreed| agreed.of == of))
        };
        rules(self.config, |_| true).into_iter().filter(|rule| is_shortened(&rule.of)).collect()
    }

    /// Takes the shorter rules of a plan as agreed where two people have decided them: by a request for exactly
    /// that, or here. Returns whether one was, so that the plan is old.
    pub async fn settle(
        &self,
        plan: &ExpirePlan,
        by: &Deciding,
        reason: Option<&str>,
    ) -> Result<bool, CommandError> {
        let rules = self.rules(plan);
        match (rules.is_empty(), by.identity.is_empty()) {
            (true, true) => return Ok(false),
            (true, false) => {
                let text = "the configuration keeps no less than was agreed on: there is nothing to decide";
                return Err(CommandError::new(Kind::Usage, text).hint("leave out --identity"));
            }
            (false, _) => {}
        }
        let (notes, _) = self.notes().await?;
        let place = self.place(&rules, &notes).await?;
        let mut settled = false;
        for rule in &rules {
            let words = keep_in_words(&rule.of, &rule.keep, &notes.shortened_by(&rule.of, &rule.keep));
            let here = !by.identity.is_empty();
            let request = if here { None } else { self.approved(&words).await? };
            if request.is_none() && !here {
                continue;
            }
            let deed = Deed {
                what: "keep".into(),
                source: Some(rule.of.clone()),
                reason: reason.map(str::to_owned),
                ..Deed::default()
            };
            let question = Question {
                config: self.config,
                vault: self.vault,
                key: self.key,
                kind: Wish::Keep,
                plan: &words,
                deed: &deed,
                ask: ask(&place, rule),
            };
            let decided = question.decide(&Deciding { request, ..by.clone() }, self.json).await?;
            self.shorten(rule, &notes, &decided).await?;
            let plan = Some(plan_id(&words));
            let detail = Some(decided.in_words().to_owned());
            let deed = Deed { plan, detail, result: "done".into(), ..deed };
            record::write(self.vault, self.key, &deed, self.json).await;
            settled = true;
        }
        Ok(settled)
    }

    /// What the plan was made by: the notes of the vault, and of the copy.
    async fn notes(&self) -> Result<(Notes, Vec<Error>), CommandError> {
        let vaults: Vec<_> = [Some(self.vault), self.copy].into_iter().flatten().collect();
        Ok(list_notes_of(&vaults).await?)
    }

    /// What leads whoever asks to every note that these rules would take the place of.
    async fn place(&self, rules: &[Rule], notes: &Notes) -> Result<String, CommandError> {
        if self.copy.is_none() {
            return Ok(place(self.vault));
        }
        let (of_vault, _) = list_notes(self.vault).await?;
        let is_known =
            |Rule { of, keep }: &Rule| notes.shortened_by(of, keep) == of_vault.shortened_by(of, keep);
        Ok(match rules.iter().all(is_known) {
            true => place(self.vault),
            false => "--config CONFIG-THAT-NAMES-THE-COPY --identity YOUR.key".to_owned(),
        })
    }

    async fn shorten(&self, rule: &Rule, notes: &Notes, decided: &Decided) -> Result<(), CommandError> {
        let (author, request) = match decided {
            Decided::ByRequest(id, _) => (NoteAuthor::Agent(self.key), Some(*id)),
            Decided::Here(identities, _) => (NoteAuthor::Person(identities), None),
        };
        let what = (rule.of.as_str(), &rule.keep);
        let by = (decided.in_words(), Timestamp::now());
        agree_to_keep_less(self.vault, author, notes, what, request, by).await?;
        Ok(())
    }

    /// An approved request for exactly these words that is still good.
    async fn approved(&self, words: &str) -> Result<Option<String>, CommandError> {
        let (records, _) = list_requests(self.vault).await?;
        let now = Timestamp::now();
        for record in records {
            if record.check_plan(Wish::Keep, words, &[]).is_ok() && record.tally(self.vault, now)?.is_enough()
            {
                return Ok(Some(record.id.to_string()));
            }
        }
        Ok(None)
    }

    /// Tells where the configuration keeps less than was agreed on and nobody has approved it.
    ///
    /// # Errors
    /// `ApprovalMissing` with what asks for it.
    pub async fn told(&self, plan: &ExpirePlan) -> Result<(), CommandError> {
        let rules = self.rules(plan);
        if rules.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = rules.iter().map(|rule| rule.of.as_str()).collect();
        let text = format!(
            "the configuration keeps less of {} than was agreed on, so what was agreed on is kept",
            names.join(", ")
        );
        let place = self.place(&rules, &self.notes().await?.0).await?;
        let mut error = CommandError::new(Kind::ApprovalMissing, text);
        for rule in &rules {
            error =
                error.hint(format!("ask another person, on a machine of your own: {}", ask(&place, rule)));
        }
        Err(error
            .hint("approved, the next `lifeboat-agent expire` goes by it")
            .hint("or put `keep` back in the configuration"))
    }
}

/// What asks another person to approve a rule, as it is typed, with what leads to the vault.
fn ask(place: &str, Rule { of, keep }: &Rule) -> String {
    let of = match of.strip_prefix("copy ") {
        Some(copy) => format!("--copy {copy}"),
        None => of.clone(),
    };
    let mut text = format!("lifeboat-restore request-keep {of}");
    let counts = [
        ("last", keep.last),
        ("daily", keep.daily),
        ("weekly", keep.weekly),
        ("monthly", keep.monthly),
        ("yearly", keep.yearly),
        ("min-days", keep.min_days),
    ];
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    text.extend(counts.map(|(option, count)| format!(" --{option} {count}")));
    text.extend(keep.tags.iter().map(|tag| format!(" --tag {tag}")));
    text + &format!(" --reason TEXT {place}")
}
