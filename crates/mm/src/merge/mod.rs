//! When neighbours become one mapping.

pub(crate) mod existing;
mod fault;
mod new_range;
mod why_not;

use alloc::sync::Arc;

use abi::{AddrRange, PAGE_SHIFT, PageOff, VirtAddr};

pub(crate) use self::new_range::Expansion;
use crate::anon_vma::AnonChain;
use crate::file::Backing;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::pages::Memory;
use crate::vma::{Extra, Vma};
use crate::why::MergeBar;

/// A range that may merge: a new one, a part of a mapping with other attributes, a copy by mremap.
pub(crate) struct Proposal<'a> {
    pub(crate) range: AddrRange,
    pub(crate) pgoff: PageOff,
    pub(crate) flags: VmFlags,
    pub(crate) backing: &'a Backing,
    pub(crate) anon: Option<&'a AnonChain>,
    /// The chain that a neighbour without one would take over: of the mapping that changes or is copied, none
    /// where a mapping only grows.
    pub(crate) forked: Option<&'a AnonChain>,
    pub(crate) extra: Option<&'a Arc<Extra>>,
}

/// Tells whether two sets of rare attributes are the same; returns the first that is not.
fn extra_bar(a: Option<&Arc<Extra>>, b: Option<&Arc<Extra>>) -> [bool; 3] {
    let none = Extra::default();
    if let (Some(a), Some(b)) = (a, b)
        && Arc::ptr_eq(a, b)
    {
        return [false; 3];
    }
    if a.is_none() && b.is_none() {
        return [false; 3];
    }
    let Extra { name, policy, uffd } = a.map_or(&none, |a| a);
    let other = b.map_or(&none, |b| b);
    [*policy != other.policy, *uffd != other.uffd, *name != other.name]
}

impl Proposal<'_> {
    /// Checks whether a neighbour has the same attributes.
    ///
    /// Linux: `mm/vma.c: is_mergeable_vma`.
    #[inline]
    fn attributes_bar(&self, vma: &Vma) -> Option<MergeBar> {
        let differ = VmFlags(vma.flags.0 ^ self.flags.0).without(VmFlags::STICKY);
        let is_plain = vma.extra.is_none() && self.extra.is_none();
        if is_plain && differ == VmFlags::NONE && vma.backing.same_file(self.backing) {
            return None;
        }
        self.other_attributes_bar(vma, differ)
    }

    fn other_attributes_bar(&self, vma: &Vma, differ: VmFlags) -> Option<MergeBar> {
        let [policy, uffd, name] = extra_bar(vma.extra.as_ref(), self.extra);
        if policy {
            Some(MergeBar::Policy)
        } else if differ != VmFlags::NONE {
            Some(MergeBar::Flags(differ))
        } else if !vma.backing.same_file(self.backing) {
            Some(MergeBar::File)
        } else if uffd {
            Some(MergeBar::Userfaultfd)
        } else if name {
            Some(MergeBar::Name)
        } else {
            None
        }
    }

    /// Checks whether the anon_vma of this range and that of a neighbour go together.
    ///
    /// Linux: `mm/vma.c: is_mergeable_anon_vma`.
    fn anon_bar(&self, target: &Vma) -> Option<MergeBar> {
        let forked = |chain: &AnonChain| (!chain.is_singular()).then_some(MergeBar::ForkChild);
        match (&target.anon, self.anon) {
            (None, None) => None,
            (None, Some(_)) => self.forked.and_then(forked),
            (Some(target), None) => forked(target),
            (Some(target), Some(source)) => (!target.same_own(source)).then_some(MergeBar::AnonVma),
        }
    }

    /// Checks whether the range may continue the mapping below.
    ///
    /// Linux: `mm/vma.c: can_vma_merge_left`, `can_vma_merge_after`.
    fn left_bar(&self, left: &Vma, stops: impl Fn(&MergeBar) -> bool) -> Option<MergeBar> {
        if left.range.end != self.range.start {
            return Some(MergeBar::NotAdjacent);
        }
        let offset = left.pgoff_at(left.range.end) != self.pgoff;
        self.attributes_bar(left)
            .filter(&stops)
            .or_else(|| self.anon_bar(left).filter(&stops))
            .or_else(|| offset.then_some(MergeBar::Offset).filter(&stops))
    }

    /// Checks whether the mapping above may continue the range.
    ///
    /// Linux: `mm/vma.c: can_vma_merge_right`, `can_vma_merge_before`.
    fn right_bar(&self, right: &Vma, stops: impl Fn(&MergeBar) -> bool) -> Option<MergeBar> {
        if right.range.start != self.range.end {
            return Some(MergeBar::NotAdjacent);
        }
        let offset = PageOff(self.pgoff.0.wrapping_add(self.range.pages())) != right.pgoff;
        self.attributes_bar(right)
            .filter(&stops)
            .or_else(|| self.anon_bar(right).filter(&stops))
            .or_else(|| offset.then_some(MergeBar::Offset).filter(&stops))
    }
}

/// Checks whether two mappings that a range joins go together.
fn sides_bar(left: &Vma, right: &Vma, stops: impl Fn(&MergeBar) -> bool) -> Option<MergeBar> {
    let bar = match (&left.anon, &right.anon) {
        (Some(left), Some(right)) if !left.same_own(right) => Some(MergeBar::SidesDiffer),
        _ => None,
    };
    bar.filter(stops)
}

impl<M: Memory> Op<'_, M> {
    /// Gives the mapping at `target` the anon_vmas of another, if it has none.
    ///
    /// Linux: `mm/vma.c: dup_anon_vma`.
    fn inherit_anon(&mut self, target: VirtAddr, source: Option<&AnonChain>) {
        let Some(source) = source else { return };
        let Self { space, sys, .. } = self;
        space.vmas.update(target, |vma| {
            if vma.anon.is_none() {
                vma.anon = Some(sys.anon_vmas.duplicate(source));
            }
        });
    }

    /// Gives the mapping that a merge left the sticky flags of what went into it.
    ///
    /// Linux: `mm/vma.c: vma_expand`, `vma_merge_existing_range`.
    fn keep_sticky(&mut self, start: VirtAddr, sticky: VmFlags) {
        if sticky != VmFlags::NONE {
            self.space.vmas.update(start, |vma| vma.flags = vma.flags.with(sticky));
        }
    }

    /// Removes a mapping that a merge swallowed.
    fn swallow(&mut self, start: VirtAddr) {
        let Self { space, sys, .. } = self;
        space.vmas.remove_with(start, |vma| {
            if let Some(chain) = &vma.anon {
                sys.anon_vmas.unlink(chain);
            }
        });
    }

    /// Lets the mapping at `target` grow up to `end` over those that go.
    fn extend_over(&mut self, target: VirtAddr, end: VirtAddr) {
        let Self { space, sys, .. } = self;
        space.vmas.absorb(
            target,
            end,
            |vma| vma.range.end = end,
            |vma| {
                if let Some(chain) = &vma.anon {
                    sys.anon_vmas.unlink(chain);
                }
            },
        );
    }
}

/// Moves the first address of a mapping, and its page offset with it.
fn move_start(vma: &mut Vma, start: VirtAddr) {
    let by = start.0.wrapping_sub(vma.range.start.0) as i64 >> PAGE_SHIFT;
    vma.pgoff = PageOff(vma.pgoff.0.wrapping_add(by as u64));
    vma.range.start = start;
}
