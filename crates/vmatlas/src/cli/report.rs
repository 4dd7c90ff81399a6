//! The command line of `report`.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `report`.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The recording; with --by it may be followed by a moment: FILE@peak (if none is given), FILE@1.5s, FILE#EVENT
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where the memory of one process comes from: by the stack or line or thread that mapped it, by what is mapped, by
    /// kind
    #[arg(long, value_name = "WHAT")]
    pub(crate) by: Option<ByWhat>,
    /// With --by: this process, rather than the largest memory
    #[arg(long, value_name = "PID", requires = "by")]
    pub(crate) process: Option<i32>,
    /// Print JSON (schema vmatlas.report/1; sizes in bytes, times in nanoseconds)
    #[arg(long)]
    pub(crate) json: bool,
}

/// What memory is added up by.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ByWhat {
    Stack,
    Line,
    Thread,
    Object,
    Kind,
}
