//! Reading another process's memory without changing it: only pages that are there are read.
//!
//! Linux: `mm/process_vm_access.c: process_vm_rw_single_vec` brings in what is missing as a touch by the process itself
//! would, and no fault tells of it: the zero page where nothing was ever written, a page from the swap.
//! ```text
//! pages   PPP..PP..      P: there   .: not there
//! read    ppp00pp        zeros between pages that are there, nothing after the last
//! ```

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use abi::{Errno, PAGE_SIZE, Tid, VirtAddr};

use crate::{OsError, OsResult, memory};

/// Words of `/proc/PID/pagemap` read at once.
const WORDS: usize = 64;
/// Bits of such a word. Linux: `fs/proc/task_mmu.c`.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const GUARD: u64 = 1 << 58;

/// The memory that a thread has: it stays the one that it had when this was made.
#[derive(Debug)]
pub struct Resident {
    tid: Tid,
    /// `None` on kernels that can't tell which pages are there.
    pagemap: Option<File>,
}

impl Resident {
    /// The memory of this thread.
    pub fn of(tid: Tid) -> Self {
        Self { tid, pagemap: File::open(format!("/proc/{}/pagemap", tid.0)).ok() }
    }

    /// Reads bytes; returns how many: they end behind the last page that is there, and before the first that is swapped
    /// out, guarded or can't be read. A page between that was never touched reads as zeros.
    ///
    /// On a kernel that does not tell which pages are there, all that can be read is.
    ///
    /// # Errors
    /// `EFAULT` where there is nothing to be read, `ESRCH`, `EPERM`.
    pub fn read(&self, addr: VirtAddr, buffer: &mut [u8]) -> OsResult<usize> {
        let Some(pagemap) = &self.pagemap else { return memory::read(self.tid, addr, buffer) };
        let mut copy = Copy { tid: self.tid, addr, buffer, filled: 0 };
        let mut run = 0..0;
        'looking: while run.end < copy.buffer.len() {
            let mut words = [0; WORDS * 8];
            let at = addr.0.wrapping_add(run.end as u64);
            let bytes = (at % PAGE_SIZE) as usize + copy.buffer.len() - run.end;
            let wanted = bytes.div_ceil(PAGE_SIZE as usize).min(WORDS);
            let looked = pagemap.read_at(&mut words[..wanted * 8], at / PAGE_SIZE * 8).unwrap_or(0);
            let (words, _) = words[..looked].as_chunks::<8>();
            if words.is_empty() {
                break;
            }
            for word in words.iter().map(|word| u64::from_ne_bytes(*word)) {
                let end = copy.end_of_page(run.end);
                if word & PRESENT != 0 {
                    run.end = end;
                } else if word & (SWAPPED | GUARD) == 0 && copy.take(run.clone())? {
                    run = end..end;
                } else {
                    break 'looking;
                }
            }
        }
        copy.take(run)?;
        match copy.filled {
            0 => Err(OsError { call: "process_vm_readv", errno: Errno(libc::EFAULT as u16) }),
            filled => Ok(filled),
        }
    }
}

/// What has been copied so far.
struct Copy<'a> {
    tid: Tid,
    addr: VirtAddr,
    buffer: &'a mut [u8],
    filled: usize,
}

impl Copy<'_> {
    /// Where the page ends that this byte is in, or the buffer.
    fn end_of_page(&self, at: usize) -> usize {
        let inside = self.addr.0.wrapping_add(at as u64) % PAGE_SIZE;
        at.saturating_add((PAGE_SIZE - inside) as usize).min(self.buffer.len())
    }

    /// Copies a run of pages that are there, and zeros before it; tells whether all of it could be read.
    fn take(&mut self, run: Range<usize>) -> OsResult<bool> {
        if run.is_empty() {
            return Ok(true);
        }
        let from = VirtAddr(self.addr.0.wrapping_add(run.start as u64));
        let read = memory::read(self.tid, from, &mut self.buffer[run.clone()])?;
        self.buffer[self.filled..run.start].fill(0);
        self.filled = run.start + read;
        Ok(read == run.len())
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    const PAGES: usize = 200;
    const PAGE: usize = PAGE_SIZE as usize;

    /// So many pages of untouched memory, never given back.
    fn untouched() -> &'static mut [u8] {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping that nothing else knows of.
        let at = unsafe { libc::mmap(ptr::null_mut(), PAGES * PAGE, prot, flags, -1, 0) };
        assert_ne!(at, libc::MAP_FAILED);
        // SAFETY: it is mapped, holds zeros, and stays.
        unsafe { std::slice::from_raw_parts_mut(at.cast(), PAGES * PAGE) }
    }

    fn is_there(addr: VirtAddr) -> bool {
        let pagemap = File::open("/proc/self/pagemap").expect("pagemap");
        let mut word = [0; 8];
        pagemap.read_exact_at(&mut word, addr.0 / PAGE_SIZE * 8).expect("a word");
        u64::from_ne_bytes(word) & PRESENT != 0
    }

    #[test]
    fn nothing_is_brought_in() {
        let memory = untouched();
        for page in [0, 1, 70, 130] {
            memory[page * PAGE + 5] = page as u8 + 1;
        }
        let addr = VirtAddr(memory.as_ptr() as u64);
        let own = Resident::of(Tid(std::process::id() as i32));
        let mut copy = vec![9; PAGES * PAGE - 3];
        assert_eq!(own.read(VirtAddr(addr.0 + 3), &mut copy), Ok(131 * PAGE - 3));
        for page in 0..131 {
            let expected = if [0, 1, 70, 130].contains(&page) { page as u8 + 1 } else { 0 };
            let at = page * PAGE + 5 - 3;
            assert_eq!((copy[at], copy[at + 1]), (expected, 0), "page {page}");
        }
        for page in [2, 69, 71, 131, PAGES - 1] {
            assert!(!is_there(VirtAddr(addr.0 + (page * PAGE) as u64)), "page {page}");
        }
        let mut few = [9; 16];
        assert_eq!(own.read(VirtAddr(addr.0 + PAGE_SIZE - 8), &mut few), Ok(16));
        assert_eq!(own.read(VirtAddr(addr.0 + 70 * PAGE_SIZE), &mut few), Ok(16));
        assert_eq!(few[5], 71);
        assert!(own.read(VirtAddr(addr.0 + 50 * PAGE_SIZE), &mut few).is_err());
        assert!(own.read(VirtAddr(8), &mut few).is_err());
        assert!(own.read(VirtAddr(u64::MAX - 7), &mut few).is_err());
    }
}
