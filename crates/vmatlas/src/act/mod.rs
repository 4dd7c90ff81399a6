//! The verbs, one file each.

mod biography;
mod check;
mod completions;
mod core_file;
mod diff;
mod doctor;
mod elf;
mod explain;
mod export;
mod found;
mod frames;
mod lab;
mod man;
mod map;
mod moment;
mod names;
mod origins;
mod peers;
mod place;
mod record;
mod report;
mod several;
mod symbols;
mod target;
mod top;
mod tour;
mod view;
mod watch;

use std::process::ExitCode;

use crate::cli::{Cli, Verb};

/// Does what the command line asks for.
pub(crate) fn act(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.verb {
        Verb::Record(args) => record::act(&args, cli.common),
        Verb::Check(args) => check::act(&args),
        Verb::Report(args) => report::act(&args, cli.common),
        Verb::Map(args) => map::act(&args, cli.common),
        Verb::Explain(args) => explain::act(&args, cli.common),
        Verb::Export(args) => export::act(&args),
        Verb::Diff(args) => diff::act(&args, cli.common),
        Verb::Elf(args) => elf::act(&args, cli.common),
        Verb::Tour(args) => tour::act(&args, cli.common),
        Verb::Lab(args) => lab::act(&args, cli.common),
        Verb::Doctor(args) => doctor::act(&args, cli.common),
        Verb::Top(args) => top::act(&args, cli.common),
        Verb::View(args) => view::act(&args),
        Verb::Completions(args) => completions::act(&args),
        Verb::Man(args) => man::act(&args),
    }
}
