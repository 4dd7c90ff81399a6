//! The command line of `record`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// The arguments of `record`.
#[derive(Args, Debug)]
pub(crate) struct RecordArgs {
    /// Write the recording here: %p is the process id, %e the program's name, %t the time in seconds [default:
    /// vmatlas.%e.%p.vmatlas]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<OsString>,
    /// Overwrite a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print no report at the end
    #[arg(long)]
    pub(crate) no_report: bool,
    /// Write the report to a file rather than to standard error
    #[arg(long, value_name = "FILE", conflicts_with = "no_report")]
    pub(crate) report: Option<PathBuf>,
    /// Report as JSON (schema vmatlas.report/1; sizes in bytes, times in nanoseconds)
    #[arg(long, conflicts_with = "no_report")]
    pub(crate) json: bool,
    /// Page faults: auto (all of them while that costs little, then one in so many), all, off
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub(crate) faults: Faults,
    /// Leave the command line out of the recording
    #[arg(long)]
    pub(crate) no_cmdline: bool,
    /// Wait for all processes that the program leaves running
    #[arg(long)]
    pub(crate) wait: bool,
    /// Say nothing but errors: no report, no notes
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// Which page faults are recorded.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Faults {
    Auto,
    All,
    Off,
}
