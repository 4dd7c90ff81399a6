//! The command line of `elf`.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `elf`.
#[derive(Args, Debug)]
pub(crate) struct ElfArgs {
    /// The executable or library
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A process, core file or recording that has loaded it: its mappings are shown beside
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<String>,
    /// Print JSON (schema vmatlas.elf/1; sizes in bytes)
    #[arg(long)]
    pub(crate) json: bool,
}
