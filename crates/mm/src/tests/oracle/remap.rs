//! Other sizes and other places.
//!
//! ```text
//! shrink      SSSS        SS..
//! in place    SS..        SSSS       at the mapping's end, into what is free
//! move        SSS......   ......SSS  a copy, then the source goes
//! keep        SSS......   SSS...SSS  the source stays, empty
//! double      S........   S.....S    an old length of 0: shared memory only
//! ```

use alloc::vec::Vec;
use core::ops::Range;

use abi::{Errno, RemapFlags};

use super::map::{address, may_promise};
use super::merge::{Joins, Source, joins};
use super::model::{Answer, FIRST, Object, Oracle, PAGES, Page};
use super::steps::Remap;
use crate::flags::VmFlags;

/// Where the moved memory goes.
type Place = Result<usize, Errno>;

impl Remap {
    fn has(self, flag: RemapFlags) -> bool {
        self.flags.contains(flag)
    }

    /// Tells whether the memory moves in any case.
    fn moves(self) -> bool {
        self.has(RemapFlags::FIXED) || self.has(RemapFlags::DONTUNMAP)
    }
}

impl Oracle {
    /// Linux: `mm/mremap.c: do_mremap`, `check_mremap_params`.
    pub(super) fn remap(&mut self, remap: Remap) -> Answer {
        let Remap { at, old, new, to, .. } = remap;
        if new == 0 {
            return Err(Errno::EINVAL);
        }
        if remap.moves() {
            let overlap = at + old > to && to + new > at;
            let resized = remap.has(RemapFlags::DONTUNMAP) && old != new;
            if to + new > PAGES || !remap.has(RemapFlags::MAYMOVE) || resized || overlap {
                return Err(Errno::EINVAL);
            }
            if self.lacks_headroom(2) {
                return Err(Errno::ENOMEM);
            }
        }
        if remap.has(RemapFlags::FIXED) && old == new {
            return self.move_each(remap).map(address);
        }
        self.check(remap)?;
        let grows = new > old && self.now().page(at).is_some_and(|page| page.has(VmFlags::LOCKED));
        let start = if remap.moves() { self.move_to(remap, new.abs_diff(old))? } else { self.resize(remap)? };
        if grows {
            self.populate(start + old..start + new);
        }
        Ok(address(start))
    }

    /// Tells whether there could be too many mappings on the way.
    fn lacks_headroom(&self, more: usize) -> bool {
        self.map_count() + more + 3 >= self.max_map_count
    }

    /// Moves every mapping of a range, and leaves the holes between them as they are.
    ///
    /// Linux: `mm/mremap.c: remap_move`.
    fn move_each(&mut self, remap: Remap) -> Place {
        let end = remap.at + remap.old;
        let mut at = remap.at;
        let mut target = remap.to;
        let mut result = None;
        while at < end {
            let Some(next) = self.now().next_mapped(at).filter(|next| *next < end) else { break };
            if result.is_none() && next > remap.at {
                return Err(Errno::EFAULT);
            }
            let piece = next..self.now().end_of(next).min(end);
            target += next - at;
            let one = Remap { at: next, old: piece.len(), new: piece.len(), to: target, ..remap };
            self.check(one)?;
            let moved = self.move_to(one, 0)?;
            result = result.or(Some(moved));
            target = moved + piece.len();
            at = piece.end;
        }
        result.ok_or(Errno::EFAULT)
    }

    /// Linux: `mm/mremap.c: check_prep_vma`.
    fn check(&self, remap: Remap) -> Result<(), Errno> {
        let Remap { at, old, new, .. } = remap;
        let memory = self.now();
        let page = memory.page(at).ok_or(Errno::EFAULT)?;
        if page.has(VmFlags::SEALED) {
            return Err(Errno::EPERM);
        }
        if new <= old && !remap.moves() {
            return Ok(());
        }
        if old == 0 && !page.has(VmFlags::SHARED.with(VmFlags::MAYSHARE)) {
            return Err(Errno::EINVAL);
        }
        if at + old.min(new) > memory.end_of(at) {
            return Err(Errno::EFAULT);
        }
        if new > old {
            memory.may_lock(page.flags, new - old)?;
            memory.may_expand(page, new - old)?;
        }
        Ok(())
    }

