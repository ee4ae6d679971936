//! The damage matrix: every way to damage an object, on every kind of object, against reading back
//! and the next backup. Damage is named; what does not need the damaged object still comes back; and
//! nothing wrong ever comes back.

use std::sync::Arc;

use bytes::Bytes;
use lifeboat_vault::{
    Depth, Error, SnapshotReader, SnapshotWriter, Vault, VerifyReport, list_snapshots, verify,
};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use crate::lab::{Day, Lab, Run, first_day, next_day, read_day, read_table, write};

/// Ways to damage an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Delete,
    Truncate,
    FlipFirst,
    FlipMiddle,
    FlipLast,
    Swap,
}

const EVERY_DAMAGE: [Damage; 6] =
    [Damage::Delete, Damage::Truncate, Damage::FlipFirst, Damage::FlipMiddle, Damage::FlipLast, Damage::Swap];

/// The objects below a folder, or the one of that name.
async fn names(lab: &Lab, under: &str) -> Vec<String> {
    if lab.store().size(under).await.unwrap().is_some() {
        return vec![under.to_owned()];
    }
    let mut names: Vec<_> =
        lab.store().list(under).await.unwrap().into_iter().map(|object| object.name).collect();
    names.sort();
    names
}

async fn put(lab: &Lab, name: &str, bytes: Vec<u8>) {
    lab.objects.put(&Path::from(name), PutPayload::from(Bytes::from(bytes))).await.unwrap();
}

async fn apply(lab: &Lab, damage: Damage, name: &str, other: Option<&String>) {
    let mut bytes = lab.store().get(name).await.unwrap().to_vec();
    let middle = bytes.len() / 2;
    match damage {
        Damage::Delete => return lab.objects.delete(&Path::from(name)).await.unwrap(),
        Damage::Truncate => bytes.truncate(middle),
        Damage::FlipFirst => bytes[0] ^= 1,
        // In a pack this is still a segment: the table of contents of a small one is nearly half of it.
        Damage::FlipMiddle => bytes[middle / 2] ^= 1,
        Damage::FlipLast => *bytes.last_mut().unwrap() ^= 1,
        Damage::Swap => {
            let Some(other) = other else { return };
            let theirs = lab.store().get(other).await.unwrap().to_vec();
            put(lab, other, bytes).await;
            bytes = theirs;
        }
    }
    put(lab, name, bytes).await;
}

/// Flips a bit in the middle of an object.
pub async fn flip(lab: &Lab, name: &str) {
    apply(lab, Damage::FlipMiddle, name, None).await;
}

/// Two days in a vault, several packs, indexes and manifests.
async fn lab_of_two_days() -> (Lab, [Day; 2]) {
    let lab = Lab::new().await;
    let first = first_day();
    let days = [first.clone(), next_day(&first, 1)];
    for day in &days {
        lab.back_up(lab.store(), day).await.unwrap();
    }
    (lab, days)
}

/// Damages the objects under `under` one at a time and hands what is left to `judge`.
async fn matrix(under: &str, judge: impl AsyncFn(Damage, &str, &mut Lab, &[Day; 2])) {
    let (lab, days) = lab_of_two_days().await;
    let names = names(&lab, under).await;
    assert!(!names.is_empty());
    for damage in EVERY_DAMAGE {
        for (at, name) in names.iter().enumerate() {
            let mut hurt = Lab {
                objects: Arc::new(lab.objects.fork()),
                agent: lab.agent.clone(),
                person: lab.person.clone(),
                state: tempfile::tempdir().unwrap(),
                slices: 1,
            };
            let other = names.get((at + 1) % names.len()).filter(|other| *other != name);
            if damage == Damage::Swap && other.is_none() {
                continue;
            }
            apply(&hurt, damage, name, other).await;
            judge(damage, name, &mut hurt, &days).await;
        }
    }
}

