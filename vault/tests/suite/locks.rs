//! Object locks: on a store that keeps to them, nothing is deleted before its lock ends, what is kept stays
//! locked, what is to go does not, and keys are never locked.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lifeboat_vault::store::{BucketLocks, LockMode, LockPolicy, ObjectLocks, Retention};
use lifeboat_vault::{Depth, Error, ExpirePlan, Lease, Locked, PruneOptions, PrunePlan, Store, extend_locks};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::clock::Clocked;
use crate::damage::verify_all;
use crate::expire::keep;
use crate::lab::{Day, Lab, first_day, impatient, next_day, now};

const DAYS: i64 = 30;

/// A store that keeps to its locks: it denies a delete, where Amazon's would only hide the version.
#[derive(Debug, Clone)]
struct Locking {
    clock: Arc<Clocked>,
    locks: Arc<Mutex<HashMap<Path, Retention>>>,
    /// What is written is locked so.
    writes: Option<Retention>,
    /// Whether these credentials may lock what is there.
    may_lock: bool,
}

impl Locking {
    fn new(clock: &Arc<Clocked>) -> Self {
        Self { clock: Arc::clone(clock), locks: Arc::default(), writes: None, may_lock: true }
    }

    fn store(&self) -> Store {
        let policy = LockPolicy { mode: LockMode::Governance, period: SignedDuration::from_hours(24 * DAYS) };
        let store = impatient(Arc::new(self.clone())).with_object_locks(Arc::new(self.clone()));
        store.locking(policy, self.clock.now()).unwrap()
    }

    fn until(&self, path: &Path) -> Option<Timestamp> {
        self.locks.lock().unwrap().get(path).map(|lock| lock.until)
    }

    fn deny(&self, path: &Path) -> object_store::Error {
        object_store::Error::PermissionDenied { path: path.to_string(), source: "it is locked".into() }
    }
}

impl fmt::Display for Locking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Locking")
    }
}

#[async_trait::async_trait]
impl ObjectLocks for Locking {
    async fn of(&self, path: &Path) -> Result<Option<Retention>> {
        Ok(self.locks.lock().unwrap().get(path).copied())
    }

    async fn set(&self, path: &Path, retention: Retention) -> Result<()> {
        if !self.may_lock || self.until(path).is_some_and(|until| until > retention.until) {
            return Err(self.deny(path));
        }
        self.locks.lock().unwrap().insert(path.clone(), retention);
        Ok(())
    }

    async fn of_bucket(&self) -> Result<BucketLocks> {
        Ok(BucketLocks::OnRequest)
    }

    fn writer(&self, retention: Retention) -> Result<Arc<dyn ObjectStore>> {
        Ok(Arc::new(Self { writes: Some(retention), ..self.clone() }))
    }
}

#[async_trait::async_trait]
impl ObjectStore for Locking {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let put = self.clock.put_opts(path, payload, options).await?;
        if let Some(retention) = self.writes {
            self.locks.lock().unwrap().insert(path.clone(), retention);
        }
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.clock.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.clock.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.clock.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let own = self.clone();
        let judged = paths.map(move |path| {
            let path = path?;
            match own.until(&path).is_some_and(|until| until > own.clock.now()) {
                true => Err(own.deny(&path)),
                false => Ok(path),
            }
        });
        self.clock.delete_stream(judged.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.clock.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.clock.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.clock.copy_opts(from, to, options).await
    }
}

/// Nights in a bucket that locks, each of which writes a table that the next one needs no more.
async fn nights(days: usize) -> (Lab, Locking, Day) {
    let lab = Lab::new().await;
    let clock = Clocked::new(Arc::clone(&lab.objects) as _, now());
    let locking = Locking::new(&clock);
    let mut day = first_day();
    lab.back_up_at(locking.store(), &day, clock.now()).await.unwrap();
    day.remove("large");
    for salt in 1..days {
        clock.pass_hours(24);
        day = next_day(&day, salt);
        let accounts = (0..800).map(|n| format!("{n}\tof night {salt}: {}\n", n * 7919 % 1009).into_bytes());
        day.insert("accounts".into(), accounts.collect());
        lab.back_up_at(locking.store(), &day, clock.now()).await.unwrap();
    }
    (lab, locking, day)
}

