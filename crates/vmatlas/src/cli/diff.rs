//! The command line of `diff`.

use clap::Args;

use super::WithinRecording;

/// The arguments of `diff`.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The first target, as for map
    #[arg(value_name = "A")]
    pub(crate) before: String,
    /// The second target
    #[arg(value_name = "B")]
    pub(crate) after: String,
    /// Which part of a recording.
    #[command(flatten)]
    pub(crate) within: WithinRecording,
    /// Print JSON (schema vmatlas.diff/1; sizes in bytes)
    #[arg(long)]
    pub(crate) json: bool,
}
