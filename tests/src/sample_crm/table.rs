//! The eight tables, how many rows each has at a scale, and what stands in a row.

use std::fmt::Write;

use super::calendar::{HISTORY_DAYS, date, moment};
use super::dice::Dice;
use super::people::{Company, Person, phone, prose, syllables};
use super::row::Row;
use super::words::*;

/// A table of the CRM, in the order in which foreign keys let them be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Users,
    Products,
    Accounts,
    Contacts,
    Opportunities,
    Activities,
    AuditLog,
    Notes,
}

impl Table {
    pub const ALL: [Self; 8] = [
        Self::Users,
        Self::Products,
        Self::Accounts,
        Self::Contacts,
        Self::Opportunities,
        Self::Activities,
        Self::AuditLog,
        Self::Notes,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Products => "products",
            Self::Accounts => "accounts",
            Self::Contacts => "contacts",
            Self::Opportunities => "opportunities",
            Self::Activities => "activities",
            Self::AuditLog => "audit_log",
            Self::Notes => "notes",
        }
    }

    /// The columns that a row fills, in its order.
    pub fn columns(self) -> &'static str {
        match self {
            Self::Users => "id, login, full_name, email, branch, active, avatar, created_at",
            Self::Products => "id, sku, name, category, unit_price, active, description, created_at",
            Self::Accounts => {
                "id, number, name, kind, tax_number, industry, city, address, phone, website, revenue, owner_id, \
                 attributes, created_at, updated_at"
            }
            Self::Contacts => {
                "id, account_id, name, title, email, phone, id_number, birthday, address, consent, attributes, \
                 created_at, updated_at"
            }
            Self::Opportunities => {
                "id, account_id, contact_id, owner_id, name, stage, amount, currency, probability, close_date, lines, \
                 created_at, updated_at"
            }
            Self::Activities => {
                "id, account_id, contact_id, opportunity_id, owner_id, kind, subject, body, starts_at, seconds, done, \
                 external_id, created_at"
            }
            Self::AuditLog => "id, at, user_id, entity, entity_id, action, changes, address",
            Self::Notes => "id, account_id, author_id, title, body, created_at",
        }
    }
}

/// How many rows each table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes([u64; 8]);

impl Sizes {
    /// About 3.1 million rows and 900 MB of PostgreSQL text at scale 1.
    pub fn of_scale(scale: f64) -> Self {
        const AT_ONE: [f64; 8] = [500.0, 2e3, 60e3, 240e3, 200e3, 1.6e6, 900e3, 100e3];
        /// Small enough for a test, large enough for every foreign key to have something to point at.
        const AT_LEAST: [f64; 8] = [5.0, 10.0, 20.0, 40.0, 30.0, 100.0, 60.0, 10.0];
        Self(std::array::from_fn(|table| (AT_ONE[table] * scale).max(AT_LEAST[table]) as u64))
    }

    /// The sizes that `count` finds.
    pub fn counted(counts: [u64; 8]) -> Self {
        Self(counts)
    }

    pub fn of(&self, table: Table) -> u64 {
        self.0[table as usize]
    }
}

/// What a row's values depend on besides its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    pub seed: u64,
    pub sizes: Sizes,
    /// The working day on which rows are made, counted from 1; none while history is made.
    pub day: Option<u64>,
}

impl World {
    pub fn dice(&self, table: Table, id: u64) -> Dice {
        Dice::new(self.seed, table as u64, id)
    }

    /// Fills `row` with the values of row `id` of `table`.
    pub fn fill(&self, table: Table, id: u64, row: &mut Row) {
        row.clear();
        row.integer(id);
        let dice = &mut self.dice(table, id);
        match table {
            Table::Users => self.user(id, dice, row),
            Table::Products => self.product(id, dice, row),
            Table::Accounts => self.account(id, dice, row),
            Table::Contacts => self.contact(id, dice, row),
            Table::Opportunities => self.opportunity(id, dice, row),
            Table::Activities => self.activity(id, dice, row),
            Table::AuditLog => self.audit(id, dice, row),
            Table::Notes => self.note(id, dice, row),
        }
    }

    /// The day of row `id`: history grows with its tables, later rows are of their working day.
    fn born(&self, table: Table, id: u64) -> i64 {
        match self.day {
            Some(day) => (HISTORY_DAYS + day) as i64,
            None => (id * HISTORY_DAYS / (self.sizes.of(table) + 1)) as i64,
        }
    }