async fn expire(lab: &Lab, locking: &Locking, last: u32) -> (u64, ExpirePlan) {
    let vault = lab.for_agent(locking.store()).await.unwrap();
    let mut lease = Lease::take(&vault, &lab.agent, "expiring", false).await.unwrap();
    let now = locking.clock.now();
    let plan = ExpirePlan::make(&vault, |_| Some(keep(last)), &TimeZone::UTC, now).await.unwrap();
    let expired = plan.carry_out(&vault, &lab.agent, &mut lease, now).await.unwrap();
    lease.give_back().await.unwrap();
    (expired.snapshots, plan)
}

/// Prunes; returns how many packs went and the plan.
async fn prune(lab: &Lab, locking: &Locking) -> (u64, PrunePlan) {
    let vault = lab.for_agent(locking.store()).await.unwrap();
    let mut lease = Lease::take(&vault, &lab.agent, "pruning", false).await.unwrap();
    let options = PruneOptions::default();
    let plan = PrunePlan::make(&vault, lab.state.path(), options, Some(&mut lease)).await.unwrap();
    let pruned = plan.carry_out(&lab.agent, &mut lease).await.unwrap();
    lease.give_back().await.unwrap();
    (pruned.packs, plan)
}

/// Extends locks as a backup does, by a policy that keeps the last `last`.
async fn extend(lab: &Lab, locking: &Locking, last: u32) -> lifeboat_vault::Result<Locked> {
    let vault = lab.for_agent(locking.store()).await.unwrap();
    let now = locking.clock.now();
    let plan = ExpirePlan::make(&vault, |_| Some(keep(last)), &TimeZone::UTC, now).await.unwrap();
    let unkept = plan.unkept();
    extend_locks(&vault, lab.state.path(), |id| !unkept.contains(&id), now).await
}

/// Everything that a policy of the last `last` snapshots keeps, index objects apart.
async fn needed(lab: &Lab, locking: &Locking, last: u32) -> Vec<String> {
    let vault = lab.for_agent(locking.store()).await.unwrap();
    let now = locking.clock.now();
    let expire = ExpirePlan::make(&vault, |_| Some(keep(last)), &TimeZone::UTC, now).await.unwrap();
    let plan = PrunePlan::make(&vault, lab.state.path(), PruneOptions::default(), None).await.unwrap();
    let sized = plan.going.iter().chain(&plan.waiting).map(|pack| pack.pack);
    let marked = sized.chain(plan.locked.iter().map(|pack| pack.pack)).chain(plan.revived.iter().copied());
    let packs = marked.map(|pack| format!("packs/{:02x}/{pack}", pack.0[0]));
    let snapshots = expire.unkept().into_iter().map(|snapshot| format!("snapshots/{snapshot}"));
    let going: HashSet<String> = packs.chain(snapshots).collect();
    let stays = |name: &String| match name.split_once('/') {
        None => name == "vault",
        Some((folder, _)) => {
            ["packs", "snapshots", "notes", "agents"].contains(&folder) && !going.contains(name)
        }
    };
    names(lab, "").await.into_iter().filter(stays).collect()
}

/// The packs that a plan marks.
fn marked_packs(plan: &PrunePlan) -> Vec<lifeboat_vault::PackId> {
    plan.dead.iter().map(|dead| dead.pack).chain(plan.mostly_dead.iter().map(|dead| dead.pack)).collect()
}

