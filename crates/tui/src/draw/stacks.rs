//! The stacks by thread.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Row, Table};
use view::{StackRow, words};

use super::{CHOSEN, HEAD, bar, first_shown, right};
use crate::app::App;
use crate::history::Sample;

/// The columns with the least width of a screen on which each is shown: a number is whole or not there.
const COLUMNS: [(&str, u16, Constraint); 8] = [
    ("THREAD", 0, Constraint::Length(8)),
    ("NAME", 0, Constraint::Length(16)),
    ("SIZE", 36, Constraint::Length(9)),
    ("IN USE", 46, Constraint::Length(9)),
    ("DEEPEST", 56, Constraint::Length(9)),
    ("GUARD", 65, Constraint::Length(8)),
    ("OF IT", 91, Constraint::Length(10)),
    ("END", 80, Constraint::Fill(1)),
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, sample: &Sample) {
    let stacks = &sample.view.stacks;
    let height = usize::from(area.height).saturating_sub(1);
    let first = first_shown(app.selected, height, stacks.len());
    let is_shown = |at: &usize| COLUMNS[*at].1 <= area.width;
    let rows = stacks.iter().enumerate().skip(first).take(height).map(|(at, stack)| {
        let cells = cells(stack).into_iter().enumerate().filter(|(at, _)| is_shown(at));
        let style = if at == app.selected { CHOSEN } else { Style::new() };
        Row::new(cells.map(|(_, cell)| cell)).style(style)
    });
    let shown = || (0..COLUMNS.len()).filter(is_shown).map(|at| (at, COLUMNS[at]));
    let head = shown().map(|(at, (text, ..))| match at {
        2..=5 => right(text.to_owned()),
        _ => Cell::from(text),
    });
    let head = Row::new(head.collect::<Vec<_>>()).style(HEAD);
    let widths: Vec<Constraint> = shown().map(|(_, (_, _, width))| width).collect();
    frame.render_widget(Table::new(rows, widths).header(head), area);
}

fn cells(stack: &StackRow) -> [Cell<'static>; 8] {
    let bytes = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), words::bytes);
    let who = match (stack.is_main, stack.tid) {
        (true, _) => "main".to_owned(),
        (false, Some(tid)) => tid.to_string(),
        (false, None) => "kept".to_owned(),
    };
    [
        Cell::from(who),
        Cell::from(stack.name.clone()),
        right(words::bytes(stack.size)),
        right(bytes(stack.used)),
        right(bytes(stack.resident)),
        right(if stack.guard > 0 { words::bytes(stack.guard) } else { "–".to_owned() }),
        Cell::from(bar(stack.resident.unwrap_or(0), stack.size, 10)),
        Cell::from(stack.end.clone()),
    ]
}
