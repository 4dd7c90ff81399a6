//! The command line of `doctor`.

use clap::Args;

/// The arguments of `doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Exit status: 0 programs can be recorded here, 1 they can't.")]
pub(crate) struct DoctorArgs {
    /// Print JSON (schema vmatlas.doctor/1)
    #[arg(long)]
    pub(crate) json: bool,
}
