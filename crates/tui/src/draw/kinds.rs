//! The table by kind, with the last minutes of each.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use view::{MapView, words};

use super::{CHOSEN, FAINT, HEAD, bar, colour, first_shown, right, sparkline};
use crate::app::App;
use crate::history::Sample;

/// Samples in a sparkline.
const SPARKS: usize = 30;

/// The least and the most lines of the chart below the table.
const CHART_LINES: std::ops::Range<u16> = 6..16;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, sample: &Sample) {
    let lines = u16::try_from(sample.view.kinds.len()).unwrap_or(u16::MAX).saturating_add(2);
    let room = area.height.saturating_sub(lines);
    if room < CHART_LINES.start {
        return table(frame, area, app, sample);
    }
    let [above, _, below] = Layout::vertical([
        Constraint::Length(lines - 1),
        Constraint::Length(1),
        Constraint::Length(room.min(CHART_LINES.end)),
    ])
    .areas(area);
    table(frame, above, app, sample);
    chart(frame, below, app);
}

/// The resident size of the last minutes, from nothing to the most.
fn chart(frame: &mut Frame<'_>, area: Rect, app: &App) {
    const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let columns = usize::from(area.width);
    let series = app.history.series(app.shown_no().unwrap_or(0), columns, |view| view.total.rss.unwrap_or(0));
    let most = series.iter().copied().max().unwrap_or(0).max(1);
    let rows = u128::from(area.height.saturating_sub(1));
    let filled = |value: u64| u128::from(value) * rows * 8 / u128::from(most);
    let row = |row: u128| -> Line<'static> {
        let below = (rows - 1 - row) * 8;
        let cell = |value: &u64| EIGHTHS[filled(*value).saturating_sub(below).min(8) as usize];
        Line::styled(series.iter().map(cell).collect::<String>(), Style::new().fg(colour("anonymous")))
    };
    let title = format!("RSS of the last {} readings, up to {}", series.len(), words::bytes(most));
    let lines: Vec<Line<'_>> =
        std::iter::once(Line::styled(title, FAINT)).chain((0..rows).map(row)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn table(frame: &mut Frame<'_>, area: Rect, app: &App, sample: &Sample) {
    let kinds = &sample.view.kinds;
    let most = kinds.iter().filter_map(|kind| kind.sums.rss).max().unwrap_or(0);
    let height = usize::from(area.height).saturating_sub(1);
    let first = first_shown(app.selected, height, kinds.len());
    let sparks = usize::from(area.width).saturating_sub(66).min(SPARKS);
    let until = app.shown_no().unwrap_or(0);
    let rows = kinds.iter().enumerate().skip(first).take(height).map(|(at, kind)| {
        let bytes = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), words::bytes);
        let of = |view: &MapView| {
            view.kinds
                .iter()
                .find(|other| other.kind == kind.kind)
                .and_then(|other| other.sums.rss)
                .unwrap_or(0)
        };
        let series = app.history.series(until, sparks, of);
        let style = if at == app.selected { CHOSEN } else { Style::new().fg(colour(kind.group)) };
        Row::new([
            Cell::from(kind.name.to_string()),
            right(words::bytes(kind.sums.size)),
            right(bytes(kind.sums.rss)),
            right(bytes(kind.sums.dirty)),
            right(words::count(kind.sums.mappings)),
            Cell::from(bar(kind.sums.rss.unwrap_or(0), most, 10)),
            Cell::from(sparkline(&series)),
        ])
        .style(style)
    });
    let widths = [
        Constraint::Length(21),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(6),
        Constraint::Length(10),
        Constraint::Fill(1),
    ];
    let numbers = ["SIZE", "RSS", "DIRTY", "MAPS"].map(|text| right(text.to_owned()));
    let head = std::iter::once(Cell::from("KIND"))
        .chain(numbers)
        .chain([Cell::from("OF RSS"), Cell::from("OVER TIME")]);
    let head = Row::new(head.collect::<Vec<_>>()).style(HEAD);
    frame.render_widget(Table::new(rows, widths).header(head), area);
}
