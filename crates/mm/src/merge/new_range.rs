//! Merging a new range with what touches it.
//!
//! ```text
//! left    AAA***     -> AAAAAA
//! right      ***BBB  -> BBBBBB
//! both    AAA***BBB  -> AAAAAAAAA      B is deleted, its anon_vma goes to A if A has none
//! ```

use abi::{AddrRange, VirtAddr};

use super::{Proposal, move_start, sides_bar};
use crate::anon_vma::AnonChain;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::pages::Memory;
use crate::why::{MergeBar, Side};

/// Which sides a new range may merge with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expansion {
    /// Both.
    Both,
    /// Only the mapping below: the heap.
    LeftOnly,
}

/// What the merge of a new range will do: with which neighbours.
struct Plan {
    /// Where the one below starts.
    left: Option<VirtAddr>,
    right: Option<AddrRange>,
    /// The anon_vmas that the one below takes over from the one above.
    inherits: Option<AnonChain>,
    /// The flags that the mapping keeps of what goes into it.
    sticky: VmFlags,
}

impl<M: Memory> Op<'_, M> {
    /// Merges a new range with its neighbours and returns where the resulting mapping starts; `None` if it
    /// merges with neither.
    ///
    /// Linux: `mm/vma.c: vma_merge_new_range`, `vma_expand`.
    ///
    /// # Preconditions
    /// Nothing is mapped in the range.
    pub(crate) fn merge_new(
        &mut self,
        range: &Proposal<'_>,
        expansion: Expansion,
        copied: Option<&AnonChain>,
    ) -> Option<VirtAddr> {
        let Plan { left, right, inherits, sticky } = self.plan_new(range, expansion)?;
        let start = match (left, right) {
            (None, None) => return None,
            (Some(left), None) => {
                self.inherit_anon(left, copied);
                self.space.vmas.update(left, |vma| vma.range.end = range.range.end);
                left
            }
            (None, Some(right)) => {
                self.inherit_anon(right.start, copied);
                self.space.vmas.update(right.start, |vma| move_start(vma, range.range.start));
                range.range.start
            }
            (Some(left), Some(right)) => {
                self.inherit_anon(left, inherits.as_ref());
                self.inherit_anon(left, copied);
                self.extend_over(left, right.end);
                left
            }
        };
        self.keep_sticky(start, sticky);
        Some(start)
    }

    fn plan_new(&mut self, range: &Proposal<'_>, expansion: Expansion) -> Option<Plan> {
        let at = range.range.start;
        let stops = |bar: &MergeBar| !self.sys.profile.waives(*bar);
        if range.flags.intersects(VmFlags::SPECIAL) {
            self.why.note(at, Side::Left, Some(MergeBar::Special));
            return None;
        }
        let [left, right] = self.space.vmas.touching(range.range);
        let right = right.filter(|_| expansion == Expansion::Both);
        let left_bar = left.map_or(Some(MergeBar::NotAdjacent), |vma| range.left_bar(vma, stops));
        let mut right_bar = right.map_or(Some(MergeBar::NotAdjacent), |vma| range.right_bar(vma, stops));
        if let (None, None, Some(left), Some(right)) = (left_bar, right_bar, left, right) {
            right_bar = sides_bar(left, right, stops)
                .or_else(|| (!right.backing.may_be_deleted()).then_some(MergeBar::MayNotDelete));
        }
        for (side, bar) in [(Side::Left, left_bar), (Side::Right, right_bar)] {
            if bar != Some(MergeBar::NotAdjacent) {
                self.why.note(at, side, bar);
            }
        }
        let (left, right) = (left.filter(|_| left_bar.is_none()), right.filter(|_| right_bar.is_none()));
        left.or(right)?;
        let joined = left.and(right);
        Some(Plan {
            left: left.map(|left| left.range.start),
            right: right.map(|right| right.range),
            inherits: joined.and_then(|right| right.anon.clone()),
            sticky: range.flags.with(joined.map_or(VmFlags::NONE, |right| right.flags)).sticky(),
        })
    }
}
