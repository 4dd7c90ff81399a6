//! `vmatlas tour`.

use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;
use lab::{CHAPTERS, Chapter, On};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use view::text::{Line, Role};

use crate::cli::{Common, TourArgs};
use crate::screen::{self, Style};

/// Prose is not set wider than this.
const COLUMNS_MAX: usize = 100;

pub(crate) fn act(args: &TourArgs, common: Common) -> anyhow::Result<ExitCode> {
    let name = args.kind.and_then(|kind| kind.to_possible_value());
    let wanted = |chapter: &&Chapter| name.as_ref().is_none_or(|name| name.get_name() == chapter.kind);
    let chapters: Vec<&Chapter> = CHAPTERS.iter().filter(wanted).collect();
    let out = io::stdout();
    let style = Style::of(&out, common.color);
    let columns = style.canvas.columns.min(COLUMNS_MAX);
    if args.plain || !out.is_terminal() || !io::stdin().is_terminal() {
        let mut out = BufWriter::new(out.lock());
        for chapter in chapters {
            for page in chapter.pages(On::Both, columns)? {
                screen::print(&page, style, &mut out)?;
                writeln!(out)?;
            }
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    walk(&chapters, style, columns)?;
    Ok(ExitCode::SUCCESS)
}

/// Goes through the chapters, a key a step. A chapter is done as a whole when it is first reached.
fn walk(chapters: &[&Chapter], style: Style, columns: usize) -> anyhow::Result<()> {
    let _keys = Keys::start().context("reading single keys")?;
    let mut pages: Vec<Vec<Line>> = Vec::new();
    let mut done = 0;
    let mut at = 0;
    loop {
        while at >= pages.len() && done < chapters.len() {
            let whole = chapters[done].pages(On::Both, columns)?;
            pages.extend(whole.into_iter().flat_map(|page| parts(page, rows(), style.canvas.columns)));
            done += 1;
        }
        let Some(page) = pages.get(at) else { return Ok(()) };
        let mut out = io::stdout().lock();
        // A fresh screen for each step.
        write!(out, "\x1b[H\x1b[2J")?;
        screen::print(page, style, &mut out)?;
        let last = done == chapters.len() && at + 1 == pages.len();
        let next = if last { "Enter: the end" } else { "Enter: on" };
        screen::print(
            &[Line::default(), Line::of(Role::Faint, format!("{next}   b: back   q: out"))],
            style,
            &mut out,
        )?;
        drop(out);
        match key()? {
            Some(b'\n' | b'\r' | b' ' | b'n') => at += 1,
            Some(b'b') => at = at.saturating_sub(1),
            Some(b'q' | 3 | 4 | 27) | None => return Ok(()),
            Some(_) => {}
        }
    }
}

/// The lines that the terminal shows at a time.
fn rows() -> usize {
    tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_row).into()
}

/// Divides a page that is longer than the screen; below each part stand an empty line, the keys and the cursor.
fn parts(page: Vec<Line>, rows: usize, columns: usize) -> Vec<Vec<Line>> {
    const BELOW: usize = 3;
    // A terminal that does not tell its size shows everything.
    let room = if rows > 2 * BELOW { rows - BELOW } else { usize::MAX };
    let mut parts = vec![Vec::new()];
    let mut taken = 0;
    for line in page {
        let height = line.plain().chars().count().div_ceil(columns.max(1)).max(1);
        if taken + height > room {
            parts.push(Vec::new());
            taken = 0;
        }
        taken += height;
        parts.last_mut().into_iter().for_each(|part| part.push(line.clone()));
    }
    parts
}

/// Waits for a key.
fn key() -> io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((io::stdin().lock().read(&mut byte)? > 0).then_some(byte[0]))
}

/// While it lives, the terminal hands over single keys.
struct Keys {
    before: Termios,
}

impl Keys {
    fn start() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut now = before.clone();
        now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &now)?;
        Ok(Self { before })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_page_is_divided() {
        let page = |count: usize| vec![Line::of(Role::Plain, "text"); count];
        assert_eq!(parts(page(21), 24, 80).len(), 1);
        assert_eq!(parts(page(22), 24, 80).iter().map(Vec::len).collect::<Vec<_>>(), [21, 1]);
        let wide = vec![Line::of(Role::Plain, "x".repeat(100)); 12];
        assert_eq!(parts(wide, 24, 80).iter().map(Vec::len).collect::<Vec<_>>(), [10, 2]);
        assert_eq!(parts(page(100), 0, 80).len(), 1);
    }
}