    /// Linux: `mm/mremap.c: mremap_at`, `expand_vma`.
    fn resize(&mut self, remap: Remap) -> Place {
        let Remap { at, old, new, .. } = remap;
        if new == old {
            return Ok(at);
        }
        if new < old {
            return self.unmap(at + new..at + old).map(|_| at);
        }
        if self.now().end_of(at) == at + old && self.now().is_free(at + old..at + new) {
            return self.grow_in_place(at + old..at + new).map(|()| at);
        }
        if !remap.has(RemapFlags::MAYMOVE) {
            return Err(Errno::ENOMEM);
        }
        let to = self.find_place(at, None, new)?;
        self.relocate(Remap { to, ..remap }, new - old)
    }

    /// Linux: `mm/vma.c: vma_merge_extend`.
    fn grow_in_place(&mut self, range: Range<usize>) -> Result<(), Errno> {
        let last = self.now().page(range.start - 1).expect("it grows at its end").clone();
        if last.has(VmFlags::ACCOUNT) {
            may_promise(range.len())?;
        }
        let first = Page { pgoff: last.pgoff + 1, guard: false, ..last };
        let pages = super::map::pages_from(&first, range.len());
        let with = joins(self.now(), &range, &pages, Source::New, Joins::BOTH);
        assert!(with.left, "it continues itself");
        self.now_mut().put(range, pages, with);
        Ok(())
    }

    /// Moves one piece to where it is told, `charged` pages being promised unless the source is kept.
    ///
    /// Linux: `mm/mremap.c: mremap_to`.
    fn move_to(&mut self, remap: Remap, charged: usize) -> Place {
        let Remap { at, old, new, to, .. } = remap;
        let fixed = remap.has(RemapFlags::FIXED);
        if fixed {
            self.unmap(to..to + new)?;
            self.now().page(at).ok_or(Errno::EFAULT)?;
        }
        if new < old {
            self.unmap(at + new..at + old)?;
        }
        let page = self.now().page(at).ok_or(Errno::EFAULT)?;
        if remap.has(RemapFlags::DONTUNMAP) {
            self.now().may_expand(page, new)?;
        }
        let to = if fixed { to } else { self.find_place(at, Some(to), new)? };
        self.relocate(Remap { old: old.min(new), to, ..remap }, charged)
    }

    fn find_place(&self, at: usize, hint: Option<usize>, pages: usize) -> Place {
        let object = self.now().page(at).ok_or(Errno::EFAULT)?.object;
        self.now().place(hint, pages, object).ok_or(Errno::ENOMEM)
    }

    /// Linux: `mm/mremap.c: move_vma`.
    fn relocate(&mut self, remap: Remap, charged: usize) -> Place {
        let Remap { at, old, new, to, .. } = remap;
        if self.lacks_headroom(0) {
            return Err(Errno::ENOMEM);
        }
        let keeps = remap.has(RemapFlags::DONTUNMAP);
        let page = self.now().page(at).ok_or(Errno::EFAULT)?.clone();
        if page.has(VmFlags::ACCOUNT) {
            may_promise(if keeps { new } else { charged })?;
            // A piece that shrank on its way is promised what it lost, once more.
            self.promised_unseen += if keeps { 0 } else { charged - (new - old) };
        }
        let whole = self.now().mapping_of(at) == (at..at + old);
        self.copy(remap, &page);
        let merged = self.now().mapping_of(at) == self.now().mapping_of(to);
        if !keeps {
            if old > 0 {
                self.unmap(at..at + old).expect("there was headroom");
            }
            return Ok(to);
        }
        let source = self.now().mapping_of(at);
        let locked = self.now().pages[source.clone()].iter().flatten();
        let locked = locked.filter(|page| page.has(VmFlags::LOCKED)).count();
        let memory = self.now_mut();
        memory.unlocked_unseen += locked;
        memory.change(source.clone(), |page| page.flags = page.flags.without(VmFlags::LOCKED_MASK));
        memory.change(at..at + old, |page| page.guard = false);
        if whole && !merged {
            memory.change(source, |page| page.chain = None);
        }
        Ok(to)
    }

    /// Copies; memory that was never touched takes the page offsets of its new place.
    ///
    /// Linux: `mm/vma.c: copy_vma`.
    fn copy(&mut self, remap: Remap, page: &Page) {
        let Remap { at, old, new, to, .. } = remap;
        let fresh = page.object == Object::Anonymous && page.chain.is_none();
        let first = if fresh { FIRST + to as u64 } else { page.pgoff };
        let guard = |into: usize| into < old && self.now().page(at + into).is_some_and(|page| page.guard);
        let copy = |into: usize| Page { pgoff: first + into as u64, guard: guard(into), ..page.clone() };
        let pages: Vec<Page> = (0..new).map(copy).collect();
        let range = to..to + new;
        let with = joins(self.now(), &range, &pages, Source::Existing, Joins::BOTH);
        self.now_mut().put(range, pages, with);
    }
}
