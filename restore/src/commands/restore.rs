//! `restore`: plans, looks at the target, loads, completes and compares.
//!
//! Nothing is touched before the plan holds: keys and the snapshot's structure are checked first, and a
//! target that is not empty is refused.

use std::collections::BTreeSet;
use std::slice;
use std::thread::available_parallelism;
use std::time::Instant;

use lifeboat_config::SecretRef;
use lifeboat_connectors::{
    CaptureOptions, Error as SourceError, LoadOptions, LoadReport, SchemaFile, Target, open_target,
};
use lifeboat_console::{CommandError, Interrupt, Kind, Progress, ResultExt, print};
use lifeboat_vault::format::audit::Deed;
use lifeboat_vault::{Depth, Identities, Snapshot, SnapshotHealth, Vault, find_request, plan_id, verify};
use serde_json::json;
use url::Url;

use crate::approval::{Approved, propose, redeem, unapproved};
use crate::cli::{Restore, Wanted};
use crate::open::{AtHand, Opened, Reading};
use crate::record::{Recorder, ended, kind_of};
use crate::restore::{
    Ahead, Plan, Showing, Summary, compare, keep_together, load, outline, prove, require_keys, schema, select,
};
use crate::words;

/// Tables loaded at once when nobody says otherwise, on the smallest machine.
const WRITERS_MIN: usize = 2;

/// Restores a snapshot.
pub async fn run(args: &Restore, json: bool) -> Result<(), CommandError> {
    let interrupt = Interrupt::listen(words::UNCHANGED, None)?;
    let secret =
        [("--password-file", args.password_file.is_some()), ("--password-env", args.password_env.is_some())];
    let url = target_url(&args.wanted, &secret)?;
    let target = open_target(&url, password(args)?, args.wanted.allow_plaintext)?;
    let progress = Progress::new(json);
    if url.password().is_some() {
        progress.warn(
            "the password in --to can be read in this machine's process list: use --password-file or --password-env",
        );
    }
    progress.phase("opening the vault");
    let at_hand = AtHand::open(&args.access, &interrupt).await?;
    let recorder = Recorder::of(&at_hand);
    let mut opened = Opened::of(at_hand.vault, &interrupt).await?;
    opened.warn(&progress);
    let snapshot = opened.find(&args.wanted.spec)?.clone();
    let mut deed = deed(args, &snapshot, &url);
    let mut approved = None;
    if let Some(id) = &args.request {
        progress.phase("checking the request");
        let asked = Redeeming {
            args,
            id,
            snapshot: &snapshot,
            identities: &at_hand.identities,
            interrupt: &interrupt,
            progress: &progress,
        };
        match asked.redeem(&opened, &*target, &url).await {
            Ok((vault, found)) => {
                opened.vault = vault;
                deed.detail = Some(with_tables(deed.detail, &found.in_words()));
                approved = Some(found);
            }
            Err(error) => {
                let is_refusal =
                    matches!(kind_of(&error), Kind::NoUsableKey | Kind::ApprovalMissing | Kind::Denied);
                deed.detail = Some(with_tables(deed.detail, &format!("request {id}")));
                let refused: Result<(), _> = Err(error);
                if is_refusal {
                    recorder.write(&ended(deed, &refused), &progress).await;
                }
                return refused;
            }
        }
    }
    let system = snapshot.manifest.point["system"].as_str().unwrap_or_default();
    let showing = Showing::new(&opened.vault, args.wanted.grade, args.wanted.mask, system);
    if let Err(error) = require_keys(&opened.vault, &showing, &snapshot.manifest.files, &[]) {
        let refused: Result<(), _> = Err(error);
        if !args.dry_run {
            recorder.write(&ended(deed, &refused), &progress).await;
        }
        return refused;
    }
    let reading = opened.reading(&args.access, &interrupt).await?;
    let cores = available_parallelism().map_or(WRITERS_MIN, usize::from);
    let writers = args.writers.map_or(cores.max(WRITERS_MIN), usize::from);
    let run = Run {
        args,
        opened,
        showing,
        snapshot,
        reading,
        target,
        writers,
        progress,
        interrupt,
        json,
        recorder,
        identities: at_hand.identities,
        deed,
        approved,
    };
    run.restore(&url).await
}

