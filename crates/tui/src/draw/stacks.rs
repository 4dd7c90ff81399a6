//! The stacks by thread.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Cell, Row, Table};
use view::words;

use super::{CHOSEN, HEAD, bar, first_shown, right};
use crate::app::App;
use crate::history::Sample;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, sample: &Sample) {
    let stacks = &sample.view.stacks;
    let height = usize::from(area.height).saturating_sub(1);
    let first = first_shown(app.selected, height, stacks.len());
    let rows = stacks.iter().enumerate().skip(first).take(height).map(|(at, stack)| {
        let bytes = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), words::bytes);
        let who = match (stack.is_main, stack.tid) {
            (true, _) => "main".to_owned(),
            (false, Some(tid)) => tid.to_string(),
            (false, None) => "kept".to_owned(),
        };
        Row::new([
            Cell::from(who),
            Cell::from(stack.name.clone()),
            right(words::bytes(stack.size)),
            right(bytes(stack.used)),
            right(bytes(stack.resident)),
            right(if stack.guard > 0 { words::bytes(stack.guard) } else { "–".to_owned() }),
            Cell::from(bar(stack.resident.unwrap_or(0), stack.size, 10)),
            Cell::from(stack.end.clone()),
        ])
        .style(if at == app.selected { CHOSEN } else { Style::new() })
    });
    let widths = [
        Constraint::Length(8),
        Constraint::Length(16),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(10),
        Constraint::Fill(1),
    ];
    let numbers = ["SIZE", "IN USE", "DEEPEST", "GUARD"].map(|text| right(text.to_owned()));
    let head = ["THREAD", "NAME"].map(Cell::from).into_iter().chain(numbers);
    let head = Row::new(head.chain(["OF IT", "END"].map(Cell::from)).collect::<Vec<_>>()).style(HEAD);
    frame.render_widget(Table::new(rows, widths).header(head), area);
}
