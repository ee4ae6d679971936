//! Makes a sample CRM in a database, and lets working days pass in it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use lifeboat_tests::sample_crm::{DayStats, mysql, postgres, sqlite};
use url::Url;

/// Makes a believable CRM to back up: the same for the same seed.
#[derive(Parser)]
#[command(name = "sample-crm")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the CRM in a new SQLite file.
    Sqlite {
        path: PathBuf,
        #[command(flatten)]
        size: Size,
    },
    /// Make the CRM in an empty PostgreSQL database.
    Postgres {
        url: String,
        #[command(flatten)]
        size: Size,
    },
    /// Make the CRM in an empty MariaDB or MySQL database: mysql://user@localhost/database?socket=/path
    Mysql {
        url: Url,
        #[command(flatten)]
        size: Size,
    },
    /// Apply a working day's changes.
    #[command(subcommand)]
    Day(Day),
}

#[derive(Subcommand)]
enum Day {
    /// To a SQLite file.
    Sqlite {
        path: PathBuf,
        #[command(flatten)]
        day: DayOf,
    },
    /// To a PostgreSQL database.
    Postgres {
        url: String,
        #[command(flatten)]
        day: DayOf,
    },
    /// To a MariaDB or MySQL database.
    Mysql {
        url: Url,
        #[command(flatten)]
        day: DayOf,
    },
}

#[derive(Args)]
struct Size {
    /// 1 is about 3.1 million rows and 900 MB of text.
    #[arg(long, default_value_t = 0.01, value_parser = scale)]
    scale: f64,
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

#[derive(Args)]
struct DayOf {
    /// Which day, counted from 1: each changes other rows.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..4000))]
    day: u64,
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if scale > 0.0 && scale <= 100.0 => Ok(scale),
        _ => Err("a number above 0, at most 100".into()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match carry_out(Cli::parse().command).await {
        Ok(done) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(command: Command) -> sqlx::Result<String> {
    match command {
        Command::Sqlite { path, size } => {
            sqlite::create(&path, size.seed, size.scale).await?;
            Ok(format!("made a CRM of scale {} in {}", size.scale, path.display()))
        }
        Command::Postgres { url, size } => {
            postgres::create(&url, size.seed, size.scale).await?;
            Ok(format!("made a CRM of scale {}", size.scale))
        }
        Command::Mysql { url, size } => {
            mysql::create(&url, size.seed, size.scale)?;
            Ok(format!("made a CRM of scale {}", size.scale))
        }
        Command::Day(Day::Mysql { url, day }) => {
            Ok(told(day.day, mysql::work_a_day(&url, day.seed, day.day)?))
        }
        Command::Day(Day::Sqlite { path, day }) => {
            Ok(told(day.day, sqlite::work_a_day(&path, day.seed, day.day).await?))
        }
        Command::Day(Day::Postgres { url, day }) => {
            Ok(told(day.day, postgres::work_a_day(&url, day.seed, day.day).await?))
        }
    }
}

fn told(day: u64, stats: DayStats) -> String {
    let DayStats { updated, added, deleted } = stats;
    format!("day {day}: {updated} rows updated, {added} added, {deleted} deleted")
}
