//! The largest growths, each with the call that made it.

use super::table::right;
use super::{Canvas, Line, Role};
use crate::report::Growth;
use crate::words::{bytes, time};

/// How many are shown.
const SHOWN: usize = 6;

pub(super) fn lines(growths: &[Growth], canvas: Canvas) -> Vec<Line> {
    if growths.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        Line::of(Role::Strong, "Largest growths of virtual size")
            .and(Role::Faint, "  (single calls; stacks as a whole)"),
    ];
    for growth in growths.iter().take(SHOWN) {
        let whose = match growth.pid {
            Some(pid) if pid == growth.tid => format!("{} (pid {pid})", growth.program),
            Some(pid) => format!("{} (pid {pid}, thread {})", growth.program, growth.tid),
            None => format!("thread {}", growth.tid),
        };
        let head = format!("{} {}  ", right(&bytes(growth.bytes), 12), right(&time(growth.time_ns), 10));
        let room = canvas.columns.saturating_sub(head.chars().count());
        lines.push(Line::of(Role::Plain, head).and(Role::Faint, canvas.cut(&whose, room)));
        lines.push(Line::of(
            Role::Plain,
            format!("{}{}", " ".repeat(6), canvas.cut(&growth.cause, canvas.columns.saturating_sub(6))),
        ));
    }
    lines
}
