//! The table by process, where there is more than one.

use super::table::{left, right, size};
use super::{Canvas, Line, Role};
use crate::report::{End, Process};
use crate::words::{bytes, count, time};

/// How many are listed before the rest is summed up.
const SHOWN: usize = 12;
/// The columns of everything but the program's name.
const NUMBERS: usize = 10 + 10 + 11 + 11 + 8 + 11;

pub(super) fn lines(processes: &[Process], canvas: Canvas) -> Vec<Line> {
    if processes.len() < 2 {
        return Vec::new();
    }
    let mut order: Vec<&Process> = processes.iter().collect();
    order.sort_by_key(|p| (std::cmp::Reverse((p.peak_resident, p.peak_size)), p.start_ns, p.pid));
    let name = canvas.columns.saturating_sub(NUMBERS).clamp(10, 40);
    let cells = [
        right("PID", 8) + "  ",
        left(canvas, "PROGRAM", name),
        right("LIVED", 10),
        right("SIZE", 11),
        right("RESIDENT", 11),
        right("CALLS", 8),
        "  END".to_owned(),
    ];
    let title = "By process";
    let aside = "  (largest first; SIZE and RESIDENT are each process's own peaks)";
    let mut lines = vec![
        Line::of(Role::Strong, title)
            .and(Role::Faint, canvas.cut(aside, canvas.columns.saturating_sub(title.len()))),
        Line::of(Role::Faint, cells.concat()),
    ];
    for process in order.iter().take(SHOWN) {
        let lived = process
            .end_ns
            .map_or_else(|| "lives".to_owned(), |end| time(end.saturating_sub(process.start_ns)));
        let cells = [
            right(&process.pid.to_string(), 8) + "  ",
            left(canvas, &process.program, name),
            right(&lived, 10),
            right(&bytes(process.peak_size), 11),
            right(&size(canvas, process.peak_resident), 11),
            right(&count(process.calls), 8),
        ];
        lines.push(
            Line::of(Role::Plain, cells.concat())
                .and(end_role(process.end), format!("  {}", end(process.end))),
        );
    }
    lines.extend(rest(&order[order.len().min(SHOWN)..]));
    lines
}

/// One line for those that are not listed.
fn rest(rest: &[&Process]) -> Option<Line> {
    let largest = rest.iter().map(|p| p.peak_resident.unwrap_or(p.peak_size)).max()?;
    let failed = rest.iter().filter(|p| !matches!(p.end, End::Exit(0))).count() as u64;
    let text = format!(
        "          {} more, none above {}; {} of them ended otherwise than with status 0",
        count(rest.len() as u64),
        bytes(largest),
        count(failed)
    );
    Some(Line::of(Role::Faint, text))
}

fn end(end: End) -> String {
    match end {
        End::Exit(status) => status.to_string(),
        End::Signal(signal) => format!("signal {signal}"),
        End::Running => String::new(),
    }
}

const fn end_role(end: End) -> Role {
    match end {
        End::Exit(0) | End::Running => Role::Plain,
        End::Exit(_) | End::Signal(_) => Role::Warning,
    }
}
