//! What is at one address.

use super::{Canvas, Line, Role};
use crate::explain::{Explanation, Outcome};
use crate::words::bytes;

/// Where the texts begin.
const INDENT: usize = 12;

/// Lays out an explanation.
pub fn explain(explanation: &Explanation, canvas: Canvas) -> Vec<Line> {
    let row = |title: &str, text: &str| row(canvas, title, Role::Plain, text);
    let mut lines = Vec::new();
    match &explanation.leaf {
        Some(leaf) => {
            let title = format!("{}: {}", explanation.address, leaf.name);
            lines.push(Line::of(Role::Strong, canvas.cut(&title, canvas.columns)));
            lines.extend(row("because", &leaf.rule));
            lines.extend(row("range", &format!("{}-{}, {}", leaf.start, leaf.end, bytes(leaf.size))));
            if !leaf.owner.is_empty() {
                lines.extend(row("of", &leaf.owner));
            }
            lines.extend(row("mapping", &explanation.mapping));
            lines.extend(row("is", &explanation.attributes.join(canvas.dot())));
            if let Some(offset) = explanation.file_offset {
                lines.extend(row("in file", &format!("byte {offset:#x}")));
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
                    lines.extend(row(title, text));
                }
            }
            for (at, source) in place.source.iter().enumerate() {
                lines.extend(row(if at == 0 { "source" } else { "" }, source));
            }
        }
        None => {
            lines.push(Line::of(Role::Strong, format!("{}: nothing is mapped there", explanation.address)));
        }
    }
    for access in &explanation.accesses {
        let role = if access.outcome == Outcome::Allowed { Role::Good } else { Role::Warning };
        lines.extend(self::row(canvas, access.access, role, &access.words));
    }
    if let Some(past_end) = &explanation.past_end {
        lines.extend(row("past end", past_end));
    }
    for neighbour in &explanation.neighbours {
        lines.extend(row("", neighbour));
    }
    lines
}

/// A title and its text: what has more words than fit goes on in the next line.
fn row(canvas: Canvas, title: &str, role: Role, text: &str) -> Vec<Line> {
    let width = Canvas { columns: canvas.columns.saturating_sub(INDENT), ..canvas };
    let rows = width.sentence(role, text, 0).into_iter().enumerate();
    let head = |at: usize| if at == 0 { format!("  {title:<10}") } else { " ".repeat(INDENT) };
    rows.map(|(at, line)| Line::of(Role::Faint, head(at)).and(role, line.plain())).collect()
}
