//! Back up, read back, compare; and what a second run costs.

use crate::lab::{Lab, Table, first_day, next_day};

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_back_as_they_went_in() {
    let lab = Lab::new().await;
    let day = first_day();
    let written = lab.back_up(lab.store(), &day).await.unwrap();
    assert_eq!(lab.read_all().await.unwrap()[&1], day);
    let raw: usize = day.values().flat_map(|rows| rows.iter()).map(Vec::len).sum();
    assert_eq!(written.raw_bytes as usize, raw + crate::lab::SCHEMA.len());
    assert!(written.new_raw_bytes <= written.raw_bytes && written.new_raw_bytes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_without_changes_adds_a_manifest_and_nothing_else() {
    let lab = Lab::new().await;
    let day = first_day();
    let first = lab.back_up(lab.store(), &day).await.unwrap();
    let second = lab.back_up(lab.store(), &day).await.unwrap();
    assert_ne!(first.snapshot, second.snapshot);
    assert_eq!(second.new_raw_bytes, 0);
    assert!(second.stored_bytes < 4096, "{} bytes", second.stored_bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_bytes_are_what_the_store_grew_by() {
    let lab = Lab::new().await;
    let size =
        async || -> u64 { lab.store().list("").await.unwrap().iter().map(|object| object.bytes).sum() };
    let mut day = first_day();
    for n in 0..3 {
        let before = size().await;
        let written = lab.back_up(lab.store(), &day).await.unwrap();
        assert_eq!(size().await - before, written.stored_bytes);
        day = next_day(&day, n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_local_state_costs_nothing_but_reading_the_index() {
    let mut lab = Lab::new().await;
    let day = first_day();
    lab.back_up(lab.store(), &day).await.unwrap();
    lab.lose_state();
    let second = lab.back_up(lab.store(), &day).await.unwrap();
    assert_eq!(second.new_raw_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_of_every_day_stay_whole() {
    let lab = Lab::new().await;
    let mut days = vec![first_day()];
    for n in 0..4 {
        days.push(next_day(&days[n], n));
    }
    for day in &days {
        lab.back_up(lab.store(), day).await.unwrap();
    }
    let read = lab.read_all().await.unwrap();
    for (number, day) in days.iter().enumerate() {
        assert_eq!(&read[&(number as u64 + 1)], day, "day {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_rows_equal_a_schema_file_comes_back() {
    let lab = Lab::new().await;
    let day = [("t".to_owned(), Table(vec![crate::lab::SCHEMA.to_vec()]))].into();
    lab.back_up(lab.store(), &day).await.unwrap();
    assert_eq!(lab.read_all().await.unwrap()[&1], day);
}
