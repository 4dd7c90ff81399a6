//! `/proc/PID/smaps` and `smaps_rollup`: a maps line followed by its fields.

use crate::cursor::{Cursor, Lines};
use crate::error::{Expected, TextError};
use crate::maps::{MapsRow, maps_line};
use crate::smaps_fields::SmapsFields;

/// One mapping of `/proc/PID/smaps`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SmapsRow<'a> {
    /// Its line as in maps.
    pub map: MapsRow<'a>,
    /// What is said of it.
    pub fields: SmapsFields<'a>,
}

/// Reads the mappings of a smaps text. A maps text is one too: its mappings have no fields.
pub const fn smaps(text: &[u8]) -> SmapsRows<'_> {
    SmapsRows { lines: Lines::new(text) }
}

/// Reads the text of `smaps_rollup`: the sums over all mappings.
///
/// # Errors
/// If the text is no such text, or empty (a kernel thread's).
pub fn rollup(text: &[u8]) -> Result<SmapsFields<'_>, TextError> {
    match smaps(text).next() {
        Some(row) => Ok(row?.fields),
        None => Err(Cursor::new(text).error(Expected::MoreText)),
    }
}

/// The mappings of a smaps text, in its order.
#[derive(Clone, Debug)]
pub struct SmapsRows<'a> {
    lines: Lines<'a>,
}

impl<'a> Iterator for SmapsRows<'a> {
    type Item = Result<SmapsRow<'a>, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next_line()?;
        Some(self.block(line))
    }
}

impl<'a> SmapsRows<'a> {
    /// The number of the line that the next mapping begins on, from 1.
    pub const fn next_line(&self) -> usize {
        self.lines.number + 1
    }

    fn block(&mut self, header: Cursor<'a>) -> Result<SmapsRow<'a>, TextError> {
        if header.rest().first().copied().is_some_and(is_field) {
            return Err(header.error(Expected::Mapping));
        }
        let map = maps_line(header)?;
        let mut fields = SmapsFields::default();
        while self.lines.next_first().is_some_and(is_field) {
            let Some(mut line) = self.lines.next_line() else { break };
            let key = line.until(b':').ok_or(line.error(Expected::Field))?;
            line.skip_blanks();
            fields.read_field(key, &mut line)?;
        }
        Ok(SmapsRow { map, fields })
    }
}

/// Tells a field from a mapping's line: keys begin with a capital, addresses are printed in lower case.
fn is_field(first: u8) -> bool {
    first.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
00400000-00402000 rw-p 00000000 00:00 0                                  [heap]\n\
Size:                  8 kB\nRss:                   4 kB\nAnonymous:             4 kB\nFromTheFuture:         1 kB\n\
VmFlags: rd wr mr mw me ac \n\
00500000-00501000 r--p 00000000 00:00 0 \n\
Size:                  4 kB\nTHPeligible:    0\n";

    #[test]
    fn blocks_are_read() {
        let rows: Vec<_> = smaps(TEXT).collect::<Result<_, _>>().expect("good text");
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].map.name, rows[0].fields.rss), (&b"[heap]"[..], Some(4096)));
        let flags = rows[0].fields.vm_flags.expect("a VmFlags line");
        assert!(flags.has(b"ac") && !flags.has(b"lo"));
        assert_eq!((rows[1].fields.rss, rows[1].fields.thp_eligible), (None, Some(0)));
    }

    #[test]
    fn a_text_that_begins_in_the_middle_says_so() {
        let error = smaps(b"Rss: 4 kB\n").next().expect("a line").unwrap_err();
        assert_eq!((error.line, error.expected), (1, Expected::Mapping));
    }

    #[test]
    fn our_own_sizes_are_those_of_the_ranges() {
        let text = std::fs::read("/proc/self/smaps").expect("a Linux machine");
        let rows: Vec<_> = smaps(&text).collect::<Result<_, _>>().expect("the kernel's text");
        assert!(rows.len() > 5);
        assert!(rows.iter().all(|row| row.fields.size == Some(row.map.range.len())));
        let sums = std::fs::read("/proc/self/smaps_rollup").expect("a Linux machine");
        assert!(rollup(&sums).expect("the kernel's text").rss.expect("a sum") > 0);
    }

    #[test]
    fn a_text_cut_anywhere_gives_rows_or_an_error() {
        for end in 0..TEXT.len() {
            assert!(smaps(&TEXT[..end]).count() <= 3);
        }
        assert!(rollup(b"").is_err());
    }
}
