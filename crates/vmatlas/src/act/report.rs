//! `vmatlas report FILE`.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use recording::Event;
use timeline::Replay;
use view::Report;

use super::origins::{self, Same, Told};
use crate::cli::{ByWhat, Common, ReportArgs};
use crate::screen::{self, Style};

pub(crate) fn act(args: &ReportArgs, common: Common) -> anyhow::Result<ExitCode> {
    if let Some(by) = args.by {
        return by_what(args, by, common);
    }
    let report = make(&args.file)?;
    let out = io::stdout();
    if args.json {
        screen::print_json(view::json::REPORT_SCHEMA, &report, out.lock())?;
    } else {
        let style = Style::of(&out, common.color);
        screen::print(&view::text::report(&report, style.canvas), style, out.lock())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn by_what(args: &ReportArgs, by: ByWhat, common: Common) -> anyhow::Result<ExitCode> {
    let target = args.file.to_str().context("the file's name is no text")?;
    let (by, whose) = (by.into(), args.whose.into());
    if let Some(from) = &args.from {
        let [from, to] = [from, &args.to].map(|moment| origins::target_at(target, moment));
        let diff = origins::between((&from, &to), by, whose, args.process, Same::Process)?;
        return origins::print_diff(&diff, args.json, common);
    }
    let view = Told::read(target, args.process)?.view(by, whose);
    let out = io::stdout();
    if args.json {
        screen::print_json(view::json::ORIGINS_SCHEMA, &view, out.lock())?;
    } else {
        let style = Style::of(&out, common.color);
        screen::print(&view::text::origins(&view, style.canvas), style, out.lock())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Replays a recording and reports on it.
pub(crate) fn make(path: &Path) -> anyhow::Result<Report> {
    make_beside(path, |_, _| {})
}

/// As [`make`]; `beside` sees every event, so that one replay serves another reader too.
pub(crate) fn make_beside(path: &Path, beside: impl FnMut(&Replay, &Event)) -> anyhow::Result<Report> {
    let shown = || path.display().to_string();
    let bytes = std::fs::metadata(path).with_context(shown)?.len();
    // A report without names is better than none.
    let symbols = super::names::read(path).ok().flatten();
    let replay = Replay::open(path).with_context(shown)?;
    let replay = super::moment::keeping(path, replay);
    let source = view::build::Source { path: path.as_os_str().as_bytes(), bytes, symbols: symbols.as_ref() };
    Ok(view::build::report_beside(source, replay, beside))
}
