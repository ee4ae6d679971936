//! Retention of copies: each keeps what it shall, more or less than the vault; copying brings nothing back that
//! was taken from one, and what the vault has only lost is taken for nothing.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use lifeboat_vault::{
    CopyKeep, CopyMemory, CopyOutcome, Copying, ExpirePlan, Keep, Lease, Pace, PruneOptions, PrunePlan,
    Pruned, Store, Vault, list_snapshots,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::clock::Clocked;
use crate::expire::{expire, keep};
use crate::lab::{Day, Lab, first_day, impatient, next_day, now, read_day};
use crate::prune::prune_with;

/// A vault and the store of a copy, on one clock.
struct Pair {
    lab: Lab,
    vault: Arc<Clocked>,
    copy: Arc<Clocked>,
    copied: Arc<InMemory>,
    days: Vec<Day>,
}

/// What the copy keeps by itself.
fn own(last: u32) -> Keep {
    Keep { last, ..Keep::default() }
}

impl Pair {
    async fn new() -> Self {
        let lab = Lab::new().await;
        let copied = Arc::new(InMemory::new());
        let vault = Clocked::new(Arc::clone(&lab.objects) as _, now());
        let copy = Clocked::new(Arc::clone(&copied) as _, now());
        Self { lab, vault, copy, copied, days: Vec::new() }
    }

    fn of_vault(&self) -> Store {
        impatient(Arc::clone(&self.vault) as _)
    }

    fn of_copy(&self) -> Store {
        impatient(Arc::clone(&self.copy) as _)
    }

    fn pass_hours(&self, hours: i64) {
        self.vault.pass_hours(hours);
        self.copy.pass_hours(hours);
    }

    async fn open(&self, store: Store) -> Vault {
        self.lab.for_agent(store).await.unwrap()
    }

    async fn bring_up_to_date(&self, keep: &CopyKeep<'_>) -> CopyOutcome {
        let vault = self.open(self.of_vault()).await;
        let (snapshots, _) = list_snapshots(&vault).await.unwrap();
        let copy = self.lab.for_agent(self.of_copy()).await.ok();
        let now = self.vault.now();
        let extent = keep.extent(&vault, copy.as_ref(), &TimeZone::UTC, now).await.unwrap();
        let (to, memory) = (self.of_copy(), CopyMemory::new(self.lab.state.path(), "b"));
        let copying = Copying {
            vault: &vault,
            snapshots: &snapshots,
            agent: &self.lab.agent,
            to: &to,
            extent: &extent,
            state: self.lab.state.path(),
            memory: &memory,
        };
        let outcome = copying.bring_up_to_date(&Pace::unlimited(), now, &|_| {}).await;
        assert!(outcome.is_complete() && outcome.findings.is_empty(), "{outcome:?}");
        outcome
    }

    /// Nights of backups, each copied.
    async fn nights(&mut self, nights: usize, keep: &CopyKeep<'_>) {
        for _ in 0..nights {
            let number = self.days.len();
            let mut day = self.days.last().map_or_else(first_day, |day| next_day(day, number));
            let replaced =
                (0..300).map(|n| format!("{n}\tof night {number}: {}\n", n * 7919 % 1009).into_bytes());
            day.insert("accounts".into(), replaced.collect());
            self.lab.back_up_at(self.of_vault(), &day, self.vault.now()).await.unwrap();
            self.days.push(day);
            self.bring_up_to_date(keep).await;
            self.pass_hours(24);
        }
    }

    async fn copy_plan(&self, keep: &CopyKeep<'_>) -> ExpirePlan {
        let (vault, copy) = (self.open(self.of_vault()).await, self.open(self.of_copy()).await);
        keep.expire_plan(&vault, &copy, &TimeZone::UTC, self.copy.now()).await.unwrap()
    }

    async fn expire_copy(&self, keep: &CopyKeep<'_>) -> u64 {
        let (plan, copy) = (self.copy_plan(keep).await, self.open(self.of_copy()).await);
        let mut lease = Lease::take(&copy, &self.lab.agent, "expiring", false).await.unwrap();
        let expired = plan.carry_out(&copy, &self.lab.agent, &mut lease, self.copy.now()).await.unwrap();
        lease.give_back().await.unwrap();
        expired.snapshots
    }

