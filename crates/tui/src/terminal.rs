//! The real terminal: keys in, frames out, samples in time.

use std::io;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::app::{App, Wish};
use crate::draw::draw;
use crate::keys::Key;
use crate::look::Look;
use crate::source::{Source, SourceError};

/// Cells of the picture of pages.
const CELLS_MAX: usize = 4096;

/// Shows a process until its user has seen enough. A process that ends stays on the screen as it was last.
///
/// # Errors
/// If the terminal can't be read or drawn on.
pub fn run(source: &mut dyn Source, period: Duration, look: Look) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let result = turns(&mut terminal, source, period, look);
    ratatui::restore();
    result
}

fn turns(
    terminal: &mut ratatui::DefaultTerminal,
    source: &mut dyn Source,
    period: Duration,
    look: Look,
) -> io::Result<()> {
    let begin = Instant::now();
    let mut app = App::new(look);
    let mut next = begin;
    let mut alive = true;
    loop {
        if alive && app.wants_samples() && Instant::now() >= next {
            alive = sample(&mut app, source, begin);
            next = Instant::now() + period;
        }
        terminal.draw(|frame| draw(frame, &app))?;
        let patience = if alive && app.wants_samples() {
            next.saturating_duration_since(Instant::now())
        } else {
            Duration::from_secs(3600)
        };
        if !event::poll(patience)? {
            continue;
        }
        if let Event::Key(pressed) = event::read()?
            && let Some(key) = key(pressed)
        {
            match app.key(key) {
                Wish::Quit => return Ok(()),
                Wish::Save => save(&mut app, source),
                Wish::Draw => draw_pages(&mut app, source),
            }
        }
    }
}

/// Takes a sample; says whether there may be more.
fn sample(app: &mut App, source: &mut dyn Source, begin: Instant) -> bool {
    match source.sample() {
        Ok(view) => {
            app.take(begin.elapsed(), view);
            draw_pages(app, source);
            true
        }
        Err(error) => {
            app.ended = error == SourceError::Gone;
            if !app.ended {
                app.say(error.to_string());
            }
            !app.ended
        }
    }
}

fn draw_pages(app: &mut App, source: &mut dyn Source) {
    let pages = app.pages_wanted().and_then(|range| source.pages(range, CELLS_MAX));
    app.take_pages(pages);
}

fn save(app: &mut App, source: &mut dyn Source) {
    let Some(sample) = app.shown() else { return };
    let said = match source.save(&sample.view) {
        Ok(path) => format!("saved: {path}"),
        Err(why) => why,
    };
    app.say(said);
}

fn key(pressed: KeyEvent) -> Option<Key> {
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    Some(match pressed.code {
        KeyCode::Char('c') if pressed.modifiers.contains(KeyModifiers::CONTROL) => Key::Char('q'),
        KeyCode::Char(letter) => Key::Char(letter),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Tab => Key::Tab,
        KeyCode::Enter => Key::Enter,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}
