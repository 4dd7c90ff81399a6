//! `/proc/PID/maps`: one row per mapping.

use abi::{AddrRange, DevId, FileId, FileOff, Prot, VirtAddr};

use crate::cursor::{Cursor, Lines};
use crate::error::{Expected, TextError};

/// A line of `/proc/PID/maps` (`fs/proc/task_mmu.c: show_map_vma`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapsRow<'a> {
    /// Where.
    pub range: AddrRange,
    /// The protection.
    pub prot: Prot,
    /// `s` rather than `p`: may be shared.
    pub shared: bool,
    /// Offset into the file, in bytes.
    pub offset: FileOff,
    /// The file, zeros for none.
    pub file: FileId,
    /// The name column as printed (a newline is `\012`), empty for none.
    pub name: &'a [u8],
}

/// Reads the rows of a maps text.
pub const fn maps(text: &[u8]) -> MapsRows<'_> {
    MapsRows { lines: Lines::new(text) }
}

/// The rows of a maps text, in its order.
#[derive(Clone, Debug)]
pub struct MapsRows<'a> {
    lines: Lines<'a>,
}

impl<'a> Iterator for MapsRows<'a> {
    type Item = Result<MapsRow<'a>, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.lines.next_line().map(maps_line)
    }
}

/// Reads one line.
pub(crate) fn maps_line(mut line: Cursor<'_>) -> Result<MapsRow<'_>, TextError> {
    let start = line.hex()?;
    line.byte(b'-')?;
    let end = line.hex()?;
    if end < start {
        return Err(line.error(Expected::Range));
    }
    line.byte(b' ')?;
    let (prot, shared) = permissions(&mut line)?;
    line.byte(b' ')?;
    let offset = line.hex()?;
    line.byte(b' ')?;
    let major = device_half(&mut line)?;
    line.byte(b':')?;
    let minor = device_half(&mut line)?;
    line.byte(b' ')?;
    let ino = line.decimal()?;
    line.skip_blanks();
    Ok(MapsRow {
        range: AddrRange::new(VirtAddr(start), VirtAddr(end)),
        prot,
        shared,
        offset: FileOff(offset),
        file: FileId { dev: DevId { major, minor }, ino },
        name: line.rest(),
    })
}

fn permissions(line: &mut Cursor<'_>) -> Result<(Prot, bool), TextError> {
    let wrong = line.error(Expected::Permissions);
    let Some(&[read, write, exec, share]) = line.take(4) else { return Err(wrong) };
    let mut prot = Prot::NONE;
    for (letter, set, bit) in [(read, b'r', Prot::READ), (write, b'w', Prot::WRITE), (exec, b'x', Prot::EXEC)]
    {
        match letter {
            b'-' => {}
            _ if letter == set => prot = prot | bit,
            _ => return Err(wrong),
        }
    }
    match share {
        b'p' | b'-' => Ok((prot, false)),
        b's' | b'S' => Ok((prot, true)),
        _ => Err(wrong),
    }
}

fn device_half(line: &mut Cursor<'_>) -> Result<u32, TextError> {
    let wrong = line.error(Expected::Hex);
    u32::try_from(line.hex()?).map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
562a5d2a8000-562a5d2aa000 r--p 00000000 fe:00 247030                     /usr/bin/cat\n\
7f0d90bad000-7f0d90bb0000 rw-p 00000000 00:00 0 \n\
7ffea61fa000-7ffea621b000 rw-s 00001000 00:01 12                         /a b\\012 (deleted)\n\
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

    #[test]
    fn rows_are_read() {
        let rows: Vec<_> = maps(TEXT).collect::<Result<_, _>>().expect("good text");
        assert_eq!(rows.len(), 4);
        assert_eq!((rows[0].name, rows[0].file.ino), (&b"/usr/bin/cat"[..], 247_030));
        assert_eq!((rows[1].name, rows[1].prot), (&b""[..], Prot::RW));
        assert_eq!((rows[2].name, rows[2].shared), (&b"/a b\\012 (deleted)"[..], true));
        assert_eq!((rows[3].prot, rows[3].range.len()), (Prot::EXEC, 4096));
    }

    #[test]
    fn an_error_says_where() {
        let error =
            maps(b"1-2 rw-p 0 0:0 0\n1000-2000 rwqp 0 0:0 0\n").nth(1).expect("two lines").unwrap_err();
        assert_eq!(error, TextError { line: 2, column: 11, expected: Expected::Permissions });
        assert_eq!(error.to_string(), "line 2, column 11: expected permissions such as rw-p");
        let backwards = maps(b"2000-1000 rw-p 0 0:0 0\n").next().expect("a line").unwrap_err();
        assert_eq!(backwards.expected, Expected::Range);
    }

    #[test]
    fn a_text_cut_anywhere_gives_rows_or_an_error() {
        for end in 0..TEXT.len() {
            let rows = maps(&TEXT[..end]);
            assert!(rows.count() <= 4);
        }
    }
}
