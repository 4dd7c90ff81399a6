//! Every mapping, and the pages of the one selected.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, Wrap};
use view::{Cell as PageCell, PagesView, words};

use super::{CHOSEN, FAINT, HEAD, bar, first_shown, right};
use crate::app::{App, Column, Shown};

/// Lines of the picture of pages.
const PAGES_HEIGHT: u16 = 5;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let pages_height = if area.height > 14 { PAGES_HEIGHT } else { 0 };
    let [list, pages] = Layout::vertical([Constraint::Min(1), Constraint::Length(pages_height)]).areas(area);
    table(frame, list, app);
    if let Some(view) = app.pages.as_ref().filter(|_| pages_height > 0) {
        picture(frame, pages, view, app.pages_before.as_ref());
    }
}

fn table(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let mappings = app.mappings();
    let height = usize::from(area.height).saturating_sub(1);
    let selected = app.selected.min(mappings.len().saturating_sub(1));
    let first = first_shown(selected, height, mappings.len());
    let shown_columns: Vec<&TableColumn> =
        COLUMNS.iter().filter(|column| area.width >= column.width_min).collect();
    let rows = mappings.iter().enumerate().skip(first).take(height).map(|(at, shown)| {
        let cells = shown_columns.iter().map(|column| (column.cell)(shown));
        Row::new(cells.collect::<Vec<_>>()).style(if at == selected { CHOSEN } else { Style::new() })
    });
    let head = shown_columns.iter().map(|column| {
        let arrow = if app.reversed { "▲" } else { "▼" };
        let is_sorted = column.sorts.is_some_and(|sorts| sorts == app.column);
        let text = format!("{}{}", column.title, if is_sorted { arrow } else { "" });
        if column.sorts.is_some() { right(text) } else { Cell::from(text) }
    });
    let head = Row::new(head.collect::<Vec<_>>()).style(HEAD);
    let widths = shown_columns.iter().map(|column| column.width);
    frame.render_widget(Table::new(rows, widths).header(head), area);
}

/// One column of the table.
struct TableColumn {
    title: &'static str,
    width: Constraint,
    /// The screen's width from which on there is room for it: a column is whole or not there.
    width_min: u16,
    /// What the table is sorted by when it is by this column; such columns hold numbers.
    sorts: Option<Column>,
    cell: fn(&Shown<'_>) -> Cell<'static>,
}

const COLUMNS: [TableColumn; 8] = [
    TableColumn {
        title: "START",
        width: Constraint::Length(14),
        width_min: 0,
        sorts: Some(Column::Address),
        cell: |shown| right(shown.line.start.trim_start_matches("0x").to_owned()),
    },
    TableColumn {
        title: "SIZE",
        width: Constraint::Length(9),
        width_min: 52,
        sorts: Some(Column::Size),
        cell: |shown| right(words::bytes(shown.line.range.len())),
    },
    TableColumn {
        title: "RSS",
        width: Constraint::Length(9),
        width_min: 0,
        sorts: Some(Column::Rss),
        cell: |shown| right(known(shown.line.sums.rss)),
    },
    TableColumn {
        title: "DIRTY",
        width: Constraint::Length(9),
        width_min: 64,
        sorts: Some(Column::Dirty),
        cell: |shown| right(known(shown.line.sums.dirty)),
    },
    TableColumn {
        title: "CHANGE",
        width: Constraint::Length(10),
        width_min: 76,
        sorts: Some(Column::Change),
        cell: |shown| right(change(shown.change)),
    },
    TableColumn {
        title: "OF IT",
        width: Constraint::Length(6),
        width_min: 90,
        sorts: None,
        cell: |shown| Cell::from(bar(shown.line.sums.rss.unwrap_or(0), shown.line.range.len(), 6)),
    },
    TableColumn {
        title: "PERM",
        width: Constraint::Length(4),
        width_min: 40,
        sorts: None,
        cell: |shown| Cell::from(shown.line.permissions.clone()),
    },
    TableColumn { title: "WHAT", width: Constraint::Fill(1), width_min: 0, sorts: None, cell: what },
];

fn known(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "–".to_owned(), words::bytes)
}

fn change(by: i64) -> String {
    match by {
        0 => String::new(),
        n if n > 0 => format!("+{}", words::bytes(n.unsigned_abs())),
        n => format!("-{}", words::bytes(n.unsigned_abs())),
    }
}

fn what(shown: &Shown<'_>) -> Cell<'static> {
    let line = shown.line;
    let kind = line.leaves.first().map(|leaf| leaf.name.to_string()).unwrap_or_default();
    let name = line.name.rsplit('/').next().unwrap_or_default().trim();
    Cell::from(if name.is_empty() { kind } else { format!("{name}  {kind}") })
}

/// The pages: letters as in `map --pages`; what is new since the last drawing is hot.
fn picture(frame: &mut Frame<'_>, area: Rect, view: &PagesView, before: Option<&PagesView>) {
    let same = before.filter(|old| old.range == view.range && old.cell_bytes == view.cell_bytes);
    let cells = view.cells.iter().enumerate().map(|(at, cell)| {
        let is_new = same.is_some_and(|old| old.cells.get(at) != Some(cell));
        let (letter, colour) = match cell {
            PageCell::Unmapped => (" ", Color::DarkGray),
            PageCell::Absent => ("·", Color::DarkGray),
            PageCell::Anonymous => ("A", Color::Green),
            PageCell::SomeAnonymous => ("a", Color::Green),
            PageCell::File => ("F", Color::Magenta),
            PageCell::SomeFile => ("f", Color::Magenta),
            PageCell::Mixed => ("m", Color::Cyan),
            PageCell::Swapped => ("s", Color::Yellow),
        };
        let style = Style::new().fg(colour);
        Span::styled(letter, if is_new { style.fg(Color::LightRed).patch(CHOSEN) } else { style })
    });
    let room = usize::from(area.width) * usize::from(area.height.saturating_sub(1));
    let shown: Vec<Span<'_>> = cells.take(room).collect();
    let more = view.cells.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(", {} cells more", words::count(more as u64)) } else { String::new() };
    let title = format!(
        "{:x}: {} a cell{more}; reversed: changed just now",
        view.range.start,
        words::bytes(view.cell_bytes)
    );
    let lines = vec![Line::styled(title, FAINT), Line::from(shown)];
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}
