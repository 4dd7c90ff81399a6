//! The command line of `check`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// The arguments of `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Compare the whole map after every N calls [default: after each while it is small, else now and then; the
    /// changed range always]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) every: Option<u64>,
    /// Compare page states too, at every call: which pages are there and what they are
    #[arg(long)]
    pub(crate) pages: bool,
    /// Write the report to a file rather than to standard error
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Overwrite a report that is there
    #[arg(long, requires = "report")]
    pub(crate) force: bool,
    /// Report as JSON (schema vmatlas.check/1)
    #[arg(long)]
    pub(crate) json: bool,
    /// Run the program of a divergence again, as `check` saved it, instead of a command
    #[arg(long, value_name = "FILE", conflicts_with_all = ["command", "every", "pages", "report", "json"])]
    pub(crate) replay: Option<PathBuf>,
    /// Say nothing but errors and divergences
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The command and its arguments
    #[arg(
        value_name = "CMD",
        required_unless_present = "replay",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<OsString>,
}
