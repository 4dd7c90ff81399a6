//! The text form: lines of spans, each with a meaning that a printer may colour.

mod csv;
mod curve;
mod diff;
mod doctor;
mod elf_file;
mod explain;
mod findings;
mod growths;
mod heap;
mod map;
mod mappings;
mod memory;
mod objects;
mod origins;
mod origins_diff;
mod pages;
mod peers;
mod pmap;
mod pmap_fields;
mod processes;
mod proof;
mod resident;
mod run;
mod stacks;
mod symbols;
mod table;
mod together;
mod tree;

pub use csv::csv;
pub use diff::{diff, kind_changes};
pub use doctor::doctor;
pub use elf_file::elf_file;
pub use explain::explain;
pub use map::map;
pub use mappings::mappings;
pub use origins::{origins, story};
pub use origins_diff::origins_diff;
pub use pages::pages;
pub use peers::peers;
pub use pmap::{Frame, Paths, PmapOptions, pmap, pmap_devices};
pub use pmap_fields::{Fields, pmap_fields};
pub use proof::proof_sentence;
pub use symbols::symbols;

use crate::report::Report;
use crate::words;

/// What the text is drawn on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Canvas {
    /// How wide, in characters; at least [`Canvas::COLUMNS_MIN`].
    pub columns: usize,
    /// With which characters.
    pub glyphs: Glyphs,
}

/// Which characters may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Glyphs {
    /// Block elements, dashes, dots.
    Unicode,
    /// ASCII only.
    Ascii,
}

/// The meaning of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Text.
    Plain,
    /// A heading, or a number that matters.
    Strong,
    /// An aside.
    Faint,
    /// As it should be.
    Good,
    /// Wants attention.
    Warning,
    /// Not as it should be.
    Bad,
    /// A bar or curve.
    Ink,
}

/// A piece of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// What it means.
    pub role: Role,
    /// What it says.
    pub text: String,
}

/// A line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// Its pieces.
    pub spans: Vec<Span>,
}

impl Line {
    /// A line of one span.
    pub fn of(role: Role, text: impl Into<String>) -> Self {
        Self::default().and(role, text)
    }

    /// The line with another span at its end.
    #[must_use]
    pub fn and(mut self, role: Role, text: impl Into<String>) -> Self {
        self.spans.push(Span { role, text: text.into() });
        self
    }

    /// The line without roles or trailing blanks.
    pub fn plain(&self) -> String {
        let text: String = self.spans.iter().map(|span| span.text.as_str()).collect();
        text.trim_end().to_owned()
    }
}

impl Canvas {
    /// The narrowest canvas that tables fit on; a narrower terminal wraps or cuts what it gets.
    pub const COLUMNS_MIN: usize = 72;

    /// The mark of a cut.
    pub const fn ellipsis(self) -> &'static str {
        match self.glyphs {
            Glyphs::Unicode => "…",
            Glyphs::Ascii => "...",
        }
    }

    /// What stands between the parts of a row of facts.
    pub const fn dot(self) -> &'static str {
        match self.glyphs {
            Glyphs::Unicode => " · ",
            Glyphs::Ascii => ", ",
        }
    }

    /// What stands for a number that is not known.
    pub const fn unknown(self) -> &'static str {
        match self.glyphs {
            Glyphs::Unicode => "–",
            Glyphs::Ascii => "-",
        }
    }

    /// A text fit for the canvas: other characters than ASCII are escaped where they can't be shown.
    pub fn fit(self, text: &str) -> String {
        match self.glyphs {
            Glyphs::Unicode => text.to_owned(),
            Glyphs::Ascii if text.is_ascii() => text.to_owned(),
            Glyphs::Ascii => text
                .chars()
                .map(|c| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() })
                .collect(),
        }
    }

    /// A text cut to some columns.
    pub fn cut(self, text: &str, columns: usize) -> String {
        words::cut(&self.fit(text), columns, self.ellipsis())
    }

    /// Facts in rows, broken between facts.
    pub fn facts(self, facts: &[String], indent: usize) -> Vec<Line> {
        let mut rows: Vec<String> = Vec::new();
        for fact in facts {
            let fact = self.cut(fact, self.columns.saturating_sub(indent));
            match rows.last_mut() {
                Some(row)
                    if indent
                        + [row.as_str(), self.dot(), &fact]
                            .iter()
                            .map(|s| s.chars().count())
                            .sum::<usize>()
                        <= self.columns =>
                {
                    row.push_str(self.dot());
                    row.push_str(&fact);
                }
                _ => rows.push(fact),
            }
        }
        rows.into_iter().map(|row| Line::of(Role::Plain, " ".repeat(indent) + &row)).collect()
    }

    /// A sentence in lines, broken between words; every line but the first is indented further by two.
    pub fn sentence(self, role: Role, text: &str, indent: usize) -> Vec<Line> {
        let mut rows: Vec<String> = Vec::new();
        for word in self.fit(text).split_whitespace() {
            match rows.last_mut() {
                Some(row) if row.chars().count() + 1 + word.chars().count() <= self.columns => {
                    row.push(' ');
                    row.push_str(word);
                }
                last => {
                    let indent = if last.is_some() { indent + 2 } else { indent };
                    rows.push(" ".repeat(indent) + word);
                }
            }
        }
        rows.into_iter().map(|row| Line::of(role, row)).collect()
    }
}

/// Lays a report out.
pub fn report(report: &Report, canvas: Canvas) -> Vec<Line> {
    let sections = [
        run::lines(report, canvas),
        report.memory.as_ref().map(|memory| memory::lines(memory, canvas)).unwrap_or_default(),
        curve::lines(&report.curve, &report.run, canvas),
        growths::lines(&report.growths, canvas),
        report
            .resident
            .as_ref()
            .map(|resident| resident::lines(resident, report.memory.as_ref(), canvas))
            .unwrap_or_default(),
        findings::lines(&report.findings, canvas),
        processes::lines(&report.processes, canvas),
        tree::lines(&report.processes, &report.run.faults, canvas),
        proof::lines(report, canvas),
    ];
    let mut lines = Vec::new();
    for section in sections.into_iter().filter(|section| !section.is_empty()) {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.extend(section);
    }
    lines
}

#[cfg(test)]
mod tests;
