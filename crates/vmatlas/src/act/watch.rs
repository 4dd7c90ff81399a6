//! `vmatlas map --watch SECONDS`: the same look again and again, with what changed.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use view::text::{Line, Role};
use view::{Detail, DiffView, MapView};

use super::several::{self, Meant, Tree};
use super::{map, target};
use crate::cli::{Common, MapArgs};
use crate::screen::{self, Style};

/// Clears the screen and puts the cursor at its start.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// Shows the target until it is gone or nobody reads.
pub(super) fn act(args: &MapArgs, period: Duration, common: Common) -> anyhow::Result<ExitCode> {
    let mut before: Option<(MapView, Vec<Line>)> = None;
    let out = io::stdout();
    let is_terminal = out.is_terminal();
    loop {
        let view = match look(args) {
            Ok(view) => view,
            // The end of what is watched is no failure.
            Err(_) if before.is_some() => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(error),
        };
        let style = Style::of(&out, common.color);
        let lines = map::lines(&view, args, style);
        let mut shown: Vec<Line> = match &before {
            Some((_, old)) => lines.iter().map(|line| highlighted(line, old)).collect(),
            None => lines.clone(),
        };
        if let Some((old, _)) = &before {
            shown.push(Line::default());
            shown.extend(changes(&DiffView::new(old, &view), style));
        }
        if is_terminal {
            out.lock().write_all(CLEAR)?;
        }
        screen::print(&shown, style, out.lock())?;
        before = Some((view, lines));
        std::thread::sleep(period);
    }
}

fn look(args: &MapArgs) -> anyhow::Result<MapView> {
    let tree = if args.tree { Tree::Yes } else { Tree::No };
    let mut view = match several::resolve(&args.targets, tree)? {
        Meant::One(name) => target::view(&name, args.within, Detail::Mappings)?,
        Meant::Several(processes) => {
            let read = several::read(&processes, Detail::Mappings)?;
            let together = MapView::together(&read.views, read.once.as_ref());
            together.ok_or_else(|| anyhow::anyhow!("no process"))?
        }
    };
    map::choose(&mut view, args);
    Ok(view)
}

/// A line that was not there the last time stands out.
fn highlighted(line: &Line, old: &[Line]) -> Line {
    if old.contains(line) { line.clone() } else { Line::of(Role::Warning, line.plain()) }
}

/// The kinds whose size or resident size changed, in letters: colour is not needed.
fn changes(diff: &DiffView, style: Style) -> Vec<Line> {
    let mut lines = view::text::kind_changes(diff, style.canvas);
    if lines.is_empty() {
        lines.push(Line::of(Role::Faint, "  nothing changed since the last look"));
    }
    lines
}