/// The tables that were named, and the request that they are restored by.
fn with_tables(tables: Option<String>, request: &str) -> String {
    tables.map_or_else(|| request.to_owned(), |tables| format!("{tables}; {request}"))
}

/// A request that is to be used for a restore.
struct Redeeming<'a> {
    args: &'a Restore,
    id: &'a str,
    snapshot: &'a Snapshot,
    identities: &'a Identities,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
}

impl Redeeming<'_> {
    /// Works out what the command at hand would do, and opens the vault if that is what was approved.
    async fn redeem(
        &self,
        opened: &Opened,
        target: &dyn Target,
        url: &Url,
    ) -> Result<(Vault, Approved), CommandError> {
        let Self { args, snapshot, identities, interrupt, .. } = self;
        let vault = &opened.vault;
        let record = interrupt.or(find_request(vault, self.id)).await?;
        for error in &record.unbelieved {
            self.progress.warn(&format!("an answer is not believed: {error}"));
        }
        let reading = opened.reading(&args.access, interrupt).await?;
        let (wanted, more) = ((&args.wanted, url), &record.request.grades);
        let proposing = propose(vault, &reading.reader, snapshot, target, wanted, more);
        let proposal = interrupt.or(proposing).await?;
        let key = args.request_key.as_deref();
        interrupt.or(redeem(vault, &record, identities, &proposal, key)).await
    }
}

/// What is recorded of it from the beginning.
fn deed(args: &Restore, snapshot: &Snapshot, url: &Url) -> Deed {
    Deed {
        what: "restore".into(),
        source: Some(snapshot.manifest.source.clone()),
        snapshots: vec![snapshot.id],
        target: Some(words::place(url)),
        detail: Some(args.wanted.table.join(", ")).filter(|tables| !tables.is_empty()),
        reason: args.reason.clone(),
        ..Deed::default()
    }
}

/// A restore under way.
struct Run<'a> {
    args: &'a Restore,
    opened: Opened,
    showing: Showing,
    snapshot: Snapshot,
    reading: Reading,
    target: Box<dyn Target>,
    writers: usize,
    progress: Progress,
    interrupt: Interrupt,
    json: bool,
    recorder: Recorder,
    identities: Identities,
    deed: Deed,
    /// The request that it is for.
    approved: Option<Approved>,
}

