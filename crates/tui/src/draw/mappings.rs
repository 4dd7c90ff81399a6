//! Every mapping, and the pages of the one selected.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table, Wrap};
use view::{Cell, PagesView, words};

use super::{CHOSEN, FAINT, HEAD, bar, first_shown};
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
    let rows = mappings
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(at, shown)| row(shown).style(if at == selected { CHOSEN } else { Style::new() }));
    let head = |column: Column, text: &str| {
        if app.column == column {
            format!("{text}{}", if app.reversed { "▲" } else { "▼" })
        } else {
            text.to_owned()
        }
    };
    let head = Row::new([
        head(Column::Address, "START"),
        head(Column::Size, "SIZE"),
        head(Column::Rss, "RSS"),
        head(Column::Dirty, "DIRTY"),
        head(Column::Change, "CHANGE"),
        "".to_owned(),
        "PERM".to_owned(),
        "WHAT".to_owned(),
    ])
    .style(HEAD);
    let widths = [
        Constraint::Length(14),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(10),
        Constraint::Length(6),
        Constraint::Length(4),
        Constraint::Fill(1),
    ];
    frame.render_widget(Table::new(rows, widths).header(head), area);
}

fn row(shown: &Shown<'_>) -> Row<'static> {
    let line = shown.line;
    let bytes = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), words::bytes);
    let kind = line.leaves.first().map(|leaf| leaf.name.to_string()).unwrap_or_default();
    let name = line.name.rsplit('/').next().unwrap_or_default().trim();
    let change = match shown.change {
        0 => String::new(),
        n if n > 0 => format!("+{}", words::bytes(n.unsigned_abs())),
        n => format!("-{}", words::bytes(n.unsigned_abs())),
    };
    Row::new([
        line.start.trim_start_matches("0x").to_owned(),
        words::bytes(line.range.len()),
        bytes(line.sums.rss),
        bytes(line.sums.dirty),
        change,
        bar(line.sums.rss.unwrap_or(0), line.range.len(), 6),
        line.permissions.clone(),
        if name.is_empty() { kind } else { format!("{name}  {kind}") },
    ])
}

/// The pages: letters as in `map --pages`; what is new since the last drawing is hot.
fn picture(frame: &mut Frame<'_>, area: Rect, view: &PagesView, before: Option<&PagesView>) {
    let same = before.filter(|old| old.range == view.range && old.cell_bytes == view.cell_bytes);
    let cells = view.cells.iter().enumerate().map(|(at, cell)| {
        let is_new = same.is_some_and(|old| old.cells.get(at) != Some(cell));
        let (letter, colour) = match cell {
            Cell::Unmapped => (" ", Color::DarkGray),
            Cell::Absent => ("·", Color::DarkGray),
            Cell::Anonymous => ("A", Color::Green),
            Cell::SomeAnonymous => ("a", Color::Green),
            Cell::File => ("F", Color::Magenta),
            Cell::SomeFile => ("f", Color::Magenta),
            Cell::Mixed => ("m", Color::Cyan),
            Cell::Swapped => ("s", Color::Yellow),
        };
        Span::styled(letter, Style::new().fg(if is_new { Color::LightRed } else { colour }))
    });
    let room = usize::from(area.width) * usize::from(area.height.saturating_sub(1));
    let shown: Vec<Span<'_>> = cells.take(room).collect();
    let more = view.cells.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(", {} cells more", words::count(more as u64)) } else { String::new() };
    let title = format!(
        "{:x}: {} a cell{more}; red: changed just now",
        view.range.start,
        words::bytes(view.cell_bytes)
    );
    let lines = vec![Line::styled(title, FAINT), Line::from(shown)];
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}
