//! The command line of `diff`.

use clap::Args;

/// The arguments of `diff`.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The first target, as for map
    #[arg(value_name = "A")]
    pub(crate) before: String,
    /// The second target
    #[arg(value_name = "B")]
    pub(crate) after: String,
    /// Print JSON (schema vmatlas.diff/1; sizes in bytes)
    #[arg(long)]
    pub(crate) json: bool,
}
