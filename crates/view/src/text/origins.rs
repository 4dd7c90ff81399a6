//! Where memory comes from, and the life of an address.

use super::table::{bar, right};
use super::{Canvas, Line, Role};
use crate::chains::FrameWords;
use crate::origins::{By, OriginBytes, OriginsView, UNSEEN, Whose};
use crate::story::StoryLine;
use crate::words::{bytes, count, time};

/// Rows shown.
const ROWS: usize = 24;
/// Columns of a bar, and those that a name must have beside one.
const BAR: usize = 8;
const NAME_MIN: usize = 20;
/// Frames shown of a stack.
const FRAMES: usize = 12;

/// Lays out where memory comes from.
pub fn origins(view: &OriginsView, canvas: Canvas) -> Vec<Line> {
    let of = view.pid.map(|pid| format!(" of process {pid}")).unwrap_or_default();
    let title = format!("Memory{of} at {} by {}", time(view.time_ns), what(view.by, view.whose));
    let mut lines = vec![Line::of(Role::Strong, title)];
    let has_forks = view.total.shared + view.total.copied > 0;
    lines.push(numbers(Role::Faint, &["RESIDENT", "DIRTY", "SIZE", "PIECES", "SHARED", "COPIED"], has_forks));
    for row in view.rows.iter().take(ROWS) {
        let line = numbers(Role::Plain, &cells(&row.bytes), has_forks);
        let room = canvas.columns.saturating_sub(line.plain().chars().count() + 2);
        // Names come first: bars only where these have room.
        let line = if room < NAME_MIN + BAR + 2 {
            line.and(Role::Plain, format!("  {}", canvas.cut(&name(&row.name), room)))
        } else {
            let bar = bar(canvas, row.bytes.resident, view.total.resident, BAR);
            let name = canvas.cut(&name(&row.name), room - BAR - 1);
            line.and(Role::Plain, format!("  {name}  ")).and(Role::Ink, bar.text)
        };
        lines.push(line);
        lines.extend(frames(callers(&row.frames), canvas, 10));
    }
    lines.extend(legend(view.rows.iter().take(ROWS).map(|row| &*row.name), canvas));
    if view.rows.len() > ROWS {
        let rest = &view.rows[ROWS..];
        let sum: u64 = rest.iter().map(|row| row.bytes.resident).sum();
        lines.push(Line::of(
            Role::Faint,
            format!("  {} {} more", right(&bytes(sum), 9), count(rest.len() as u64)),
        ));
    }
    lines.push(numbers(Role::Strong, &cells(&view.total), has_forks).and(Role::Strong, "  total"));
    if let Some(stacks) = &view.stacks {
        lines.extend(canvas.sentence(Role::Faint, stacks, 2));
    }
    lines
}

/// A row's name: a short mark says that nobody told who touched it, so that who mapped it has room.
pub(super) fn name(name: &str) -> String {
    match name.strip_prefix(UNSEEN) {
        Some(mapper) => format!("~{mapper}"),
        None => name.to_owned(),
    }
}

/// The frames behind the first that are functions.
pub(super) fn callers(frames: &[FrameWords]) -> &[FrameWords] {
    let frames = frames.get(1..).unwrap_or_default();
    match frames.split_last() {
        Some((last, rest)) if last.function == UNSEEN => rest,
        _ => frames,
    }
}

/// What the mark says, where it stands before one of these names.
pub(super) fn legend<'a>(mut names: impl Iterator<Item = &'a str>, canvas: Canvas) -> Vec<Line> {
    if names.any(|name| name.starts_with(UNSEEN)) {
        canvas.sentence(Role::Faint, "~ nobody told who touched it first: that is who mapped it", 2)
    } else {
        Vec::new()
    }
}

pub(super) const fn what(by: By, whose: Whose) -> &'static str {
    match (by, whose) {
        (By::Stack, Whose::Toucher) => "stack that touched it first",
        (By::Line, Whose::Toucher) => "line that touched it first",
        (By::Thread, Whose::Toucher) => "thread that touched it first",
        (By::Stack, Whose::Mapper) => "stack that mapped it",
        (By::Line, Whose::Mapper) => "line that mapped it",
        (By::Thread, Whose::Mapper) => "thread that mapped it",
        (By::Object, _) => "what is mapped",
        (By::Kind, _) => "kind",
    }
}

/// The columns of numbers; the last two only where there were forks.
fn numbers<T: AsRef<str>>(role: Role, cells: &[T; 6], has_forks: bool) -> Line {
    let shown = if has_forks { 6 } else { 4 };
    let cells = cells.iter().zip([11, 10, 10, 8, 10, 10]).take(shown);
    Line::of(role, cells.map(|(cell, width)| right(cell.as_ref(), width)).collect::<String>())
}

fn cells(of: &OriginBytes) -> [String; 6] {
    let OriginBytes { size, resident, dirty, shared, copied, pieces } = *of;
    [bytes(resident), bytes(dirty), bytes(size), count(pieces), bytes(shared), bytes(copied)]
}

/// Lays out the life of an address.
pub fn story(story: &[StoryLine], canvas: Canvas) -> Vec<Line> {
    let mut lines = Vec::new();
    for step in story {
        let head = format!("  {}  {:<9} ", right(&time(step.time_ns), 10), format!("#{}", step.event));
        let text = format!("{} ({})", step.what, step.who);
        let width = Canvas { columns: canvas.columns.saturating_sub(head.chars().count()), ..canvas };
        for (no, line) in width.sentence(Role::Plain, &text, 0).into_iter().enumerate() {
            let start = if no == 0 { head.clone() } else { " ".repeat(head.chars().count()) };
            lines.push(Line::of(Role::Faint, start).and(Role::Plain, line.plain()));
        }
        lines.extend(frames(&step.frames, canvas, 24));
    }
    lines
}

/// The frames of a chain, a line each.
pub(super) fn frames(frames: &[FrameWords], canvas: Canvas, indent: usize) -> Vec<Line> {
    let room = canvas.columns.saturating_sub(indent);
    let mut lines: Vec<Line> = frames
        .iter()
        .take(FRAMES)
        .map(|frame| {
            Line::of(Role::Faint, format!("{}{}", " ".repeat(indent), canvas.cut(&frame.line_words(), room)))
        })
        .collect();
    if frames.len() > FRAMES {
        let more = format!("{}{} more", " ".repeat(indent), frames.len() - FRAMES);
        lines.push(Line::of(Role::Faint, more));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_mapped_what_nobody_was_seen_to_touch_has_room() {
        let of = |function: &str| FrameWords { function: function.into(), ..FrameWords::default() };
        assert_eq!(name(&format!("{UNSEEN} buffer (main.rs:6)")), "~ buffer (main.rs:6)");
        assert_eq!(name("buffer (main.rs:6)"), "buffer (main.rs:6)");
        assert_eq!(callers(&[of("buffer"), of("main"), of(UNSEEN)]), [of("main")]);
        assert_eq!(callers(&[of("buffer"), of("main")]), [of("main")]);
        assert_eq!(callers(&[]), []);
        let canvas = Canvas { columns: 80, glyphs: super::super::Glyphs::Unicode };
        let marked = format!("{UNSEEN} buffer");
        assert_eq!(legend(["main", &marked].into_iter(), canvas).len(), 1);
        assert!(legend(["main"].into_iter(), canvas).is_empty());
    }
}
