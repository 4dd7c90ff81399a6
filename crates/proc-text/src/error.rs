//! What can be wrong with a text, and where.

use std::fmt;

/// A text that is not what its reader expects.
///
/// A process may change or end while its text is read: reading again is the first thing to try. A text saved
/// by hand may have lost its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// The byte in that line, from 1.
    pub column: usize,
    /// What should have stood there.
    pub expected: Expected,
}

/// What a reader expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Expected {
    /// A hexadecimal number of at most 64 bits.
    Hex,
    /// A decimal number of at most 64 bits.
    Decimal,
    /// This character.
    Char(char),
    /// Four letters such as `rw-p`.
    Permissions,
    /// A range whose end is not below its start.
    Range,
    /// A mapping's line before the lines that describe it.
    Mapping,
    /// A line `Key: value`.
    Field,
    /// More text.
    MoreText,
    /// An address above the ones before.
    Ascending,
    /// A whole number of 16-byte entries.
    WholeEntries,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: expected {}", self.line, self.column, self.expected)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "a hexadecimal number",
            Self::Decimal => "a decimal number",
            Self::Char(' ') => "a space",
            Self::Char(c) => return write!(f, "'{c}'"),
            Self::Permissions => "permissions such as rw-p",
            Self::Range => "a range whose end is not below its start",
            Self::Mapping => "the line of a mapping",
            Self::Field => "a line 'Key: value'",
            Self::MoreText => "more text",
            Self::Ascending => "an address above the ones before",
            Self::WholeEntries => "a whole number of 16-byte entries",
        })
    }
}

impl std::error::Error for TextError {}
