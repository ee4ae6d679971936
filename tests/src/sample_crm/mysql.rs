//! The sample CRM in MariaDB or MySQL, loaded by the server's own client over two connections.
//!
//! The client rather than a driver: it comes with the server, and speaks `LOAD DATA LOCAL`.

use std::io::{self, BufWriter, Error, Write};
use std::process::{Command, Stdio};

use url::Url;

use super::day::{CHANGING, DayStats, GROWING, updated_columns};
use super::row::{Kind, Row};
use super::table::{Sizes, Table, World};

/// Fills the empty database at `url`: `mysql://user:password@host:port/database`, or with `?socket=path`.
///
/// # Errors
/// With what the client said: the database cannot be reached or is not empty.
pub fn create(url: &Url, seed: u64, scale: f64) -> io::Result<()> {
    let world = World { seed, sizes: Sizes::of_scale(scale), day: None };
    run(url, include_str!("mysql.sql"))?;
    std::thread::scope(|scope| {
        let largest = scope.spawn(|| load(url, &world, Table::Activities, 1));
        for table in Table::ALL.into_iter().filter(|&table| table != Table::Activities) {
            load(url, &world, table, 1)?;
        }
        largest.join().expect("making rows does not panic")
    })?;
    run(url, include_str!("mysql_after.sql"))?;
    let names = Table::ALL.map(Table::name).join(", ");
    run(url, &format!("ANALYZE TABLE {names};")).map(drop)
}

/// Applies working day `day` to the database at `url`.
///
/// # Errors
/// With what the client said: the database cannot be reached or holds no sample CRM.
pub fn work_a_day(url: &Url, seed: u64, day: u64) -> io::Result<DayStats> {
    const BEGIN: &str = "SET time_zone = '+00:00'; START TRANSACTION;\n";
    let mut counts = [0; 8];
    for table in Table::ALL {
        counts[table as usize] = last_id(url, table)?;
    }
    let world = World { seed, sizes: Sizes::counted(counts), day: Some(day) };
    let (mut stats, mut script) = (DayStats::default(), BEGIN.to_owned());
    for table in CHANGING {
        stats.updated += update(&world, table, &mut script);
    }
    run(url, &(script + "COMMIT;\n"))?;
    // Only now is it known how far the triggers have counted.
    let mut script = BEGIN.to_owned();
    for table in GROWING {
        stats.added += world.added(table);
        insert(&world, table, last_id(url, table)? + 1, &mut script);
    }
    let gone: Vec<_> = world.deleted_activities().iter().map(u64::to_string).collect();
    script +=
        &format!("DELETE FROM activities WHERE id IN ({}); SELECT ROW_COUNT(); COMMIT;\n", gone.join(", "));
    stats.deleted = run(url, &script)?.trim().parse().map_err(Error::other)?;
    Ok(stats)
}

fn last_id(url: &Url, table: Table) -> io::Result<u64> {
    let told = run(url, &format!("SELECT COALESCE(MAX(id), 0) FROM {};", table.name()))?;
    told.trim().parse().map_err(Error::other)
}

/// The client, led to a database without a password on its command line.
fn client(url: &Url) -> Command {
    let mut command = Command::new("mariadb");
    let parameter =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    command.args(["--no-defaults", "--batch", "--skip-column-names", "--default-character-set=utf8mb4"]);
    command.arg("--local-infile=1").arg(format!("--user={}", url.username()));
    if let Some(socket) = parameter("socket") {
        command.arg(format!("--socket={socket}"));
    } else {
        command.arg(format!("--host={}", url.host_str().unwrap_or("localhost")));
        command.arg(format!("--port={}", url.port().unwrap_or(3306)));
        command.arg("--protocol=tcp");
        if let Some(authority) = parameter("ssl-ca") {
            command.arg(format!("--ssl-ca={authority}")).arg("--ssl-verify-server-cert");
        }
    }
    if let Some(password) = url.password() {
        command.env("MYSQL_PWD", password);
    }
    command.arg(format!("--database={}", url.path().trim_start_matches('/')));
    command
}

