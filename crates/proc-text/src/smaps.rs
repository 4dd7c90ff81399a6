//! `/proc/PID/smaps` and `smaps_rollup`: a maps line followed by its fields.

use crate::cursor::{Cursor, Lines};
use crate::error::{Expected, TextError};
use crate::maps::{MapsRow, maps_line};
use crate::smaps_fields::{LINE_BYTES, SIZES, Size, SmapsFields};

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
    SmapsRows { lines: Lines::new(text), order: Order::new() }
}

/// Returns the bytes of each mapping of a smaps text, its line as in maps first.
pub fn smaps_blocks(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let lines = rest.split_inclusive(|byte| *byte == b'\n').enumerate();
        let of_block = lines.take_while(|(at, line)| *at == 0 || line.first().copied().is_some_and(is_field));
        let (block, after) = rest.split_at(of_block.map(|(_, line)| line.len()).sum());
        rest = after;
        (!block.is_empty()).then_some(block)
    })
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
    order: Order,
}

/// Which size came after which in the mapping before: kernels differ in what they print, mappings of one do not. A line
/// is first taken for the one that is expected; a wrong guess costs time, nothing else.
#[derive(Clone, Debug)]
struct Order {
    first: Size,
    after: [Size; SIZES],
}

impl Order {
    const fn new() -> Self {
        let mut after = Size::ALL;
        let mut at = 1;
        while at < SIZES {
            after[at - 1] = Size::ALL[at];
            at += 1;
        }
        Self { first: Size::ALL[0], after }
    }

    fn expected(&mut self, last: Option<Size>) -> &mut Size {
        match last {
            Some(last) => &mut self.after[last as usize],
            None => &mut self.first,
        }
    }
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
        let mut last = None;
        while self.lines.next_first().is_some_and(is_field) {
            let expected = self.order.expected(last);
            let line = self.lines.peek::<LINE_BYTES>();
            if line.is_some_and(|line| fields.read_line(line, *expected)) {
                last = Some(*expected);
                self.lines.skip_line(LINE_BYTES);
                continue;
            }
            let Some(mut line) = self.lines.next_line() else { break };
            let key = line.until(b':').ok_or(line.error(Expected::Field))?;
            line.skip_blanks();
            if let Some(found) = fields.read_field(key, &mut line)? {
                *expected = found;
                last = Some(found);
            }
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
    fn lines_of_any_form_and_order_say_the_same() {
        let plain = "1000-2000 rw-p 0 0:0 0\nRss: 4 kB\nPss: 3 kB\nLocked: 12345678 kB\nSwap: 123456789 kB\n";
        let padded = |order: [usize; 4]| {
            let size = |line: &str| {
                let (key, value) = line.split_once(": ").expect("a field");
                format!("{:<16}{:>8} kB\n", format!("{key}:"), value.strip_suffix(" kB").expect("a size"))
            };
            let fields: Vec<String> = plain.lines().skip(1).map(size).collect();
            let fields: String = order.into_iter().map(|at| fields[at].as_str()).collect();
            format!("1000-2000 rw-p 0 0:0 0\n{fields}")
        };
        let fields = |text: &str| {
            let rows: Vec<_> = smaps(text.as_bytes()).map(|row| row.expect("good text").fields).collect();
            assert!(rows.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
            rows.into_iter().map(|fields| fields.sizes().collect::<Vec<_>>()).next_back().expect("a row")
        };
        let expected = fields(plain);
        assert_eq!(expected[0], (&b"Rss"[..], 4096));
        let texts = [[0, 1, 2, 3], [0, 1, 3, 2], [3, 2, 1, 0]].map(padded);
        assert!(texts.iter().all(|text| fields(text) == expected));
        assert_eq!(fields(&texts.concat()), expected);
    }

    #[test]
    fn lines_that_only_look_like_the_kernels_are_refused() {
        for line in [
            "Rss:            1      4 kB\n",
            "Rss:                   - kB\n",
            "Rss:            \n      4 kB\n",
        ] {
            let text = format!("1000-2000 rw-p 0 0:0 0\nSize:                  4 kB\n{line}");
            assert_ne!(
                smaps(text.as_bytes()).next().and_then(Result::ok).and_then(|row| row.fields.rss),
                Some(4096),
                "{line}"
            );
        }
    }

    #[test]
    fn blocks_are_the_text() {
        let blocks: Vec<_> = smaps_blocks(TEXT).collect();
        assert_eq!(blocks.concat(), TEXT);
        let rows: Vec<_> =
            blocks.iter().flat_map(|block| smaps(block)).collect::<Result<_, _>>().expect("good");
        assert_eq!(rows, smaps(TEXT).map(|row| row.expect("good")).collect::<Vec<_>>());
        assert_eq!((blocks.len(), smaps_blocks(b"").count()), (2, 0));
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
