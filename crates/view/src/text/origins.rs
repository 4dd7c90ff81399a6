//! Where memory comes from, and the life of an address.

use super::table::{bar, right};
use super::{Canvas, Line, Role};
use crate::chains::FrameWords;
use crate::origins::{By, OriginsView};
use crate::story::StoryLine;
use crate::words::{bytes, count, time};

/// Rows shown.
const ROWS: usize = 24;
/// Frames shown of a stack.
const FRAMES: usize = 12;

/// Lays out where memory comes from.
pub fn origins(view: &OriginsView, canvas: Canvas) -> Vec<Line> {
    let of = view.pid.map(|pid| format!(" of process {pid}")).unwrap_or_default();
    let what = match view.by {
        By::Stack => "stack that mapped it",
        By::Line => "line that mapped it",
        By::Thread => "thread that mapped it",
        By::Object => "what is mapped",
        By::Kind => "kind",
    };
    let title = format!("Memory{of} at {} by {what}", time(view.time_ns));
    let mut lines = vec![Line::of(Role::Strong, title)];
    lines.push(Line::of(Role::Faint, "      RESIDENT         SIZE   PIECES"));
    for row in view.rows.iter().take(ROWS) {
        let numbers = format!(
            "  {} {} {}  ",
            right(&bytes(row.resident), 12),
            right(&bytes(row.size), 12),
            right(&count(row.pieces), 8)
        );
        let room = canvas.columns.saturating_sub(numbers.chars().count() + 9);
        let bar = bar(canvas, row.resident, view.resident, 8);
        let name = canvas.cut(&row.name, room);
        lines.push(Line::of(Role::Plain, format!("{numbers}{name}  ")).and(Role::Ink, bar.text));
        lines.extend(frames(row.frames.get(1..).unwrap_or_default(), canvas, 10));
    }
    if view.rows.len() > ROWS {
        let rest = &view.rows[ROWS..];
        let sum: u64 = rest.iter().map(|row| row.resident).sum();
        lines.push(Line::of(
            Role::Faint,
            format!("  {} {} more", right(&bytes(sum), 12), count(rest.len() as u64)),
        ));
    }
    lines.push(Line::of(
        Role::Strong,
        format!("  {} {} total", right(&bytes(view.resident), 12), right(&bytes(view.size), 12)),
    ));
    if let Some(stacks) = &view.stacks {
        lines.extend(canvas.sentence(Role::Faint, stacks, 2));
    }
    lines
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

fn frames(frames: &[FrameWords], canvas: Canvas, indent: usize) -> Vec<Line> {
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
