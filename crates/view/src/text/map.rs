//! The summary of a map by kind.

use super::table::{bar, left, right, size};
use super::{Canvas, Line, Role, Span};
use crate::map::{MapKind, MapSums, MapView};
use crate::words::{bytes, count};

const NAME: usize = 23;
const SIZE: usize = 9;
const MAPPINGS: usize = 6;
const HUGE_PAGE_BYTES: u64 = 2 << 20;
/// The width from which the column of swap is shown.
const WIDE: usize = 100;

/// Lays out the summary of a map.
pub fn map(view: &MapView, canvas: Canvas) -> Vec<Line> {
    let pid = view.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let name = if view.program.is_empty() { &view.target } else { &view.program };
    let mut lines =
        vec![Line::of(Role::Strong, canvas.cut(&format!("Memory of {name}{pid}"), canvas.columns))];
    let processes = super::together::lines(&view.processes, canvas);
    if !processes.is_empty() {
        lines.extend(processes);
        lines.push(Line::default());
    }
    lines.push(header(view, canvas));
    let whole = view.total.weight();
    for kinds in view.kinds.chunk_by(|a, b| a.group == b.group) {
        let says_all = kinds.len() == 1 && kinds[0].name == kinds[0].group_name;
        let sum = MapSums::sum(kinds.iter().map(|kind| kind.sums)).unwrap_or_default();
        let mut line = row(canvas, Role::Strong, 2, kinds[0].group_name, &sum);
        if says_all {
            push_bar(&mut line, canvas, &sum, whole);
        }
        lines.push(line);
        for kind in kinds.iter().filter(|_| !says_all) {
            let mut line = row(canvas, Role::Plain, 4, &marked(kind), &kind.sums);
            push_bar(&mut line, canvas, &kind.sums, whole);
            lines.push(line);
        }
    }
    lines.push(row(canvas, Role::Strong, 2, "total", &view.total));
    lines.extend(facts(view, canvas));
    for finding in &view.findings {
        lines.extend(canvas.sentence(Role::Warning, &format!("! {}", finding.evidence), 2));
        lines.extend(canvas.sentence(Role::Plain, &finding.advice, 4));
    }
    let objects =
        if view.objects.is_empty() { Vec::new() } else { super::objects::lines(&view.objects, canvas) };
    let heap = view.heap.as_ref().map(|heap| super::heap::lines(heap, canvas)).unwrap_or_default();
    for section in [heap, super::stacks::lines(&view.stacks, canvas), objects] {
        if !section.is_empty() {
            lines.push(Line::default());
            lines.extend(section);
        }
    }
    lines
}

/// The kind's name with the marks of what is guessed or divided.
fn marked(kind: &MapKind) -> String {
    let mut name = kind.name.to_owned();
    if kind.inferred {
        name.push_str(" ~");
    }
    if kind.divided {
        name.push_str(" *");
    }
    name
}

fn header(view: &MapView, canvas: Canvas) -> Line {
    let mut cells = vec![left(canvas, "  KIND", NAME), right("SIZE", SIZE)];
    cells.extend(columns(canvas, &view.total).iter().map(|(title, _)| right(title, SIZE)));
    cells.push(right("MAPS", MAPPINGS));
    let of = match (view.total.in_core.or(view.total.once), view.total.rss) {
        (Some(_), None) => "  OF WHAT IS IN THE CORE",
        (Some(_), Some(_)) => "  OF ONCE",
        (None, Some(_)) => "  OF RSS",
        (None, None) => "  OF SIZE",
    };
    Line::of(Role::Faint, cells.concat() + of)
}

/// The columns between size and count: those that the target tells, and as many as fit.
fn columns(canvas: Canvas, sums: &MapSums) -> Vec<(&'static str, Option<u64>)> {
    if sums.in_core.is_some() {
        return vec![("IN CORE", sums.in_core)];
    }
    let mut columns = vec![("RSS", sums.rss), ("PSS", sums.pss), ("DIRTY", sums.dirty)];
    if sums.once.is_some() {
        columns.insert(1, ("ONCE", sums.once));
    }
    if canvas.columns >= WIDE {
        columns.extend([("USS", sums.uss), ("SWAP", sums.swap)]);
    }
    columns
}

fn row(canvas: Canvas, role: Role, indent: usize, name: &str, sums: &MapSums) -> Line {
    let mut cells = vec![left(canvas, &format!("{}{name}", " ".repeat(indent)), NAME)];
    cells.push(right(&bytes(sums.size), SIZE));
    cells.extend(columns(canvas, sums).iter().map(|(_, sum)| right(&size(canvas, *sum), SIZE)));
    cells.push(right(&count(sums.mappings), MAPPINGS));
    Line::of(role, cells.concat())
}

fn push_bar(line: &mut Line, canvas: Canvas, sums: &MapSums, whole: u64) {
    let part = sums.weight();
    if part > 0 {
        let room = canvas.columns.saturating_sub(line.plain().chars().count() + 2).min(40);
        line.spans.push(Span { role: Role::Plain, text: "  ".into() });
        line.spans.push(bar(canvas, part, whole, room));
    }
}

fn facts(view: &MapView, canvas: Canvas) -> Vec<Line> {
    let mut facts = Vec::new();
    if let Some(peak) = view.rss_peak {
        facts.push(format!("largest RSS so far {}", bytes(peak)));
    }
    if let Some(tables) = view.page_tables {
        facts.push(format!("page tables {}", bytes(tables)));
    }
    if let Some(charged) = view.total.charged {
        facts.push(format!("commit charge {}", bytes(charged)));
    }
    if let Some(possible) = view.total.huge_possible.filter(|possible| *possible >= HUGE_PAGE_BYTES) {
        facts.push(format!("in small pages though huge ones are allowed {}", bytes(possible)));
    }
    if let Some(huge) = view.total.huge.filter(|huge| *huge > 0) {
        facts.push(format!("in huge pages {}", bytes(huge)));
    }
    if let Some(locked) = view.total.locked.filter(|locked| *locked > 0) {
        facts.push(format!("locked {}", bytes(locked)));
    }
    if let Some(limit) = view.mappings_max {
        facts.push(format!("{} of {} mappings", count(view.total.mappings), count(limit)));
    }
    facts.push(format!("largest hole {}", bytes(view.largest_hole)));
    let mut lines: Vec<Line> =
        canvas.facts(&facts, 2).iter().map(|line| Line::of(Role::Faint, line.plain())).collect();
    for note in &view.notes {
        lines.extend(canvas.sentence(Role::Faint, &note.text, 2));
    }
    if view.kinds.iter().any(|kind| kind.inferred) {
        lines.extend(canvas.sentence(Role::Faint, "~ is partly inferred from shape or protection.", 2));
    }
    if view.kinds.iter().any(|kind| kind.divided) {
        let text =
            "* holds part of a mapping of several kinds: RSS divided by its pages, the rest in proportion.";
        lines.extend(canvas.sentence(Role::Faint, text, 2));
    }
    lines
}
