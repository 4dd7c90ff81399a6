//! What is resident of an object, by section and symbol.

use super::table::{left, right, size};
use super::{Canvas, Line, Role};
use crate::symbols::{ObjectSymbols, SymbolsView};
use crate::words::{Word, bytes, count};

/// How many symbols are listed before the rest is summed up; JSON has them all.
const SHOWN: usize = 40;

/// Lays out the sections and symbols of objects.
pub fn symbols(view: &SymbolsView, canvas: Canvas) -> Vec<Line> {
    let mut lines = Vec::new();
    for object in &view.objects {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.extend(object_lines(object, view.meaning, canvas));
    }
    lines
}

fn object_lines(object: &ObjectSymbols, meaning: Word, canvas: Canvas) -> Vec<Line> {
    let mut lines = vec![Line::of(Role::Strong, canvas.cut(&object.path, canvas.columns))];
    let resident = size(canvas, object.resident);
    let mut facts = vec![format!("{resident} of {} {meaning}", bytes(object.size))];
    if !object.soname.is_empty() {
        facts.push(format!("soname {}", object.soname));
    }
    if !object.build_id.is_empty() {
        facts.push(format!("build id {}", object.build_id));
    }
    facts.push(
        match object.table {
            "full" => "all symbols",
            "dynamic" => "only symbols that other files may use: the file is stripped",
            "none" => "no symbols: the file is stripped",
            _ => "no symbols: the file is not there to read",
        }
        .to_owned(),
    );
    lines.extend(canvas.facts(&facts, 2));
    let head = meaning.replace("the ", "").to_ascii_uppercase();
    if !object.sections.is_empty() {
        lines.push(Line::default());
        lines.extend(sections(object, &head, canvas));
    }
    if !object.symbols.is_empty() {
        lines.push(Line::default());
        lines.extend(symbol_lines(object, &head, canvas));
    }
    lines
}

fn sections(object: &ObjectSymbols, head: &str, canvas: Canvas) -> Vec<Line> {
    let row = |role, name: &str, cells: [&str; 4]| {
        let [start, size, resident, unnamed] = cells;
        let cells = [right(start, 18), right(size, 10), right(resident, 10), right(unnamed, 11)];
        Line::of(role, left(canvas, &format!("  {name}"), 23) + &cells.concat())
    };
    let mut lines = vec![row(Role::Faint, "SECTION", ["ADDRESS", "SIZE", head, "NO SYMBOL"])];
    for section in &object.sections {
        let cells = [
            section.start.as_str(),
            &bytes(section.size),
            &size(canvas, section.resident),
            &bytes(section.without_symbol),
        ];
        lines.push(row(Role::Plain, &section.name, cells));
    }
    lines
}

fn symbol_lines(object: &ObjectSymbols, head: &str, canvas: Canvas) -> Vec<Line> {
    let row = |role, resident: &str, size: &str, start: &str, name: &str| {
        let head = format!("{}{}  {start:<16} ", right(resident, 10), right(size, 10));
        let room = canvas.columns.saturating_sub(head.chars().count());
        Line::of(role, head + &canvas.cut(name, room))
    };
    let mut lines = vec![row(Role::Faint, head, "SIZE", "ADDRESS", "SYMBOL")];
    for symbol in object.symbols.iter().take(SHOWN) {
        let resident = size(canvas, symbol.resident);
        lines.push(row(Role::Plain, &resident, &bytes(symbol.size), &symbol.start, &symbol.name));
    }
    let rest = &object.symbols[object.symbols.len().min(SHOWN)..];
    if !rest.is_empty() {
        let sum = rest.iter().map(|symbol| symbol.resident).sum::<Option<u64>>();
        let all = rest.iter().map(|symbol| symbol.size).sum();
        let more = format!("{} more", count(rest.len() as u64));
        lines.push(row(Role::Faint, &size(canvas, sum), &bytes(all), "", &more));
    }
    lines
}
