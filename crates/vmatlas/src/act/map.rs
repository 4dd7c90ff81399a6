//! `vmatlas map TARGET`.

use std::io;
use std::process::ExitCode;

use abi::{AddrRange, Pid};
use anyhow::Context;
use snapshot::{Malloc, Moment};
use view::text::{Frame, Paths, PmapOptions};
use view::{Detail, MapView, PagesView, words};

use super::target::{self, Found};
use crate::cli::{Common, ExplainArgs, MapArgs};
use crate::screen::{self, Style};

/// The most that is drawn of a running process: reading its page table then takes a second or two.
const PAGES_BYTES_MAX: u64 = 256 << 30;

pub(crate) fn act(args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    if let Some(address) = args.address {
        let args = ExplainArgs { target: args.target.clone(), address, json: args.json };
        return super::explain::act(&args, common);
    }
    let mut found = target::read(&args.target)?;
    found.read_heap(if args.heap { u64::MAX } else { Malloc::BYTES_MAX });
    if let Some(range) = args.pages {
        return draw_pages(found, range, common);
    }
    let detail = if args.mappings || args.json || args.extended { Detail::Mappings } else { Detail::Summary };
    let view = MapView::new(found.facts, &found.snapshot, detail);
    let out = io::stdout();
    if args.json {
        screen::print_json(view::json::MAP_SCHEMA, &view, out.lock())?;
        return Ok(ExitCode::SUCCESS);
    }
    let style = Style::of(&out, common.color);
    let lines = if args.extended {
        view::text::pmap(&view, pmap_options(args))
    } else if args.mappings {
        view::text::mappings(&view, style.canvas)
    } else {
        view::text::map(&view, style.canvas)
    };
    screen::print(&lines, style, out.lock())?;
    Ok(ExitCode::SUCCESS)
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
