//! `PAGEMAP_SCAN`: the pages of a memory as runs of the same state, one system call for many (`fs/proc/task_mmu.c:
//! do_pagemap_scan`). Open to everyone who may read the process's memory, without privilege.

use std::fs::File;
use std::os::fd::AsRawFd;

use abi::{AddrRange, Errno, VirtAddr};

use crate::os_error::{OsError, OsResult};

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;
/// The end of the addresses that a program can have, with page tables of four and of five levels. The kernel
/// refuses a range that goes beyond (`EFAULT`).
const SPACE_END_4: u64 = 0x7fff_ffff_f000;
const SPACE_END_5: u64 = 0x00ff_ffff_ffff_f000;
/// A huge page.
const HUGE_BYTES: u64 = 2 << 20;
/// Runs read by one system call.
const RUNS_PER_CALL: usize = 4096;

/// The bits of a page's state (`PAGE_IS_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Categories(pub u64);

impl Categories {
    /// `PAGE_IS_FILE`: a page of a file or of shared memory.
    pub const FILE: Self = Self(1 << 2);
    /// `PAGE_IS_PRESENT`: in memory.
    pub const PRESENT: Self = Self(1 << 3);
    /// `PAGE_IS_SWAPPED`: in swap or under migration.
    pub const SWAPPED: Self = Self(1 << 4);
    /// `PAGE_IS_PFNZERO`: the shared page of zeros.
    pub const ZERO: Self = Self(1 << 5);
    /// `PAGE_IS_HUGE`: mapped as part of a huge page.
    pub const HUGE: Self = Self(1 << 6);
    /// `PAGE_IS_GUARD`: a guard marker (since Linux 6.15).
    pub const GUARD: Self = Self(1 << 8);

    const KNOWN_FIRST: Self =
        Self(Self::FILE.0 | Self::PRESENT.0 | Self::SWAPPED.0 | Self::ZERO.0 | Self::HUGE.0);

    /// Tells whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A run of pages in the same state (`struct page_region`).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

impl Region {
    /// The pages.
    pub const fn range(&self) -> AddrRange {
        AddrRange::new(VirtAddr(self.start), VirtAddr(self.end))
    }

    /// Their state.
    pub const fn categories(&self) -> Categories {
        Categories(self.categories)
    }
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct ScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// Whether a scan tells pages of files from others.
///
/// To do so the kernel looks at each frame, which takes ten times as long (measured: 63 against 6 ns a page); pages
/// of private memory without a file need no such look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Files {
    /// It does.
    Told,
    /// It does not: [`Categories::FILE`] is never set.
    NotTold,
}

/// Scans memories; keeps its buffer, so that scanning again allocates nothing.
#[derive(Debug)]
pub struct Scanner {
    buffer: Vec<Region>,
    asked: Categories,
    space_end: u64,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            buffer: vec![Region::default(); RUNS_PER_CALL],
            asked: Categories(Categories::KNOWN_FIRST.0 | Categories::GUARD.0),
            space_end: SPACE_END_5,
        }
    }
}

impl Scanner {
    /// Hands every run of pages of a memory that are present, swapped or guarded to `each`, ascending.
    ///
    /// `pagemap` is the open `/proc/PID/pagemap` of the memory. Runs of the same state that touch are handed
    /// on as one only where the kernel does so.
    ///
    /// # Errors
    /// `ENOTTY` where the kernel has no such scan (before Linux 6.7), `ESRCH` where the process has no memory.
    pub fn scan(&mut self, pagemap: &File, each: impl FnMut(&Region)) -> OsResult<()> {
        self.scan_range(pagemap, AddrRange::new(VirtAddr(0), VirtAddr(SPACE_END_5)), Files::Told, each)
    }

