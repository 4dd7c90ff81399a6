//! `/proc/PID/limits`: the limits in force.

use crate::cursor::{Cursor, Lines};
use crate::error::{Expected, TextError};

/// A limit: soft and hard value, `None` for unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitRow<'a> {
    /// Its name as printed: `Max stack size`.
    pub name: &'a [u8],
    /// The limit in force.
    pub soft: Option<u64>,
    /// What it may be raised to.
    pub hard: Option<u64>,
}

/// The width of the name's column (`fs/proc/base.c: proc_pid_limits`).
const NAME_COLUMN: usize = 26;

/// Reads the limits; the first line, a heading, is passed over.
pub fn limits(text: &[u8]) -> impl Iterator<Item = Result<LimitRow<'_>, TextError>> {
    let mut lines = Lines::new(text);
    lines.next_line();
    std::iter::from_fn(move || lines.next_line().map(row))
}

fn row(mut line: Cursor<'_>) -> Result<LimitRow<'_>, TextError> {
    let name = line.take(NAME_COLUMN).ok_or(line.error(Expected::MoreText))?.trim_ascii_end();
    let soft = limit(&mut line)?;
    let hard = limit(&mut line)?;
    Ok(LimitRow { name, soft, hard })
}

fn limit(line: &mut Cursor<'_>) -> Result<Option<u64>, TextError> {
    line.skip_blanks();
    if line.rest().starts_with(b"unlimited") {
        line.word();
        return Ok(None);
    }
    line.decimal().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_are_read() {
        let text = std::fs::read("/proc/self/limits").expect("a Linux machine");
        let rows: Vec<_> = limits(&text).collect::<Result<_, _>>().expect("the kernel's text");
        assert!(rows.iter().any(|row| row.name == b"Max stack size"));
        assert_eq!(rows.len(), 16);
    }

    #[test]
    fn a_cut_line_is_an_error() {
        let text = b"Limit   Soft\nMax stack size            8388608              ";
        assert_eq!(limits(text).next().expect("a line").unwrap_err().line, 2);
    }
}
