//! Every mapping of a map, with the gaps between.

use super::table::{left, right, short_path, size};
use super::{Canvas, Line, Role};
use crate::map::{LeafLine, MapView, MappingLine};
use crate::words::bytes;

const RANGE: usize = 26;
const SIZE: usize = 9;
const KIND: usize = 17;
/// Gaps smaller than this are not worth a line.
const GAP_BYTES_MIN: u64 = 1 << 30;
/// A larger gap is the one between user addresses and the kernel's: no process can map anything there.
const GAP_BYTES_MAX: u64 = 1 << 57;

/// Lays out every mapping, ascending; a mapping of several kinds has a line for each under it.
pub fn mappings(view: &MapView, canvas: Canvas) -> Vec<Line> {
    let cells = [
        left(canvas, "ADDRESSES", RANGE),
        "PERM ".to_owned(),
        right("SIZE", SIZE),
        right(if view.total.in_core.is_some() { "IN CORE" } else { "RSS" }, SIZE),
        "  ".to_owned(),
        left(canvas, "KIND", KIND),
        "NAME".to_owned(),
    ];
    let mut lines = vec![Line::of(Role::Faint, cells.concat())];
    for mapping in &view.mappings {
        if (GAP_BYTES_MIN..GAP_BYTES_MAX).contains(&mapping.gap_before) {
            lines.push(Line::of(Role::Faint, format!("  nothing for {}", bytes(mapping.gap_before))));
        }
        lines.push(line(mapping, canvas));
        for leaf in mapping.leaves.iter().filter(|_| mapping.leaves.len() > 1) {
            lines.push(leaf_line(leaf, canvas));
        }
    }
    if view.mappings.is_empty() {
        lines.push(Line::of(Role::Faint, "  no mapping is as asked for"));
    }
    lines
}

fn line(mapping: &MappingLine, canvas: Canvas) -> Line {
    let kind = match mapping.leaves.as_slice() {
        [leaf] => leaf.name,
        leaves => return with_name(mapping, &format!("{} kinds:", leaves.len()), &mapping.name, canvas),
    };
    let name = match mapping.leaves[0].owner.as_str() {
        owner if mapping.name.is_empty() => owner,
        _ => &mapping.name,
    };
    with_name(mapping, kind, name, canvas)
}

fn with_name(mapping: &MappingLine, kind: &str, name: &str, canvas: Canvas) -> Line {
    let cells = [
        format!("{:<width$} ", range(&mapping.start, &mapping.end), width = RANGE - 1),
        mapping.permissions.clone() + " ",
        right(&bytes(mapping.sums.size), SIZE),
        right(&size(canvas, mapping.sums.in_core.or(mapping.sums.rss)), SIZE),
        "  ".to_owned(),
        left(canvas, kind, KIND),
    ];
    let head = cells.concat();
    let room = canvas.columns.saturating_sub(head.chars().count());
    Line::of(Role::Plain, head).and(Role::Plain, short_path(&canvas.fit(name), room, canvas))
}

fn leaf_line(leaf: &LeafLine, canvas: Canvas) -> Line {
    let cells = [
        left(canvas, &format!("  {}", range(&leaf.start, &leaf.end)), RANGE + 2),
        " ".repeat(3),
        right(&bytes(leaf.size), SIZE),
        " ".repeat(SIZE + 2),
        left(canvas, leaf.name, KIND),
    ];
    let head = cells.concat();
    let room = canvas.columns.saturating_sub(head.chars().count());
    Line::of(Role::Faint, head + &short_path(&canvas.fit(&leaf.owner), room, canvas))
}

/// A range as the kernel writes it.
fn range(start: &str, end: &str) -> String {
    let bare = |addr: &str| addr.trim_start_matches("0x").to_owned();
    format!("{}-{}", bare(start), bare(end))
}
