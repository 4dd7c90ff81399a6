//! The small plot over time.

use super::table::right;
use super::{Canvas, Glyphs, Line, Role};
use crate::curve::CurvePoint;
use crate::report::Run;
use crate::words::{bytes, count, time};

/// Rows of the plot of resident memory, and of the flatter ones of virtual size and of mappings.
const ROWS: [usize; 3] = [5, 3, 2];
const LABEL: usize = 13;
const COLUMNS_MAX: usize = 100;

/// Plots resident memory where its course is known, virtual size, and how many mappings there were.
pub(super) fn lines(points: &[CurvePoint], run: &Run, canvas: Canvas) -> Vec<Line> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let columns = canvas.columns.saturating_sub(LABEL + 2).min(COLUMNS_MAX);
    if last.time_ns == first.time_ns || columns < 10 {
        return Vec::new();
    }
    let span = (first.time_ns, last.time_ns);
    let mut lines = Vec::new();
    let resident: Vec<_> = points.iter().filter_map(|p| Some((p.time_ns, p.resident?))).collect();
    if resident.len() > 1 {
        lines.push(
            Line::of(Role::Strong, "Resident over time").and(Role::Faint, "  (as of page checkpoints)"),
        );
        lines.extend(plot(&Course { values: &resident, words: bytes, rows: ROWS[0] }, span, columns, canvas));
    }
    let size: Vec<_> = points.iter().map(|p| (p.time_ns, p.size)).collect();
    lines.push(Line::of(Role::Strong, "Virtual size over time"));
    lines.extend(plot(&Course { values: &size, words: bytes, rows: ROWS[1] }, span, columns, canvas));
    let mappings: Vec<_> = points.iter().map(|p| (p.time_ns, p.mappings)).collect();
    let limit = run.mappings_max.map_or_else(String::new, |limit| format!(" of {} allowed", count(limit)));
    let most = format!("  (one process: at most {}{limit})", count(run.mappings));
    lines.push(Line::of(Role::Strong, "Mappings over time").and(Role::Faint, most));
    lines.extend(plot(&Course { values: &mappings, words: count, rows: ROWS[2] }, span, columns, canvas));
    lines
}

/// What is plotted: values that each hold until the next, in so many rows; the largest is told in words.
struct Course<'a> {
    values: &'a [(u64, u64)],
    words: fn(u64) -> String,
    rows: usize,
}

fn plot(course: &Course<'_>, (from, to): (u64, u64), columns: usize, canvas: Canvas) -> Vec<Line> {
    let Course { values, words, rows } = *course;
    let heights = columns_of(values, from, to, columns);
    let max = heights.iter().copied().max().unwrap_or(0).max(1);
    let mut lines = Vec::new();
    let (axis, corner, floor) = match canvas.glyphs {
        Glyphs::Unicode => (" ┤", " └", "─"),
        Glyphs::Ascii => (" |", " +", "-"),
    };
    for row in (0..rows).rev() {
        let label = if row + 1 == rows { words(max) } else { String::new() };
        let ink: String =
            heights.iter().map(|&height| cell(height, max, (row, rows), canvas.glyphs)).collect();
        let line = Line::of(Role::Faint, right(&label, LABEL - 1) + axis);
        lines.push(line.and(Role::Ink, ink.trim_end()));
    }
    lines.push(Line::of(Role::Faint, right("0", LABEL - 1) + corner + &floor.repeat(columns)));
    let end = time(to);
    let start = time(from);
    let gap = (columns + 1).saturating_sub(start.len());
    lines.push(Line::of(Role::Faint, format!("{}{start}{end:>gap$}", " ".repeat(LABEL))));
    lines
}

/// The largest value that holds at some time of each column; a value holds until the next.
fn columns_of(values: &[(u64, u64)], from: u64, to: u64, columns: usize) -> Vec<u64> {
    let span = u128::from(to - from);
    let mut heights = vec![0; columns];
    let mut next = 0;
    let mut held = 0;
    for (column, height) in heights.iter_mut().enumerate() {
        let end = from + (span * (column as u128 + 1) / columns as u128) as u64;
        *height = held;
        while let Some(&(_, value)) = values.get(next).filter(|(at, _)| *at < end || column + 1 == columns) {
            *height = (*height).max(value);
            held = value;
            next += 1;
        }
    }
    heights
}

/// The character of one row of a column: full, partly or empty.
fn cell(height: u64, max: u64, (row, rows): (usize, usize), glyphs: Glyphs) -> char {
    let eighths = (u128::from(height) * rows as u128 * 8).div_ceil(u128::from(max)) as usize;
    let here = eighths.saturating_sub(row * 8).min(8);
    match glyphs {
        Glyphs::Unicode => [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][here],
        Glyphs::Ascii => [' ', '.', '.', '.', ':', ':', ':', '#', '#'][here],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_until_the_next_and_short_peaks_show() {
        let values = [(0, 10), (30, 90), (31, 20), (80, 40)];
        assert_eq!(columns_of(&values, 0, 100, 10), [10, 10, 10, 90, 20, 20, 20, 20, 40, 40]);
    }
}
