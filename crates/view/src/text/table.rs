//! Small pieces of tables: cells, bars.

use super::{Canvas, Glyphs, Role, Span};
use crate::words;

/// A cell flush right.
pub(super) fn right(text: &str, columns: usize) -> String {
    format!("{text:>columns$}")
}

/// A cell flush left, cut to fit and followed by a blank.
pub(super) fn left(canvas: Canvas, text: &str, columns: usize) -> String {
    let text = canvas.cut(text, columns.saturating_sub(1));
    format!("{text:<columns$}")
}

/// A size, or the mark of what is not known.
pub(super) fn size(canvas: Canvas, bytes: Option<u64>) -> String {
    bytes.map_or_else(|| canvas.unknown().to_owned(), words::bytes)
}

/// A bar: `part` of `whole`, as long as `columns`. A part that is not nothing shows at least a sliver.
pub(super) fn bar(canvas: Canvas, part: u64, whole: u64, columns: usize) -> Span {
    let eighths = if whole == 0 { 0 } else { u128::from(part) * columns as u128 * 8 / u128::from(whole) };
    let eighths = if part > 0 { eighths.max(1) } else { 0 } as usize;
    let text = match canvas.glyphs {
        Glyphs::Unicode => {
            let tail = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8];
            format!("{}{tail}", "█".repeat(eighths / 8))
        }
        Glyphs::Ascii => "#".repeat(eighths.div_ceil(8)),
    };
    Span { role: Role::Ink, text: text.trim_end().to_owned() }
}

/// A path cut to some columns: its last part alone, and of that the front, which tells libraries apart.
pub(super) fn short_path(path: &str, columns: usize, canvas: Canvas) -> String {
    if path.chars().count() <= columns {
        return path.to_owned();
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    words::cut(file, columns, canvas.ellipsis())
}
