//! `vmatlas diff A B`.

use std::io;
use std::process::ExitCode;

use view::{Detail, DiffView, MapView};

use super::origins::{self, Same};
use super::target;
use crate::cli::{Common, DiffArgs};
use crate::screen::{self, Style};

pub(crate) fn act(args: &DiffArgs, common: Common) -> anyhow::Result<ExitCode> {
    if let Some(by) = args.by {
        let sides = (args.before.as_str(), args.after.as_str());
        let diff = origins::between(sides, by.into(), args.whose.into(), args.within.process, Same::No)?;
        return origins::print_diff(&diff, args.json, common);
    }
    let view = |target: &str| -> anyhow::Result<MapView> {
        let view = target::view(target, args.within, Detail::Mappings)?;
        anyhow::ensure!(
            !view.mappings.is_empty(),
            "{target}: a summary of several processes, which can't be compared"
        );
        Ok(view)
    };
    let diff = DiffView::new(&view(&args.before)?, &view(&args.after)?);
    let out = io::stdout();
    if args.json {
        screen::print_json(view::json::DIFF_SCHEMA, &diff, out.lock())?;
    } else {
        let style = Style::of(&out, common.color);
        screen::print(&view::text::diff(&diff, style.canvas), style, out.lock())?;
    }
    Ok(ExitCode::SUCCESS)
}
