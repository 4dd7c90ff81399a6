//! Splitting a mapping in two.

use abi::{AddrRange, VirtAddr};

use crate::anon_vma::AnonVmas;
use crate::op::Op;
use crate::pages::Memory;
use crate::set::Parts;
use crate::vma::Vma;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Checks that `vma` may be split at an address, after `more` splits before it.
    ///
    /// Linux: `mm/vma.c: split_vma`.
    pub(crate) fn may_split(&self, vma: &Vma, at: VirtAddr, more: u64) -> Result<(), Refusal> {
        if self.space.map_count() + more >= self.profile.max_map_count {
            return Err(Refusal::Splits);
        }
        if vma.may_split(at) { Ok(()) } else { Err(Refusal::MayNotSplit) }
    }

    /// Splits the mapping that starts at `start` in two at `at`, whatever the count.
    ///
    /// ```text
    /// AAAAAA  ->  AAABBB     B has A's flags, backing and anon_vma
    ///    ^at
    /// ```
    ///
    /// Linux: `mm/vma.c: __split_vma`.
    ///
    /// # Errors
    /// [`Refusal::MayNotSplit`].
    ///
    /// # Preconditions
    /// `at` lies inside the mapping, not at its edge.
    pub(crate) fn split(&mut self, start: VirtAddr, at: VirtAddr) -> Result<(), Refusal> {
        if self.space.vmas.find(start).is_some_and(|vma| !vma.may_split(at)) {
            return Err(Refusal::MayNotSplit);
        }
        self.split_unasked(start, at);
        Ok(())
    }

    /// Splits the mapping that starts at `start` in two at `at`, whatever it is.
    pub(crate) fn split_unasked(&mut self, start: VirtAddr, at: VirtAddr) {
        let Self { space, sys, .. } = self;
        space.vmas.divide(start, |vma| Parts { next: split_off(vma, at, &mut sys.anon_vmas), last: None });
    }

    /// Splits `part` off `vma` and changes it, in one step.
    ///
    /// ```text
    /// AAAAAA  ->  AA**AA or **AAAA or AAAA**
    ///   ^^part
    /// ```
    ///
    /// # Preconditions
    /// `vma` is in the set, may be split at both ends of `part`, and `part` is not the whole of it.
    pub(crate) fn carve(&mut self, vma: &Vma, part: AddrRange, change: impl FnOnce(&mut Vma)) {
        let Self { space, sys, .. } = self;
        let anon_vmas = &mut sys.anon_vmas;
        space.vmas.divide(vma.range.start, |vma| {
            if part.start == vma.range.start {
                let next = split_off(vma, part.end, anon_vmas);
                change(vma);
                return Parts { next, last: None };
            }
            let mut next = split_off(vma, part.start, anon_vmas);
            let last = (part.end < next.range.end).then(|| split_off(&mut next, part.end, anon_vmas));
            change(&mut next);
            Parts { next, last }
        });
    }
}

/// Splits off and returns what of a mapping lies above `at`.
fn split_off(vma: &mut Vma, at: VirtAddr, anon_vmas: &mut AnonVmas) -> Vma {
    debug_assert!(vma.range.start < at && at < vma.range.end, "{at} is inside {}", vma.range);
    let mut upper = vma.clone();
    upper.pgoff = vma.pgoff_at(at);
    upper.range.start = at;
    vma.range.end = at;
    if let Some(chain) = &upper.anon {
        anon_vmas.duplicate(chain);
    }
    upper
}
