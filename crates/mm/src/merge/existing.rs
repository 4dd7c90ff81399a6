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

use super::{Proposal, move_start, sides_bar};
use crate::anon_vma::AnonChain;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::pages::Memory;
use crate::profile::Profile;
use crate::set::{Spot, VmaSet};
use crate::space::may_split;
use crate::vma::{Extra, Vma};
use crate::why::{MergeBar, Refusal, Side, Why};

/// New attributes of a part of a mapping.
pub(crate) struct Change {
    flags: VmFlags,
    extra: NewExtra,
}

/// The rare attributes after a change.
enum NewExtra {
    Same,
    Other(Option<Arc<Extra>>),
}

impl Change {
    /// Other flags, all else as it is.
    pub(crate) fn flags(flags: VmFlags) -> Self {
        Self { flags, extra: NewExtra::Same }
    }

    /// Other rare attributes, and these flags.
    pub(crate) fn extra(flags: VmFlags, extra: Option<Arc<Extra>>) -> Self {
        Self { flags, extra: NewExtra::Other(extra) }
    }

    #[inline(always)]
    fn apply(&self, vma: &mut Vma) {
        let Self { flags, extra } = self;
        vma.flags = *flags;
        if let NewExtra::Other(extra) = extra {
            vma.extra.clone_from(extra);
        }
    }
}

/// What a merge will do: with which neighbours.
struct Merge {
    /// Where the one below starts.
    left: Option<VirtAddr>,
    right: Option<AddrRange>,
    /// The anon_vmas that the mapping that stays takes over.
    inherits: Option<AnonChain>,
    /// The flags that it keeps of those that go.
    sticky: VmFlags,
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
    /// `range` is a part of one mapping.
    pub(crate) fn modify(&mut self, range: AddrRange, change: Change) -> Result<VirtAddr, Refusal> {
        let Some(spot) = self.space.vmas.spot(range.start) else { return Ok(range.start) };
        let whole = spot.entry().range;
        let beside = whole.start == range.start || whole.end == range.end;
        if beside
            && let Some(merge) =
                plan_merge(&self.sys.profile, self.why, &self.space.vmas, &spot, range, &change)
        {
            return Ok(self.merge_change(range, whole, merge));
        }
        if range == whole {
            self.space.vmas.update(range.start, |vma| change.apply(vma));
            return Ok(range.start);
        }
        let map_count = self.space.map_count();
        match may_carve(&self.sys.profile, map_count, spot.entry(), range) {
            Ok(()) => self.carve(whole, range, |part| change.apply(part)),
            Err((refusal, below)) => {
                if below == Cut::Made {
                    self.split_unasked(whole.start, range.start);
                }
                return Err(refusal);
            }
        }
        Ok(range.start)
    }

    fn merge_change(&mut self, range: AddrRange, vma: AddrRange, merge: Merge) -> VirtAddr {
        let Merge { left, right, inherits, sticky } = merge;
        let is_whole = range == vma;
        let target = left.or(right.map(|right| right.start)).unwrap_or(vma.start);
        if inherits.is_some() {
            self.inherit_anon(target, inherits.as_ref());
        }
        let start = match (left, right) {
            (Some(left), Some(right)) => {
                self.extend_over(left, right.end);
                left
            }
            (Some(left), None) => {
                if is_whole {
                    self.extend_over(left, range.end);
                } else {
                    self.space.vmas.update(vma.start, |vma| move_start(vma, range.end));
                    self.space.vmas.update(left, |left| left.range.end = range.end);
                    M::edged(self, range.end);
                }
                left
            }
            (None, Some(right)) => {
                if is_whole {
                    self.swallow(vma.start);
                } else {
                    self.space.vmas.update(vma.start, |vma| vma.range.end = range.start);
                    M::edged(self, range.start);
                }
                self.space.vmas.update(right.start, |right| move_start(right, range.start));
                range.start
            }
            (None, None) => range.start,
        };
        self.keep_sticky(start, sticky);
        start
    }
}

/// Whether a split that comes before a refused one was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Made,
    None,
}

/// Checks that a part may be split off a mapping. Where only its upper end may not be split, the split at its start
/// is made.
///
/// Linux: `mm/vma.c: vma_modify`, `split_vma`.
fn may_carve(profile: &Profile, map_count: u64, vma: &Vma, part: AddrRange) -> Result<(), (Refusal, Cut)> {
    let below = u64::from(part.start > vma.range.start);
    if below > 0 {
        may_split(profile, map_count, vma, part.start).map_err(|refusal| (refusal, Cut::None))?;
    }
    if part.end < vma.range.end {
        let before = if below > 0 { Cut::Made } else { Cut::None };
        may_split(profile, map_count + below, vma, part.end).map_err(|refusal| (refusal, before))?;
    }
    Ok(())
}

/// Looks with which neighbours a part of a mapping merges once it is changed, and says why it does not with the others.
fn plan_merge(
    profile: &Profile,
    why: &mut Why,
    vmas: &VmaSet<Vma>,
    spot: &Spot<'_, Vma>,
    range: AddrRange,
    change: &Change,
) -> Option<Merge> {
    if change.flags.intersects(VmFlags::SPECIAL) {
        return None;
    }
    let vma = spot.entry();
    let (at_left, at_right) = (range.start == vma.range.start, range.end == vma.range.end);
    let left = if at_left { vmas.below(spot) } else { None };
    let right = if at_right { vmas.above(spot) } else { None };
    let proposal = Proposal {
        range,
        pgoff: vma.pgoff_at(range.start),
        flags: change.flags,
        backing: &vma.backing,
        anon: vma.anon.as_ref(),
        forked: vma.anon.as_ref(),
        extra: match &change.extra {
            NewExtra::Same => vma.extra.as_ref(),
            NewExtra::Other(extra) => extra.as_ref(),
        },
    };
    let stops = |bar: &MergeBar| !profile.waives(*bar);
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
    for (side, bar) in [(Side::Left, left_bar), (Side::Right, right_bar)] {
        if bar != Some(MergeBar::NotAdjacent) {
            why.note(range.start, side, bar);
        }
    }
    let (left, right) = (left.filter(|_| left_bar.is_none()), right.filter(|_| right_bar.is_none()));
    let target = left.or(right)?;
    let both = left.and(right);
    Some(Merge {
        left: left.map(|left| left.range.start),
        right: right.map(|right| right.range),
        inherits: match target.anon {
            Some(_) => None,
            None => both.and_then(|right| right.anon.as_ref()).or(vma.anon.as_ref()).cloned(),
        },
        sticky: change.flags.with(both.map_or(VmFlags::NONE, |right| right.flags)).sticky(),
    })
}
