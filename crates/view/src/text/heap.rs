//! The arenas of the allocator.

use super::table::{left, right};
use super::{Canvas, Line, Role};
use crate::heap::{ArenaRow, ChunkRow, HeapView, Pieces};
use crate::words::{bytes, count, plural};

/// How many arenas are listed before the rest is summed up.
const SHOWN: usize = 12;
/// The width from which arenas are shown with their addresses.
const WIDE: usize = 110;
const WIDTHS: [usize; 6] = [9, 9, 9, 9, 9, 9];

/// Lays out the arenas.
pub(super) fn lines(heap: &HeapView, canvas: Canvas) -> Vec<Line> {
    if heap.arenas.iter().all(|arena| arena.size == 0) && heap.blocks.count == 0 {
        return Vec::new();
    }
    let heads = ["IN USE", "FREE", "LARGEST", "TOP", "RESIDENT", "PAGES"].map(str::to_owned);
    let mut lines = vec![row(canvas, Role::Faint, "MALLOC", heads, "")];
    let used: Vec<&ArenaRow> = heap.arenas.iter().filter(|arena| arena.size > 0).collect();
    for (place, arena) in used.iter().enumerate().take(SHOWN) {
        lines.extend(arena_lines(place, arena, canvas));
    }
    let rest = &used[used.len().min(SHOWN)..];
    if !rest.is_empty() {
        let sum = |of: fn(&ChunkRow) -> u64| {
            bytes(rest.iter().filter_map(|arena| arena.chunks.as_ref()).map(of).sum())
        };
        let cells = [
            sum(|chunks| chunks.in_use.bytes),
            sum(|chunks| chunks.free.bytes),
            String::new(),
            sum(|chunks| chunks.top),
            sum(|chunks| chunks.resident),
            sum(|chunks| chunks.returnable),
        ];
        lines.push(row(canvas, Role::Faint, &format!("{} more", rest.len()), cells, ""));
    }
    if heap.blocks.count > 0 {
        let text = format!("{} with a mapping each", plural(heap.blocks.count, "large block"));
        lines.push(Line::of(Role::Plain, format!("  {text}, {} together", bytes(heap.blocks.bytes))));
    }
    lines.extend(bins(heap, canvas));
    lines.extend(canvas.sentence(
        Role::Faint,
        "PAGES: resident whole pages that are free: malloc_trim(0) would return them.",
        2,
    ));
    lines
}

fn row(canvas: Canvas, role: Role, title: &str, cells: [String; 6], tail: &str) -> Line {
    let most = if canvas.columns >= WIDE { 34 } else { 24 };
    let name = canvas.columns.saturating_sub(WIDTHS.iter().sum::<usize>() + 12).min(most);
    let cells: String = cells.iter().zip(WIDTHS).map(|(cell, width)| right(cell, width)).collect();
    Line::of(role, left(canvas, &format!("  {title}"), name) + &cells + "  " + tail)
}

fn arena_lines(place: usize, arena: &ArenaRow, canvas: Canvas) -> Vec<Line> {
    let title = match (arena.is_main, canvas.columns >= WIDE) {
        (true, _) => "main arena".to_owned(),
        (false, false) => format!("arena {}", place + 1),
        (false, true) => format!("arena {} {}", place + 1, arena.state),
    };
    let Some(chunks) = &arena.chunks else {
        let text = format!("  {title}: {}, not walked (--heap walks it)", bytes(arena.size));
        return vec![Line::of(Role::Plain, canvas.cut(&text, canvas.columns))];
    };
    let cells = [
        bytes(chunks.in_use.bytes),
        bytes(chunks.free.bytes),
        bytes(chunks.largest_free),
        bytes(chunks.top),
        bytes(chunks.resident),
        bytes(chunks.returnable),
    ];
    let mut lines = vec![row(canvas, Role::Plain, &title, cells, chunks.verdict)];
    if let Some(at) = &arena.unfinished {
        let text = format!("! the walk ended at {at}: the chunks changed meanwhile, or are damaged");
        lines.extend(canvas.sentence(Role::Warning, &text, 4));
    }
    lines
}

/// The free chunks of all arenas by the list they are in.
fn bins(heap: &HeapView, canvas: Canvas) -> Vec<Line> {
    let rows: Vec<&ChunkRow> = heap.arenas.iter().filter_map(|arena| arena.chunks.as_ref()).collect();
    let sum = |of: fn(&ChunkRow) -> Pieces| {
        rows.iter()
            .map(|row| of(row))
            .fold((0, 0), |sum, pieces| (sum.0 + pieces.count, sum.1 + pieces.bytes))
    };
    let named = [
        ("kept by threads", sum(|row| row.free_by_bin.tcache)),
        ("fast bins", sum(|row| row.free_by_bin.fast)),
        ("unsorted", sum(|row| row.free_by_bin.unsorted)),
        ("small bins", sum(|row| row.free_by_bin.small)),
        ("large bins", sum(|row| row.free_by_bin.large)),
    ];
    let named = named.iter().filter(|(_, (chunks, _))| *chunks > 0);
    let facts: Vec<String> =
        named.map(|(name, (chunks, size))| format!("{name} {} ({})", bytes(*size), count(*chunks))).collect();
    let mut facts = facts.into_iter();
    let first = facts.next().map(|first| format!("free: {first}"));
    let facts: Vec<String> = first.into_iter().chain(facts).collect();
    canvas.facts(&facts, 2).iter().map(|line| Line::of(Role::Faint, line.plain())).collect()
}