impl Run<'_> {
    async fn restore(&self, url: &Url) -> Result<(), CommandError> {
        let mut plan = match self.interrupt.or(self.plan(url)).await {
            Err(error) if !self.args.dry_run && kind_of(&error) == Kind::NoUsableKey => {
                let refused: Result<(), _> = Err(error);
                self.recorder.write(&ended(self.deed.clone(), &refused), &self.progress).await;
                return refused;
            }
            planned => planned?,
        };
        self.check_approved(&plan).await?;
        let schema = self.interrupt.or(schema(&self.reading.reader, &self.snapshot)).await?;
        let notes = self.interrupt.or(self.target.inspect(&plan.to_load_plan(&schema))).await?;
        if self.args.dry_run {
            self.prove(&mut plan).await?;
            return self.tell(&plan, &notes);
        }
        // Before the first row is opened: a restore that is killed is on the record too.
        let begun = Deed { result: "begun".into(), ..self.deed_of(&plan) };
        let recorded = self.recorder.write(&begun, &self.progress).await;
        let carried = self.carry_out(&mut plan, &schema, &notes).await;
        let loaded = carried.as_ref().ok().map(|summary| summary.on_record(plan.whole));
        let done = carried.and_then(|summary| self.end(&summary));
        if recorded {
            let deed = Deed { loaded, ..self.deed_of(&plan) };
            self.recorder.write(&ended(deed, &done), &self.progress).await;
        }
        done
    }

    /// Reads every row where damage is to be skipped, and leaves out of the plan what is damaged.
    async fn prove(&self, plan: &mut Plan) -> Result<(), CommandError> {
        if !self.args.wanted.skip_damaged {
            return Ok(());
        }
        self.progress.phase("reading every row, to know what is damaged");
        self.progress.expect_rows(plan.rows());
        self.interrupt.or(prove(plan, &self.reading.reader, self.writers, &self.progress)).await?;
        if plan.skipped().next().is_some() {
            let said = outline(&self.reading.reader, &self.snapshot, &*self.target).await?;
            keep_together(&mut plan.tables, &said.bound);
        }
        Ok(())
    }

    /// Refuses what others must approve and have not, unless the glass is broken: on the record, before the first
    /// row is opened.
    async fn check_approved(&self, plan: &Plan) -> Result<(), CommandError> {
        let opens_none = self.args.dry_run && !self.args.wanted.skip_damaged;
        if self.approved.is_some() || opens_none {
            return Ok(());
        }
        let opened =
            plan.tables.iter().filter(|table| !table.is_left_empty()).flat_map(|table| &table.shown.read);
        let opened = opened.chain(self.snapshot.manifest.files.iter().map(|file| &file.grade)).copied();
        let lacking = unapproved(&self.opened.vault, &self.identities, opened)?;
        let (glass, grades) = (self.args.break_glass, words::listed(&lacking));
        match (lacking.is_empty(), glass) {
            (true, false) => Ok(()),
            (true, true) => {
                let text = "nobody else has to approve this: there is no glass to break";
                Err(CommandError::new(Kind::Usage, text).hint("leave out --break-glass"))
            }
            (false, true) => {
                self.progress.warn(&format!(
                    "THE GLASS IS BROKEN: grade {grades} is restored without the approval that it needs; the record says \
                     who, when and why, and whoever watches the vault is told"
                ));
                let deed = Deed { what: "break-glass".into(), result: "begun".into(), ..self.deed_of(plan) };
                self.recorder.write(&deed, &self.progress).await;
                Ok(())
            }
            (false, false) => {
                let error = CommandError::new(
                    Kind::ApprovalMissing,
                    format!("others must approve a restore of grade {grades}, and none have"),
                );
                let refused: Result<(), _> = Err(error
                    .hint(
                        "ask them: the same words after `lifeboat-restore request`, and `--request ID` then",
                    )
                    .hint("when it cannot wait: --break-glass, which is told to whoever watches the vault"));
                self.recorder.write(&ended(self.deed_of(plan), &refused), &self.progress).await;
                refused
            }
        }
    }

    /// What is recorded once it is known what will be restored.
    fn deed_of(&self, plan: &Plan) -> Deed {
        let grades: BTreeSet<_> = plan.tables.iter().flat_map(|table| &table.shown.read).copied().collect();
        Deed {
            grades: grades.into_iter().collect(),
            rows: Some(plan.rows()),
            plan: Some(match &self.approved {
                Some(approved) => plan_id(&approved.plan),
                None => plan_id(&plan.to_string()),
            }),
            ..self.deed.clone()
        }
    }

    async fn carry_out(
        &self,
        plan: &mut Plan,
        schema: &[SchemaFile],
        notes: &[String],
    ) -> Result<Summary, CommandError> {
        self.prove(plan).await?;
        self.tell(plan, notes)?;
        let started = Instant::now();
        let report = self.load(plan, schema).await.map_err(|error| self.explain_damage(plan, error))?;
        for damage in self.reading.reader.take_worked_around() {
            self.progress.warn(&format!("the vault is damaged: {damage}; another copy was read"));
        }
        let mut summary = Summary::loaded(plan, report, started.elapsed());
        summary.withheld_as_asked = self.args.wanted.grade.is_some() || self.args.wanted.mask;
        if !self.args.no_compare {
            let started = Instant::now();
            let differences = self.compare(plan).await;
            let differences = differences.context(|| "the target is complete, but it was not compared")?;
            summary.compared(differences, started.elapsed());
        }
        Ok(summary)
    }

    /// Says what it came to.
    fn end(&self, summary: &Summary) -> Result<(), CommandError> {
        let ending = summary.ending();
        // One that was interrupted, or left something out, may be begun again until the request expires.
        if let (Ok(()), Some(approved)) = (&ending, &self.approved) {
            approved.key.used(&self.progress);
        }
        self.progress.summary(summary)?;
        if !self.json {
            print(&summary.to_string())?;
        }
        ending
    }

    /// Chooses the tables and checks what they need, as far as no row has to be read.
    async fn plan(&self, url: &Url) -> Result<Plan, CommandError> {
        self.progress.phase("checking the snapshot");
        let health = self.health().await?;
        // Without its catalogue a snapshot has no tables to choose from; the plan says why.
        let tables = match self.reading.reader.tables(&self.snapshot).await {
            Err(error) if !error.is_damage() => return Err(error.into()),
            tables => tables.unwrap_or_default(),
        };
        let names: &[String] = if tables.is_empty() { &[] } else { &self.args.wanted.table };
        // What the schema says of tables is asked only where it counts: otherwise the plan comes first, which
        // says best what damage there is, and a target of another system refuses.
        let system = self.snapshot.manifest.point["system"].as_str().unwrap_or_default();
        let any = !tables.is_empty();
        let asks = |withholds| any && self.args.wanted.asks_of_schema(url, system, withholds);
        let of = (&self.reading.reader, &self.snapshot, &*self.target);
        let tables = select(&self.opened.vault, &self.showing, of, tables, names, asks).await?;
        Plan::new(&self.snapshot, words::shown(url), tables, &health, self.args.wanted.skip_damaged)
    }

    async fn health(&self) -> Result<SnapshotHealth, CommandError> {
        let (chosen, Reading { reader, sync, .. }) = (slice::from_ref(&self.snapshot), &self.reading);
        let Opened { snapshots, unreadable, .. } = &self.opened;
        let structure = Depth::Structure;
        let report = verify(reader, sync, chosen, snapshots, unreadable, structure, &|_, _| {}).await?;
        Ok(report.snapshots.into_iter().next().expect("one snapshot was asked for"))
    }

    /// Says what will be done, and what the target is like.
    fn tell(&self, plan: &Plan, notes: &[String]) -> Result<(), CommandError> {
        if !self.json {
            print(&plan.to_string())?;
        }
        notes.iter().for_each(|note| self.progress.note(note));
        if !self.args.dry_run {
            return Ok(());
        }
        self.progress.summary(&json!({
            "dry_run": true,
            "source": plan.snapshot.manifest.source,
            "snapshot": plan.snapshot.id,
            "target": plan.target,
            "tables": plan.loaded().count(),
            "rows": plan.rows(),
            "raw_bytes": plan.bytes(),
            "skipped": plan.skipped().map(|table| table.name()).collect::<Vec<_>>(),
            "withheld": plan.withheld(),
            "notes": notes,
        }))?;
        if self.json { Ok(()) } else { Ok(print("nothing was changed: this was a dry run\n")?) }
    }

    async fn load(&self, plan: &Plan, schema: &[SchemaFile]) -> Result<LoadReport, CommandError> {
        self.progress.phase("loading");
        self.progress.expect_rows(plan.rows());
        self.progress.expect_bytes(plan.bytes());
        let options = LoadOptions {
            writers: self.writers,
            into_new: self.args.wanted.into_new,
            map_roles: self.args.wanted.map_role.clone(),
            no_owner: self.args.wanted.no_owner,
            with_accounts: self.args.wanted.with_accounts,
            enable_events: self.args.wanted.enable_events,
            scratch: self.reading.scratch.path().to_owned(),
        };
        // Read while the target is made ready: it takes a moment to find the first row.
        let ahead = Ahead::start(&self.reading.reader, plan, self.writers);
        // Not to be dropped half-way: a database just created would carry no mark of this restore yet. A
        // signal that comes meanwhile is seen as soon as there is something to give up.
        let begun = self.explain_begin(self.target.begin(plan.to_load_plan(schema), &options).await)?;
        load(begun, ahead, &self.reading.reader, plan, self.writers, &self.progress, &self.interrupt).await
    }

    fn explain_begin<T>(&self, begun: Result<T, SourceError>) -> Result<T, CommandError> {
        match begun {
            Err(error @ SourceError::NotFound { .. }) if !self.args.wanted.into_new => {
                Err(CommandError::from(error).hint("with `--into-new`, the database is created"))
            }
            begun => Ok(begun?),
        }
    }

    async fn compare(&self, plan: &Plan) -> Result<Vec<String>, CommandError> {
        self.progress.phase("comparing");
        self.progress.expect_rows(plan.rows());
        let scratch = self.reading.scratch.path().to_owned();
        let columns_as = plan.tables.iter().map(|table| table.load.clone()).collect();
        let options =
            CaptureOptions { readers: self.writers, scratch, columns_as, ..CaptureOptions::default() };
        let (source, digest) = (self.target.as_source(), self.opened.vault.row_digest());
        let interrupt = self.interrupt.during("the command: every row is in the target");
        interrupt.or(compare(&*source, &plan.tables, &digest, &options, &self.progress)).await
    }

    /// Damage that showed only while rows were read.
    fn explain_damage(&self, plan: &Plan, error: CommandError) -> CommandError {
        match error.kind() {
            Kind::Damage => error
                .context(format!("{} cannot be restored whole", plan.title()))
                .hint(
                    "the target is not complete; the same command with `--skip-damaged` starts it over, \
                       leaves damaged tables empty and restores the others",
                )
                .hint("`lifeboat-restore verify --read-data` says which tables and snapshots are whole"),
            _ => error,
        }
    }
}

