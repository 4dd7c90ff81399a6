//! The name column: what the kernel escapes in it, and the mark of a deleted file.

/// What the kernel appends to the path of a file that has been unlinked (`fs/d_path.c: d_path`).
const DELETED: &[u8] = b" (deleted)";

/// Appends a path as the name column shows it: a newline becomes `\012`, nothing else changes
/// (`fs/proc/task_mmu.c: show_map_vma`, `fs/seq_file.c: mangle_path`).
pub fn write_escaped(path: &[u8], out: &mut Vec<u8>) {
    for &byte in path {
        if byte == b'\n' {
            out.extend_from_slice(b"\\012");
        } else {
            out.push(byte);
        }
    }
}

/// The path behind a name column.
///
/// The kernel does not escape the backslash: a file whose name really holds the four characters `\012` can't
/// be told from one with a newline, and is taken for the latter.
pub fn unescape(name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, tail)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\\012") {
            path.push(b'\n');
            rest = after;
        } else {
            path.push(first);
            rest = tail;
        }
    }
    path
}

/// Tells whether the name says that the file has been unlinked.
///
/// A living file may have a name that ends so too; only the file system can tell the two apart.
pub fn is_deleted(name: &[u8]) -> bool {
    name.ends_with(DELETED)
}

/// The name without the mark of a deleted file.
pub fn without_deleted(name: &[u8]) -> &[u8] {
    name.strip_suffix(DELETED).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newlines_survive() {
        let mut out = Vec::new();
        write_escaped(b"/tmp/a\nb\\c", &mut out);
        assert_eq!(out, b"/tmp/a\\012b\\c");
        assert_eq!(unescape(&out), b"/tmp/a\nb\\c");
    }

    #[test]
    fn the_mark_is_cut_once() {
        assert_eq!(without_deleted(b"/a (deleted) (deleted)"), b"/a (deleted)");
        assert!(!is_deleted(b"/a"));
    }
}