    /// The same for a range of it; what lies beyond the end of the addresses is passed over.
    ///
    /// # Errors
    /// As [`Scanner::scan`].
    pub fn scan_range(
        &mut self,
        pagemap: &File,
        range: AddrRange,
        files: Files,
        mut each: impl FnMut(&Region),
    ) -> OsResult<()> {
        let mut start = range.start.0;
        while start < range.end.0.min(self.space_end) {
            let (count, walk_end) = match self.scan_from(pagemap, start, range.end.0, files) {
                Err(error) if error.errno == Errno::EINVAL && self.asked != Categories::KNOWN_FIRST => {
                    self.asked = Categories::KNOWN_FIRST;
                    continue;
                }
                Err(error) if error.errno == Errno::EFAULT && self.space_end != SPACE_END_4 => {
                    self.space_end = SPACE_END_4;
                    continue;
                }
                other => other?,
            };
            self.buffer.iter().take(count).for_each(&mut each);
            // A call that gave fewer runs than there was room for came to the end, whatever it says: it walks 512 runs at a
            // time, and how far it came is not told anew by a last walk that needs no more room
            // (fs/proc/task_mmu.c: do_pagemap_scan).
            let last = self.buffer.last().filter(|_| count == self.buffer.len());
            let Some(told) = last.map(|last| last.end.max(walk_end)) else { break };
            if told <= start {
                break;
            }
            start = told;
        }
        Ok(())
    }

    /// One system call: how many runs were filled in, and how far it walked.
    fn scan_from(&mut self, pagemap: &File, start: u64, end: u64, files: Files) -> OsResult<(usize, u64)> {
        let shown = Categories::PRESENT.0 | Categories::SWAPPED.0 | Categories::GUARD.0;
        let not = match files {
            Files::Told => 0,
            Files::NotTold => Categories::FILE.0,
        };
        let mut arg = ScanArg {
            size: size_of::<ScanArg>() as u64,
            start,
            end: end.min(self.space_end),
            vec: self.buffer.as_mut_ptr() as u64,
            vec_len: self.buffer.len() as u64,
            category_anyof_mask: shown & self.asked.0,
            return_mask: self.asked.0 & !not,
            ..ScanArg::default()
        };
        // SAFETY: `arg` is a valid `pm_scan_arg` whose vector is `buffer`, of the length given; both outlive the call.
        let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &raw mut arg) };
        let count = usize::try_from(count).map_err(|_| OsError::last("ioctl(PAGEMAP_SCAN)"))?;
        Ok((count.min(self.buffer.len()), arg.walk_end))
    }
}

/// Tells whether a range holds a page that gives its private mapping an `anon_vma`: present or swapped, of no file, not
/// the shared page of zeros. The huge one does: a fault that maps it prepares for a write even if it reads
/// (`mm/huge_memory.c: do_huge_pmd_anonymous_page`).
///
/// # Errors
/// As [`Scanner::scan`].
pub fn holds_anonymous(pagemap: &File, range: AddrRange) -> OsResult<bool> {
    let not = Categories::FILE.0 | Categories::ZERO.0;
    let of_its_own = ScanArg {
        category_inverted: not,
        category_mask: not,
        category_anyof_mask: Categories::PRESENT.0 | Categories::SWAPPED.0,
        ..ScanArg::default()
    };
    if holds(pagemap, range, of_its_own)? {
        return Ok(true);
    }
    let huge_zeroes = Categories::PRESENT.0 | Categories::ZERO.0 | Categories::HUGE.0;
    Ok(range.len() >= HUGE_BYTES
        && holds(pagemap, range, ScanArg { category_mask: huge_zeroes, ..ScanArg::default() })?)
}

