//! The writer of `/proc/PID/smaps` and `smaps_rollup`, byte for byte as the kernel prints them.

use std::io::Write;

use abi::{AddrRange, FileId, FileOff, Prot};

use crate::maps::MapsRow;
use crate::maps_write::write_maps_row;
use crate::smaps::SmapsRow;
use crate::smaps_fields::SmapsFields;

/// Where the numbers of smaps begin (`fs/proc/task_mmu.c: __show_smap` pads each key to it).
const NUMBER_COLUMN: usize = 16;
/// The digits that a number is padded to (`fs/proc/task_mmu.c: SEQ_PUT_DEC`).
const NUMBER_WIDTH: usize = 8;

/// Appends a mapping: its line as in maps and the fields that are known.
pub fn write_smaps_row(row: &SmapsRow<'_>, out: &mut Vec<u8>) {
    write_maps_row(&row.map, out);
    write_smaps_fields(&row.fields, out);
}

/// Appends the text of `smaps_rollup`: the sums, headed by what the mappings span.
pub fn write_rollup(span: AddrRange, sums: &SmapsFields<'_>, out: &mut Vec<u8>) {
    let map = MapsRow {
        range: span,
        prot: Prot::NONE,
        shared: false,
        offset: FileOff(0),
        file: FileId::default(),
        name: b"[rollup]",
    };
    write_smaps_row(&SmapsRow { map, fields: *sums }, out);
}

/// Appends the fields that are known, a line each, in the kernel's order (`fs/proc/task_mmu.c: show_smap`).
pub fn write_smaps_fields(fields: &SmapsFields<'_>, out: &mut Vec<u8>) {
    for (key, bytes) in fields.sizes() {
        let width = write_key(key, out);
        // Writing to a Vec cannot fail.
        let _ = writeln!(out, "{:width$} kB", bytes >> 10);
    }
    let numbers = [(&b"THPeligible"[..], fields.thp_eligible), (b"ProtectionKey", fields.protection_key)];
    for (key, number) in numbers.into_iter().filter_map(|(key, number)| Some((key, number?))) {
        let width = write_key(key, out);
        let _ = writeln!(out, "{number:width$}");
    }
    if let Some(flags) = fields.vm_flags {
        out.extend_from_slice(b"VmFlags:");
        for word in flags.words() {
            out.push(b' ');
            out.extend_from_slice(word);
        }
        out.extend_from_slice(b" \n");
    }
}

/// Appends a key and returns how many digits its number is padded to: the longest key (`Private_Hugetlb`) has a blank
/// more behind it and a digit fewer.
fn write_key(key: &[u8], out: &mut Vec<u8>) -> usize {
    let from = out.len();
    out.extend_from_slice(key);
    out.extend_from_slice(b": ");
    let padded = (from + NUMBER_COLUMN).max(out.len());
    out.resize(padded, b' ');
    NUMBER_WIDTH - (padded - from - NUMBER_COLUMN).min(NUMBER_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rollup, smaps};

    /// Every process that this one may look at, itself included.
    fn processes() -> Vec<std::path::PathBuf> {
        let folders = std::fs::read_dir("/proc").expect("a Linux machine").flatten();
        let is_process = |path: &std::path::PathBuf| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
        };
        folders.map(|entry| entry.path()).filter(is_process).collect()
    }

    #[test]
    fn every_process_is_printed_as_the_kernel_prints_it() {
        let mut mappings = 0;
        for process in processes() {
            let Ok(text) = std::fs::read(process.join("smaps")) else { continue };
            let mut printed = Vec::new();
            for row in smaps(&text) {
                write_smaps_row(&row.expect("the kernel's text"), &mut printed);
                mappings += 1;
            }
            assert_eq!(String::from_utf8_lossy(&printed), String::from_utf8_lossy(&text));
        }
        assert!(mappings > 5);
    }

    #[test]
    fn every_process_is_summed_as_the_kernel_sums_it() {
        let mut sums_seen = 0;
        for process in processes() {
            let Ok(text) = std::fs::read(process.join("smaps_rollup")) else { continue };
            let Some(Ok(head)) = smaps(&text).next() else { continue };
            let mut printed = Vec::new();
            write_rollup(head.map.range, &rollup(&text).expect("sums"), &mut printed);
            assert_eq!(String::from_utf8_lossy(&printed), String::from_utf8_lossy(&text));
            sums_seen += 1;
        }
        assert!(sums_seen > 0);
    }

    #[test]
    fn numbers_too_long_for_their_column_stand_apart_from_their_key() {
        let mut printed = Vec::new();
        let size = Some(123_456_789 << 10);
        let fields = SmapsFields { private_hugetlb: size, swap: size, ..SmapsFields::default() };
        write_smaps_fields(&fields, &mut printed);
        assert_eq!(
            String::from_utf8_lossy(&printed),
            "Private_Hugetlb: 123456789 kB\nSwap:           123456789 kB\n"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut printed = Vec::new();
        let fields = SmapsFields { rss: Some(12 << 30), protection_key: Some(3), ..SmapsFields::default() };
        write_smaps_fields(&fields, &mut printed);
        assert_eq!(
            String::from_utf8_lossy(&printed),
            "Rss:            12582912 kB\nProtectionKey:         3\n"
        );
    }
}
