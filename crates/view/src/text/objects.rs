//! The static part of each executable and library.

use super::table::{right, short_path, size};
use super::{Canvas, Line, Role};
use crate::report::ObjectRow;
use crate::words::{self, bytes};

/// How many objects are listed before the rest is summed up.
const OBJECTS_SHOWN: usize = 8;

/// Lays out the largest objects and sums up the rest.
pub(super) fn lines(objects: &[ObjectRow], canvas: Canvas) -> Vec<Line> {
    let columns = ["SIZE", "RESIDENT", "TEXT", "RODATA", "RELRO", "DATA", "BSS"];
    let widths: [usize; 7] = [10, 10, 10, 9, 9, 9, 9];
    // A narrow canvas shows the columns that fit beside a name of some use.
    let shown = (2..=columns.len()).rev().find(|n| widths[..*n].iter().sum::<usize>() + 24 <= canvas.columns);
    let shown = shown.unwrap_or(1);
    let name = canvas.columns.saturating_sub(widths[..shown].iter().sum::<usize>()).min(60);
    let line = |role, title: &str, cells: [String; 7]| {
        let title = short_path(&canvas.fit(title), name.saturating_sub(3), canvas);
        let cells = cells.iter().zip(widths).take(shown).map(|(cell, width)| right(cell, width));
        Line::of(role, format!("{:<name$}", format!("  {title}")) + &cells.collect::<String>())
    };
    let mut lines = vec![line(Role::Faint, "STATIC PART OF", columns.map(str::to_owned))];
    for object in objects.iter().take(OBJECTS_SHOWN) {
        let parts = [object.text, object.rodata, object.relro, object.data, object.bss];
        let [text, rodata, relro, data, bss] = parts.map(bytes);
        let cells = [bytes(object.size), size(canvas, object.resident), text, rodata, relro, data, bss];
        lines.push(line(Role::Plain, &object.path, cells));
    }
    let rest = &objects[objects.len().min(OBJECTS_SHOWN)..];
    if !rest.is_empty() {
        let total: u64 = rest.iter().map(|object| object.size).sum();
        let text = format!("{} more, {} together", words::count(rest.len() as u64), bytes(total));
        lines.push(Line::of(Role::Faint, format!("  {text}")));
    }
    lines
}
