//! The pages of a range, drawn.

use super::{Canvas, Line, Role, Span};
use crate::pages::{Cell, PagesView};
use crate::words::bytes;

/// The width of the address in front of each row.
const ADDRESS: usize = 16;

/// Draws the pages: a letter each, so that colour is not needed.
pub fn pages(view: &PagesView, canvas: Canvas) -> Vec<Line> {
    if view.cells.is_empty() {
        return vec![Line::of(Role::Strong, "nothing is mapped in that range")];
    }
    let title = format!("{}, {} a letter", view.range, bytes(view.cell_bytes));
    let mut lines = vec![Line::of(Role::Strong, title)];
    // A power of two in each row, so that its address is round.
    let room = canvas.columns.saturating_sub(ADDRESS).max(16);
    let columns = 1 << room.ilog2();
    let mut is_gap = false;
    for (row, cells) in view.cells.chunks(columns).enumerate() {
        let was_gap = std::mem::replace(&mut is_gap, cells.iter().all(|cell| *cell == Cell::Unmapped));
        if is_gap {
            if !was_gap {
                lines.push(Line::of(Role::Faint, format!("{:>14}", "nothing")));
            }
            continue;
        }
        let start = view.range.start.0 + (row * columns) as u64 * view.cell_bytes;
        let mut line = Line::of(Role::Faint, format!("{start:>14x}  "));
        for same in cells.chunk_by(|a, b| a == b) {
            let (letter, role) = shown(same[0]);
            line.spans.push(Span { role, text: letter.to_string().repeat(same.len()) });
        }
        lines.push(line);
    }
    let sums = view.sums;
    let facts = [
        format!("resident {}", bytes(sums.resident)),
        format!("of no file {}", bytes(sums.anonymous)),
        format!("in swap {}", bytes(sums.swapped)),
    ];
    lines.extend(canvas.facts(&facts, 2));
    let legend = "A of no file, F of a file or shared (a, f: some pages of the letter), M both, S in swap, \
                  . not there, blank not mapped";
    lines.extend(canvas.sentence(Role::Faint, legend, 2));
    lines
}

const fn shown(cell: Cell) -> (char, Role) {
    match cell {
        Cell::Unmapped => (' ', Role::Plain),
        Cell::Absent => ('.', Role::Faint),
        Cell::Anonymous => ('A', Role::Ink),
        Cell::SomeAnonymous => ('a', Role::Ink),
        Cell::File => ('F', Role::Good),
        Cell::SomeFile => ('f', Role::Good),
        Cell::Mixed => ('M', Role::Strong),
        Cell::Swapped => ('S', Role::Warning),
    }
}
