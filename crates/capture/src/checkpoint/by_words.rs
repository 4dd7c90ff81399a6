//! Pages by the words of `/proc/PID/pagemap`, for kernels without `PAGEMAP_SCAN` (before Linux 6.7).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use proc_text::PagemapEntry;
use recording::{MapRow, PageRun, PageState};

/// Mapped memory beyond which pages are not read: each page costs a word, there or not (64 GiB: 128 MiB of words).
const MAPPED_BYTES_MAX: u64 = 64 << 30;
const WORDS_PER_READ: usize = 8192;

/// Hands the runs of pages that are there to `each`, ascending; tells whether they were read at all.
///
/// # Errors
/// Whatever the kernel says.
pub(super) fn read(pagemap: &File, rows: &[MapRow], mut each: impl FnMut(PageRun)) -> io::Result<bool> {
    // The vsyscall page lies outside the addresses that pagemap covers.
    let rows = rows.iter().filter(|row| row.range.end.0 < 1 << 63);
    if rows.clone().map(|row| row.range.len()).sum::<u64>() > MAPPED_BYTES_MAX {
        return Ok(false);
    }
    let mut buffer = vec![0u8; WORDS_PER_READ * 8];
    for row in rows {
        let mut page = row.range.start.0 / PAGE_SIZE;
        let end = row.range.end.0 / PAGE_SIZE;
        while page < end {
            let wanted = usize::try_from(end - page).unwrap_or(usize::MAX).min(WORDS_PER_READ);
            let read = pagemap.read_at(&mut buffer[..wanted * 8], page * 8)? / 8;
            if read == 0 {
                break;
            }
            for word in buffer[..read * 8].chunks_exact(8) {
                let word = word.try_into().map_or(0, u64::from_ne_bytes);
                let state = state(PagemapEntry(word));
                if state != PageState::default() {
                    let start = VirtAddr(page * PAGE_SIZE);
                    each(PageRun { range: AddrRange::new(start, VirtAddr(start.0 + PAGE_SIZE)), state });
                }
                page += 1;
            }
        }
    }
    Ok(true)
}

/// The state of one page; nothing for one that is not there.
fn state(entry: PagemapEntry) -> PageState {
    let bits = [
        (entry.is_present(), PageState::PRESENT),
        (entry.is_swapped(), PageState::SWAPPED),
        (entry.is_guard(), PageState::GUARD),
    ];
    let there = bits.iter().filter(|(is, _)| *is).fold(PageState::default(), |all, (_, bit)| all.with(*bit));
    if there == PageState::default() {
        return there;
    }
    let bits = [(entry.is_file(), PageState::FILE), (entry.is_exclusive(), PageState::EXCLUSIVE)];
    bits.iter().filter(|(is, _)| *is).fold(there, |all, (_, bit)| all.with(*bit))
}
