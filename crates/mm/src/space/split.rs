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
        let above =
            |_, vma: &Vma| upper_part(vma, AddrRange { start: at, end: vma.range.end }, &mut sys.anon_vmas);
        space.vmas.divide(start, 2, above, |vma| vma.range.end = at);
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
    pub(crate) fn carve(&mut self, vma: AddrRange, part: AddrRange, change: impl Fn(&mut Vma)) {
        let Self { space, sys, .. } = self;
        let below = part.start > vma.start;
        let above = part.end < vma.end;
        let parts = 1 + usize::from(below) + usize::from(above);
        let upper = |number, whole: &Vma| {
            let changes = number == 1 && below;
            let range = if changes { part } else { AddrRange { start: part.end, end: vma.end } };
            let mut upper = upper_part(whole, range, &mut sys.anon_vmas);
            if changes {
                change(&mut upper);
            }
            upper
        };
        space.vmas.divide(vma.start, parts, upper, |lowest| {
            lowest.range.end = if below { part.start } else { part.end };
            if !below {
                change(lowest);
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

/// Makes a part of a mapping that is split, not the lowest.
#[inline]
fn upper_part(whole: &Vma, range: AddrRange, anon_vmas: &mut AnonVmas) -> Vma {
    let Vma { range: _, pgoff: _, flags, backing, anon, extra } = whole;
    debug_assert!(
        whole.range.start < range.start && whole.range.covers(range),
        "{range} is in {}",
        whole.range
    );
    Vma {
        range,
        pgoff: whole.pgoff_at(range.start),
        flags: *flags,
        backing: backing.clone(),
        anon: anon.as_ref().map(|chain| anon_vmas.duplicate(chain)),
        extra: extra.clone(),
    }
}