fn run(url: &Url, script: &str) -> io::Result<String> {
    feed(client(url), |out| out.write_all(script.as_bytes()))
}

/// Starts a client, writes to it and hears what it has to say.
fn feed(mut client: Command, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<String> {
    let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut input = BufWriter::with_capacity(1 << 20, child.stdin.take().expect("stdin is piped"));
    // A client that gave up reads no more; its own words say why.
    let written = write(&mut input).and_then(|()| input.flush());
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    written?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn load(url: &Url, world: &World, table: Table, first: u64) -> io::Result<()> {
    let statement = format!(
        "SET time_zone = '+00:00', foreign_key_checks = 0, unique_checks = 0; \
         LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE {} CHARACTER SET utf8mb4 ({}{})",
        table.name(),
        columns(table),
        if table == Table::Users { ") SET avatar = UNHEX(@avatar" } else { "" }
    );
    let mut client = client(url);
    client.arg("--execute").arg(statement);
    feed(client, |out| {
        let (mut row, mut line) = (Row::default(), Vec::new());
        for id in first..=world.sizes.of(table) {
            world.fill(table, id, &mut row);
            line.clear();
            load_line(&row, &mut line);
            out.write_all(&line)?;
        }
        Ok(())
    })
    .map(drop)
}

/// The table's columns as LOAD DATA takes them: one is a word of SQL, one arrives as digits.
fn columns(table: Table) -> String {
    table.columns().replace(" lines", " `lines`").replace("avatar", "@avatar")
}

fn update(world: &World, table: Table, script: &mut String) -> u64 {
    let (mut row, mut updated) = (Row::default(), 0);
    for id in world.updated_ids(table) {
        world.fill_update(table, id, &mut row);
        let values: Vec<_> = row.values().map(|(kind, value)| literal(kind, value)).collect();
        let sets = updated_columns(table)
            .iter()
            .zip(&values[1..])
            .map(|((name, _), value)| format!("{name} = {value}"));
        let sets = sets.collect::<Vec<_>>().join(", ");
        *script += &format!("UPDATE {} SET {sets} WHERE id = {};\n", table.name(), values[0]);
        updated += 1;
    }
    updated
}

fn insert(world: &World, table: Table, first: u64, script: &mut String) {
    let mut row = Row::default();
    for id in first..first + world.added(table) {
        world.fill(table, id, &mut row);
        let values: Vec<_> = row.values().map(|(kind, value)| literal(kind, value)).collect();
        let columns = table.columns().replace(" lines", " `lines`");
        *script += &format!("INSERT INTO {} ({columns}) VALUES ({});\n", table.name(), values.join(", "));
    }
}

fn literal(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Null => "NULL".into(),
        Kind::Integer | Kind::Decimal => value.into(),
        Kind::Flag => flag(value).into(),
        Kind::Bytes => format!("x'{value}'"),
        Kind::Text => format!("'{}'", without_zone(value).replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

fn flag(value: &str) -> &'static str {
    if value == "true" { "1" } else { "0" }
}

/// A moment says that it is in UTC, which MariaDB does not read.
fn without_zone(value: &str) -> &str {
    let moment = value.len() == "2026-11-23 03:00:00.000000+00".len() && value.as_bytes()[10] == b' ';
    value.strip_suffix("+00").filter(|_| moment).unwrap_or(value)
}

/// One row as LOAD DATA reads it.
fn load_line(row: &Row, out: &mut Vec<u8>) {
    for (kind, value) in row.values() {
        if !out.is_empty() {
            out.push(b'\t');
        }
        match kind {
            Kind::Null => out.extend_from_slice(b"\\N"),
            Kind::Flag => out.extend_from_slice(flag(value).as_bytes()),
            Kind::Text => escape(without_zone(value), out),
            Kind::Integer | Kind::Decimal | Kind::Bytes => out.extend_from_slice(value.as_bytes()),
        }
    }
    out.push(b'\n');
}

fn escape(value: &str, out: &mut Vec<u8>) {
    for &byte in value.as_bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            other => out.push(other),
        }
    }
}
