//! What a terminal can show, and showing it: width, colours, characters.

use std::ffi::OsString;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use view::text::{Canvas, Glyphs, Line, Role};

use crate::cli::When;

/// The width where there is no terminal to ask.
const COLUMNS_DEFAULT: usize = 80;

/// How to print on one output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Style {
    /// What the text is laid out for.
    pub(crate) canvas: Canvas,
    /// The same for lists with a name last in each line: nothing of it is cut where nobody tells a width.
    pub(crate) list: Canvas,
    /// Whether it is coloured.
    pub(crate) colour: bool,
}

impl Style {
    /// Resolves the style for an output from the flag, the terminal and the environment.
    pub(crate) fn of(output: &(impl AsFd + IsTerminal), colour: When) -> Self {
        let env = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let is_terminal = output.is_terminal();
        let columns = is_terminal
            .then(|| rustix::termios::tcgetwinsize(output).ok().map(|size| usize::from(size.ws_col)))
            .flatten()
            .or_else(|| env("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok()))
            .filter(|columns| *columns > 0);
        let is_dumb = env("TERM").is_some_and(|term| term == "dumb");
        let glyphs = glyphs(["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(env));
        let canvas = |columns: usize| Canvas { columns: columns.max(Canvas::COLUMNS_MIN), glyphs };
        Self {
            canvas: canvas(columns.unwrap_or(COLUMNS_DEFAULT)),
            list: canvas(columns.unwrap_or(usize::MAX)),
            colour: match colour {
                When::Always => true,
                When::Never => false,
                When::Auto => is_terminal && env("NO_COLOR").is_none() && !is_dumb,
            },
        }
    }
}

/// The characters that a locale can show: the first one that is set decides.
fn glyphs(locale: Option<OsString>) -> Glyphs {
    let locale = locale.map(|locale| locale.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if locale.contains("utf-8") || locale.contains("utf8") { Glyphs::Unicode } else { Glyphs::Ascii }
}

/// Prints lines.
pub(crate) fn print(lines: &[Line], style: Style, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    for line in lines {
        for span in &line.spans {
            match sequence(span.role).filter(|_| style.colour) {
                Some(begin) => write!(out, "\x1b[{begin}m{}\x1b[0m", span.text)?,
                None => out.write_all(span.text.as_bytes())?,
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Prints the JSON form of a view, in one go.
pub(crate) fn print_json(schema: &str, view: &impl serde::Serialize, mut out: impl Write) -> io::Result<()> {
    let mut text = Vec::new();
    view::json::write(schema, view, &mut text)?;
    out.write_all(&text)?;
    out.flush()
}

/// Prints a view on standard output: as JSON where a schema is given, else laid out for the terminal.
pub(crate) fn show<T: serde::Serialize>(
    view: &T,
    schema: Option<&str>,
    colour: When,
    lay_out: impl FnOnce(&T, Canvas) -> Vec<Line>,
) -> io::Result<()> {
    let out = io::stdout();
    let Some(schema) = schema else {
        let style = Style::of(&out, colour);
        return print(&lay_out(view, style.canvas), style, out.lock());
    };
    print_json(schema, view, out.lock())
}

/// The terminal's sequence for a role.
const fn sequence(role: Role) -> Option<&'static str> {
    match role {
        Role::Plain => None,
        Role::Strong => Some("1"),
        Role::Faint => Some("2"),
        Role::Good => Some("32"),
        Role::Warning => Some("33"),
        Role::Bad => Some("31"),
        Role::Ink => Some("36"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales() {
        for (locale, expected) in [
            (Some("C.UTF-8"), Glyphs::Unicode),
            (Some("de_DE.utf8"), Glyphs::Unicode),
            (Some("C"), Glyphs::Ascii),
            (None, Glyphs::Ascii),
        ] {
            assert_eq!(glyphs(locale.map(OsString::from)), expected, "{locale:?}");
        }
    }

    #[test]
    fn colour_only_where_it_is_wanted() {
        let canvas = Canvas { columns: 80, glyphs: Glyphs::Ascii };
        let lines = [Line::of(Role::Bad, "no").and(Role::Plain, " yes")];
        let printed = |colour| {
            let mut out = Vec::new();
            print(&lines, Style { canvas, list: canvas, colour }, &mut out).expect("a Vec takes everything");
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(printed(false), "no yes\n");
        assert_eq!(printed(true), "\x1b[31mno\x1b[0m yes\n");
    }
}
