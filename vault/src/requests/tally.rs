//! Who has approved, who still may, and whether that is enough: judged by the keyring in force, anew each time.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Answer, CLOCKS_APART_MAX, REQUEST_LIFE_MAX, RequestRecord, Says};
use crate::format::keys::{PersonRecord, Shares};
use crate::format::request::{SealedShare, Wish};
use crate::keys::PersonKey;
use crate::{AgentId, Error, Realm, Result, Vault};

/// How a request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestState {
    /// It waits for approvals.
    Open,
    /// It has enough of them.
    Approved,
    /// Somebody refused it.
    Refused {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Whoever made it took it back.
    Revoked {
        /// Why.
        reason: String,
    },
    /// Its time is over.
    Expired,
    /// It is not to be believed as it stands, for this reason.
    Void(String),
}

/// What a request has and needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// How it stands.
    pub state: RequestState,
    /// Who has approved it, and counts.
    pub approved: Vec<String>,
    /// How many approvals it takes.
    pub needed: usize,
    /// Who may still approve it.
    pub able: Vec<String>,
}

/// A key that is split and that a request needs.
pub(super) struct SplitKey<'a> {
    /// Such as `high 2`.
    pub(super) name: String,
    pub(super) shares: &'a Shares,
}

impl RequestRecord {
    /// How it stands at `now`. Of two clocks that differ the later counts: that of this host, and that of the
    /// store, which dates what was written.
    ///
    /// # Errors
    /// Damage of the keyring's list of people.
    pub fn tally(&self, vault: &Vault, now: Timestamp) -> Result<Tally> {
        self.tally_among(vault, &vault.people()?, now)
    }

    /// Whether enough people had approved it when something was written by it at `at`, by the store's clock: what
    /// was answered later, and who left later, changes nothing of that. A refusal that its signer dates before is
    /// not later.
    pub(crate) fn was_approved(&self, vault: &Vault, at: Timestamp) -> Result<bool> {
        let mut people = vault.people()?;
        people.iter_mut().for_each(|person| person.as_of(at));
        let answers = self.answers.iter().filter(|answer| answer.since() <= at).cloned().collect();
        let record = Self {
            answers,
            written: at,
            requester_name: self.requester_name.clone(),
            request: self.request.clone(),
            unbelieved: Vec::new(),
            ..*self
        };
        Ok(record.tally_among(vault, &people, at)?.is_enough())
    }

    fn tally_among(&self, vault: &Vault, people: &[PersonRecord], now: Timestamp) -> Result<Tally> {
        let counted = self.counted(vault, people);
        let holders: Vec<_> = people.iter().filter(|person| self.holds_share(person)).collect();
        let own = holders.iter().any(|person| person.id() == Some(self.requester));
        let threshold = self.split_keys(vault).map(|key| usize::from(key.shares.threshold)).max();
        let needed = threshold.unwrap_or(0).saturating_sub(usize::from(own)).max(self.by_policy(vault));
        let answered: HashSet<AgentId> = self.answers.iter().map(|answer| answer.by).collect();
        let may_still = |person: &&&PersonRecord| {
            person.id().is_some_and(|id| id != self.requester && !answered.contains(&id))
        };
        let state = match self.closed(people, now) {
            Some(closed) => closed,
            None if counted.len() >= needed => RequestState::Approved,
            None => RequestState::Open,
        };
        Ok(Tally {
            state,
            approved: counted.iter().map(|(answer, _)| answer.name.clone()).collect(),
            needed,
            able: holders.iter().filter(may_still).map(|person| person.name.clone()).collect(),
        })
    }

    /// Refuses what may not be approved, used or refused any more.
    ///
    /// # Errors
    /// `AgainstPolicy` with the reason.
    pub fn check_open(&self, vault: &Vault, now: Timestamp) -> Result<()> {
        let id = self.id.short();
        let reason = match self.closed(&vault.people()?, now) {
            None => return Ok(()),
            Some(RequestState::Refused { by, reason }) => format!("{by} has refused request {id}: {reason}"),
            Some(RequestState::Revoked { reason }) => {
                format!("{} has taken request {id} back: {reason}", self.requester_name)
            }
            Some(RequestState::Expired) => format!("request {id} has expired, at {}", self.request.expires),
            Some(RequestState::Void(reason)) => format!("request {id} does not count: {reason}"),
            Some(RequestState::Open | RequestState::Approved) => return Ok(()),
        };
        Err(Error::AgainstPolicy(reason))
    }

    /// The keys that it needs and that are split, by the keyring in force.
    pub(super) fn split_keys<'a>(&'a self, vault: &'a Vault) -> impl Iterator<Item = SplitKey<'a>> {
        let of_grades = vault.sealing_keys().iter().filter(|key| match (self.request.kind, key.realm) {
            (Wish::Restore | Wish::Shred, Realm::Rows(grade)) => self.request.grades.contains(&grade),
            _ => false,
        });
        let of_grades = of_grades.filter_map(|key| {
            let name = format!("{} {}", key.realm, key.epoch);
            key.shares.as_ref().map(|shares| SplitKey { name, shares })
        });
        let root = vault.root_wrap().1.filter(|_| self.request.kind == Wish::Shred);
        of_grades.chain(root.map(|shares| SplitKey { name: "the root".into(), shares }))
    }

