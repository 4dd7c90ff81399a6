//! `vmatlas map TARGET...`.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use abi::{AddrRange, Pid};
use anyhow::Context;
use snapshot::{Malloc, Moment};
use view::text::{Frame, Line, Paths, PmapOptions};
use view::{Detail, MapView, PagesView, words};

use super::several::{self, Meant, Tree};
use super::target::{self, Found};
use crate::cli::{Common, ExplainArgs, MapArgs};
use crate::screen::{self, Style};

/// The most that is drawn of a running process: reading its page table then takes a second or two.
const PAGES_BYTES_MAX: u64 = 256 << 30;

pub(crate) fn act(args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    if let Some((target, address)) = args.address()
        && !Path::new(&args.targets[1]).exists()
    {
        let args = ExplainArgs { target: target.to_owned(), address, json: args.json };
        return super::explain::act(&args, common);
    }
    let tree = if args.tree { Tree::Yes } else { Tree::No };
    match several::resolve(&args.targets, tree)? {
        Meant::One(target) => one(&target, args, common),
        Meant::Several(processes) => {
            anyhow::ensure!(args.pages.is_none(), "--pages draws one process");
            let read = several::read(&processes, detail(args))?;
            show_several(&read, args, common)?;
            Ok(read.failed.map_or(ExitCode::SUCCESS, ExitCode::from))
        }
    }
}

fn one(target: &str, args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    let mut found = target::read(target)?;
    if let Some(range) = args.pages {
        return draw_pages(found, range, common);
    }
    found.read_heap(if args.heap { u64::MAX } else { Malloc::BYTES_MAX });
    let view = MapView::new(found.facts, &found.snapshot, detail(args));
    show(&view, args, common)?;
    Ok(ExitCode::SUCCESS)
}

fn detail(args: &MapArgs) -> Detail {
    if args.mappings || args.json || args.extended { Detail::Mappings } else { Detail::Summary }
}

fn show(view: &MapView, args: &MapArgs, common: Common) -> anyhow::Result<()> {
    let out = io::stdout();
    if args.json {
        return Ok(screen::print_json(view::json::MAP_SCHEMA, view, out.lock())?);
    }
    let style = Style::of(&out, common.color);
    Ok(screen::print(&lines(view, args, style), style, out.lock())?)
}

/// Several processes: their lists one after the other, or one summary.
fn show_several(read: &several::Read, args: &MapArgs, common: Common) -> anyhow::Result<()> {
    if (args.mappings || args.extended) && !args.json {
        let out = io::stdout();
        let style = Style::of(&out, common.color);
        for view in &read.views {
            screen::print(&lines(view, args, style), style, out.lock())?;
        }
        return Ok(());
    }
    let together = MapView::together(&read.views, read.once.as_ref()).context("no process")?;
    show(&together, args, common)
}

fn lines(view: &MapView, args: &MapArgs, style: Style) -> Vec<Line> {
    if args.extended {
        view::text::pmap(view, pmap_options(args))
    } else if args.mappings {
        view::text::mappings(view, style.canvas)
    } else {
        view::text::map(view, style.canvas)
    }
}

fn pmap_options(args: &MapArgs) -> PmapOptions {
    PmapOptions {
        paths: if args.show_path { Paths::Full } else { Paths::Short },
        frame: if args.quiet { Frame::Bare } else { Frame::Framed },
        within: args.range,
    }
}

fn draw_pages(found: Found, range: AddrRange, common: Common) -> anyhow::Result<ExitCode> {
    let runs = match (found.facts.pid, found.snapshot.moment) {
        (Some(pid), Moment::Now) => {
            let mapped = || found.snapshot.mappings.iter().filter_map(|m| m.range.intersection(range));
            let size = mapped().map(AddrRange::len).sum();
            if size > PAGES_BYTES_MAX {
                anyhow::bail!("{} are mapped in that range: give a smaller one", words::bytes(size));
            }
            snapshot::read_live_pages(Pid(pid), mapped())?
        }
        _ => found.snapshot.pages.clone().context("the target does not tell which pages are there")?,
    };
    let out = io::stdout();
    let style = Style::of(&out, common.color);
    let cells = style.canvas.columns.saturating_sub(20) * 40;
    let view = PagesView::new(&found.snapshot, &runs, range, cells);
    screen::print(&view::text::pages(&view, style.canvas), style, out.lock())?;
    Ok(ExitCode::SUCCESS)
}
