//! The name that a library gives itself (`DT_SONAME`), which other files ask for.

use abi::{FileOff, VirtAddr};

use crate::core_file::ReadAt;
use crate::image::{Segment, SegmentKind};

/// `PT_DYNAMIC`.
const DYNAMIC: SegmentKind = SegmentKind::Other(2);
/// `DT_STRTAB`, `DT_SONAME`.
const STRING_TABLE: u64 = 5;
const SONAME: u64 = 14;
/// Larger tables than any linker makes are not read whole.
const TABLE_BYTES_MAX: u64 = 64 << 10;
const NAME_BYTES_MAX: usize = 255;

/// Reads the soname of a file whose segments are known; `None` if it has none, or can't be read.
pub fn soname(file: &(impl ReadAt + ?Sized), segments: &[Segment]) -> Option<Vec<u8>> {
    let ident = file.read_at(FileOff(0), 6);
    let width = if ident.get(4) == Some(&1) { 4 } else { 8 };
    let is_little = ident.get(5) == Some(&1);
    let table = segments.iter().find(|segment| segment.kind == DYNAMIC)?;
    let bytes = file.read_at(table.offset, table.file_bytes.min(TABLE_BYTES_MAX) as usize);
    let number = |bytes: &[u8]| {
        let digit = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if is_little { bytes.iter().rev().fold(0, digit) } else { bytes.iter().fold(0, digit) }
    };
    let entries: Vec<(u64, u64)> = bytes
        .chunks_exact(width * 2)
        .map(|entry| (number(&entry[..width]), number(&entry[width..])))
        .take_while(|(tag, _)| *tag != 0)
        .collect();
    let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let strings = VirtAddr(value(STRING_TABLE)?);
    let holding = segments.iter().find(|s| s.kind == SegmentKind::Load && s.range().contains(strings))?;
    let place = holding.offset.0.checked_add(strings.0 - holding.addr.0)?.checked_add(value(SONAME)?)?;
    let name = file.read_at(FileOff(place), NAME_BYTES_MAX);
    let end = name.iter().position(|byte| *byte == 0)?;
    (end > 0).then(|| name[..end].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The C library that this test runs with.
    fn c_library() -> Option<Vec<u8>> {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("a Linux machine");
        let path = maps
            .lines()
            .filter_map(|line| line.split_whitespace().nth(5))
            .find(|p| p.contains("/libc.so"))?;
        std::fs::read(path).ok()
    }

    #[test]
    fn a_library_names_itself_and_a_program_does_not() {
        let Some(bytes) = c_library() else {
            println!("SKIPPED: the soname of the C library, which is not libc.so");
            return;
        };
        let segments = crate::read(&bytes).expect("the C library").segments;
        assert_eq!(soname(&bytes[..], &segments).as_deref(), Some(&b"libc.so.6"[..]));
        let own = std::fs::read("/proc/self/exe").expect("our own file");
        assert_eq!(soname(&own[..], &crate::read(&own).expect("our own").segments), None);
    }

    #[test]
    fn a_library_cut_or_with_wild_segments_has_none() {
        let Some(bytes) = c_library() else { return };
        let mut segments = crate::read(&bytes).expect("the C library").segments;
        for end in (0..bytes.len()).step_by(4093) {
            let _ = soname(&bytes[..end], &segments);
        }
        for segment in &mut segments {
            segment.offset = FileOff(u64::MAX - 8);
            segment.file_bytes = u64::MAX;
        }
        assert_eq!(soname(&bytes[..], &segments), None);
    }
}
