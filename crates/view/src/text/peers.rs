//! What a process shares, and with whom.

use super::table::{right, size};
use super::{Canvas, Line, Role};
use crate::peers::{PeersView, SharedRow};
use crate::words::{bytes, plural};

/// How many processes are named before the rest is counted.
const SHOWN: usize = 12;

/// Lays out what is shared.
pub fn peers(view: &PeersView, canvas: Canvas) -> Vec<Line> {
    let title = format!("What {} (pid {}) shares", view.program, view.pid);
    let mut lines = vec![Line::of(Role::Strong, canvas.cut(&title, canvas.columns))];
    if view.shared.is_empty() {
        lines.push(Line::of(Role::Plain, "  nothing: it maps no shared memory and no file shared"));
    } else {
        let heads = ["SIZE", "RSS", "PSS"].map(|head| right(head, 10)).concat();
        lines.push(Line::of(Role::Faint, format!("{heads}  SHARED")));
    }
    for row in &view.shared {
        lines.extend(row_lines(row, canvas));
    }
    if view.unseen > 0 {
        let text = format!(
            "! {} may not be looked into: they may share too; run as root (CAP_SYS_PTRACE)",
            plural(view.unseen, "process")
        );
        lines.extend(canvas.sentence(Role::Warning, &text, 2));
    }
    lines
}

fn row_lines(row: &SharedRow, canvas: Canvas) -> Vec<Line> {
    let cells = [bytes(row.size), size(canvas, row.rss), size(canvas, row.pss)];
    let head = cells.map(|cell| right(&cell, 10)).concat() + "  ";
    let room = canvas.columns.saturating_sub(head.chars().count());
    let mut lines = vec![Line::of(Role::Plain, head).and(Role::Strong, canvas.cut(&row.what, room))];
    let mut facts: Vec<String> =
        row.peers.iter().take(SHOWN).map(|peer| format!("{} {}", peer.pid, peer.program)).collect();
    if row.peers.len() > SHOWN {
        facts.push(format!("{} more", row.peers.len() - SHOWN));
    }
    match facts.first_mut() {
        Some(first) => first.insert_str(0, "also in "),
        None => facts.push("in no other process that can be seen".to_owned()),
    }
    if let Some(attached) = row.sysv.and_then(|sysv| sysv.attached) {
        facts.push(format!("attached {attached} times"));
    }
    lines.extend(canvas.facts(&facts, 32).iter().map(|line| Line::of(Role::Faint, line.plain())));
    lines
}
