//! The frame: header, the panels, a line of keys.

mod changes;
mod help;
mod kinds;
mod mappings;
mod stacks;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph};
use view::words;

use crate::app::{App, Panel};
use crate::history::Sample;

/// Colours by group of kinds; every one also has its letter.
pub(crate) fn colour(group: &str) -> Color {
    match group {
        "static" => Color::Blue,
        "heap" => Color::LightRed,
        "stacks" => Color::Yellow,
        "anonymous" => Color::Green,
        "files" => Color::Magenta,
        "shared_memory" => Color::LightMagenta,
        _ => Color::DarkGray,
    }
}

pub(crate) const FAINT: Style = Style::new().fg(Color::DarkGray);
pub(crate) const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);
pub(crate) const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws everything, as far as the terminal can show it.
pub fn draw(frame: &mut Frame<'_>, app: &App) {
    draw_in_full(frame, app);
    app.look.apply(frame.buffer_mut());
}

fn draw_in_full(frame: &mut Frame<'_>, app: &App) {
    let [top, tabs, body, bottom] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let Some(sample) = app.shown() else {
        let text = app.message.clone().unwrap_or_else(|| "reading the process".to_owned());
        frame.render_widget(Paragraph::new(text), frame.area());
        return;
    };
    header(frame, top, app, sample);
    frame.render_widget(Paragraph::new(tab_line(app)), tabs);
    match app.panel {
        Panel::Kinds => kinds::draw(frame, body, app, sample),
        Panel::Mappings => mappings::draw(frame, body, app),
        Panel::Stacks => stacks::draw(frame, body, app, sample),
        Panel::Changes => changes::draw(frame, body, app),
    }
    frame.render_widget(Paragraph::new(bottom_line(app)), bottom);
    if app.help {
        help::draw(frame);
    }
}

fn header(frame: &mut Frame<'_>, area: Rect, app: &App, sample: &Sample) {
    let view = &sample.view;
    let bytes = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), words::bytes);
    let pid = view.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let when = match app.at {
        None if app.ended => "the process has ended".to_owned(),
        None if app.paused => "paused".to_owned(),
        None => "live".to_owned(),
        Some(at) => {
            let back = app.newest().unwrap_or(at) - at;
            format!("{} ago", view::words::plural(back as u64, "sample"))
        }
    };
    let first = Line::from(vec![
        Span::styled(format!("{}{pid}", view.program), HEAD),
        Span::raw(format!("  {:.0} s  ", sample.time.as_secs_f64())),
        Span::styled(when, if app.at.is_some() { Style::new().fg(Color::Cyan) } else { FAINT }),
    ]);
    let limit = view.mappings_max.map_or_else(String::new, |max| format!(" of {}", words::count(max)));
    let parts = [
        format!("rss {}", bytes(view.total.rss)),
        format!("size {}", words::bytes(view.total.size)),
        format!("{} maps{limit}", words::count(view.total.mappings)),
        format!("peak {}", bytes(view.rss_peak)),
        format!("dirty {}", bytes(view.total.dirty)),
        format!("pss {}", bytes(view.total.pss)),
        format!("swap {}", bytes(view.total.swap)),
    ];
    // What has no room is left out whole: half a number would be a wrong one.
    let mut second = String::new();
    for part in parts {
        let gap = if second.is_empty() { "" } else { "  " };
        if second.chars().count() + gap.len() + part.chars().count() <= usize::from(area.width) {
            second.push_str(gap);
            second.push_str(&part);
        }
    }
    frame.render_widget(Paragraph::new(vec![first, Line::from(second)]), area);
}

fn tab_line(app: &App) -> Line<'static> {
    let names = ["1 kinds", "2 mappings", "3 stacks", "4 changes"];
    let spans = names.iter().zip(Panel::ALL).flat_map(|(name, panel)| {
        let style = if panel == app.panel { CHOSEN } else { FAINT };
        [Span::styled(format!(" {name} "), style), Span::raw(" ")]
    });
    spans.collect::<Vec<_>>().into()
}

fn bottom_line(app: &App) -> Line<'static> {
    if app.typing {
        return Line::from(format!("/{}█", app.search));
    }
    if let Some(message) = &app.message {
        return Line::from(message.clone());
    }
    let filter = if app.search.is_empty() { String::new() } else { format!("only “{}”  ", app.search) };
    Line::styled(
        format!("{filter}q end  Tab panel  ←→ time  space pause  s sort  / search  w save  ? help"),
        FAINT,
    )
}

/// The first line to show so that the selected one is seen.
pub(crate) fn first_shown(selected: usize, height: usize, total: usize) -> usize {
    let most = total.saturating_sub(height);
    selected.saturating_sub(height / 2).min(most)
}

/// A number at the right of its column.
pub(crate) fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).right_aligned())
}

/// A bar of eighths.
pub(crate) fn bar(part: u64, whole: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let filled = (u128::from(part) * width as u128 * 8 / u128::from(whole.max(1))) as usize;
    let filled = filled.min(width * 8);
    format!("{}{}", "█".repeat(filled / 8), EIGHTHS[filled % 8])
}

/// The last values as small columns.
pub(crate) fn sparkline(values: &[u64]) -> String {
    const COLUMNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (low, high) = (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0));
    let column = |value: &u64| match high - low {
        0 => COLUMNS[if *value == 0 { 0 } else { 3 }],
        span => COLUMNS[((value - low) as u128 * 7 / u128::from(span)) as usize],
    };
    values.iter().map(column).collect()
}
