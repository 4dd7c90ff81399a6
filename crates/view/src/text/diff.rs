//! Two maps compared.

use super::table::{left, right, short_path, size};
use super::{Canvas, Line, Role};
use crate::diff::{Change, DiffView};
use crate::words::bytes;

const NAME: usize = 24;
const SIZE: usize = 10;
/// How many changes are listed before the rest is summed up.
const CHANGES_SHOWN: usize = 20;

/// Lays out a comparison.
pub fn diff(view: &DiffView, canvas: Canvas) -> Vec<Line> {
    let title = format!("From {} to {}", view.before, view.after);
    let cells = [
        left(canvas, "  KIND", NAME),
        right("SIZE", SIZE),
        right("SIZE", SIZE),
        right("CHANGE", SIZE + 1),
        right("RSS", SIZE),
        right("RSS", SIZE),
    ];
    let mut lines = vec![
        Line::of(Role::Strong, canvas.cut(&title, canvas.columns)),
        Line::of(Role::Faint, cells.concat() + &rss_change_header(canvas)),
    ];
    for kind in &view.kinds {
        lines.push(row(canvas, Role::Plain, kind.name, &kind.change));
    }
    lines.push(row(canvas, Role::Strong, "total", &view.total));
    lines.push(Line::default());
    lines.extend(changes(view, canvas));
    lines
}

/// The last column is only there where it fits.
fn rss_change_header(canvas: Canvas) -> String {
    if has_room(canvas) { right("CHANGE", SIZE + 1) } else { String::new() }
}

const fn has_room(canvas: Canvas) -> bool {
    canvas.columns >= NAME + 6 * SIZE + 2
}

fn row(canvas: Canvas, role: Role, name: &str, change: &Change) -> Line {
    let mut cells = vec![
        left(canvas, &format!("  {name}"), NAME),
        right(&bytes(change.before.size), SIZE),
        right(&bytes(change.after.size), SIZE),
        right(&signed(change.size()), SIZE + 1),
        right(&size(canvas, change.before.rss), SIZE),
        right(&size(canvas, change.after.rss), SIZE),
    ];
    if has_room(canvas) {
        let change = change.rss().map_or_else(|| canvas.unknown().to_owned(), signed);
        cells.push(right(&change, SIZE + 1));
    }
    Line::of(role, cells.concat())
}

/// One line for each kind of which size or resident size changed; empty if none did.
pub fn kind_changes(view: &DiffView, canvas: Canvas) -> Vec<Line> {
    let changed = view.kinds.iter().filter(|kind| kind.change.size() != 0 || kind.change.rss() != Some(0));
    let line = |name: &str, change: &Change| {
        let rss = change.rss().map_or_else(|| canvas.unknown().to_owned(), signed);
        let cells =
            format!("size {}  RSS {}", right(&signed(change.size()), SIZE + 1), right(&rss, SIZE + 1));
        Line::of(Role::Warning, left(canvas, &format!("  {name}"), NAME) + &cells)
    };
    let mut lines: Vec<Line> = changed.map(|kind| line(kind.name, &kind.change)).collect();
    if !lines.is_empty() {
        lines.insert(0, Line::of(Role::Strong, "Since the last look"));
        lines.push(line("total", &view.total));
    }
    lines
}

fn changes(view: &DiffView, canvas: Canvas) -> Vec<Line> {
    if view.changes.is_empty() {
        return vec![Line::of(Role::Good, "no mapping differs in kind, name or size")];
    }
    let mut lines = vec![Line::of(Role::Strong, "Largest changes of virtual size")];
    for change in view.changes.iter().take(CHANGES_SHOWN) {
        let counts = format!("{}x to {}x", change.count_before, change.count_after);
        let head = format!(
            "  {}  {}{counts:<13}",
            right(&signed(change.size()), SIZE + 1),
            left(canvas, change.kind_name, 20)
        );
        let room = canvas.columns.saturating_sub(head.chars().count());
        lines.push(
            Line::of(Role::Plain, head).and(Role::Plain, short_path(&canvas.fit(&change.name), room, canvas)),
        );
    }
    let more = view.changes.len().saturating_sub(CHANGES_SHOWN);
    if more > 0 {
        lines.push(Line::of(Role::Faint, format!("  {more} more in --json")));
    }
    lines
}

/// A change with its sign.
pub(super) fn signed(change: i128) -> String {
    let size = bytes(u64::try_from(change.unsigned_abs()).unwrap_or(u64::MAX));
    match change {
        0 => "=".to_owned(),
        1.. => format!("+{size}"),
        _ => format!("-{size}"),
    }
}
