//! The table by kind, and the objects.

use super::table::{bar, left, right, size};
use super::{Canvas, Line, Role};
use crate::report::{Memory, Row};
use crate::words::{self, bytes, count, time};

const NAME: usize = 24;
const SIZE: usize = 10;
const MAPPINGS: usize = 10;

pub(super) fn lines(memory: &Memory, canvas: Canvas) -> Vec<Line> {
    let pid = memory.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let title = format!("Memory of {}{pid} at its peak", memory.program);
    let mut lines = vec![Line::of(Role::Strong, canvas.cut(&title, canvas.columns))];
    lines.push(header(memory, canvas));
    let whole = memory.total.resident.unwrap_or(memory.total.size);
    for group in &memory.groups {
        // A group of one kind of the same name says everything in its own line.
        let says_all = group.kinds.len() == 1 && group.kinds[0].name == group.name;
        let bar = if says_all { Bar::Of(whole) } else { Bar::None };
        lines.push(row(canvas, Role::Strong, 2, group.name, &group.row, bar));
        for kind in group.kinds.iter().filter(|_| !says_all) {
            let name = if kind.inferred { format!("{} ~", kind.name) } else { kind.name.to_owned() };
            lines.push(row(canvas, Role::Plain, 4, &name, &kind.row, Bar::Of(whole)));
        }
    }
    lines.push(row(canvas, Role::Strong, 2, "total", &memory.total, Bar::None));
    lines.extend(meaning(memory, canvas));
    if !memory.objects.is_empty() {
        lines.push(Line::default());
        lines.extend(super::objects::lines(&memory.objects, canvas));
    }
    lines
}

fn header(memory: &Memory, canvas: Canvas) -> Line {
    let bars = if memory.total.resident.is_some() { "  OF RESIDENT" } else { "  OF SIZE" };
    let cells = [
        left(canvas, "  KIND", NAME),
        right("SIZE", SIZE),
        right("RESIDENT", SIZE),
        right("PEAK", SIZE),
        right("MAPPINGS", MAPPINGS),
    ];
    let room = canvas.columns.saturating_sub(NAME + 3 * SIZE + MAPPINGS);
    Line::of(Role::Faint, cells.concat() + &words::cut(bars, room, ""))
}

/// Whether a row has a bar: its share of this whole.
#[derive(Clone, Copy)]
enum Bar {
    None,
    Of(u64),
}

fn row(canvas: Canvas, role: Role, indent: usize, name: &str, row: &Row, share: Bar) -> Line {
    let cells = [
        left(canvas, &format!("{}{name}", " ".repeat(indent)), NAME),
        right(&bytes(row.size), SIZE),
        right(&size(canvas, row.resident), SIZE),
        right(&size(canvas, row.peak), SIZE),
        right(&count(row.mappings), MAPPINGS),
    ];
    let room = canvas.columns.saturating_sub(NAME + 3 * SIZE + MAPPINGS + 2).min(40);
    let mut line = Line::of(role, cells.concat());
    let part = row.resident.unwrap_or(row.size);
    if let Bar::Of(whole) = share
        && room >= 5
        && part > 0
    {
        line.spans.push(super::Span { role: Role::Plain, text: "  ".into() });
        line.spans.push(bar(canvas, part, whole, room));
    }
    line
}

/// What the columns mean, with their times.
fn meaning(memory: &Memory, canvas: Canvas) -> Vec<Line> {
    let mut text = format!("SIZE is virtual, at {}. ", time(memory.time_ns));
    match memory.pages_time_ns {
        Some(at) => text.push_str(&format!(
            "RESIDENT was read from the kernel's page tables at {}; PEAK is the largest such reading of each row \
             in {}.",
            time(at),
            words::plural(memory.page_checkpoints, "page checkpoint")
        )),
        None => text.push_str("RESIDENT and PEAK are not known: pages were never read."),
    }
    if let Some(peak) = memory.kernel_peak_resident {
        text.push_str(&format!(" The kernel's own high-water mark: {}.", bytes(peak)));
    }
    if let Some(peak) = memory.peak_size {
        text.push_str(&format!(" Largest virtual size: {} at {}.", bytes(peak.bytes), time(peak.time_ns)));
    }
    if memory.groups.iter().flat_map(|group| &group.kinds).any(|kind| kind.inferred) {
        text.push_str(" ~ marks what is partly inferred from shape.");
    }
    canvas.sentence(Role::Faint, &text, 2)
}
