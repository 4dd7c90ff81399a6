//! Reading words of a range in order without a call for each.

use abi::VirtAddr;

use crate::memory::Memory;

const WINDOW_BYTES: usize = 64 << 10;

/// A window over memory that moves to where it is read.
pub(super) struct Reader<'a> {
    memory: &'a dyn Memory,
    window: Vec<u8>,
    start: VirtAddr,
    length: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(memory: &'a dyn Memory) -> Self {
        Self { memory, window: vec![0; WINDOW_BYTES], start: VirtAddr::NULL, length: 0 }
    }

    /// The word at an address, `None` where it is not there.
    pub(super) fn word(&mut self, at: VirtAddr) -> Option<u64> {
        self.inside(at).or_else(|| {
            self.start = at.page_down();
            self.length = self.memory.read(self.start, &mut self.window);
            self.inside(at)
        })
    }

    fn inside(&self, at: VirtAddr) -> Option<u64> {
        let offset = usize::try_from(at.0.checked_sub(self.start.0)?).ok()?;
        let bytes = self.window[..self.length].get(offset..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }
}
