//! The stacks, thread by thread.

use super::table::{left, right, size};
use super::{Canvas, Line, Role};
use crate::stacks::StackRow;
use crate::words::bytes;

/// How many are listed before the rest is summed up.
const SHOWN: usize = 12;

/// Lays out the stacks where there is more than the main thread's.
pub(super) fn lines(stacks: &[StackRow], canvas: Canvas) -> Vec<Line> {
    if stacks.len() < 2 {
        return Vec::new();
    }
    let widths = [10, 10, 10, 9];
    let name = canvas.columns.saturating_sub(39).min(40);
    let line = |role, title: &str, cells: [String; 4]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| right(cell, width));
        Line::of(role, left(canvas, &format!("  {title}"), name) + &cells.collect::<String>())
    };
    let mut lines =
        vec![line(Role::Faint, "STACK OF", ["SIZE", "RESIDENT", "IN USE", "GUARD"].map(str::to_owned))];
    for stack in stacks.iter().take(SHOWN) {
        let title = match (stack.is_main, stack.tid) {
            (true, _) => "main thread".to_owned(),
            (false, Some(tid)) => format!("{tid} {}", stack.name),
            (false, None) => "no thread now".to_owned(),
        };
        let guard = if stack.is_main { "kernel's".to_owned() } else { bytes(stack.guard) };
        let cells = [bytes(stack.size), size(canvas, stack.resident), size(canvas, stack.used), guard];
        lines.push(line(Role::Plain, &title, cells));
    }
    let rest = &stacks[stacks.len().min(SHOWN)..];
    if !rest.is_empty() {
        let total = rest.iter().map(|stack| stack.size).sum();
        lines.push(Line::of(Role::Faint, format!("  {} more, {} together", rest.len(), bytes(total))));
    }
    lines
}
