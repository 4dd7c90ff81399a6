//! The command line of `elf`.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `elf`.
#[derive(Args, Debug)]
pub(crate) struct ElfArgs {
    /// The executable or library
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print JSON (schema vmatlas.elf/1; sizes in bytes)
    #[arg(long)]
    pub(crate) json: bool,
}
