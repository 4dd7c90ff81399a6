//! The stacks, thread by thread.

use super::table::{left, right, size};
use super::{Canvas, Line, Role};
use crate::stacks::StackRow;
use crate::words::bytes;

/// How many are listed before the rest is summed up.
const SHOWN: usize = 12;

/// Lays out the stacks where there is more than the main thread's.
pub(super) fn lines(stacks: &[StackRow], canvas: Canvas) -> Vec<Line> {
    if stacks.len() < 2 && stacks.iter().all(|stack| stack.frames.is_empty() && stack.frames_end.is_none()) {
        return Vec::new();
    }
    let widths = [9, 9, 9, 9, 9, 9];
    let name = canvas.columns.saturating_sub(54).min(40);
    let line = |role, title: &str, cells: [String; 6]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| right(cell, width));
        Line::of(role, left(canvas, &format!("  {title}"), name) + &cells.collect::<String>())
    };
    let mut lines = vec![line(
        Role::Faint,
        "STACK OF",
        ["SIZE", "RSS", "IN USE", "DEEPEST", "ROOM", "GUARD"].map(str::to_owned),
    )];
    for stack in stacks.iter().take(SHOWN) {
        let title = match (stack.is_main, stack.tid) {
            (true, _) => "main thread".to_owned(),
            (false, Some(tid)) => format!("{tid} {}", stack.name),
            (false, None) => "no thread now".to_owned(),
        };
        let guard = if stack.is_main { "kernel".to_owned() } else { bytes(stack.guard) };
        let [resident, used, deepest, room] =
            [stack.resident, stack.used, stack.deepest, stack.room].map(|bytes| size(canvas, bytes));
        lines.push(line(Role::Plain, &title, [bytes(stack.size), resident, used, deepest, room, guard]));
        lines.extend(frames(stack, canvas));
    }
    let rest = &stacks[stacks.len().min(SHOWN)..];
    if !rest.is_empty() {
        let total = rest.iter().map(|stack| stack.size).sum();
        lines.push(Line::of(Role::Faint, format!("  {} more, {} together", rest.len(), bytes(total))));
    }
    lines
}

/// The call frames of a stack.
fn frames(stack: &StackRow, canvas: Canvas) -> Vec<Line> {
    let mut lines = Vec::new();
    for frame in &stack.frames {
        let bytes = frame.bytes.map_or_else(|| canvas.unknown().to_owned(), bytes);
        let head = format!("    {}  {:<16} ", right(&bytes, 9), frame.address);
        let room = canvas.columns.saturating_sub(head.chars().count());
        lines.push(Line::of(Role::Faint, head).and(Role::Plain, canvas.cut(&frame.function, room)));
    }
    if let Some(end) = &stack.frames_end {
        lines.extend(canvas.sentence(Role::Faint, &format!("- {end}"), 4));
    }
    lines
}