    async fn prune_copy(&self, everything: bool) -> Pruned {
        let (vault, copy) = (self.open(self.of_vault()).await, self.open(self.of_copy()).await);
        let mut lease = Lease::take(&copy, &self.lab.agent, "pruning", false).await.unwrap();
        let state = self.lab.state.path().join("copies/b");
        let options = PruneOptions::default();
        let plan = match everything {
            true => PrunePlan::make_for_copy(&copy, &vault, &state, options, Some(&mut lease)).await.unwrap(),
            false => PrunePlan::make(&copy, &state, options, Some(&mut lease)).await.unwrap(),
        };
        let pruned = plan.carry_out(&self.lab.agent, &mut lease).await.unwrap();
        lease.give_back().await.unwrap();
        assert!(pruned.damage.is_empty() && pruned.denied.is_empty(), "{pruned:?}");
        pruned
    }

    /// The numbers of the copy's snapshots, each of which is read back whole.
    async fn whole(&self) -> Vec<u64> {
        let lab = Lab {
            objects: Arc::clone(&self.copied),
            agent: self.lab.agent.clone(),
            person: self.lab.person.clone(),
            state: tempfile::tempdir().unwrap(),
            slices: 1,
        };
        let vault = lab.for_person().await.unwrap();
        let (snapshots, damage) = list_snapshots(&vault).await.unwrap();
        assert!(damage.is_empty(), "{damage:?}");
        for snapshot in &snapshots {
            let day = &self.days[snapshot.manifest.number as usize - 1];
            assert_eq!(&read_day(&vault, snapshot).await.unwrap(), day);
        }
        snapshots.iter().map(|snapshot| snapshot.manifest.number).collect()
    }

