//! The command line of `export`.

use std::path::PathBuf;

use clap::Args;

use super::WhoseStack;

/// The arguments of `export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The recording, which may be followed by a moment: FILE@peak (if none is given), FILE@1.5s, FILE#EVENT
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// The format: resident memory by the stack that touched it first
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: To,
    /// Write here rather than to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite a file that is there
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// By the stack that touched memory first, or that mapped it
    #[arg(long, value_name = "WHOSE", default_value = "toucher")]
    pub(crate) whose: WhoseStack,
    /// This process, rather than the largest memory
    #[arg(long, value_name = "PID")]
    pub(crate) process: Option<i32>,
}

/// A format of other tools.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    /// pprof's protocol buffers, gzipped
    Pprof,
    /// One line a stack, for flame graphs
    Folded,
    /// For speedscope.app
    Speedscope,
    /// Everything (schema vmatlas.origins/1)
    Json,
    /// A table
    Csv,
    /// A table by columns, for DuckDB, Spark, ClickHouse; needs the cargo feature `parquet`
    Parquet,
}
