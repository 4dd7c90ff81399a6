//! Folded stacks: `root;caller;callee BYTES`, the bytes resident.

use std::io::{self, Write};

use view::{OriginRow, OriginsView};

pub(crate) fn write(view: &OriginsView, out: &mut dyn Write) -> io::Result<()> {
    for row in view.rows.iter().filter(|row| row.bytes.resident > 0) {
        writeln!(out, "{} {}", stack(row), row.bytes.resident)?;
    }
    Ok(())
}

/// The frames from the root inwards, divided by semicolons.
pub(crate) fn stack(row: &OriginRow) -> String {
    if row.frames.is_empty() {
        return escaped(&row.name);
    }
    let frames: Vec<String> = row.frames.iter().rev().map(|frame| escaped(&frame.function)).collect();
    frames.join(";")
}

/// A name without what divides frames and lines.
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            ';' => out.push_str("\\x3b"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_divide_frames_or_lines() {
        assert_eq!(escaped("a;b\nc\\d"), "a\\x3bb\\nc\\\\d");
        assert_eq!(escaped("operator new(unsigned long)"), "operator new(unsigned long)");
    }
}
