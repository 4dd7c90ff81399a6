//! What changed from sample to sample.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::{CHOSEN, FAINT, first_shown};
use crate::app::App;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let height = usize::from(area.height).saturating_sub(1);
    let first = first_shown(app.selected, height, app.changes.len());
    let note = "newest first; what came and went between two readings is not seen";
    let newest_first = app.changes.iter().rev().enumerate().skip(first).take(height);
    let lines = newest_first.map(|(at, (time, text))| {
        let line = Line::from(format!("{:>7.1} s  {text}", time.as_secs_f64()));
        if at == app.selected { line.style(CHOSEN) } else { line }
    });
    let all: Vec<Line<'_>> = std::iter::once(Line::styled(note, FAINT)).chain(lines).collect();
    frame.render_widget(Paragraph::new(all), area);
}
