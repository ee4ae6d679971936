//! Bars on a terminal: one for each table under way, the phase's total below them.

use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lock;
use super::status::{Status, TableStatus};
use crate::{escape, output};

/// More bars than this would push the total off a small terminal; the rest are only counted.
const BARS_MAX: usize = 8;

/// A bar without an end is drawn by its text alone.
const BAR: &str = "  {prefix:<28!} {bar:20.cyan} {msg}";
const NO_BAR: &str = "  {prefix:<28!} {spinner:<20} {msg}";

/// The steps of a bar. A total is not always known in rows, so a bar shows a share.
const STEPS: u64 = 1000;

/// The bars of a run.
pub(crate) struct Bars {
    multi: MultiProgress,
    drawn: Mutex<Drawn>,
}

#[derive(Default)]
struct Drawn {
    total: Option<ProgressBar>,
    tables: Vec<(String, ProgressBar)>,
}

impl Bars {
    /// Bars on stderr, which log lines and results know to write above.
    pub(crate) fn on_stderr() -> Self {
        let bars = Self::on(ProgressDrawTarget::stderr_with_hz(10));
        output::set_bars(Some(bars.multi.clone()));
        bars
    }

    pub(crate) fn on(target: ProgressDrawTarget) -> Self {
        Self { multi: MultiProgress::with_draw_target(target), drawn: Mutex::default() }
    }

    /// Makes the bars say what `status` says.
    pub(crate) fn draw(&self, status: &Status) {
        let mut drawn = lock(&self.drawn);
        let total = drawn.total.get_or_insert_with(|| self.multi.add(ProgressBar::new(STEPS))).clone();
        let shown: Vec<_> = status.tables.iter().take(BARS_MAX).collect();
        drawn.tables.retain(|(name, bar)| {
            let stays = shown.iter().any(|table| table.name == *name);
            if !stays {
                bar.finish_and_clear();
                self.multi.remove(bar);
            }
            stays
        });
        for table in shown {
            set(&self.table_bar(&mut drawn, table, &total), &table.name, share(table), table.numbers());
        }
        set(&total, &status.phase, status.share(), status.numbers());
    }

    fn table_bar(&self, drawn: &mut Drawn, table: &TableStatus, total: &ProgressBar) -> ProgressBar {
        if let Some((_, bar)) = drawn.tables.iter().find(|(name, _)| *name == table.name) {
            return bar.clone();
        }
        let bar = self.multi.insert_before(total, ProgressBar::new(STEPS));
        drawn.tables.push((table.name.clone(), bar.clone()));
        bar
    }

    /// Takes the bars of a phase off the terminal.
    pub(crate) fn clear(&self) {
        let drawn = std::mem::take(&mut *lock(&self.drawn));
        for bar in drawn.tables.into_iter().map(|(_, bar)| bar).chain(drawn.total) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }

    /// Ends drawing for good.
    pub(crate) fn close(&self) {
        self.clear();
        output::set_bars(None);
    }
}

fn share(table: &TableStatus) -> Option<f64> {
    let expected = table.rows_expected.filter(|rows| *rows > 0)?;
    Some((table.rows as f64 / expected as f64).min(1.0))
}

fn set(bar: &ProgressBar, name: &str, share: Option<f64>, numbers: String) {
    let template = if share.is_some() { BAR } else { NO_BAR };
    bar.set_style(style(template));
    bar.set_prefix(escape(name).into_owned());
    bar.set_message(numbers);
    bar.set_position((share.unwrap_or(0.0) * STEPS as f64) as u64);
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well formed").progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indicatif::InMemoryTerm;

    use super::*;

    fn check(term: &InMemoryTerm, expected: &[&str]) {
        assert_eq!(term.contents().lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn tables_stand_above_the_total_and_leave_when_done() {
        let term = InMemoryTerm::new(10, 120);
        let bars = Bars::on(ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 255));
        let table = |name: &str, rows| TableStatus {
            name: name.into(),
            rows,
            rows_expected: Some(1000),
            bytes: 2048,
        };
        let mut status = Status {
            phase: "reading".into(),
            elapsed: Duration::from_secs(4),
            rows: 750,
            bytes: 4096,
            rows_expected: Some(3000),
            bytes_expected: None,
            tables_done: 0,
            tables: vec![table("public.contacts", 500), table("客户\x1b[2J", 250)],
        };
        bars.draw(&status);
        bars.multi.suspend(|| ());
        check(
            &term,
            &[
                "  public.contacts              ==========>          500 of 1,000 rows, 2.00 KiB",
                "  客户\\u{1b}[2J                =====>               250 of 1,000 rows, 2.00 KiB",
                "  reading                      =====>               750 of 3,000 rows (25 %), 4.00 KiB, 1.00 KiB/s, 12 s left",
            ],
        );
        status.tables.remove(0);
        bars.draw(&status);
        bars.multi.suspend(|| ());
        assert_eq!(term.contents().lines().count(), 2);
        bars.clear();
        check(&term, &[]);
    }
}