async fn names(lab: &Lab, under: &str) -> Vec<String> {
    lab.store().list(under).await.unwrap().into_iter().map(|object| object.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_planned_for_deletion_before_its_lock_ends() {
    let (lab, locking, day) = nights(3).await;
    let (expired, plan) = expire(&lab, &locking, 1).await;
    assert_eq!((expired, plan.going().len()), (0, 0));
    let told: Vec<_> = plan.sources[0].verdicts.iter().map(|verdict| verdict.keep[0].to_string()).collect();
    assert_eq!(told[1], "no rule keeps it, but it is locked until 2026-12-24 02:30 UTC");
    assert_eq!(told[2], "no rule keeps it, but it is locked until 2026-12-23 02:30 UTC");

    locking.clock.pass_hours(24 * 28 + 1);
    assert_eq!(
        expire(&lab, &locking, 1).await.0,
        1,
        "the lock of the first has ended, that of the second not"
    );
    locking.clock.pass_hours(24);
    assert_eq!(expire(&lab, &locking, 1).await.0, 1);

    // What the last one needs is locked anew, what it does not is marked.
    let (_, plan) = prune(&lab, &locking).await;
    let marked = marked_packs(&plan);
    assert!(!marked.is_empty() && plan.locked.is_empty());
    for pack in marked {
        let path = Path::from(format!("packs/{:02x}/{pack}", pack.0[0]));
        let until = locking.clock.now() + SignedDuration::from_hours(24 * 10);
        locking.set(&path, Retention { mode: LockMode::Compliance, until }).await.unwrap();
    }
    locking.clock.pass_hours(25);
    let (packs, plan) = prune(&lab, &locking).await;
    assert_eq!((packs, plan.going.len()), (0, 0), "they are locked");
    assert!(!plan.locked.is_empty());
    assert!(
        plan.locked.iter().all(|pack| pack.until.to_string() == "2027-01-03T03:30:00Z"),
        "{:?}",
        plan.locked
    );
    let waiting = plan.locked.len() as u64;
    locking.clock.pass_hours(24 * 10);
    assert_eq!(prune(&lab, &locking).await.0, waiting, "their mark was kept");
    assert!(names(&lab, "marks").await.is_empty());
    assert_eq!(lab.read_all().await.unwrap()[&3], day);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_stays_locked_for_a_year_and_what_is_not_goes() {
    let (mut lab, locking, mut day) = nights(3).await;
    let mut number = 3;
    let (mut expired, mut pruned) = (0, 0);
    for week in 0..52 {
        locking.clock.pass_hours(24 * 7);
        day = next_day(&day, 100 + week);
        lab.back_up_at(locking.store(), &day, locking.clock.now()).await.unwrap();
        number += 1;
        if week % 5 == 0 {
            lab.lose_state();
        }
        extend(&lab, &locking, 4).await.unwrap();
        // Whoever comes with the right to delete finds everything locked that the last four need.
        let report = verify_all(&lab, Depth::Structure).await.unwrap();
        assert!(!report.found_damage(), "week {week}: {report:?}");
        expired += expire(&lab, &locking, 4).await.0;
        pruned += prune(&lab, &locking).await.0;
        let kept = extend(&lab, &locking, 4).await.unwrap();
        assert_eq!(kept.extended, 0, "nothing is extended twice");
        let left = SignedDuration::from_hours(24 * DAYS / 2);
        let locked = |name: &String| {
            locking.until(&Path::from(name.as_str())).is_some_and(|u| u >= locking.clock.now() + left)
        };
        let needed = needed(&lab, &locking, 4).await;
        let unlocked: Vec<_> = needed.iter().filter(|name| !locked(name)).collect();
        assert!(unlocked.is_empty(), "week {week}: {unlocked:?} of {} are not locked", needed.len());
        // Index objects that name a pack that is to go are let go with it; how many, only an index knows.
        let index = names(&lab, "index").await.into_iter().filter(locked).count();
        let counted = kept.objects as usize - needed.len();
        assert!((1..=index).contains(&counted), "week {week}: {counted} of {index} index objects, {kept:?}");
    }
    assert!(expired > 40 && pruned > 20, "{expired} snapshots expired, {pruned} packs went");
    assert!(names(&lab, "snapshots").await.len() <= 10, "locks keep few for longer than the policy");
    assert_eq!(lab.read_all().await.unwrap()[&number], day);
    let locks = locking.locks.lock().unwrap();
    let never = |path: &&Path| {
        ["keys/", "lease/", "marks/", "probe/"].iter().any(|folder| path.as_ref().starts_with(folder))
    };
    assert_eq!(locks.keys().find(never), None, "keys must stay shreddable");
    assert!(locks.keys().any(|path| path.as_ref().starts_with("notes/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_extend_locks_is_told_so() {
    let (lab, mut locking, _) = nights(2).await;
    assert!(
        extend(&lab, &locking, 2).await.unwrap().extended < 10,
        "what was locked a moment ago is not again"
    );
    locking.clock.pass_hours(24 * 20);
    locking.may_lock = false;
    let denied = extend(&lab, &locking, 2).await.unwrap_err();
    assert!(matches!(denied, Error::Denied { operation: "lock", .. }), "{denied:?}");
    assert!(denied.hints()[0].contains("s3:PutObjectRetention"), "{:?}", denied.hints());
    let denied = locking.store().probe_locks().await;
    assert!(
        matches!(denied, Err(Error::Denied { .. })),
        "`check` tries it on the vault's record: {denied:?}"
    );
}

#[tokio::test]
async fn a_store_without_locks_is_not_asked_and_cannot_be_told_to_lock() {
    let lab = Lab::new().await;
    let vault = lab.for_agent(lab.store()).await.unwrap();
    let locked = extend_locks(&vault, lab.state.path(), |_| true, now()).await.unwrap();
    assert_eq!((locked, lab.store().lock_of("vault").await.unwrap()), (Locked::default(), None));
    let policy = LockPolicy { mode: LockMode::Governance, period: SignedDuration::from_hours(24) };
    assert!(matches!(lab.store().locking(policy, now()), Err(Error::BadStore { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_denies_to_remove_stays_and_the_rest_goes() {
    let (lab, locking, day) = nights(4).await;
    let ended = Retention { mode: LockMode::Governance, until: locking.clock.now() };
    locking.locks.lock().unwrap().values_mut().for_each(|lock| *lock = ended);
    // Locked, and the store does not tell: an immutability policy, a legal hold.
    let silent = || impatient(Arc::new(locking.clone()));
    let hold = |name: &str, hours: i64| {
        let until = locking.clock.now() + SignedDuration::from_hours(hours);
        let lock = Retention { mode: LockMode::Compliance, until };
        locking.locks.lock().unwrap().insert(Path::from(name), lock);
    };
    let manifests = names(&lab, "snapshots").await;
    let (snapshots, _) = lifeboat_vault::list_snapshots(&lab.for_person().await.unwrap()).await.unwrap();
    hold(&format!("snapshots/{}", snapshots[1].id), 48);
    let vault = lab.for_agent(silent()).await.unwrap();
    let mut lease = Lease::take(&vault, &lab.agent, "expiring", false).await.unwrap();
    let now = locking.clock.now();
    let plan = ExpirePlan::make(&vault, |_| Some(keep(1)), &TimeZone::UTC, now).await.unwrap();
    let expired = plan.carry_out(&vault, &lab.agent, &mut lease, now).await.unwrap();
    assert_eq!((expired.snapshots, expired.denied.len(), manifests.len()), (2, 1, 4));
    lease.give_back().await.unwrap();
    let notes = names(&lab, "notes").await.len();
    locking.clock.pass_hours(24 * 8);
    let plan = ExpirePlan::make(&vault, |_| Some(keep(1)), &TimeZone::UTC, now).await.unwrap();
    let mut lease = Lease::take(&vault, &lab.agent, "expiring", false).await.unwrap();
    let expired = plan.carry_out(&vault, &lab.agent, &mut lease, now).await.unwrap();
    assert_eq!((expired.snapshots, names(&lab, "notes").await.len()), (1, notes), "it was noted before");
    lease.give_back().await.unwrap();

    let prune = async |going: usize| {
        let mut lease = Lease::take(&vault, &lab.agent, "pruning", false).await.unwrap();
        let options = PruneOptions::default();
        let plan = PrunePlan::make(&vault, lab.state.path(), options, Some(&mut lease)).await.unwrap();
        assert_eq!(plan.going.len(), going);
        let pruned = plan.carry_out(&lab.agent, &mut lease).await.unwrap();
        lease.give_back().await.unwrap();
        (pruned, plan)
    };
    let (marked, plan) = prune(0).await;
    let going = marked.marked_packs as usize;
    assert!(going > 1, "{marked:?}");
    let pack = marked_packs(&plan)[0];
    let held = format!("packs/{:02x}/{pack}", pack.0[0]);
    locking.clock.pass_hours(25);
    hold(&held, 48);
    let (pruned, _) = prune(going).await;
    let denied: Vec<_> = pruned.denied.iter().map(|denied| denied.object.clone()).collect();
    assert_eq!((pruned.packs as usize, denied), (going - 1, vec![held]));
    assert_eq!(names(&lab, "marks").await.len(), 1, "what stays is marked still");
    locking.clock.pass_hours(49);
    let (pruned, _) = prune(1).await;
    assert_eq!((pruned.packs, pruned.denied.len()), (1, 0));
    assert!(names(&lab, "marks").await.is_empty());
    assert_eq!(lab.read_all().await.unwrap()[&4], day);
}