/// Reads what can be read, table by table: everything that comes back must be right. Returns how many
/// tables came back and how many did not.
async fn read_what_is_whole(lab: &Lab, days: &[Day; 2]) -> lifeboat_vault::Result<(usize, usize)> {
    let vault = lab.for_person().await?;
    let (snapshots, _) = list_snapshots(&vault).await?;
    let scratch = tempfile::tempdir().unwrap();
    let (reader, _) = SnapshotReader::open(&vault, scratch.path()).await?;
    let (mut whole, mut hurt) = (0, 0);
    for snapshot in &snapshots {
        let day = &days[(snapshot.manifest.number as usize - 1).min(1)];
        let tables = match reader.tables(snapshot).await {
            Ok(tables) => tables,
            Err(error) if error.is_damage() => {
                hurt += day.len();
                continue;
            }
            Err(error) => return Err(error),
        };
        for table in tables {
            match read_table(&vault, &reader, &table).await {
                Ok(rows) => {
                    assert_eq!(rows, day[&table.table.name], "wrong rows came back");
                    whole += 1;
                }
                Err(error) if error.is_damage() => hurt += 1,
                Err(error) => return Err(error),
            }
        }
    }
    Ok((whole, hurt))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_pack_costs_no_more_than_the_tables_in_it_and_a_lost_one_heals_at_the_next_backup() {
    matrix("packs", async |damage, name, lab, days| {
        let (whole, hurt) = read_what_is_whole(lab, days).await.unwrap();
        assert_eq!(whole + hurt, days[0].len() + days[1].len(), "{damage:?} {name}");
        // A flipped bit may lie in the table of contents, which an index makes up for.
        assert!(hurt >= 1 || matches!(damage, Damage::FlipLast | Damage::FlipMiddle), "{damage:?} {name}");
        let flipped = matches!(damage, Damage::FlipFirst | Damage::FlipMiddle);
        match lab.back_up(lab.store(), &days[1]).await {
            Ok(_) => {}
            // Recipes are read back before a snapshot is called good.
            Err(Error::Damaged { object, .. }) if flipped => assert_eq!(object, name),
            Err(error) => panic!("{damage:?} {name}: {error:?}"),
        }
        if matches!(damage, Damage::Delete | Damage::Truncate | Damage::Swap) {
            let vault = lab.for_person().await.unwrap();
            let (snapshots, _) = list_snapshots(&vault).await.unwrap();
            let newest = snapshots.last().unwrap();
            assert_eq!(crate::lab::read_day(&vault, newest).await.unwrap(), days[1], "{damage:?} {name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_pack_of_rows_costs_no_catalogue() {
    let (lab, days) = lab_of_two_days().await;
    let largest =
        lab.store().list("packs").await.unwrap().into_iter().max_by_key(|object| object.bytes).unwrap();
    apply(&lab, Damage::Delete, &largest.name, None).await;
    let (whole, hurt) = read_what_is_whole(&lab, &days).await.unwrap();
    assert!(hurt > 0 && whole >= 2, "the empty tables need no pack: {whole} whole, {hurt} hurt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_costs_nothing_because_packs_say_what_they_hold() {
    matrix("index", async |damage, name, lab, days| {
        let (_, hurt) = read_what_is_whole(lab, days).await.unwrap();
        assert_eq!(hurt, 0, "{damage:?} {name}");
        lab.back_up(lab.store(), &days[1]).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_manifest_costs_its_snapshot_and_no_other() {
    matrix("snapshots", async |damage, name, lab, days| {
        let (vault, lost) = (lab.for_person().await.unwrap(), if damage == Damage::Swap { 2 } else { 1 });
        let (snapshots, named) = list_snapshots(&vault).await.unwrap();
        assert_eq!(snapshots.len(), 2 - lost, "{damage:?} {name}");
        assert_eq!(named.len(), if damage == Damage::Delete { 0 } else { lost }, "{damage:?} {name}");
        read_what_is_whole(lab, days).await.unwrap();
        let written = lab.back_up(lab.store(), &days[1]).await.unwrap();
        // The lab's agent has lost its state: rows that moved between chunks are written again.
        assert!(written.new_raw_bytes * 2 < written.raw_bytes, "{damage:?} {name}: {written:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_key_enrolment_or_record_is_named_and_never_worked_around() {
    for under in ["keys", "agents", "vault"] {
        matrix(under, async |damage, name, lab, days| {
            let read = read_what_is_whole(lab, days).await;
            let backed_up = lab.back_up(lab.store(), &days[1]).await;
            // A wrap of a key that this reader or writer does not need may be gone unnoticed; what
            // comes back is right all the same, which `read_what_is_whole` asserts.
            for error in [read.err(), backed_up.err()].into_iter().flatten() {
                let named = error.is_damage()
                    || matches!(
                        error,
                        Error::NoVault { .. } | Error::NoKey { .. } | Error::Unsupported { .. }
                    );
                assert!(named, "{damage:?} {name}: {error:?}");
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_enrolment_does_not_close_the_vault_to_others() {
    let (mut lab, days) = lab_of_two_days().await;
    let lost = lab.agent.id();
    lab.agent = lifeboat_vault::AgentKey::generate("db2");
    let vault = lab.for_person().await.unwrap();
    vault.enrol(&lab.agent.request(), &lab.identities(), crate::lab::now()).await.unwrap();
    apply(&lab, Damage::FlipMiddle, &format!("agents/{lost}"), None).await;
    let vault = lab.for_person().await.unwrap();
    assert_eq!(vault.damage().len(), 1);
    let (snapshots, damage) = list_snapshots(&vault).await.unwrap();
    assert!(snapshots.is_empty() && damage.len() == 2, "what the lost agent wrote is not believed");
    lab.back_up(lab.store(), &days[1]).await.unwrap();
}

/// Verifies everything that is listed, and reads it all.
pub async fn verify_all(lab: &Lab, depth: Depth) -> lifeboat_vault::Result<VerifyReport> {
    verify_in(&lab.for_person().await?, depth).await
}

/// The same, in a vault as it was opened.
pub async fn verify_in(vault: &Vault, depth: Depth) -> lifeboat_vault::Result<VerifyReport> {
    let (snapshots, unreadable) = list_snapshots(vault).await?;
    let scratch = tempfile::tempdir().unwrap();
    let (reader, sync) = SnapshotReader::open(vault, scratch.path()).await?;
    verify(&reader, &sync, &snapshots, &snapshots, &unreadable, depth, &|_, _| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_names_every_damage_and_what_is_still_whole() {
    for under in ["packs", "index", "snapshots"] {
        matrix(under, async |damage, name, lab, days| {
            let report = verify_all(lab, Depth::All).await.unwrap();
            // The newest manifest leaves no trace when it is deleted: nothing after it names it.
            let (vanished, (snapshots, _)) =
                (damage == Damage::Delete, list_snapshots(&lab.for_person().await.unwrap()).await.unwrap());
            let newest_gone = under == "snapshots" && vanished && snapshots[0].manifest.number == 1;
            // An index that is gone is made up for by the packs' own contents; a flipped table of
            // contents by an index.
            let made_up_for =
                (under == "index" && vanished) || (under == "packs" && damage == Damage::FlipLast);
            assert_eq!(report.found_damage(), !newest_gone && !made_up_for, "{damage:?} {name}: {report:?}");
            let hurt: usize = report.snapshots.iter().map(|health| health.damaged.len()).sum();
            if under == "packs" && damage != Damage::FlipLast && damage != Damage::FlipMiddle {
                assert!(hurt > 0, "{damage:?} {name}: no table is named");
            }
            let (whole, broken) = read_what_is_whole(lab, days).await.unwrap();
            if under != "snapshots" {
                assert_eq!(
                    broken > 0,
                    hurt > 0,
                    "{damage:?} {name}: {whole} whole, {broken} broken, {report:?}"
                );
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_in_a_damaged_vault_loses_nothing_that_could_still_be_read() {
    for under in ["packs", "index", "snapshots", "agents", "keys"] {
        matrix(under, async |damage, name, lab, days| {
            // Damage may hold either back; then nothing goes, which is as good.
            let _ = crate::expire::expire(lab, lab.store(), &crate::expire::keep(1)).await;
            let Ok((before, _)) = read_what_is_whole(lab, days).await else { return };
            let Ok(vault) = lab.for_agent(lab.store()).await else { return };
            for _ in 0..3 {
                let hasty = crate::prune::HASTY;
                let _ = crate::prune::prune_with(&vault, &lab.agent, lab.state.path(), hasty).await;
            }
            let (after, _) = read_what_is_whole(lab, days).await.unwrap();
            assert!(after >= before, "{damage:?} {name}: {before} tables were whole, {after} are");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_says_how_far_it_went() {
    let (lab, days) = lab_of_two_days().await;
    let rows = days[1].values().map(|rows| rows.len()).sum::<usize>() as u64;
    let structure = verify_all(&lab, Depth::Structure).await.unwrap();
    assert!(!structure.found_damage(), "{structure:?}");
    assert_eq!((structure.covered.snapshots, structure.covered.rows), (2, 0));
    let all = verify_all(&lab, Depth::All).await.unwrap();
    assert!(!all.found_damage(), "{all:?}");
    assert!(all.covered.rows >= rows && all.covered.closed_grades.is_empty());
    let sample = verify_all(&lab, Depth::Sample { percent: 100 }).await.unwrap();
    assert_eq!(sample.covered.rows, all.covered.rows);

    let vault = lab.for_agent(lab.store()).await.unwrap();
    let (snapshots, _) = list_snapshots(&vault).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (reader, sync) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
    let closed = verify(&reader, &sync, &snapshots, &snapshots, &[], Depth::All, &|_, _| {}).await.unwrap();
    assert_eq!(
        (closed.covered.rows, &closed.covered.closed_grades[..]),
        (0, &[lifeboat_vault::Grade::High][..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_calls_a_table_without_streams_damaged() {
    let lab = Lab::new().await;
    let vault = lab.for_agent(lab.store()).await.unwrap();
    let run = Run { vault: &vault, agent: &lab.agent, state: lab.state.path(), slices: 1 };
    let (writer, mut draft) = run.write(&first_day()).await.unwrap();
    let table = draft.tables.iter_mut().find(|table| table.table.name == "empty").unwrap();
    table.streams.clear();
    writer.finish(draft).await.unwrap();
    for depth in [Depth::Structure, Depth::Sample { percent: 1 }, Depth::All] {
        let report = verify_all(&lab, depth).await.unwrap();
        let damaged: Vec<_> = report.snapshots[0].damaged.iter().map(|part| part.what.as_str()).collect();
        assert_eq!(damaged, ["table empty"], "{report:?}");
        assert!(report.found_damage());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_misses_a_snapshot_that_the_next_one_names() {
    let (lab, _) = lab_of_two_days().await;
    let (snapshots, _) = list_snapshots(&lab.for_person().await.unwrap()).await.unwrap();
    apply(&lab, Damage::Delete, &format!("snapshots/{}", snapshots[0].id), None).await;
    let report = verify_all(&lab, Depth::Structure).await.unwrap();
    assert!(report.damage.iter().any(|text| text.contains(&snapshots[0].id.short())), "{report:?}");
    assert!(report.snapshots[0].is_whole(), "the one that is left needs nothing of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_without_snapshots_is_damaged_when_packs_are_there_and_proves_nothing_else() {
    let empty = Lab::new().await;
    let report = verify_all(&empty, Depth::Structure).await.unwrap();
    assert!(!report.found_damage(), "{report:?}");
    assert!(matches!(report.nothing_proven(), Some(Error::NoSnapshot { packs: 0 })), "{report:?}");
    let (lab, _) = lab_of_two_days().await;
    assert!(verify_all(&lab, Depth::Structure).await.unwrap().nothing_proven().is_none());
    let snapshots = names(&lab, "snapshots").await;
    apply(&lab, Damage::Delete, &snapshots[0], None).await;
    apply(&lab, Damage::FlipFirst, &snapshots[1], None).await;
    let unreadable = verify_all(&lab, Depth::Structure).await.unwrap();
    assert!(unreadable.found_damage() && unreadable.nothing_proven().is_none(), "{unreadable:?}");
    apply(&lab, Damage::Delete, &snapshots[1], None).await;
    let deleted = verify_all(&lab, Depth::Structure).await.unwrap();
    assert!(deleted.found_damage(), "{deleted:?}");
    assert!(deleted.nothing_proven().is_some_and(|error| error.is_damage()), "{deleted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_wrap_closes_its_own_grade_only() {
    let (lab, days) = lab_of_two_days().await;
    let wraps = names(&lab, "keys").await;
    let low = wraps.iter().find(|name| name.contains("/low-")).unwrap();
    let medium = wraps.iter().find(|name| name.contains("/medium-")).unwrap();
    apply(&lab, Damage::FlipLast, low, None).await;
    put(
        &lab,
        medium,
        lab.store().get(wraps.iter().find(|name| name.contains("/high-")).unwrap()).await.unwrap().to_vec(),
    )
    .await;
    let vault = lab.for_person().await.unwrap();
    assert_eq!(vault.unlocked(), [lifeboat_vault::Grade::High]);
    assert_eq!(vault.damage().len(), 2, "a flipped wrap, and one that holds another key");
    assert_eq!(lab.read_all().await.unwrap()[&2], days[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_wrap_is_found_by_those_whom_it_is_not_for() {
    matrix("keys", async |damage, name, lab, _| {
        // A wrap in the keyring's place closes the vault, which is another row of the matrix.
        let Ok(vault) = lab.for_agent(lab.store()).await else { return };
        if !name.ends_with(".age") {
            return;
        }
        let found = vault.check_wraps().await.unwrap();
        assert!(found.iter().any(|error| error.to_string().contains(name)), "{damage:?} {name}: {found:?}");
        let (snapshots, _) = list_snapshots(&vault).await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let (reader, sync) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
        let none = |_, _| {};
        let report =
            verify(&reader, &sync, &snapshots, &snapshots, &[], Depth::Structure, &none).await.unwrap();
        assert!(report.found_damage(), "{damage:?} {name}: {report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_keyring_under_a_new_name_is_not_trusted_and_closes_nothing() {
    let (lab, _) = lab_of_two_days().await;
    let keyring = lab.store().get("keys/keyring-00000001").await.unwrap();
    put(&lab, "keys/keyring-00000002", keyring.to_vec()).await;
    put(&lab, "keys/keyring-zzz", b"a stray file".to_vec()).await;
    put(&lab, "agents/.DS_Store", b"another".to_vec()).await;
    let vault = lab.for_person().await.unwrap();
    assert_eq!(vault.keyring_sequence(), 1);
    assert!(vault.damage().all(|error| matches!(error, Error::Untrusted { .. })));
    assert_eq!(vault.damage().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_in_two_packs_is_read_from_the_other_when_one_is_damaged() {
    let lab = Lab::new().await;
    let (day, vault) = (first_day(), lab.for_agent(lab.store()).await.unwrap());
    // Two runs begin before either has stored anything, as those of two hosts may.
    let other = tempfile::tempdir().unwrap();
    let mut writers = Vec::new();
    for state in [lab.state.path(), other.path()] {
        writers.push(SnapshotWriter::begin(&vault, &lab.agent, state, "crm").await.unwrap());
    }
    for writer in writers {
        write(writer, &vault, &day, 1).await.unwrap();
    }
    let packs = names(&lab, "packs").await;
    assert_eq!(packs.len(), 4, "a pack of rows and one of metadata each");
    let mut worked_around = 0;
    // One local index for all: in which order it came to know the packs says which of two copies is read first.
    let scratch = tempfile::tempdir().unwrap();
    SnapshotReader::open(&lab.for_person().await.unwrap(), scratch.path()).await.unwrap();
    for damage in [Damage::FlipFirst, Damage::FlipMiddle, Damage::Delete] {
        for pack in &packs {
            let hurt = Lab {
                objects: Arc::new(lab.objects.fork()),
                state: tempfile::tempdir().unwrap(),
                agent: lab.agent.clone(),
                person: lab.person.clone(),
                ..lab
            };
            apply(&hurt, damage, pack, None).await;
            let vault = hurt.for_person().await.unwrap();
            let (snapshots, unreadable) = list_snapshots(&vault).await.unwrap();
            for snapshot in &snapshots {
                assert!(read_day(&vault, snapshot).await.unwrap() == day, "{damage:?} {pack}");
            }
            let (reader, sync) = SnapshotReader::open(&vault, scratch.path()).await.unwrap();
            let report = verify(&reader, &sync, &snapshots, &snapshots, &unreadable, Depth::All, &|_, _| {})
                .await
                .unwrap();
            assert!(report.snapshots.iter().all(|snapshot| snapshot.is_whole()), "{report:?}");
            assert!(report.damage.iter().all(|damage| damage.contains(pack.as_str())), "{report:?}");
            worked_around += usize::from(damage == Damage::FlipFirst && report.found_damage());
        }
    }
    assert_eq!(worked_around, 2, "of two packs of rows and two of metadata, one each is read first");
}
