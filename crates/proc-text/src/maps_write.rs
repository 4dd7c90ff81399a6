//! The writer of `/proc/PID/maps` lines, byte for byte as the kernel prints them.

use std::io::Write;

use abi::Prot;

use crate::maps::MapsRow;

/// Where the name column begins (`fs/proc/task_mmu.c: show_vma_header_prefix` on a 64-bit kernel).
const NAME_COLUMN: usize = 73;

/// Appends the line of a row, newline included.
///
/// The name is written as it stands: escape it first if it is not already ([`crate::write_escaped`]).
pub fn write_maps_row(row: &MapsRow<'_>, out: &mut Vec<u8>) {
    let from = out.len();
    let letter = |bit, letter| if row.prot.contains(bit) { letter } else { '-' };
    // Writing to a Vec cannot fail.
    let _ = write!(
        out,
        "{:08x}-{:08x} {}{}{}{} {:08x} {} {} ",
        row.range.start.0,
        row.range.end.0,
        letter(Prot::READ, 'r'),
        letter(Prot::WRITE, 'w'),
        letter(Prot::EXEC, 'x'),
        if row.shared { 's' } else { 'p' },
        row.offset.0,
        row.file.dev,
        row.file.ino,
    );
    if !row.name.is_empty() {
        // The kernel pads to one short of the column and then always writes one more space.
        let padded = (from + NAME_COLUMN - 1).max(out.len()) + 1;
        out.resize(padded, b' ');
        out.extend_from_slice(row.name);
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use abi::{AddrRange, DevId, FileId, FileOff, VirtAddr};
    use proptest::prelude::*;

    use super::*;
    use crate::maps;

    #[test]
    fn our_own_map_is_printed_as_the_kernel_prints_it() {
        let text = std::fs::read("/proc/self/maps").expect("a Linux machine");
        let mut printed = Vec::new();
        for row in maps(&text) {
            write_maps_row(&row.expect("the kernel's text"), &mut printed);
        }
        assert_eq!(String::from_utf8_lossy(&printed), String::from_utf8_lossy(&text));
    }

    fn any_row() -> impl Strategy<Value = MapsRow<'static>> {
        let range = (any::<u64>(), any::<u64>())
            .prop_map(|(a, b)| AddrRange::new(VirtAddr(a.min(b)), VirtAddr(a.max(b))));
        let file = (any::<u32>(), any::<u32>(), any::<u64>())
            .prop_map(|(major, minor, ino)| FileId { dev: DevId { major, minor }, ino });
        let rest = (0u64..8, any::<bool>(), any::<u64>());
        (range, file, rest).prop_map(|(range, file, (prot, shared, offset))| MapsRow {
            range,
            prot: Prot(prot),
            shared,
            offset: FileOff(offset),
            file,
            name: b"",
        })
    }

    fn any_name() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>().prop_filter("one line", |b| *b != b'\n'), 0..40)
            .prop_filter("a name begins with no blank", |n| !matches!(n.first(), Some(b' ' | b'\t')))
    }

    proptest! {
        #[test]
        fn a_row_survives_print_and_read(row in any_row(), name in any_name()) {
            let row = MapsRow { name: &name, ..row };
            let mut text = Vec::new();
            write_maps_row(&row, &mut text);
            prop_assert_eq!(maps(&text).next(), Some(Ok(row)));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = maps(&bytes).count();
        }
    }
}
