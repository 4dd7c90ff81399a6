//! The processes of a map of several.

use super::table::{left, right, size};
use super::{Canvas, Line, Role};
use crate::map::ProcessLine;
use crate::words::bytes;

/// How many are listed before the rest is summed up.
const SHOWN: usize = 40;

/// Lays out the processes, in the order asked for.
pub(super) fn lines(processes: &[ProcessLine], canvas: Canvas) -> Vec<Line> {
    if processes.is_empty() {
        return Vec::new();
    }
    let row = |role, title: &str, cells: [String; 6]| {
        let cells: String = cells.iter().map(|cell| right(cell, 9)).collect();
        Line::of(role, left(canvas, title, 23) + &cells)
    };
    let heads = ["SIZE", "RSS", "PSS", "USS", "DIRTY", "SWAP"].map(str::to_owned);
    let mut lines = vec![row(Role::Faint, "  PROCESS", heads)];
    for process in processes.iter().take(SHOWN) {
        let pid = process.pid.map_or_else(|| canvas.unknown().to_owned(), |pid| pid.to_string());
        let sums = &process.sums;
        let cells = [sums.rss, sums.pss, sums.uss, sums.dirty, sums.swap].map(|sum| size(canvas, sum));
        let [rss, pss, uss, dirty, swap] = cells;
        let title = format!("  {pid:<8} {}", process.program);
        lines.push(row(Role::Plain, &title, [bytes(sums.size), rss, pss, uss, dirty, swap]));
    }
    if processes.len() > SHOWN {
        lines.push(Line::of(Role::Faint, format!("  {} more", processes.len() - SHOWN)));
    }
    lines
}
