//! A position in one line of text, and the few things ever read there.

use crate::error::{Expected, TextError};

/// Splits a text into lines, counting them.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    /// The number of the line last returned, from 1.
    pub(crate) number: usize,
}

impl<'a> Lines<'a> {
    pub(crate) const fn new(text: &'a [u8]) -> Self {
        Self { rest: text, number: 0 }
    }

    /// The next line without its newline; a last line without a newline counts.
    pub(crate) fn next_line(&mut self) -> Option<Cursor<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or(&[]);
        self.number += 1;
        Some(Cursor { line, at: 0, number: self.number })
    }

    /// The next bytes, of however many lines.
    pub(crate) fn peek<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.rest.first_chunk()
    }

    /// Passes over the next line, which has so many bytes with its newline.
    pub(crate) fn skip_line(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or(&[]);
        self.number += 1;
    }

    /// The first byte of the next line, or its newline if it is empty.
    pub(crate) fn next_first(&self) -> Option<u8> {
        self.rest.first().copied()
    }
}

/// A position in a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    line: &'a [u8],
    at: usize,
    number: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0, number: 1 }
    }

    pub(crate) const fn error(&self, expected: Expected) -> TextError {
        TextError { line: self.number, column: self.at + 1, expected }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or(&[])
    }

    pub(crate) fn skip_blanks(&mut self) {
        while matches!(self.line.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    pub(crate) fn byte(&mut self, wanted: u8) -> Result<(), TextError> {
        if self.line.get(self.at) != Some(&wanted) {
            return Err(self.error(Expected::Char(wanted as char)));
        }
        self.at += 1;
        Ok(())
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let taken = self.line.get(self.at..self.at + bytes)?;
        self.at += bytes;
        Some(taken)
    }

    /// Everything up to the next blank or the end; may be empty.
    pub(crate) fn word(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let end = rest.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Everything up to `stop`, which is passed over; `None` where it does not occur.
    pub(crate) fn until(&mut self, stop: u8) -> Option<&'a [u8]> {
        let rest = self.rest();
        let end = memchr::memchr(stop, rest)?;
        self.at += end + 1;
        Some(&rest[..end])
    }

    pub(crate) fn hex(&mut self) -> Result<u64, TextError> {
        self.number_in(16, Expected::Hex)
    }

    pub(crate) fn decimal(&mut self) -> Result<u64, TextError> {
        self.number_in(10, Expected::Decimal)
    }

    fn number_in(&mut self, base: u64, expected: Expected) -> Result<u64, TextError> {
        let from = self.at;
        let mut value = 0u64;
        while let Some(digit) = self.line.get(self.at).and_then(|&b| digit(b)).filter(|&d| d < base) {
            let next = value.checked_mul(base).and_then(|v| v.checked_add(digit));
            value = next.ok_or_else(|| self.error(expected))?;
            self.at += 1;
        }
        if self.at == from { Err(self.error(expected)) } else { Ok(value) }
    }
}

fn digit(byte: u8) -> Option<u64> {
    match byte {
        b'0'..=b'9' => Some(u64::from(byte - b'0')),
        b'a'..=b'f' => Some(u64::from(byte - b'a') + 10),
        b'A'..=b'F' => Some(u64::from(byte - b'A') + 10),
        _ => None,
    }
}
