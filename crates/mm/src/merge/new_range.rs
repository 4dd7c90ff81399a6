//! Merging a new range with what touches it.
//!
//! ```text
//! left    AAA***     -> AAAAAA
//! right      ***BBB  -> BBBBBB
//! both    AAA***BBB  -> AAAAAAAAA      B is deleted, its anon_vma goes to A if A has none
//! ```

use abi::VirtAddr;

use super::{Neighbour, Proposal, move_start, sides_bar};
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

/// What the merge of a new range will do.
struct Plan {
    left: Option<VirtAddr>,
    right: Option<Neighbour>,
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
        let plan = self.plan_new(range, expansion);
        let sticky = match &plan {
            Plan { left: Some(_), right: Some(right) } => range.flags.with(right.flags).sticky(),
            _ => range.flags.sticky(),
        };
        let merged = match (plan.left, plan.right) {
            (None, None) => None,
            (Some(left), None) => {
                self.inherit_anon(left, copied);
                self.space.vmas.update(left, |vma| vma.range.end = range.range.end);
                Some(left)
            }
            (None, Some(right)) => {
                self.inherit_anon(right.range.start, copied);
                self.space.vmas.update(right.range.start, |vma| move_start(vma, range.range.start));
                Some(range.range.start)
            }
            (Some(left), Some(right)) => {
                self.inherit_anon(left, right.anon.as_ref());
                self.inherit_anon(left, copied);
                self.extend_over(left, right.range.end);
                Some(left)
            }
        };
        if let Some(start) = merged {
            self.keep_sticky(start, sticky);
        }
        merged
    }

    fn plan_new(&mut self, range: &Proposal<'_>, expansion: Expansion) -> Plan {
        let at = range.range.start;
        let stops = |bar: &MergeBar| !self.sys.profile.waives(*bar);
        if range.flags.intersects(VmFlags::SPECIAL) {
            self.why.note(at, Side::Left, Some(MergeBar::Special));
            return Plan { left: None, right: None };
        }
        let [left, right] = self.space.vmas.touching(range.range);
        let right = right.filter(|_| expansion == Expansion::Both);
        let left_bar = left.map_or(Some(MergeBar::NotAdjacent), |vma| range.left_bar(vma, stops));
        let mut right_bar = right.map_or(Some(MergeBar::NotAdjacent), |vma| range.right_bar(vma, stops));
        if let (None, None, Some(left), Some(right)) = (left_bar, right_bar, left, right) {
            right_bar = sides_bar(left, right, stops)
                .or_else(|| (!right.backing.may_be_deleted()).then_some(MergeBar::MayNotDelete));
        }
        let plan = Plan {
            left: left.filter(|_| left_bar.is_none()).map(|vma| vma.range.start),
            right: right.filter(|_| right_bar.is_none()).map(Neighbour::of),
        };
        for (side, bar) in [(Side::Left, left_bar), (Side::Right, right_bar)] {
            if bar != Some(MergeBar::NotAdjacent) {
                self.why.note(at, side, bar);
            }
        }
        plan
    }
}
