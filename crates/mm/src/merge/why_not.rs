//! The question why two neighbours are two.

use abi::VirtAddr;

use super::Proposal;
use crate::flags::VmFlags;
use crate::pages::Memory;
use crate::space::AddressSpace;
use crate::why::MergeBar;

impl<M: Memory> AddressSpace<M> {
    /// Returns the first rule that keeps the mapping at `a` and the one at `b` from being one; `None` if no rule
    /// does: they never met in a call that merges.
    ///
    /// The order of the two addresses does not matter.
    pub fn why_not_merged(&self, a: VirtAddr, b: VirtAddr) -> Option<MergeBar> {
        let (low, high) = (self.find(a.min(b)), self.find(a.max(b)));
        let (Some(low), Some(high)) = (low, high) else { return Some(MergeBar::NotAdjacent) };
        if high.flags.intersects(VmFlags::SPECIAL) || low.flags.intersects(VmFlags::SPECIAL) {
            return Some(MergeBar::Special);
        }
        let proposal = Proposal {
            range: high.range,
            pgoff: high.pgoff,
            flags: high.flags,
            backing: &high.backing,
            anon: high.anon.as_ref(),
            forked: high.anon.as_ref(),
            extra: high.extra.as_ref(),
        };
        proposal.left_bar(low, |_| true)
    }
}
