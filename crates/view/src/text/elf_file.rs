//! An executable or library.

use super::table::{left, right};
use super::{Canvas, Line, Role};
use crate::elf_file::{ElfFile, ElfLive};
use crate::words::bytes;

/// Lays out an executable or library.
pub fn elf_file(file: &ElfFile, canvas: Canvas) -> Vec<Line> {
    let mut lines = vec![Line::of(Role::Strong, canvas.cut(&file.path, canvas.columns))];
    let mut facts = vec![file.link.clone(), file.machine.clone(), format!("entry {}", file.entry)];
    facts.extend(file.interpreter.iter().map(|path| format!("interpreter {path}")));
    if !file.soname.is_empty() {
        facts.push(format!("soname {}", file.soname));
    }
    if !file.build_id.is_empty() {
        facts.push(format!("build id {}", file.build_id));
    }
    lines.extend(canvas.facts(&facts, 2));
    lines.push(Line::default());
    lines.extend(segments(file));
    lines.push(Line::default());
    lines.extend(mappings(file, canvas));
    if !file.sections.is_empty() {
        lines.push(Line::default());
        lines.extend(sections(file, canvas));
    }
    lines
}

fn segments(file: &ElfFile) -> Vec<Line> {
    let head = format!(
        "  {:<14}{:<5}{:>12}{:>18}{:>12}{:>12}",
        "SEGMENT", "", "OFFSET", "ADDRESS", "IN FILE", "IN MEMORY"
    );
    let mut lines = vec![Line::of(Role::Strong, "Program headers"), Line::of(Role::Faint, head)];
    for segment in &file.segments {
        lines.push(Line::of(
            Role::Plain,
            format!(
                "  {:<14}{:<5}{:>12}{:>18}{:>12}{:>12}",
                segment.kind,
                segment.rights,
                format!("{:#x}", segment.offset),
                segment.address,
                bytes(segment.file_bytes),
                bytes(segment.memory_bytes)
            ),
        ));
    }
    lines
}

fn mappings(file: &ElfFile, canvas: Canvas) -> Vec<Line> {
    let mut lines = vec![
        Line::of(Role::Strong, "The mappings they become")
            .and(Role::Faint, "  (at load; RELRO is made read-only after relocation)"),
    ];
    if let Some(process) = &file.process {
        let pid = process.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        let name = if process.program.is_empty() { &process.target } else { &process.program };
        let text = format!("  below each: what {name}{pid} has of it, loaded at {}", process.bias);
        lines.push(Line::of(Role::Faint, canvas.cut(&text, canvas.columns)));
    }
    for (of, mapping) in file.mappings.iter().enumerate() {
        let offset =
            mapping.offset.map_or_else(|| "no file".to_owned(), |offset| format!("from {offset:#x}"));
        let range = format!("{}-{}", mapping.start, mapping.end);
        let head = format!("  {range:<24} {} {:>9}  {offset:<14}", mapping.rights, bytes(mapping.size));
        let holds: Vec<String> =
            mapping.holds.iter().map(|(part, size)| format!("{part} {}", bytes(*size))).collect();
        let room = canvas.columns.saturating_sub(head.chars().count());
        let holds = canvas.cut(&canvas.fit(&holds.join(canvas.dot())), room);
        lines.push(Line::of(Role::Plain, head).and(Role::Plain, holds));
        let process = file.process.iter().flat_map(|process| &process.mappings);
        lines.extend(process.filter(|live| live.of == of).map(|live| live_line(live, canvas)));
    }
    lines
}

fn live_line(live: &ElfLive, canvas: Canvas) -> Line {
    let range = format!("{}-{}", live.start, live.end);
    let what = match (live.in_core, live.rss) {
        (Some(held), _) => format!("{} in core", bytes(held)),
        (None, Some(rss)) => format!("{} resident", bytes(rss)),
        (None, None) => String::new(),
    };
    let head = format!("    {range:<29} {} {:>9} {what:<16} ", live.permissions, bytes(live.size));
    let room = canvas.columns.saturating_sub(head.chars().count());
    Line::of(Role::Ink, head).and(Role::Faint, canvas.cut(&live.kinds.join(canvas.dot()), room))
}

fn sections(file: &ElfFile, canvas: Canvas) -> Vec<Line> {
    let mut lines = vec![Line::of(Role::Strong, "Sections in memory")];
    for section in &file.sections {
        let cells = [
            left(canvas, &format!("  {}", section.name), 28),
            right(&section.address, 18),
            right(&bytes(section.size), 12),
            format!("  {}", section.part),
        ];
        lines.push(Line::of(Role::Plain, cells.concat()));
    }
    lines
}