    fn any(&self, table: Table, dice: &mut Dice) -> u64 {
        1 + dice.below(self.sizes.of(table))
    }

    /// The account that contact `id` works for.
    fn account_of(&self, contact: u64) -> u64 {
        let mut dice = Dice::new(self.seed, 100, contact);
        self.any(Table::Accounts, &mut dice)
    }

    fn user(&self, id: u64, dice: &mut Dice, row: &mut Row) {
        let person = Person::new(dice);
        row.format(format_args!("{}{id}", person.latin));
        row.text(&person.name);
        row.format(format_args!("{}{id}@crm.example", person.latin));
        row.text(dice.pick(CITIES).0);
        row.flag(dice.percent(90));
        let avatar: Vec<u8> = (0..dice.between(100, 300)).flat_map(|_| dice.next().to_le_bytes()).collect();
        if dice.percent(80) {
            row.bytes(&avatar)
        } else {
            row.null()
        }
        row.build(|out| moment(out, self.born(Table::Users, id), dice.below(86_400), 0));
    }

    fn product(&self, id: u64, dice: &mut Dice, row: &mut Row) {
        row.format(format_args!("{}-{id:05}", syllables(dice, 1, 2).to_uppercase()));
        row.format(format_args!("{} {}", dice.pick(PRODUCTS), syllables(dice, 1, 3)));
        row.text(dice.pick(TRADES));
        row.cents(dice.below(10_000_000));
        row.flag(dice.percent(85));
        if dice.percent(70) {
            row.build(|out| prose(out, dice, 3))
        } else {
            row.null()
        }
        row.build(|out| moment(out, self.born(Table::Products, id), dice.below(86_400), 0));
    }

    fn account(&self, id: u64, dice: &mut Dice, row: &mut Row) {
        let company = Company::new(dice);
        let born = self.born(Table::Accounts, id);
        row.format(format_args!("A{id:08}"));
        row.text(&company.name);
        row.text(dice.pick(&["prospect", "customer", "customer", "customer", "partner", "former"]));
        row.format(format_args!("91{:016}", dice.below(10_000_000_000_000_000)));
        row.text(dice.pick(TRADES));
        row.text(company.city);
        row.text(&company.address);
        row.text(&phone(dice, company.chinese));
        if dice.percent(60) {
            row.format(format_args!("https://{}.example", syllables(dice, 2, 4)))
        } else {
            row.null()
        }
        row.cents(dice.below(900_000_000_000));
        row.integer(self.any(Table::Users, dice));
        row.format(format_args!(
            r#"{{"tier": "{}", "score": {}, "source": "{}", "tags": ["{}", "{}"]}}"#,
            dice.pick(&["A", "B", "C"]),
            dice.below(1000),
            dice.pick(&["web", "fair", "referral", "展会", "电话"]),
            dice.pick(TRADES),
            dice.pick(COMPANY_WORDS)
        ));
        row.build(|out| moment(out, born, dice.below(86_400), 0));
        row.build(|out| moment(out, born, 86_399, 0));
    }

    fn contact(&self, id: u64, dice: &mut Dice, row: &mut Row) {
        let person = Person::new(dice);
        let born = self.born(Table::Contacts, id);
        row.integer(self.account_of(id));
        row.text(&person.name);
        row.text(dice.pick(TITLES));
        row.text(&person.email(dice));
        row.text(&phone(dice, person.chinese));
        row.text(&person.id_number(dice));
        row.text(date(person.born));
        row.text(&Company::new(dice).address);
        row.flag(dice.percent(75));
        if dice.percent(40) {
            let language = if person.chinese { "zh-CN" } else { "en" };
            row.format(format_args!(
                r#"{{"wechat": "{}{}", "language": "{language}"}}"#,
                person.latin,
                dice.below(999)
            ));
        } else {
            row.null();
        }
        row.build(|out| moment(out, born, dice.below(86_400), dice.below(1_000_000)));
        row.build(|out| moment(out, born, 86_399, 0));
    }

