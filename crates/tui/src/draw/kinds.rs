//! The table by kind, with the last minutes of each.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Row, Table};
use view::{MapView, words};

use super::{CHOSEN, HEAD, bar, colour, first_shown, sparkline};
use crate::app::App;
use crate::history::Sample;

/// Samples in a sparkline.
const SPARKS: usize = 30;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, sample: &Sample) {
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
            kind.name.to_string(),
            words::bytes(kind.sums.size),
            bytes(kind.sums.rss),
            bytes(kind.sums.dirty),
            words::count(kind.sums.mappings),
            bar(kind.sums.rss.unwrap_or(0), most, 10),
            sparkline(&series),
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
    let head = Row::new(["KIND", "SIZE", "RSS", "DIRTY", "MAPS", "OF RSS", "RSS OVER TIME"]).style(HEAD);
    frame.render_widget(Table::new(rows, widths).header(head), area);
}