/// Parses the target's URL, whose password must not be repeated, and refuses what means nothing to it.
pub(super) fn target_url(wanted: &Wanted, secret: &[(&'static str, bool)]) -> Result<Url, CommandError> {
    let url = Url::parse(&wanted.to)
        .kind(Kind::Usage)
        .context(|| "the target's URL is not understood")
        .hint("write postgres://user@host/database, mysql://user@host/database or sqlite:///path")?;
    let asked = [
        ("--allow-plaintext", wanted.allow_plaintext),
        ("--map-role", !wanted.map_role.is_empty()),
        ("--no-owner", wanted.no_owner),
    ];
    let asked: Vec<_> = secret.iter().copied().chain(asked).collect();
    let asked_of_mysql =
        [("--with-accounts", wanted.with_accounts), ("--enable-events", wanted.enable_events)];
    let first =
        |asked: &[(&'static str, bool)]| asked.iter().find(|(_, asked)| *asked).map(|(option, _)| *option);
    match (url.scheme(), first(&asked), first(&asked_of_mysql)) {
        ("sqlite", Some(option), _) => {
            Err(CommandError::new(Kind::Usage, format!("{option} means nothing to a SQLite file")))
        }
        ("sqlite" | "postgres" | "postgresql", _, Some(option)) => {
            let error = CommandError::new(Kind::Usage, format!("{option} is for MySQL and MariaDB only"));
            Err(error)
        }
        _ => Ok(url),
    }
}

fn password(args: &Restore) -> Result<Option<String>, CommandError> {
    let reference = match (&args.password_file, &args.password_env) {
        (Some(path), _) => SecretRef::File(path.clone()),
        (None, Some(name)) => SecretRef::Env(name.clone()),
        (None, None) => return Ok(None),
    };
    Ok(Some(reference.resolve()?.expose().to_owned()))
}
