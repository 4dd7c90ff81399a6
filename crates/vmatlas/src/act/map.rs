//! `vmatlas map TARGET`.

use std::io;
use std::process::ExitCode;

use view::text::{Frame, Paths, PmapOptions};
use view::{Detail, MapView};

use super::target;
use crate::cli::{Common, ExplainArgs, MapArgs};
use crate::screen::{self, Style};

pub(crate) fn act(args: &MapArgs, common: Common) -> anyhow::Result<ExitCode> {
    if let Some(address) = args.address {
        let args = ExplainArgs { target: args.target.clone(), address, json: args.json };
        return super::explain::act(&args, common);
    }
    let found = target::read(&args.target)?;
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
