//! The command line of `check`.

use std::ffi::OsString;
use std::path::PathBuf;

use check::beside::Mutation;
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
    /// Change one rule of the twin, to see that it is found
    #[cfg(feature = "mutants")]
    #[arg(long, value_name = "NAME", value_parser = mutation, hide = true)]
    pub(crate) mutant: Option<Mutation>,
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

impl CheckArgs {
    /// The rule of the twin that is changed on purpose.
    #[cfg(feature = "mutants")]
    pub(crate) const fn defect(&self) -> Option<Mutation> {
        self.mutant
    }

    /// None is without the feature `mutants`.
    #[cfg(not(feature = "mutants"))]
    pub(crate) const fn defect(&self) -> Option<Mutation> {
        None
    }
}

#[cfg(feature = "mutants")]
fn mutation(name: &str) -> Result<Mutation, String> {
    let named = Mutation::ALL.iter().copied().find(|one| format!("{one:?}") == name);
    named.ok_or_else(|| "no such rule; crates/mm/src/mutation.rs names them".to_owned())
}
