//! `mincore`: which pages are in memory. What it writes is not the map's; its answer, and that it writes, is.

use abi::{AddrRange, PAGE_SHIFT, PAGE_SIZE, VirtAddr};

use super::Answer;
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/mincore.c: mincore`.
    pub(crate) fn mincore(&mut self, addr: VirtAddr, len: u64, vec: VirtAddr) -> Answer {
        if !addr.is_page_aligned() {
            return Err(Refusal::MincoreUnaligned);
        }
        if !self.access_ok(addr, len) {
            return Err(Refusal::MincoreRange);
        }
        let pages = len.div_ceil(PAGE_SIZE);
        if !self.access_ok(vec, pages) {
            return Err(Refusal::MincoreVector);
        }
        let end = VirtAddr(addr.0 + (pages << PAGE_SHIFT));
        let mut rest = AddrRange { start: addr, end };
        let mut to = vec;
        while !rest.is_empty() {
            let Some(vma) = self.space.vmas.find(rest.start) else { return Err(Refusal::MincoreRange) };
            // The kernel's buffer is one page: so many answers at once.
            let most = VirtAddr(rest.start.0 + (PAGE_SIZE << PAGE_SHIFT));
            let chunk = AddrRange { start: rest.start, end: vma.range.end.min(rest.end).min(most) };
            let seen = M::residency(self, chunk);
            let mut done = 0;
            while done < chunk.pages() {
                // Up to the first page that cannot be written the answers are there.
                let at = VirtAddr(to.0 + done);
                let part = (chunk.pages() - done).min(PAGE_SIZE - at.0 % PAGE_SIZE);
                self.user_write(at, part).map_err(|_| Refusal::MincoreVector)?;
                M::put(self, at, seen.get(done as usize..(done + part) as usize).unwrap_or_default());
                done += part;
            }
            to = VirtAddr(to.0 + done);
            rest.start = chunk.end;
        }
        Ok(0)
    }
}
