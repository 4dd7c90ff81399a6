//! The command line of `lab`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::WithinRecording;

/// The arguments of `lab`.
#[derive(Args, Debug)]
pub(crate) struct LabArgs {
    /// A script of memory calls (.vm); `-` reads it from standard input [default: a prompt]
    #[arg(value_name = "SCRIPT")]
    pub(crate) script: Option<PathBuf>,
    /// What the lines are done on; both: compared after every line, exit status 3 if they differ
    #[arg(long, value_name = "WHERE", default_value = "both")]
    pub(crate) on: Where,
    /// Begin with the memory of a recording at a moment (F@1.5s, F#812345, F@peak), on the twin alone
    #[arg(long, value_name = "RECORDING", conflicts_with = "on")]
    pub(crate) from: Option<String>,
    /// Of which process
    #[command(flatten)]
    pub(crate) within: WithinRecording,
    /// Print JSON (schema vmatlas.lab/1)
    #[arg(long, requires = "script")]
    pub(crate) json: bool,
    /// Say nothing but what is wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What the lines are done on.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Where {
    Both,
    Twin,
    Kernel,
}