    fn opportunity(&self, id: u64, dice: &mut Dice, row: &mut Row) {
        let contact = self.any(Table::Contacts, dice);
        let born = self.born(Table::Opportunities, id);
        row.integer(self.account_of(contact));
        row.integer(contact);
        row.integer(self.any(Table::Users, dice));
        row.format(format_args!(
            "{} {} {}",
            dice.pick(COMPANY_WORDS),
            dice.pick(PRODUCTS),
            dice.between(1, 500)
        ));
        row.text(dice.pick(STAGES));
        row.cents(dice.below(500_000_000));
        row.text(dice.pick(&["CNY", "CNY", "CNY", "USD", "EUR"]));
        row.integer(dice.below(21) * 5);
        row.text(date(born + dice.between(10, 200) as i64));
        row.build(|out| self.order_lines(out, dice));
        row.build(|out| moment(out, born, dice.below(86_400), dice.below(1_000_000)));
        row.build(|out| moment(out, born, 86_399, 0));
    }

    fn order_lines(&self, out: &mut String, dice: &mut Dice) {
        out.push('[');
        for line in 0..dice.between(1, 5) {
            let comma = if line > 0 { ", " } else { "" };
            let (product, quantity) = (self.any(Table::Products, dice), dice.between(1, 200));
            let price = dice.below(1_000_000);
            write!(out, r#"{comma}{{"product": {product}, "quantity": {quantity}, "price": {price}}}"#)
                .expect("a string takes everything");
        }
        out.push(']');
    }

    fn activity(&self, id: u64, dice: &mut Dice, row: &mut Row) {
        let contact = self.any(Table::Contacts, dice);
        let born = self.born(Table::Activities, id);
        row.integer(self.account_of(contact));
        row.integer(contact);
        if dice.percent(45) {
            row.integer(self.any(Table::Opportunities, dice))
        } else {
            row.null()
        }
        row.integer(self.any(Table::Users, dice));
        row.text(dice.pick(&["call", "call", "email", "email", "meeting", "task", "message"]));
        row.text(dice.pick(SUBJECTS));
        let phrases = dice.between(3, 9);
        row.build(|out| prose(out, dice, phrases));
        let second = dice.between(8 * 3600, 20 * 3600);
        row.build(|out| moment(out, born, second, 0));
        row.integer(dice.between(1, 120) * 30);
        row.flag(dice.percent(92));
        if dice.percent(90) {
            let (high, low) = (dice.next(), dice.next());
            row.format(format_args!(
                "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
                high >> 32,
                high >> 16 & 0xffff,
                high & 0xfff,
                low >> 48 & 0xfff,
                low & 0xffff_ffff_ffff
            ));
        } else {
            row.null();
        }
        row.build(|out| moment(out, born, second + 60, dice.below(1_000_000)));
    }

    fn audit(&self, id: u64, dice: &mut Dice, row: &mut Row) {
        let born = self.born(Table::AuditLog, id);
        row.build(|out| moment(out, born, dice.below(86_400), dice.below(1_000_000)));
        row.integer(self.any(Table::Users, dice));
        let table = dice.pick(&[Table::Accounts, Table::Contacts, Table::Opportunities]);
        row.text(table.name());
        row.integer(self.any(table, dice));
        row.text(dice.pick(&["update", "update", "update", "view", "export", "create"]));
        let field = dice.pick(&["phone", "stage", "amount", "owner_id", "email", "address"]);
        let (old, new, request) = (dice.below(1_000_000), dice.below(1_000_000), [dice.next(), dice.next()]);
        row.format(format_args!(
            r#"{{"field": "{field}", "old": "{old}", "new": "{new}", "request": "{:016x}{:016x}"}}"#,
            request[0], request[1]
        ));
        row.format(format_args!("10.{}.{}.{}", dice.below(32), dice.below(256), dice.below(256)));
    }

    fn note(&self, id: u64, dice: &mut Dice, row: &mut Row) {
        row.integer(self.any(Table::Accounts, dice));
        row.integer(self.any(Table::Users, dice));
        row.text(dice.pick(SUBJECTS));
        let phrases = dice.between(12, 30);
        row.build(|out| prose(out, dice, phrases));
        row.build(|out| moment(out, self.born(Table::Notes, id), dice.below(86_400), 0));
    }
}

/// The stages that an opportunity goes through.
pub(super) const STAGES: &[&str] = &["lead", "qualified", "proposal", "negotiation", "won", "lost"];
