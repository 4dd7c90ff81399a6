//! `vmatlas record -- CMD`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use capture::faults::Budget;
use capture::{
    Command, CommandLine, Output, Overwrite, RecordOptions, Recorded, RunError, Stacks, TraceOptions,
    WhenToTell,
};
use recording::Detail;

use crate::cli::{Common, Embed, Faults, RecordArgs};
use crate::exit::WithStatus;
use crate::screen::{self, Style};

pub(crate) fn act(args: &RecordArgs, common: Common) -> anyhow::Result<ExitCode> {
    let command = Command::find(&args.command)
        .map_err(|error| WithStatus { status: error.status(), message: error.to_string() })?;
    let options = RecordOptions {
        output: Output {
            pattern: args.output.clone().unwrap_or_else(|| Output::PATTERN_DEFAULT.into()),
            overwrite: if args.force { Overwrite::Yes } else { Overwrite::No },
        },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        faults: match args.faults {
            Faults::Auto => Some(Budget::Share),
            Faults::OneIn(1) => Some(Budget::Unlimited),
            Faults::OneIn(period) => Some(Budget::OneIn(period)),
            Faults::Off => None,
        },
        command_line: if args.no_cmdline { CommandLine::LeftOut } else { CommandLine::Kept },
        stacks: match (args.no_stacks, args.embed_symbols) {
            (true, _) => Stacks::Off,
            (false, Embed::No) => Stacks::Addresses,
            (false, Embed::Yes) => Stacks::Named(Detail::Functions),
            (false, Embed::Lines) => Stacks::Named(Detail::Lines),
        },
    };
    let trace = TraceOptions {
        until: if args.wait { WhenToTell::AfterAll } else { WhenToTell::AtOnce },
        ..if args.stops { TraceOptions::CHECK } else { TraceOptions::RECORD }
    };
    let recorded = capture::record(&command, &options, trace).map_err(|error| match error {
        RunError::Command(error) => {
            anyhow::Error::new(WithStatus { status: error.status(), message: error.to_string() })
        }
        RunError::Recording(text) => anyhow::anyhow!(text),
    })?;
    tell(args, common, &recorded);
    capture::end_as(recorded.ended.how)
}

/// Says what there is to say. The program's own end is what counts: errors here are told, and change nothing.
fn tell(args: &RecordArgs, common: Common, recorded: &Recorded) {
    let Recorded { ended, path } = recorded;
    let mut out = io::stderr();
    for trouble in &ended.troubles {
        let _ = writeln!(out, "vmatlas: {trouble}");
    }
    if args.quiet {
        return;
    }
    if ended.left > 0 {
        let left = ended.left;
        let threads = if left == 1 { "thread goes" } else { "threads go" };
        let _ = writeln!(out, "vmatlas: {left} {threads} on and is still being recorded: {}", path.display());
    }
    if args.no_report {
        return;
    }
    // This also completes the names: whoever moves the recording takes them along.
    if let Err(error) = report(args, common, path) {
        let _ = writeln!(out, "vmatlas: {}", crate::exit::line_of(&error));
    }
}

fn report(args: &RecordArgs, common: Common, path: &Path) -> anyhow::Result<()> {
    let report = super::report::make(path)?;
    let print = |out: &mut dyn Write, style: Style| -> io::Result<()> {
        if args.json {
            screen::print_json(view::json::REPORT_SCHEMA, &report, out)
        } else {
            let mut lines = view::text::report(&report, style.canvas);
            lines.extend(super::biography::of_crash(path, style.canvas).unwrap_or_default());
            screen::print(&lines, style, out)
        }
    };
    match &args.report {
        Some(path) => {
            let mut file = File::create(path).with_context(|| path.display().to_string())?;
            let style = Style::of(&file, common.color);
            print(&mut file, style).with_context(|| path.display().to_string())
        }
        None => {
            let mut out = io::stderr();
            let style = Style::of(&out, common.color);
            Ok(print(&mut out, style)?)
        }
    }
}
