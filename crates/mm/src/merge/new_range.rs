//! Merging a new range with what touches it.
//!
//! ```text
//! left    AAA***     -> AAAAAA
//! right      ***BBB  -> BBBBBB
//! both    AAA***BBB  -> AAAAAAAAA      B is deleted, its anon_vma goes to A if A has none
//! ```

use abi::VirtAddr;

use super::{Proposal, move_start, sides_bar};
use crate::anon_vma::AnonChain;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::pages::Memory;
use crate::vma::Vma;
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
    right: Option<VirtAddr>,
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
        let right_end = plan.right.and_then(|start| self.space.vmas.find(start)).map(|vma| vma.range.end);
        let sticky = self.sticky(range.flags, plan.left.and(plan.right));
        let merged = match (plan.left, plan.right) {
            (None, None) => None,
            (Some(left), None) => {
                self.inherit_anon(left, copied);
                self.space.vmas.update(left, |vma| vma.range.end = range.range.end);
                Some(left)
            }
            (None, Some(right)) => {
                self.inherit_anon(right, copied);
                self.space.vmas.update(right, |vma| move_start(vma, range.range.start));
                Some(range.range.start)
            }
            (Some(left), Some(right)) => {
                let anon = self.space.vmas.find(right).and_then(|vma| vma.anon.clone());
                self.inherit_anon(left, anon.as_ref());
                self.inherit_anon(left, copied);
                self.extend_over(left, right_end.unwrap_or(range.range.end));
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
        let set = &self.space.vmas;
        let stops = |bar: &MergeBar| !self.profile.waives(*bar);
        let left = set.last_starting_before(at);
        let right = set.first_ending_after(at).filter(|_| expansion == Expansion::Both);
        if range.flags.intersects(VmFlags::SPECIAL) {
            self.why.note(at, Side::Left, Some(MergeBar::Special));
            return Plan { left: None, right: None };
        }
        let check = |vma: Option<&Vma>, bar: &dyn Fn(&Vma) -> Option<MergeBar>| {
            vma.map_or(Some(MergeBar::NotAdjacent), bar)
        };
        let left_bar = check(left, &|vma| range.left_bar(vma, stops));
        let mut right_bar = check(right, &|vma| range.right_bar(vma, stops));
        if let (None, None, Some(left), Some(right)) = (left_bar, right_bar, left, right) {
            right_bar = sides_bar(left, right, stops)
                .or_else(|| (!right.backing.may_be_deleted()).then_some(MergeBar::MayNotDelete));
        }
        let plan = Plan {
            left: left.filter(|_| left_bar.is_none()).map(|vma| vma.range.start),
            right: right.filter(|_| right_bar.is_none()).map(|vma| vma.range.start),
        };
        for (side, bar) in [(Side::Left, left_bar), (Side::Right, right_bar)] {
            if bar != Some(MergeBar::NotAdjacent) {
                self.why.note(at, side, bar);
            }
        }
        plan
    }
}
