//! The command line: one definition from which parsing, help, manual pages and completions come.
//!
//! Nothing is done here: no file is opened, no terminal asked.

mod check;
mod diff;
mod doctor;
mod elf;
mod export;
mod lab;
mod map;
mod record;
mod report;
mod top;
mod tour;
mod view;

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use check::CheckArgs;
pub(crate) use diff::DiffArgs;
pub(crate) use doctor::DoctorArgs;
pub(crate) use elf::ElfArgs;
pub(crate) use export::{ExportArgs, To};
pub(crate) use lab::{LabArgs, Where};
pub(crate) use map::{ExplainArgs, MapArgs, WithinRecording};
pub(crate) use record::{Embed, Faults, RecordArgs};
pub(crate) use report::{ByWhat, ReportArgs, WhoseStack};
pub(crate) use top::TopArgs;
pub(crate) use tour::TourArgs;
pub(crate) use view::ViewArgs;

/// The whole command line.
#[derive(Parser, Debug)]
#[command(
    name = "vmatlas",
    version,
    about = "Where the memory of a Linux process goes, and whether it is what Linux should have done",
    after_help = "Exit status: 0 fine, 1 failed, 2 wrong usage, 3 twin and kernel differ, 42 no such process; record\nends as the command ended, 126 and 127 as in a shell.",
    disable_help_subcommand = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// How to show it.
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Flags that every verb takes.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Common {
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, help_heading = "Common options")]
    pub(crate) color: When,
}

/// When to use something.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    // No doc comments here: they would make every help text longer than its verb's own options.
    Auto,
    Always,
    Never,
}

/// The verbs.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Run a command, record its memory, and report at its end; ends as the command ends
    Record(RecordArgs),
    /// Run a command with the twin beside it; exit status 3 if any call or map differs from the kernel's
    Check(CheckArgs),
    /// Report on a recording: where the memory went, and how far the twin agrees with the kernel
    Report(ReportArgs),
    /// Show the memory of a process, of a saved text, or of a recording at a moment
    Map(MapArgs),
    /// Say what is at an address, and by which rule
    Explain(ExplainArgs),
    /// Write where memory comes from in the formats of other tools: pprof, flame graphs, speedscope, JSON,
    /// CSV, Parquet
    Export(ExportArgs),
    /// Compare two processes, texts or moments, by what the memory is rather than where
    Diff(DiffArgs),
    /// Show an executable's or library's metadata as the mappings it becomes
    Elf(ElfArgs),
    /// See the four kinds of dynamic memory made, on a real process and on the twin, in two minutes
    Tour(TourArgs),
    /// Do memory calls by hand or from a script, on the twin and on a real process side by side
    Lab(LabArgs),
    /// Try what this machine lets vmatlas see, and say what to change
    Doctor(DoctorArgs),
    /// Watch a process's memory in the terminal
    Top(TopArgs),
    /// Look at a recording in a browser: address × time, stories, flame graphs
    View(ViewArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man(ManArgs),
}

/// The arguments of `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// The arguments of `man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// An existing directory
    pub(crate) directory: std::path::PathBuf,
}

/// The arguments as they are meant: `vmatlas 4242` is `vmatlas map 4242`, `vmatlas -- CMD` is `vmatlas record -- CMD`, and
/// `vmatlas help VERB`, as other tools have it, `vmatlas VERB --help`.
pub(crate) fn as_meant(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let is_pid = |arg: &OsString| arg.to_str().is_some_and(|arg| arg.parse::<u32>().is_ok());
    if args.get(1).is_some_and(is_pid) {
        args.insert(1, "map".into());
    } else if args.get(1).is_some_and(|arg| arg == "--") {
        args.insert(1, "record".into());
    } else if args.get(1).is_some_and(|arg| arg == "help") {
        args.remove(1);
        // Behind the verb, before what that may run.
        args.insert(args.len().min(2), "--help".into());
    }
    args
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_number_alone_is_a_process_to_show() {
        let args = |text: &str| as_meant(text.split(' ').map(OsString::from));
        assert_eq!(args("vmatlas 42 --json"), ["vmatlas", "map", "42", "--json"]);
        assert_eq!(args("vmatlas report 42"), ["vmatlas", "report", "42"]);
        assert_eq!(args("vmatlas -- 42 -x"), ["vmatlas", "record", "--", "42", "-x"]);
    }

    #[test]
    fn help_is_a_verb_for_who_expects_it() {
        let args = |text: &str| as_meant(text.split(' ').map(OsString::from));
        assert_eq!(args("vmatlas help"), ["vmatlas", "--help"]);
        assert_eq!(args("vmatlas help map"), ["vmatlas", "map", "--help"]);
        assert_eq!(args("vmatlas help record -- ls"), ["vmatlas", "record", "--help", "--", "ls"]);
        assert_eq!(args("vmatlas record help"), ["vmatlas", "record", "help"]);
    }
}
