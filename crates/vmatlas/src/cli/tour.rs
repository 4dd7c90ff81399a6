//! The command line of `tour`.

use clap::{Args, ValueEnum};

/// The arguments of `tour`.
#[derive(Args, Debug)]
pub(crate) struct TourArgs {
    /// One chapter only
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// Print everything at once, without waiting for keys
    #[arg(long)]
    pub(crate) plain: bool,
}

/// The chapters.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Map,
    Elf,
    File,
    Anon,
    Stack,
    Heap,
    Calls,
}