    async fn bytes(&self) -> u64 {
        self.of_copy().list("packs").await.unwrap().iter().map(|object| object.bytes).sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_keeps_less_is_freed_and_copying_brings_nothing_back() {
    let (mut pair, own) = (Pair::new().await, own(2));
    let keep = CopyKeep::Own("barn", &own);
    pair.nights(6, &keep).await;
    assert_eq!(pair.whole().await, [1, 2, 3, 4, 5, 6], "nothing goes by itself");
    assert_eq!(pair.expire_copy(&keep).await, 4);
    assert_eq!(pair.whole().await, [5, 6]);
    assert_eq!(pair.bring_up_to_date(&keep).await.stats.objects, 0, "what went is not copied again");

    let before = pair.bytes().await;
    pair.pass_hours(24 * 8);
    assert!(pair.prune_copy(false).await.marked_packs > 0);
    pair.pass_hours(25);
    assert!(pair.prune_copy(false).await.freed_bytes > 0);
    assert!(pair.bytes().await < before, "{} of {before} are left", pair.bytes().await);
    assert_eq!(pair.bring_up_to_date(&keep).await.stats.objects, 0, "nor are its packs");
    assert_eq!(pair.whole().await, [5, 6]);
    pair.nights(2, &keep).await;
    assert_eq!(pair.expire_copy(&keep).await, 2);
    assert_eq!(pair.whole().await, [7, 8]);
    assert_eq!(pair.lab.read_all().await.unwrap().len(), 8, "the vault has all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_keeps_more_than_the_vault_has_it_still_when_the_vault_expires_and_is_pruned() {
    let (mut pair, own) = (Pair::new().await, own(5));
    let keep_copy = CopyKeep::Own("barn", &own);
    pair.nights(6, &keep_copy).await;
    assert_eq!(expire(&pair.lab, pair.of_vault(), &keep(2)).await.unwrap().snapshots, 4);
    for hours in [24 * 8, 25] {
        pair.pass_hours(hours);
        let (vault, state) = (pair.open(pair.of_vault()).await, pair.lab.state.path());
        prune_with(&vault, &pair.lab.agent, state, PruneOptions::default()).await.unwrap();
    }
    pair.bring_up_to_date(&keep_copy).await;
    assert_eq!(pair.expire_copy(&keep_copy).await, 1);
    assert_eq!(pair.whole().await, [2, 3, 4, 5, 6]);
    pair.nights(1, &keep_copy).await;
    assert_eq!(pair.expire_copy(&keep_copy).await, 1, "counted over both: the new one and four before it");
    assert_eq!(pair.whole().await, [3, 4, 5, 6, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_everything_follows_the_vault_and_only_then() {
    let mut pair = Pair::new().await;
    let policy = |_: &str| Some(keep(2));
    let everything = CopyKeep::AsVault(&policy);
    pair.nights(6, &everything).await;
    let plan = pair.copy_plan(&everything).await;
    let told: Vec<_> = plan.sources[0].verdicts.iter().map(|verdict| verdict.keep[0].to_string()).collect();
    assert_eq!(told[5], "no rule keeps it, but the vault has it still");
    assert_eq!(pair.expire_copy(&everything).await, 0);
    expire(&pair.lab, pair.of_vault(), &keep(2)).await.unwrap();
    assert_eq!(pair.expire_copy(&everything).await, 4);
    pair.pass_hours(24 * 8);
    let idle = pair.prune_copy(true).await;
    assert_eq!(
        (idle.marked_packs, idle.moved_bytes),
        (0, 0),
        "the vault has those packs: they would be copied again"
    );
    for hours in [0, 25] {
        pair.pass_hours(hours);
        let (vault, state) = (pair.open(pair.of_vault()).await, pair.lab.state.path());
        prune_with(&vault, &pair.lab.agent, state, PruneOptions::default()).await.unwrap();
    }
    pair.bring_up_to_date(&everything).await;
    assert!(pair.prune_copy(true).await.marked_packs > 0);
    pair.pass_hours(25);
    assert!(pair.prune_copy(true).await.freed_bytes > 0);
    assert_eq!(pair.bring_up_to_date(&everything).await.stats.objects, 0, "nothing comes back");
    assert_eq!(pair.whole().await, [5, 6]);
    pair.nights(1, &everything).await;
    assert_eq!(pair.whole().await, [5, 6, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_vault_has_only_lost_stays_in_its_copy() {
    let mut pair = Pair::new().await;
    let policy = |_: &str| Some(keep(2));
    let (own, everything) = (own(2), CopyKeep::AsVault(&policy));
    pair.nights(4, &everything).await;
    let newest = pair.vault.list(Some(&Path::from("snapshots")));
    let manifests: Vec<_> = futures::TryStreamExt::try_collect(newest).await.unwrap();
    for object_store::ObjectMeta { location, .. } in manifests {
        pair.vault.delete(&location).await.unwrap();
    }
    for keep in [everything, CopyKeep::Own("barn", &own)] {
        let plan = pair.copy_plan(&keep).await;
        assert!(plan.going().is_empty());
        let told = &plan.sources[0].held_back[0];
        assert_eq!(
            told,
            "the copy holds number 4 of crm, and the vault's newest is 0: was the vault put back, or emptied?"
        );
    }
    assert_eq!(pair.whole().await, [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_in_the_vault_holds_in_its_copy_and_one_that_comes_late_stops_the_expiry() {
    use lifeboat_vault::format::note::Says;
    use lifeboat_vault::{Error, NoteAuthor, write_note};
    let (mut pair, own) = (Pair::new().await, own(2));
    let keep = CopyKeep::Own("barn", &own);
    pair.nights(4, &keep).await;
    let vault = pair.open(pair.of_vault()).await;
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let hold = |at: usize| {
        let (vault, agent, snapshot) = (&vault, &pair.lab.agent, snapshots[at].id);
        async move {
            let says = Says::Hold { snapshot };
            write_note(vault, NoteAuthor::Agent(agent), "li", "the auditors", says, now()).await.unwrap();
        }
    };
    hold(0).await;
    let (plan, copy) = (pair.copy_plan(&keep).await, pair.open(pair.of_copy()).await);
    assert_eq!(plan.going(), [snapshots[1].id], "the hold is not copied yet, and counts");
    hold(1).await;
    let mut lease = Lease::take(&copy, &pair.lab.agent, "expiring", false).await.unwrap();
    let stopped = plan.carry_out(&copy, &pair.lab.agent, &mut lease, pair.copy.now()).await;
    assert!(matches!(stopped, Err(Error::HeldBack(_))), "{stopped:?}");
    lease.give_back().await.unwrap();
    assert_eq!(pair.whole().await, [1, 2, 3, 4]);
    assert!(pair.copy.now().duration_since(now()) > SignedDuration::ZERO);
}
