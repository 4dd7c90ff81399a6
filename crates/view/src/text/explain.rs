//! What is at one address.

use super::{Canvas, Line, Role};
use crate::explain::{Explanation, Outcome};
use crate::words::bytes;

/// Lays out an explanation.
pub fn explain(explanation: &Explanation, canvas: Canvas) -> Vec<Line> {
    let row = |title: &str, text: &str| {
        let head = format!("  {title:<10}");
        let text = canvas.cut(text, canvas.columns.saturating_sub(head.len()));
        Line::of(Role::Faint, head).and(Role::Plain, text)
    };
    let mut lines = Vec::new();
    match &explanation.leaf {
        Some(leaf) => {
            let title = format!("{}: {}", explanation.address, leaf.name);
            lines.push(Line::of(Role::Strong, canvas.cut(&title, canvas.columns)));
            lines.push(row("because", &leaf.rule));
            lines.push(row("range", &format!("{}-{}, {}", leaf.start, leaf.end, bytes(leaf.size))));
            if !leaf.owner.is_empty() {
                lines.push(row("of", &leaf.owner));
            }
            lines.push(row("mapping", &explanation.mapping));
            lines.push(row("is", &explanation.attributes.join(canvas.dot())));
            if let Some(offset) = explanation.file_offset {
                lines.push(row("in file", &format!("byte {offset:#x}")));
            }
        }
        None => {
            lines.push(Line::of(Role::Strong, format!("{}: nothing is mapped there", explanation.address)));
        }
    }
    for access in &explanation.accesses {
        let head = format!("  {:<10}", access.access);
        let role = if access.outcome == Outcome::Allowed { Role::Good } else { Role::Warning };
        let text = canvas.cut(&access.words, canvas.columns.saturating_sub(head.len()));
        lines.push(Line::of(Role::Faint, head).and(role, text));
    }
    for neighbour in &explanation.neighbours {
        lines.push(row("", neighbour));
    }
    lines
}
