//! Changing the attributes of a part of a mapping: merge it with what touches it, else split it off.
//!
//! `M` is the mapping, `*` the part that changes:
//!
//! ```text
//! both          AAA***BBB  -> AAAAAAAAA    the whole of M, which goes, and B too
//! left          AAA***     -> AAAAAA       the whole of M
//! left, part    AAA***MMM  -> AAAAAAMMM
//! right            ***BBB  -> BBBBBB
//! right, part   MMM***BBB  -> MMMBBBBBB
//! neither       MMM***MMM  -> MMMNNNMMM    two splits
//! ```

use alloc::sync::Arc;

use abi::{AddrRange, VirtAddr};

use super::{Neighbour, Proposal, move_start, sides_bar};
use crate::flags::VmFlags;
use crate::op::Op;
use crate::pages::Memory;
use crate::vma::{Extra, Vma};
use crate::why::{MergeBar, Refusal, Side};

/// New attributes of a part of a mapping.
pub(crate) struct Change {
    pub(crate) flags: VmFlags,
    pub(crate) extra: Option<Arc<Extra>>,
}

impl Change {
    /// Other flags, all else as it is.
    pub(crate) fn flags(vma: &Vma, flags: VmFlags) -> Self {
        Self { flags, extra: vma.extra.clone() }
    }

    fn apply(self, vma: &mut Vma) {
        let Self { flags, extra } = self;
        vma.flags = flags;
        vma.extra = extra;
    }
}

/// What a change will do to the mapping and its neighbours.
struct Plan {
    left: Option<Neighbour>,
    right: Option<Neighbour>,
}

impl<M: Memory> Op<'_, M> {
    /// Gives `range` of a mapping new attributes and returns where the mapping that holds it then starts.
    ///
    /// Linux: `mm/vma.c: vma_modify`, `vma_merge_existing_range`.
    ///
    /// # Errors
    /// [`Refusal::Splits`]; a split at the range's start may have happened.
    ///
    /// # Preconditions
    /// `range` is a part of `vma`, which is in the set.
    pub(crate) fn modify(
        &mut self,
        vma: &Vma,
        range: AddrRange,
        change: Change,
    ) -> Result<VirtAddr, Refusal> {
        let plan = self.plan_change(vma, range, &change);
        if plan.left.is_some() || plan.right.is_some() {
            let above = plan.left.as_ref().and(plan.right.as_ref()).map_or(VmFlags::NONE, |vma| vma.flags);
            let sticky = change.flags.with(above).sticky();
            let start = self.merge_change(vma, range, plan);
            self.keep_sticky(start, sticky);
            return Ok(start);
        }
        if range == vma.range {
            self.space.vmas.update(range.start, |vma| change.apply(vma));
            return Ok(range.start);
        }
        self.may_carve(vma, range)?;
        self.carve(vma, range, |part| change.apply(part));
        Ok(range.start)
    }

    /// Checks that a part may be split off a mapping. Where only its upper end may not be split, the split at
    /// its start happens.
    ///
    /// Linux: `mm/vma.c: vma_modify`, `split_vma`.
    fn may_carve(&mut self, vma: &Vma, part: AddrRange) -> Result<(), Refusal> {
        let below = u64::from(part.start > vma.range.start);
        if below > 0 {
            self.may_split(vma, part.start, 0)?;
        }
        if part.end < vma.range.end
            && let Err(refusal) = self.may_split(vma, part.end, below)
        {
            if below > 0 {
                self.split_unasked(vma.range.start, part.start);
            }
            return Err(refusal);
        }
        Ok(())
    }

    fn plan_change(&mut self, vma: &Vma, range: AddrRange, change: &Change) -> Plan {
        let at_left = range.start == vma.range.start;
        let at_right = range.end == vma.range.end;
        let proposal = Proposal {
            range,
            pgoff: vma.pgoff_at(range.start),
            flags: change.flags,
            backing: &vma.backing,
            anon: vma.anon.as_ref(),
            forked: vma.anon.as_ref(),
            extra: change.extra.as_ref(),
        };
        let nothing = Plan { left: None, right: None };
        if change.flags.intersects(VmFlags::SPECIAL) || !(at_left || at_right) {
            return nothing;
        }
        let stops = |bar: &MergeBar| !self.sys.profile.waives(*bar);
        let [left, right] = self.space.vmas.touching(range);
        let mut left_bar = left.map_or(Some(MergeBar::NotAdjacent), |vma| proposal.left_bar(vma, stops));
        let mut right_bar = right.map_or(Some(MergeBar::NotAdjacent), |vma| proposal.right_bar(vma, stops));
        if let (None, None, Some(left), Some(right)) = (left_bar, right_bar, left, right) {
            right_bar = sides_bar(left, right, stops)
                .or_else(|| (!right.backing.may_be_deleted()).then_some(MergeBar::MayNotDelete));
        }
        if at_left && at_right && !vma.backing.may_be_deleted() {
            left_bar = left_bar.or(Some(MergeBar::MayNotDelete));
            right_bar = right_bar.or(Some(MergeBar::MayNotDelete));
        }
        let plan = Plan {
            left: left.filter(|_| left_bar.is_none()).map(Neighbour::of),
            right: right.filter(|_| right_bar.is_none()).map(Neighbour::of),
        };
        for (side, bar) in [(Side::Left, left_bar), (Side::Right, right_bar)] {
            if bar != Some(MergeBar::NotAdjacent) {
                self.why.note(range.start, side, bar);
            }
        }
        plan
    }

    fn merge_change(&mut self, vma: &Vma, range: AddrRange, plan: Plan) -> VirtAddr {
        let whole = range == vma.range;
        match plan {
            Plan { left: Some(left), right: Some(right) } => {
                left.inherits(self, right.anon.as_ref().or(vma.anon.as_ref()));
                self.extend_over(left.range.start, right.range.end);
                left.range.start
            }
            Plan { left: Some(left), right: None } => {
                left.inherits(self, vma.anon.as_ref());
                if whole {
                    self.extend_over(left.range.start, range.end);
                } else {
                    self.space.vmas.update(vma.range.start, |vma| move_start(vma, range.end));
                    self.space.vmas.update(left.range.start, |left| left.range.end = range.end);
                }
                left.range.start
            }
            Plan { left: None, right: Some(right) } => {
                right.inherits(self, vma.anon.as_ref());
                if whole {
                    self.swallow(vma.range.start);
                } else {
                    self.space.vmas.update(vma.range.start, |vma| vma.range.end = range.start);
                }
                self.space.vmas.update(right.range.start, |right| move_start(right, range.start));
                range.start
            }
            Plan { left: None, right: None } => range.start,
        }
    }
}
