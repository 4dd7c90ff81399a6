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
    // What has more words than fit goes on in the next line.
    let long = |title: &str, text: &str| {
        let indent = " ".repeat(12);
        let width = Canvas { columns: canvas.columns.saturating_sub(12), ..canvas };
        let rows = width.sentence(Role::Plain, text, 0).into_iter().enumerate();
        rows.map(|(at, line)| {
            let head = if at == 0 { format!("  {title:<10}") } else { indent.clone() };
            Line::of(Role::Faint, head).and(Role::Plain, line.plain())
        })
        .collect::<Vec<_>>()
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
            let place = &explanation.place;
            let known = [
                ("section", &place.section),
                ("symbol", &place.symbol),
                ("chunk", &explanation.chunk),
                ("page", &explanation.page),
            ];
            for (title, text) in known {
                if let Some(text) = text {
                    lines.extend(long(title, text));
                }
            }
            for (at, source) in place.source.iter().enumerate() {
                lines.push(row(if at == 0 { "source" } else { "" }, source));
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
    if let Some(past_end) = &explanation.past_end {
        lines.push(row("past end", past_end));
    }
    for neighbour in &explanation.neighbours {
        lines.push(row("", neighbour));
    }
    lines
}
