//! Where memory comes from at two moments.

use super::diff::signed;
use super::origins::{callers, frames, legend, name, what};
use super::table::right;
use super::{Canvas, Line, Role};
use crate::origins_diff::{OriginChange, OriginsDiff, OriginsSide};
use crate::words::{bytes, plural, time};

/// Rows shown.
const ROWS: usize = 24;

/// Lays out what changed.
pub fn origins_diff(diff: &OriginsDiff, canvas: Canvas) -> Vec<Line> {
    let title = format!("Memory by {}", what(diff.by, diff.whose));
    let mut lines = vec![Line::of(Role::Strong, title)];
    for (word, side) in [("from", &diff.before), ("to", &diff.after)] {
        lines.extend(canvas.sentence(Role::Faint, &format!("{word} {}", side_words(side)), 2));
    }
    let head = ["CHANGE", "RESIDENT", "RESIDENT", "SIZE CHANGE"].map(str::to_owned);
    lines.push(Line::of(Role::Faint, cells(head)));
    for row in diff.rows.iter().take(ROWS) {
        let numbers = numbers(row);
        let room = canvas.columns.saturating_sub(numbers.chars().count() + 2);
        lines.push(Line::of(Role::Plain, format!("{numbers}  {}", canvas.cut(&name(&row.name), room))));
        lines.extend(frames(callers(&row.frames), canvas, 10));
    }
    lines.extend(legend(diff.rows.iter().take(ROWS).map(|row| &*row.name), canvas));
    if diff.rows.len() > ROWS {
        let rest = &diff.rows[ROWS..];
        let sum: i128 = rest.iter().map(OriginChange::resident).sum();
        let more = format!("{}  by {} more", right(&signed(sum), 11), rest.len());
        lines.push(Line::of(Role::Faint, more));
    }
    let total = OriginChange {
        name: String::new(),
        before: diff.before.total,
        after: diff.after.total,
        frames: Vec::new(),
    };
    lines.push(Line::of(Role::Strong, format!("{}  total", numbers(&total))));
    if diff.same > 0 {
        lines.push(Line::of(Role::Faint, format!("  {} the same on both sides", plural(diff.same, "row"))));
    }
    if !diff.rebuilt.is_empty() {
        let text = format!("In different builds: {}.", diff.rebuilt.join(", "));
        lines.extend(canvas.sentence(Role::Faint, &text, 2));
    }
    lines
}

fn side_words(side: &OriginsSide) -> String {
    let pid = side.pid.map(|pid| format!("process {pid}, ")).unwrap_or_default();
    format!("{}: {pid}{}, at {}", side.target, side.program, time(side.time_ns))
}

fn numbers(row: &OriginChange) -> String {
    cells([signed(row.resident()), bytes(row.before.resident), bytes(row.after.resident), signed(row.size())])
}

fn cells(cells: [String; 4]) -> String {
    cells.iter().zip([11, 10, 10, 12]).map(|(cell, width)| right(cell, width)).collect()
}
