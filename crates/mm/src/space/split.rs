//! Splitting a mapping in two.

use abi::VirtAddr;

use crate::op::Op;
use crate::pages::Memory;
use crate::vma::Vma;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Splits the part of `vma` that starts at `start`, if one more is allowed.
    ///
    /// Linux: `mm/vma.c: split_vma`.
    pub(crate) fn split_counted(&mut self, vma: &Vma, start: VirtAddr, at: VirtAddr) -> Result<(), Refusal> {
        if self.space.map_count() >= self.profile.max_map_count {
            return Err(Refusal::Splits);
        }
        if !vma.may_split(at) {
            return Err(Refusal::MayNotSplit);
        }
        self.split_unasked(start, at);
        Ok(())
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
        space.vmas.divide(start, |vma| {
            debug_assert!(vma.range.start < at && at < vma.range.end, "{at} is inside {}", vma.range);
            let mut upper = vma.clone();
            upper.pgoff = vma.pgoff_at(at);
            upper.range.start = at;
            vma.range.end = at;
            if let Some(chain) = &upper.anon {
                sys.anon_vmas.duplicate(chain);
            }
            upper
        });
    }
}
