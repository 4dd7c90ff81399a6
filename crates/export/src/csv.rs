//! A table: one row a stack.

use std::io::{self, Write};

use view::{FrameWords, OriginBytes, OriginsView};

pub(crate) fn write(view: &OriginsView, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"resident,size,dirty,shared,copied,pieces,name,stack\n")?;
    for row in &view.rows {
        let frames: Vec<String> = row.frames.iter().map(FrameWords::line_words).collect();
        let stack = frames.join("\n");
        let OriginBytes { size, resident, dirty, shared, copied, pieces } = row.bytes;
        write!(out, "{resident},{size},{dirty},{shared},{copied},{pieces},")?;
        writeln!(out, "{},{}", field(&row.name), field(&stack))?;
    }
    Ok(())
}

/// A field, quoted where it must be (RFC 4180).
fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(field("main (a.rs)"), "main (a.rs)");
        assert_eq!(field("f(int, \"x\")"), "\"f(int, \"\"x\"\")\"");
    }
}
