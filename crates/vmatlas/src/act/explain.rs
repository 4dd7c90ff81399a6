//! `vmatlas explain TARGET ADDRESS`.

use std::io;
use std::process::ExitCode;

use snapshot::{Malloc, Memory};
use view::Explanation;

use super::{biography, place, target};
use crate::cli::{Common, ExplainArgs};
use crate::screen::{self, Style};

pub(crate) fn act(args: &ExplainArgs, common: Common) -> anyhow::Result<ExitCode> {
    let mut found = target::read(&args.target, args.within)?;
    found.read_heap(Malloc::BYTES_MAX);
    let nothing: Box<dyn Memory> = Box::new(());
    let contents = found.contents.as_ref().unwrap_or(&nothing);
    let stack_limit = found.facts.limits.stack;
    let mut explanation = Explanation::new(&found.snapshot, contents.as_ref(), args.address, stack_limit);
    let leaves = snapshot::classify(&found.snapshot);
    let leaf = leaves.iter().find(|leaf| leaf.range.contains(args.address));
    explanation.place = leaf.and_then(|leaf| place::find(&found, leaf, args.address)).unwrap_or_default();
    if let Some((path, mm)) = &found.recorded {
        explanation.story = biography::read(path, *mm, args.address)?;
    }
    let out = io::stdout();
    if args.json {
        screen::print_json(view::json::EXPLAIN_SCHEMA, &explanation, out.lock())?;
    } else {
        let style = Style::of(&out, common.color);
        let mut lines = view::text::explain(&explanation, style.canvas);
        lines.extend(view::text::story(&explanation.story, style.canvas));
        screen::print(&lines, style, out.lock())?;
    }
    Ok(ExitCode::SUCCESS)
}