    /// Approvals that count, each with its shares: of people who are there still, other than whoever asked, who
    /// did not take them back, and whose shares are of the splitting that is in force.
    pub(super) fn counted(&self, vault: &Vault, people: &[PersonRecord]) -> Vec<(&Answer, &[SealedShare])> {
        let holds =
            |id: AgentId| people.iter().any(|person| person.id() == Some(id) && self.holds_share(person));
        let took_back = |id: AgentId| {
            self.answers.iter().any(|answer| answer.by == id && matches!(answer.says, Says::Revoke(_)))
        };
        let in_force: Vec<_> = self.split_keys(vault).map(|key| key.shares).collect();
        let fits = |shares: &[SealedShare]| {
            in_force
                .iter()
                .all(|key| shares.iter().filter(|share| key.wraps.contains(&share.wrap)).count() == 1)
                && shares.len() == in_force.len()
        };
        let approvals = self.answers.iter().filter_map(|answer| match &answer.says {
            Says::Approve(shares) => Some((answer, shares.as_slice())),
            _ => None,
        });
        let counts = |(answer, shares): &(&Answer, &[SealedShare])| {
            answer.by != self.requester && holds(answer.by) && !took_back(answer.by) && fits(shares)
        };
        approvals.filter(counts).collect()
    }

    /// Whether this person may answer it now.
    pub(super) fn may_answer(&self, vault: &Vault, by: &PersonKey, now: Timestamp) -> Result<()> {
        let refused = |reason: String| Err(Error::AgainstPolicy(reason));
        if by.id == self.requester {
            return refused("nobody approves or refuses a request of their own".into());
        }
        self.check_open(vault, now)?;
        let people = vault.people()?;
        if !people.iter().any(|person| person.id() == Some(by.id) && self.holds_share(person)) {
            return refused(format!("{} does not have {}", by.name, self.needs_in_words()));
        }
        Ok(())
    }

    /// Whether this person has something to take back.
    pub(super) fn may_revoke(&self, by: &PersonKey) -> Result<()> {
        let mut own = self.answers.iter().filter(|answer| answer.by == by.id);
        let refused = |reason: &str| Err(Error::AgainstPolicy(format!("{} {reason}", by.name)));
        if own.clone().any(|answer| matches!(answer.says, Says::Revoke(_))) {
            return refused("has taken it back already");
        }
        match by.id == self.requester || own.any(|answer| matches!(answer.says, Says::Approve(_))) {
            true => Ok(()),
            false => refused("has neither made nor approved it"),
        }
    }

    /// How many approvals it takes, whatever keys are split: of what destroys, another person's.
    fn by_policy(&self, vault: &Vault) -> usize {
        match self.request.kind {
            Wish::Restore => {
                let grades = self.request.grades.iter();
                grades.map(|grade| usize::from(vault.approvers(*grade))).max().unwrap_or(0)
            }
            Wish::Shred | Wish::Expire | Wish::Keep | Wish::Release => 1,
        }
    }

    /// Whether a person has a share of what it needs, by their grades.
    fn holds_share(&self, person: &PersonRecord) -> bool {
        let has_all = self.request.grades.iter().all(|grade| person.grades.contains(grade));
        match self.request.kind {
            Wish::Restore => has_all,
            Wish::Shred | Wish::Expire | Wish::Keep | Wish::Release => has_all && person.may_decide(),
        }
    }

    fn needs_in_words(&self) -> String {
        match self.request.kind {
            Wish::Shred => "a share of the root".into(),
            Wish::Expire | Wish::Keep | Wish::Release => "grade high".into(),
            Wish::Restore => {
                let grades: Vec<_> = self.request.grades.iter().map(|grade| grade.as_str()).collect();
                format!("grade {}", grades.join(", "))
            }
        }
    }

    /// Why it is good no more, if it is.
    fn closed(&self, people: &[PersonRecord], now: Timestamp) -> Option<RequestState> {
        let person = |id: AgentId| people.iter().find(|person| person.id() == Some(id));
        let void = |reason: &str| Some(RequestState::Void(reason.to_owned()));
        if !person(self.requester).is_some_and(PersonRecord::is_active) {
            return void(&format!("{} is not in the vault any more", self.requester_name));
        }
        for answer in &self.answers {
            match &answer.says {
                Says::Refuse(reason)
                    if answer.by != self.requester
                        && person(answer.by).is_some_and(|person| self.holds_share(person)) =>
                {
                    let (by, reason) = (answer.name.clone(), reason.clone());
                    return Some(RequestState::Refused { by, reason });
                }
                Says::Revoke(reason) if answer.by == self.requester => {
                    return Some(RequestState::Revoked { reason: reason.clone() });
                }
                _ => {}
            }
        }
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let (Some(made), Some(expires)) = (time(&self.request.made), time(&self.request.expires)) else {
            return void("its times are none");
        };
        if expires.duration_since(made) > REQUEST_LIFE_MAX {
            return void("it would be good for too long");
        }
        if made > now.max(self.written) + CLOCKS_APART_MAX {
            return void(&format!("it is dated {made}, which is still to come: somebody's clock is wrong"));
        }
        (now.max(self.written) > expires).then_some(RequestState::Expired)
    }
}

impl Tally {
    /// Whether there are enough approvals, of a request that is still good.
    pub fn is_enough(&self) -> bool {
        self.state == RequestState::Approved
    }
}
