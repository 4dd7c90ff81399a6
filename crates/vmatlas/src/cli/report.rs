//! The command line of `report`.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `report`.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print JSON (schema vmatlas.report/1; sizes in bytes, times in nanoseconds)
    #[arg(long)]
    pub(crate) json: bool,
}
