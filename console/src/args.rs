//! The flags that both programs have, so that they mean the same in both.

use clap::{ArgAction, Args};

/// How a program speaks. Flatten this into a program's arguments.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Print JSON lines on stdout; the last one is the summary or the error
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more: -v what is done, -vv how, -vvv everything (the variable LIFEBOAT_LOG says it finer)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}
