//! The contents of a process's memory, wherever they are held.

use abi::{AddrRange, VirtAddr};
use proc_text::PagemapEntry;

/// Something that holds contents of memory: a core file, or a process that runs.
pub trait Memory {
    /// Reads what is at `at` and after. Returns how many bytes were read: fewer than the buffer has where
    /// memory is not mapped, not in the core, or would first have to be brought in.
    fn read(&self, at: VirtAddr, buffer: &mut [u8]) -> usize;

    /// How many bytes of a range are resident (in a core file: held); `None` where that is not known.
    fn resident(&self, range: AddrRange) -> Option<u64>;

    /// The kernel's word for the page of an address; `None` where there is no page table to ask.
    fn page(&self, _at: VirtAddr) -> Option<PagemapEntry> {
        None
    }

    /// Reads a word; `None` where it is not there.
    fn word(&self, at: VirtAddr) -> Option<u64> {
        let mut bytes = [0; 8];
        (self.read(at, &mut bytes) == bytes.len()).then(|| u64::from_le_bytes(bytes))
    }
}

/// Memory of which nothing is held.
impl Memory for () {
    fn read(&self, _: VirtAddr, _: &mut [u8]) -> usize {
        0
    }

    fn resident(&self, _: AddrRange) -> Option<u64> {
        None
    }
}
