//! Where something stands in a script, and what is wrong there.

use std::fmt;

/// The bytes of a line that something stands at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Span {
    /// The bytes from the start of one to the end of another.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.end) }
    }
}

/// What is wrong at a place of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Where.
    pub span: Span,
    /// What, in a few words.
    pub what: String,
}

impl Fault {
    /// Makes one.
    pub fn new(span: Span, what: impl Into<String>) -> Self {
        Self { span, what: what.into() }
    }
}

/// What is wrong in a script: the file, the line, the place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// The script's name.
    pub file: String,
    /// The line's number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is wrong, and where.
    pub fault: Fault,
}

impl fmt::Display for Complaint {
    /// Writes `FILE:LINE:COLUMN: what`, the line, and carets below the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, text, fault } = self;
        let columns = |bytes: usize| text.get(..bytes).unwrap_or(text).chars().count();
        let column = columns(fault.span.start);
        let carets = columns(fault.span.end).saturating_sub(column).max(1);
        let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let number = line.to_string();
        let blank = " ".repeat(number.len());
        writeln!(f, "{file}:{line}:{}: {}", column + 1, fault.what)?;
        writeln!(f, "  {number} | {shown}")?;
        write!(f, "  {blank} | {}{}", " ".repeat(column), "^".repeat(carets))
    }
}

impl std::error::Error for Complaint {}
