//! The command line of `diff`.

use clap::Args;

use super::{ByWhat, WhoseStack, WithinRecording};

/// The arguments of `diff`.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The first target, as for map
    #[arg(value_name = "A")]
    pub(crate) before: String,
    /// The second target
    #[arg(value_name = "B")]
    pub(crate) after: String,
    /// Of two recordings, or two moments of one: where memory comes from, matched by call site: by stack, line or thread,
    /// by what is mapped, by kind
    #[arg(long, value_name = "WHAT")]
    pub(crate) by: Option<ByWhat>,
    /// With --by: the stack, line or thread that touched memory first and so made it resident, or that mapped it
    #[arg(long, value_name = "WHOSE", requires = "by", default_value = "toucher")]
    pub(crate) whose: WhoseStack,
    /// Which part of a recording.
    #[command(flatten)]
    pub(crate) within: WithinRecording,
    /// Print JSON (schema vmatlas.diff/1, with --by vmatlas.origins-diff/1; sizes in bytes)
    #[arg(long)]
    pub(crate) json: bool,
}
