//! Which contents a core file holds: its holes are pages of zeros that were never written.

use std::fs::File;

use abi::{AddrRange, VirtAddr};
use elf::CoreSegment;
use rustix::fs::{SeekFrom, seek};

/// Returns the ranges whose contents the core holds, ascending and disjoint, without its holes.
pub(super) fn held(file: &File, segments: &[CoreSegment], length: u64) -> Vec<AddrRange> {
    let mut held: Vec<AddrRange> = Vec::new();
    for segment in segments {
        let start = segment.offset.0.min(length);
        let end = segment.offset.0.saturating_add(segment.bytes_held).min(length);
        let mut at = start;
        while at < end {
            let [data, hole] = next_data(file, at, end);
            let place = |offset: u64| VirtAddr(segment.range.start.0 + (offset - start));
            push(&mut held, AddrRange::new(place(data), place(hole)));
            at = hole;
        }
    }
    held
}

/// The first piece of data in a range of a file: both at its end if there is none. A file system that knows no
/// holes has data everywhere.
fn next_data(file: &File, at: u64, end: u64) -> [u64; 2] {
    let data = match seek(file, SeekFrom::Data(at)) {
        Ok(data) => data.clamp(at, end),
        // No data from here to the end of the file.
        Err(rustix::io::Errno::NXIO) => return [end, end],
        Err(_) => return [at, end],
    };
    let hole = seek(file, SeekFrom::Hole(data)).map_or(end, |hole| hole.clamp(data, end));
    // A file that changes while it is read must not stop us here.
    if hole == data && data < end { [data, end] } else { [data, hole] }
}

fn push(held: &mut Vec<AddrRange>, range: AddrRange) {
    if range.is_empty() {
        return;
    }
    match held.last_mut().filter(|last| last.end == range.start) {
        Some(last) => last.end = range.end,
        None => held.push(range),
    }
}
