//! A whole run as each face tells it, by a clock that the test sets.

use std::io::Write;

use serde_json::json;

use super::*;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn out(&self) -> face::Out {
        Mutex::new(Box::new(self.clone()))
    }
}

/// Tells the same short run to `face` and compares what reached `out`.
fn check(face: Face, out: &Shared, expected: &str) {
    let seconds = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&seconds);
    let progress = Progress::with(face, Box::new(move || Duration::from_secs(clock.load(Relaxed))));
    progress.phase("reading");
    progress.expect_rows(400);
    let contacts = progress.table("contacts", Some(300));
    let deals = progress.table("de\x1bals", None);
    contacts.add(100, 1 << 20);
    deals.add(100, 1 << 20);
    seconds.store(2, Relaxed);
    progress.tick();
    contacts.add(100, 1 << 20);
    contacts.finish();
    progress.warn("policy thins nothing\n");
    deals.finish();
    progress.phase("sealing");
    seconds.store(5, Relaxed);
    progress.note("all sealed");
    progress.summary(&json!({ "source": "crm", "rows": 300 })).expect("written");
    progress.finish();
    assert_eq!(String::from_utf8(lock(&out.0).clone()).expect("UTF-8"), expected);
}

#[test]
fn plain_lines_tell_phases_and_how_far_they_are() {
    let err = Shared::default();
    check(
        Face::Lines { err: err.out() },
        &err,
        "\
reading
reading: 200 of 400 rows (50 %), 2.00 MiB, 1.00 MiB/s, 2 s left, now contacts, de\\u{1b}als
warning: policy thins nothing\\n
reading: 2 tables, 300 rows, 3.00 MiB in 2.0 s
sealing
note: all sealed
sealing: done in 3.0 s
",
    );
}

#[test]
fn json_lines_end_with_the_summary() {
    let (out, err) = (Shared::default(), Shared::default());
    check(
        Face::Json { out: out.out(), err: err.out() },
        &out,
        r#"{"type":"phase","phase":"reading"}
{"type":"progress","phase":"reading","rows":200,"rows_estimated":400,"bytes":2097152,"bytes_estimated":null,"seconds":2.0,"bytes_per_second":1048576,"seconds_left":2.0,"tables_done":0,"tables":[{"name":"contacts","rows":100,"rows_estimated":300,"bytes":1048576},{"name":"de\u001bals","rows":100,"rows_estimated":null,"bytes":1048576}]}
{"type":"table","table":"contacts","rows":200,"bytes":2097152}
{"type":"warning","text":"policy thins nothing\n"}
{"type":"table","table":"de\u001bals","rows":100,"bytes":1048576}
{"type":"progress","phase":"reading","rows":300,"rows_estimated":400,"bytes":3145728,"bytes_estimated":null,"seconds":2.0,"bytes_per_second":1572864,"seconds_left":1.0,"tables_done":2,"tables":[]}
{"type":"phase","phase":"sealing"}
{"type":"note","text":"all sealed"}
{"type":"progress","phase":"sealing","rows":0,"rows_estimated":null,"bytes":0,"bytes_estimated":null,"seconds":3.0,"bytes_per_second":null,"seconds_left":null,"tables_done":0,"tables":[]}
{"type":"summary","source":"crm","rows":300}
"#,
    );
    let warned = String::from_utf8(lock(&err.0).clone()).expect("UTF-8");
    assert_eq!(warned, "warning: policy thins nothing\\n\n");
}

#[test]
fn a_hidden_reporter_says_nothing() {
    check(Face::Hidden, &Shared::default(), "");
}

#[test]
fn counts_from_many_threads_add_up() {
    let progress = Progress::hidden();
    progress.phase("reading");
    let table = progress.table("contacts", None);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| table.add(1, 10)));
        }
    });
    let status = progress.0.current().status(Duration::ZERO);
    assert_eq!((status.rows, status.bytes, status.tables[0].rows), (4000, 40_000, 4000));
}

#[test]
fn a_table_that_is_dropped_is_not_counted_as_done() {
    let progress = Progress::hidden();
    drop(progress.table("contacts", None));
    let status = progress.0.current().status(Duration::ZERO);
    assert_eq!((status.tables.len(), status.tables_done), (0, 0));
}

#[test]
fn the_drawing_thread_ends_with_the_run() {
    let (out, err) = (Shared::default(), Shared::default());
    let face = Face::Json { out: out.out(), err: err.out() };
    let progress = Progress::with(face, Box::new(|| Duration::ZERO));
    *lock(&progress.0.ticker) = Ticker::start(&progress.0);
    let weak = Arc::downgrade(&progress.0);
    drop(progress);
    assert!(weak.upgrade().is_none());
}
