//! `vmatlas tour`.

use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;
use lab::{CHAPTERS, Chapter, On};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
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
            pages.extend(chapters[done].pages(On::Both, columns)?);
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
