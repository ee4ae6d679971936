//! The flags that both programs have, so that they mean the same in both.

use clap::{ArgAction, Args, ValueEnum};

/// How a program speaks. Flatten this into a program's arguments.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Print JSON lines on stdout; the last one is the summary or the error
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more: -v what is done, -vv how, -vvv everything (the variable LIFEBOAT_LOG says it finer)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Log as `text` or as `json` lines; as --json says when left out
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "LIFEBOAT_LOG_FORMAT",
        hide_env_values = true,
        hide_possible_values = true
    )]
    pub log_format: Option<LogFormat>,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, with the run's id under `span`.
    Json,
}

impl OutputArgs {
    /// How logs are written.
    pub fn log_format(&self) -> LogFormat {
        self.log_format.unwrap_or(if self.json { LogFormat::Json } else { LogFormat::Text })
    }
}
