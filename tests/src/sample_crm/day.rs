//! A working day: what salespeople change, add and throw away between two nightly backups.

use std::collections::BTreeSet;

use super::calendar::{HISTORY_DAYS, moment};
use super::dice::Dice;
use super::people::phone;
use super::row::Row;
use super::table::{STAGES, Table, World};
use super::words::MAIL_HOSTS;

/// Of ten thousand accounts, contacts and opportunities each, this many are updated in a day.
const UPDATED: u64 = 50;
/// Of ten thousand activities, audit lines and contacts each, this many are added.
const ADDED: u64 = 30;
/// Of ten thousand activities, this many are deleted.
const DELETED: u64 = 5;

/// What kinds of rows a day adds, in the order in which foreign keys let them.
pub(super) const GROWING: [Table; 3] = [Table::Contacts, Table::Activities, Table::AuditLog];
/// What kinds of rows a day updates.
pub(super) const CHANGING: [Table; 3] = [Table::Accounts, Table::Contacts, Table::Opportunities];

/// The columns that a day's update of `table` writes, with PostgreSQL's type for each.
pub(super) fn updated_columns(table: Table) -> &'static [(&'static str, &'static str)] {
    match table {
        Table::Accounts => &[("phone", "text"), ("revenue", "numeric"), ("updated_at", "timestamptz")],
        Table::Contacts => &[("email", "text"), ("phone", "text"), ("updated_at", "timestamptz")],
        Table::Opportunities => &[
            ("stage", "opportunity_stage"),
            ("amount", "numeric"),
            ("probability", "smallint"),
            ("updated_at", "timestamptz"),
        ],
        other => unreachable!("a day updates no {}", other.name()),
    }
}

/// What a day did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct DayStats {
    /// Rows updated.
    pub updated: u64,
    /// Rows added, without those that triggers add.
    pub added: u64,
    /// Rows deleted.
    pub deleted: u64,
}

impl World {
    /// The rows of `table` that the day updates: random ones, in order.
    pub(super) fn updated_ids(&self, table: Table) -> BTreeSet<u64> {
        self.random_ids(table, UPDATED, 200)
    }

    /// The rows that the day deletes; some may be gone already.
    pub(super) fn deleted_activities(&self) -> BTreeSet<u64> {
        self.random_ids(Table::Activities, DELETED, 300)
    }

    /// How many rows the day adds to `table`.
    pub(super) fn added(&self, table: Table) -> u64 {
        share(self.sizes.of(table), ADDED)
    }

    /// Fills `row` with the new values of `updated_columns` for row `id`, the id first.
    pub(super) fn fill_update(&self, table: Table, id: u64, row: &mut Row) {
        let day = self.day.expect("updates happen on a working day");
        let dice = &mut Dice::new(self.seed ^ (day << 32), 400 + table as u64, id);
        row.clear();
        row.integer(id);
        match table {
            Table::Accounts => {
                row.text(&phone(dice, true));
                row.cents(dice.below(900_000_000_000));
            }
            Table::Contacts => {
                row.format(format_args!("new.address{}@{}", dice.below(1_000_000), dice.pick(MAIL_HOSTS)));
                row.text(&phone(dice, true));
            }
            Table::Opportunities => {
                row.text(dice.pick(STAGES));
                row.cents(dice.below(500_000_000));
                row.integer(dice.below(21) * 5);
            }
            other => unreachable!("a day updates no {}", other.name()),
        }
        let second = dice.between(8 * 3600, 20 * 3600);
        row.build(|out| moment(out, (HISTORY_DAYS + day) as i64, second, dice.below(1_000_000)));
    }

    fn random_ids(&self, table: Table, of_ten_thousand: u64, purpose: u64) -> BTreeSet<u64> {
        let day = self.day.expect("changes happen on a working day");
        let dice = &mut Dice::new(self.seed, purpose + table as u64, day);
        let rows = self.sizes.of(table);
        let wanted = share(rows, of_ten_thousand) as usize;
        let mut ids = BTreeSet::new();
        while ids.len() < wanted {
            ids.insert(1 + dice.below(rows));
        }
        ids
    }
}

fn share(rows: u64, of_ten_thousand: u64) -> u64 {
    (rows * of_ten_thousand / 10_000).clamp(1, rows)
}
