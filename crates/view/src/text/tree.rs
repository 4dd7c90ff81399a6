//! The processes as a tree: who made whom, what each executed, what a fork shared and who copied it since.

use super::{Canvas, Line, Role};
use crate::chains::{FrameWords, own_frame};
use crate::report::{Faults, Fork, Process, Writer};
use crate::words::{bytes, count};

/// Processes shown.
const SHOWN: usize = 16;
/// Deeper ones stand no further to the right.
const DEPTH_MAX: usize = 12;

/// Lays out the tree; nothing where there is a single process that executed one program.
pub(super) fn lines(processes: &[Process], faults: &Faults, canvas: Canvas) -> Vec<Line> {
    if processes.len() < 2 && processes.iter().all(|process| process.programs.len() < 2) {
        return Vec::new();
    }
    let title = "Processes";
    let aside = "  (who made whom; what each executed; what a fork shared and who wrote to it since)";
    let aside = canvas.cut(aside, canvas.columns.saturating_sub(title.len()));
    let mut lines = vec![Line::of(Role::Strong, title).and(Role::Faint, aside)];
    for (process, depth) in in_order(processes).into_iter().take(SHOWN) {
        let indent = 2 + 2 * depth.min(DEPTH_MAX);
        let text = format!("{} {}", process.pid, programs(process));
        let head = format!("{}{}", " ".repeat(indent), canvas.fit(&text));
        lines.push(Line::of(Role::Plain, canvas.cut(&head, canvas.columns)));
        if let Some(fork) = process.fork.as_ref().filter(|fork| fork.shared > 0) {
            lines.extend(canvas.sentence(Role::Faint, &words(fork, faults), indent + 2));
        }
    }
    if processes.len() > SHOWN {
        lines.push(Line::of(Role::Faint, format!("  {} more", count((processes.len() - SHOWN) as u64))));
    }
    lines
}

/// Each process behind its maker, with its depth. A number that was used again is the last process that had it.
fn in_order(processes: &[Process]) -> Vec<(&Process, usize)> {
    let mut makers: Vec<(i32, usize)> = Vec::new();
    let mut order: Vec<(&Process, usize)> = Vec::with_capacity(processes.len());
    for process in processes {
        let depth_of = |pid| makers.iter().rev().find(|(maker, _)| *maker == pid).map(|(_, depth)| depth + 1);
        let depth = process.parent.and_then(depth_of).unwrap_or(0);
        makers.push((process.pid, depth));
        // Behind its maker and all that came of that.
        let at = order.iter().rposition(|(maker, _)| Some(maker.pid) == process.parent);
        let at = at.map_or(order.len(), |at| {
            let maker_depth = order[at].1;
            let rest = order[at + 1..].iter().take_while(|(_, depth)| *depth > maker_depth);
            at + 1 + rest.count()
        });
        order.insert(at, (process, depth));
    }
    order
}

fn programs(process: &Process) -> String {
    if process.programs.is_empty() {
        return format!("{} (forked)", process.program);
    }
    let names = process.programs.iter().map(|path| path.rsplit('/').next().unwrap_or_default());
    names.collect::<Vec<_>>().join(" > ")
}

/// What a fork shared and who wrote to it: where not every fault was recorded at least so much.
fn words(fork: &Fork, faults: &Faults) -> String {
    let least = if faults.estimated.is_some() { "at least " } else { "" };
    let mut text = format!("shared {} when forked", bytes(fork.shared));
    for (amount, who) in [(fork.copied_by_child, "it"), (fork.copied_by_parent, "its parent")] {
        if amount > 0 {
            text.push_str(&format!("; {least}{} copied since by {who}", bytes(amount)));
        }
    }
    if let Some(writer) = fork.writers.first() {
        text.push_str(&format!(", most at {}", place(writer)));
    }
    text
}

fn place(writer: &Writer) -> String {
    own_frame(&writer.frames).map_or_else(|| "a place that is not known".to_owned(), FrameWords::line_words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn process(pid: i32, parent: Option<i32>) -> Process {
        Process { pid, parent, ..example::report().processes[0].clone() }
    }

    #[test]
    fn each_stands_behind_its_maker() {
        let all =
            [(1, None), (2, Some(1)), (3, Some(1)), (4, Some(2)), (5, Some(3)), (6, Some(2)), (7, Some(9))];
        let all = all.map(|(pid, parent)| process(pid, parent));
        let order: Vec<_> = in_order(&all).iter().map(|(process, depth)| (process.pid, *depth)).collect();
        assert_eq!(order, [(1, 0), (2, 1), (4, 2), (6, 2), (3, 1), (5, 2), (7, 0)]);
    }

    #[test]
    fn a_fork_tells_what_was_shared_and_who_wrote() {
        let writer = |in_child, kib: u64| Writer { tid: 7, in_child, bytes: kib << 10, frames: Vec::new() };
        let fork = Fork {
            time_ns: 0,
            shared: 1 << 20,
            copied_by_child: 8 << 10,
            copied_by_parent: 4 << 10,
            writers: vec![writer(true, 8), writer(false, 4)],
        };
        let process = Process { fork: Some(fork), programs: Vec::new(), ..process(2, Some(1)) };
        let canvas = Canvas { columns: 100, glyphs: super::super::Glyphs::Ascii };
        let processes = [self::process(1, None), process];
        let text_of = |estimated| -> Vec<String> {
            let faults = Faults { recorded: 9, estimated, minor: None, major: None };
            lines(&processes, &faults, canvas).iter().map(Line::plain).collect()
        };
        let text = text_of(None);
        assert!(text[2].contains("2 ") && text[2].ends_with("(forked)"), "{text:?}");
        let rest = text[3..].join(" ");
        assert!(rest.contains("shared 1.0 MiB when forked; 8 KiB copied since by it; 4 KiB"), "{rest}");
        assert!(
            text_of(Some(90))[3..].join(" ").contains("; at least 8 KiB copied"),
            "not every fault is known"
        );
    }
}
