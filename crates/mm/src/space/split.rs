//! Splitting a mapping in two.

use abi::{AddrRange, VirtAddr};

use crate::anon_vma::AnonVmas;
use crate::op::Op;
use crate::pages::Memory;
use crate::profile::Profile;
use crate::vma::Vma;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
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
        space.vmas.divide(start, 2, |part, vma| match part {
            0 => vma.range.end = at,
            _ => begin_at(vma, at, &mut sys.anon_vmas),
        });
        M::edged(self, at);
    }

    /// Splits `part` off the mapping at `vma` and changes it, in one step.
    ///
    /// ```text
    /// AAAAAA  ->  AA**AA or **AAAA or AAAA**
    ///   ^^part
    /// ```
    ///
    /// # Preconditions
    /// `vma` is a mapping, may be split at both ends of `part`, and `part` is not the whole of it.
    pub(crate) fn carve(&mut self, vma: AddrRange, part: AddrRange, change: impl FnOnce(&mut Vma)) {
        let Self { space, sys, .. } = self;
        let below = part.start > vma.start;
        let above = part.end < vma.end;
        let parts = 1 + usize::from(below) + usize::from(above);
        let changed = usize::from(below);
        let mut change = Some(change);
        space.vmas.divide(vma.start, parts, |number, vma| {
            if number > 0 {
                let at = if number == changed { part.start } else { part.end };
                begin_at(vma, at, &mut sys.anon_vmas);
            }
            if number < changed {
                vma.range.end = part.start;
            } else if number == changed {
                vma.range.end = part.end;
                if let Some(change) = change.take() {
                    change(vma);
                }
            }
        });
        if below {
            M::edged(self, part.start);
        }
        if above {
            M::edged(self, part.end);
        }
    }
}

/// Checks that `vma` may be split at an address where there are `map_count` mappings.
///
/// Linux: `mm/vma.c: split_vma`.
pub(crate) fn may_split(profile: &Profile, map_count: u64, vma: &Vma, at: VirtAddr) -> Result<(), Refusal> {
    if map_count >= profile.max_map_count {
        return Err(Refusal::Splits);
    }
    if vma.may_split(at) { Ok(()) } else { Err(Refusal::MayNotSplit) }
}

/// Lets the copy of a mapping begin at `at`.
fn begin_at(vma: &mut Vma, at: VirtAddr, anon_vmas: &mut AnonVmas) {
    debug_assert!(vma.range.start < at && at < vma.range.end, "{at} is inside {}", vma.range);
    vma.pgoff = vma.pgoff_at(at);
    vma.range.start = at;
    if let Some(chain) = &vma.anon {
        anon_vmas.duplicate(chain);
    }
}