/// Tells whether a range holds a page of these categories.
fn holds(pagemap: &File, range: AddrRange, wanted: ScanArg) -> OsResult<bool> {
    let mut found = Region::default();
    let mut arg = ScanArg {
        size: size_of::<ScanArg>() as u64,
        start: range.start.0,
        end: range.end.0,
        vec: (&raw mut found) as u64,
        vec_len: 1,
        max_pages: 1,
        ..wanted
    };
    // SAFETY: `arg` is a valid `pm_scan_arg` whose vector is `found`, one region long; both outlive the call.
    let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &raw mut arg) };
    if count < 0 { Err(OsError::last("ioctl(PAGEMAP_SCAN)")) } else { Ok(count > 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_pages_are_seen() {
        // So large that it is a mapping of its own: memory that malloc hands out again has been touched.
        let mut memory = vec![0u8; (64 + 8192) * 4096];
        let first = (memory.as_ptr() as u64).next_multiple_of(4096);
        let offset = (first - memory.as_ptr() as u64) as usize;
        for page in [3, 4, 5, 9] {
            memory[offset + page * 4096] = 1;
        }
        let pagemap = File::open("/proc/self/pagemap").expect("our own");
        let mut pages = Vec::new();
        let result = Scanner::default().scan(&pagemap, |run| {
            assert!(run.range().start < run.range().end);
            pages.extend((0..run.range().pages()).map(|n| run.start + n * 4096));
        });
        if let Err(error) = result {
            assert_eq!(error.errno, Errno::ENOTTY, "only a kernel without it may refuse");
            println!("SKIPPED: touched_pages_are_seen, {error}");
            return;
        }
        assert!(pages.is_sorted());
        for page in [3, 4, 5, 9] {
            assert!(pages.contains(&(first + page * 4096)), "page {page} was touched");
        }
        assert!(!pages.contains(&(first + 20 * 4096)), "page 20 was not");
    }

    /// Every second page is a run of its own: more of them than one call gives, and in any number that is left for the last.
    #[test]
    fn many_runs_are_each_told_once() {
        let pagemap = File::open("/proc/self/pagemap").expect("our own");
        for pages in [300, 700, 1024, RUNS_PER_CALL, RUNS_PER_CALL + 600, 2 * RUNS_PER_CALL + 512] {
            let mut memory = vec![0u8; (2 * pages + 8192) * 4096];
            let first = (memory.as_ptr() as u64).next_multiple_of(4096);
            let offset = (first - memory.as_ptr() as u64) as usize;
            for page in 0..pages {
                memory[offset + 2 * page * 4096] = 1;
            }
            let range = AddrRange::new(VirtAddr(first), VirtAddr(first + 2 * pages as u64 * 4096));
            for files in [Files::Told, Files::NotTold] {
                let mut seen = Vec::new();
                let scanned =
                    Scanner::default().scan_range(&pagemap, range, files, |run| seen.push(run.range()));
                if let Err(error) = scanned {
                    println!("SKIPPED: many_runs_are_each_told_once, {error}");
                    return;
                }
                assert!(seen.windows(2).all(|pair| pair[0].end <= pair[1].start), "{pages} pages, {files:?}");
                let there: u64 = seen.iter().map(|run| run.pages()).sum();
                // Where huge pages come by themselves, more is there than was touched.
                assert!(there >= pages as u64, "{there} of {pages} pages, {files:?}");
            }
        }
    }

    #[test]
    fn zeros_that_were_only_read_are_not_anonymous() {
        // So large that it is fresh from the kernel: malloc keeps none of this size.
        let mut memory = vec![0u8; 64 << 20];
        let first = (memory.as_ptr() as u64).next_multiple_of(4096);
        let offset = (first - memory.as_ptr() as u64) as usize;
        let pagemap = File::open("/proc/self/pagemap").expect("our own");
        let holds = |from: u64, to: u64| {
            let range = AddrRange::new(VirtAddr(first + from * 4096), VirtAddr(first + to * 4096));
            holds_anonymous(&pagemap, range)
        };
        std::hint::black_box(memory[offset + 30 * 4096]);
        if let Err(error) = holds(10, 50) {
            println!("SKIPPED: zeros_that_were_only_read_are_not_anonymous, {error}");
            return;
        }
        assert_eq!(holds(10, 50), Ok(false));
        memory[offset + 40 * 4096] = 1;
        assert_eq!(holds(10, 50), Ok(true));
        assert_eq!(holds(10, 40), Ok(false));
    }

    #[test]
    fn another_file_is_refused() {
        let file = File::open("/proc/self/maps").expect("our own");
        let error = Scanner::default().scan(&file, |_| {}).expect_err("maps has no such ioctl");
        assert_eq!(error.errno, Errno::ENOTTY);
    }
}
