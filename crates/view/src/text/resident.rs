//! What resident pages came to, and who touched them first.

use super::table::{left, right, size};
use super::{Canvas, Line, Role};
use crate::chains::{FrameWords, own_frame};
use crate::report::{Memory, Row};
use crate::resident::{Came, Resident, Toucher};
use crate::words::{bytes, time};

/// First touchers shown.
const SHOWN: usize = 8;

/// The columns of the table by kind.
const NAME: usize = 20;
const SIZE: usize = 10;

pub(super) fn lines(resident: &Resident, memory: Option<&Memory>, canvas: Canvas) -> Vec<Line> {
    let mut lines = vec![
        Line::of(Role::Strong, "Resident pages by who touched them first")
            .and(Role::Faint, format!("  (at {})", time(resident.time_ns))),
    ];
    lines.extend(canvas.sentence(Role::Plain, &sums(resident), 2));
    // The table of kinds is of the same pages only if it is of the same moment.
    if let Some(memory) = memory.filter(|memory| memory.pages_time_ns == Some(resident.time_ns)) {
        lines.extend(by_kind(memory, canvas));
        lines.push(Line::default());
    }
    for toucher in resident.touchers.iter().take(SHOWN) {
        let head = format!("{}  ", right(&bytes(toucher.bytes), 12));
        let room = canvas.columns.saturating_sub(head.chars().count());
        lines.push(Line::of(Role::Plain, head).and(Role::Plain, canvas.cut(&words(toucher), room)));
    }
    lines
}

/// Whose the resident pages of each kind are, and which are dirty.
fn by_kind(memory: &Memory, canvas: Canvas) -> Vec<Line> {
    let head = ["UNIQUE", "SHARED", "OF FILES", "DIRTY", "IN SWAP"].map(|name| right(name, SIZE));
    let mut lines = vec![Line::of(Role::Faint, left(canvas, "  KIND", NAME) + &head.concat())];
    let kinds = memory.groups.iter().flat_map(|group| &group.kinds);
    let all = [("total", &memory.total)];
    for (name, row) in kinds.map(|kind| (kind.name, &kind.row)).chain(all) {
        let Row { resident, anonymous, shared_by_fork, written, swapped, .. } = *row;
        if resident.unwrap_or(0) + swapped.unwrap_or(0) == 0 {
            continue;
        }
        let less = |all: Option<u64>, part: Option<u64>| Some(all?.saturating_sub(part?));
        let dirty = anonymous.zip(written).map(|(anonymous, written)| anonymous + written);
        let cells =
            [less(anonymous, shared_by_fork), shared_by_fork, less(resident, anonymous), dirty, swapped];
        let cells = cells.map(|bytes| right(&size(canvas, bytes), SIZE));
        lines.push(Line::of(Role::Plain, left(canvas, &format!("  {name}"), NAME) + &cells.concat()));
    }
    lines.extend(canvas.sentence(Role::Faint, &meaning(&memory.total), 2));
    lines
}

/// What the columns mean, and what is not known.
fn meaning(total: &Row) -> String {
    let mut text = "UNIQUE pages are anonymous and in this memory alone; SHARED ones also in a forked relative's, until \
                    either writes. Pages OF FILES and shared memory are shared with all who map the same, in programs not \
                    recorded too. DIRTY: all anonymous pages, and those of files that were written to through this memory"
        .to_owned();
    if total.written.unwrap_or(0) > 0 {
        text.push_str(", unless the kernel wrote them back since");
    }
    match total.maybe_written.unwrap_or(0) {
        0 => text.push('.'),
        open => text.push_str(&format!(
            "; of {} more it is not known whether they were: no fault tells of a write to shared memory that is there, or \
             whether it was one without privilege.",
            bytes(open)
        )),
    }
    text
}

/// What the pages are, and what the kernel's counters say beside.
fn sums(resident: &Resident) -> String {
    let Resident { anonymous, file, swapped, huge, huge_beside, residue, untouched, lonely, .. } = resident;
    let mut text = format!("{} anonymous, {} of files and shared memory", bytes(*anonymous), bytes(*file));
    for (amount, what) in [
        (*swapped, "in swap"),
        (*huge, "of it in huge pages"),
        (*huge_beside, "come with a huge page and not by a touch of their own"),
        (*untouched, "writable and never touched"),
        (*lonely, "in blocks of 2 MiB with one page touched"),
    ] {
        if amount > 0 {
            text.push_str(&format!(", {} {what}", bytes(amount)));
        }
    }
    let sign = if *residue < 0 { "less" } else { "more" };
    text.push_str("; the kernel's counters say ");
    match residue.unsigned_abs() {
        0 => text.push_str("the same"),
        amount => text.push_str(&format!("{} {sign}", bytes(amount))),
    }
    text
}

/// Who, from where, how.
fn words(toucher: &Toucher) -> String {
    let place = own_frame(&toucher.frames).or(toucher.frames.first()).map(FrameWords::line_words);
    let how = match toucher.how {
        Came::Fault => "",
        Came::Call => " (brought in by a call)",
        Came::Around => " (mapped beside a page that was touched)",
        Came::Huge => " (in a huge page of which another was touched)",
        Came::Before => return "there when the memory was first seen".to_owned(),
        Came::Found => return "found there: no event told of them (mapped by whom: --by stack)".to_owned(),
    };
    let place = place.unwrap_or_else(|| "a place that is not known".to_owned());
    format!("{place}, thread {}{how}", toucher.tid)
}
