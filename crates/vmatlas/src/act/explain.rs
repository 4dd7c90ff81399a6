//! `vmatlas explain TARGET ADDRESS`.

use std::io;
use std::process::ExitCode;

use view::Explanation;

use super::target;
use crate::cli::{Common, ExplainArgs};
use crate::screen::{self, Style};

pub(crate) fn act(args: &ExplainArgs, common: Common) -> anyhow::Result<ExitCode> {
    let found = target::read(&args.target)?;
    let explanation = Explanation::new(&found.snapshot, args.address);
    let out = io::stdout();
    if args.json {
        screen::print_json(view::json::EXPLAIN_SCHEMA, &explanation, out.lock())?;
    } else {
        let style = Style::of(&out, common.color);
        screen::print(&view::text::explain(&explanation, style.canvas), style, out.lock())?;
    }
    Ok(ExitCode::SUCCESS)
}
