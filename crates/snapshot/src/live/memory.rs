//! Reading the memory of a running process without changing it: only pages that are there. Reading another
//! would bring it in.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use abi::{AddrRange, PAGE_SIZE, Pid, VirtAddr};
use proc_text::PagemapEntry;

use super::{LiveError, Process};
use crate::memory::Memory;

/// Words of a page table read at once.
const WORDS: usize = 4096;

/// The memory of a running process.
#[derive(Debug)]
pub struct LiveMemory {
    contents: File,
    pages: File,
}

impl LiveMemory {
    /// Opens the memory of a process.
    ///
    /// # Errors
    /// If it is not there or may not be read.
    pub fn open(pid: Pid) -> Result<Self, LiveError> {
        let process = Process { pid, dir: PathBuf::from(format!("/proc/{pid}")) };
        let open =
            |file: &str| File::open(process.dir.join(file)).map_err(|error| process.io_error(file, error));
        Ok(Self { contents: open("mem")?, pages: open("pagemap")? })
    }

    /// The words of some pages, as many as could be read.
    fn words(&self, first: VirtAddr, count: usize) -> Vec<PagemapEntry> {
        let mut bytes = vec![0; count * 8];
        let got = self.pages.read_at(&mut bytes, first.0 / PAGE_SIZE * 8).unwrap_or(0);
        bytes[..got].as_chunks().0.iter().map(|word| PagemapEntry(u64::from_le_bytes(*word))).collect()
    }
}

impl Memory for LiveMemory {
    fn read(&self, at: VirtAddr, buffer: &mut [u8]) -> usize {
        let Some(end) = at.checked_add(buffer.len() as u64) else { return 0 };
        let mut there = at.page_down();
        'reading: while there < end {
            let pages = (end.0 - there.0).div_ceil(PAGE_SIZE).min(WORDS as u64) as usize;
            let words = self.words(there, pages);
            for word in &words {
                if !word.is_present() {
                    break 'reading;
                }
                there = VirtAddr(there.0.saturating_add(PAGE_SIZE));
            }
            if words.len() < pages {
                break;
            }
        }
        let length = there.0.min(end.0).saturating_sub(at.0) as usize;
        self.contents.read_at(&mut buffer[..length], at.0).unwrap_or(0)
    }

    fn page(&self, at: VirtAddr) -> Option<PagemapEntry> {
        self.words(at, 1).first().copied()
    }

    fn resident(&self, range: AddrRange) -> Option<u64> {
        let mut bytes = 0;
        let mut at = range.start.page_down();
        while at < range.end {
            let pages = (range.end.0 - at.0).div_ceil(PAGE_SIZE).min(WORDS as u64);
            let words = self.words(at, pages as usize);
            if words.is_empty() {
                break;
            }
            for word in words {
                let page = AddrRange::from_len(at, PAGE_SIZE)?;
                if word.is_present() {
                    bytes += page.intersection(range).map_or(0, AddrRange::len);
                }
                at = page.end;
            }
        }
        Some(bytes)
    }
}
