//! The anon_vma that the first write into a mapping gives it.

use abi::VirtAddr;

use crate::anon_vma::AnonChain;
use crate::flags::VmFlags;
use crate::pages::Memory;
use crate::space::AddressSpace;
use crate::system::System;
use crate::vma::Vma;

impl<M: Memory> AddressSpace<M> {
    /// Gives the mapping that starts at `start` an anon_vma if it has none: the next neighbour's if the two
    /// could be one mapping, else the previous one's, else its own.
    ///
    /// Linux: `mm/rmap.c: __anon_vma_prepare`, `mm/vma.c: find_mergeable_anon_vma`.
    pub(crate) fn prepare_anon(&mut self, sys: &mut System<M>, start: VirtAddr) {
        let Some(vma) = self.vmas.find(start).filter(|vma| vma.anon.is_none()) else { return };
        let next = self.vmas.first_ending_after(vma.range.end);
        let prev = self.vmas.last_starting_before(vma.range.start);
        let shared = next
            .and_then(|next| reusable(next, vma, next))
            .or_else(|| prev.and_then(|prev| reusable(prev, prev, vma)));
        let chain = match shared {
            Some(chain) => sys.anon_vmas.prepare_shared(chain),
            None => sys.anon_vmas.prepare_new(),
        };
        let start = vma.range.start;
        self.vmas.update(start, |vma| vma.anon = Some(chain));
    }
}

/// Returns a neighbour's anon_vma if `below` and `above` might one day merge: they may differ in access only.
///
/// Linux: `mm/vma.c: reusable_anon_vma`, `anon_vma_compatible`.
fn reusable<'a>(neighbour: &'a Vma, below: &Vma, above: &Vma) -> Option<&'a AnonChain> {
    let ignored = VmFlags::ACCESS.with(VmFlags::STICKY);
    let compatible = below.range.end == above.range.start
        && below.policy() == above.policy()
        && below.backing.same_file(&above.backing)
        && VmFlags(below.flags.0 ^ above.flags.0).without(ignored) == VmFlags::NONE
        && above.pgoff == below.pgoff_at(below.range.end);
    neighbour.anon.as_ref().filter(|chain| compatible && chain.is_singular())
}
