//! Memory that grows at its edge: the heap upwards, stacks downwards.

use abi::{Errno, PAGE_SIZE};

use super::map::{address, may_promise, pages_from};
use super::merge::{Joins, Source, joins};
use super::model::{Answer, FIRST, GAP, HEAP, Memory, Object, Oracle, PAGES, Page, UNLIMITED};
use crate::flags::VmFlags;

impl Oracle {
    /// Answers the heap's end: the old one if it was refused.
    ///
    /// Linux: `mm/mmap.c: brk`.
    pub(super) fn brk(&mut self, pages: usize) -> Answer {
        let to = HEAP + pages;
        let refused = self.move_brk(to).is_err();
        if !refused {
            self.now_mut().brk = to;
        }
        Ok(address(self.now().brk))
    }

    fn move_brk(&mut self, to: usize) -> Result<(), Errno> {
        let memory = self.now();
        let old = memory.brk;
        if memory.limits.data != UNLIMITED && to - HEAP > memory.limits.data {
            return Err(Errno::ENOMEM);
        }
        if to < old {
            if memory.is_free(to..old) {
                return Err(Errno::ENOMEM);
            }
            return self.unmap(to..old).map(|_| ());
        }
        if to == old {
            return Ok(());
        }
        if to > PAGES {
            return Err(Errno::ENOMEM);
        }
        memory.may_lock(memory.future, to - old)?;
        // A page stays free.
        if memory.gap_start(old).is_some_and(|start| to + 1 > start) {
            return Err(Errno::ENOMEM);
        }
        self.extend_heap(old, to)?;
        if self.now().future.contains(VmFlags::LOCKED) {
            self.populate(old..to);
        }
        Ok(())
    }

    /// Linux: `mm/vma.c: do_brk_flags`.
    fn extend_heap(&mut self, old: usize, to: usize) -> Result<(), Errno> {
        let flags = VmFlags::READ.with(VmFlags::WRITE).with(VmFlags::MAY_ALL).with(VmFlags::ACCOUNT);
        let page = Page {
            begins: false,
            flags: flags.with(self.now().future),
            object: Object::Anonymous,
            pgoff: FIRST + old as u64,
            chain: None,
            name: None,
            guard: false,
        };
        self.now().may_expand(&page, to - old)?;
        if self.map_count() > self.max_map_count {
            return Err(Errno::ENOMEM);
        }
        may_promise(to - old)?;
        let pages = pages_from(&page, to - old);
        // What is below the heap's start is no heap.
        let sides = if old > HEAP { Joins::LEFT } else { Joins::NONE };
        let with = joins(self.now(), &(old..to), &pages, Source::New, sides);
        self.now_mut().put(old..to, pages, with);
        Ok(())
    }

    /// Lets a stack grow down to a page.
    ///
    /// ```text
    /// PP....SSS        P is accessible and no stack: GAP pages stay free
    ///      *           grows to here
    /// ```
    ///
    /// Linux: `mm/vma.c: expand_downwards`, `acct_stack_growth`.
    pub(super) fn grow(&mut self, stack: usize, to: usize) -> Result<(), Errno> {
        let refused = Err(Errno::ENOMEM);
        let memory = self.now();
        let page = memory.page(stack).expect("it is mapped").clone();
        if !page.has(VmFlags::GROWSDOWN) {
            return refused;
        }
        let below = (0..to).rev().find_map(|at| memory.page(at).map(|page| (at + 1, page)));
        if let Some((end, below)) = below
            && !below.has(VmFlags::GROWSDOWN)
            && below.has(VmFlags::ACCESS)
            && to - end < GAP
        {
            return refused;
        }
        self.prepare(stack);
        let grown = stack - to;
        if grown as u64 > page.pgoff {
            return refused;
        }
        self.may_grow(stack, to, &page)?;
        if !page.has(VmFlags::ACCOUNT) {
            self.promised_unseen += grown;
        }
        let first = self.now().page(stack).expect("it is mapped").clone();
        let pages = pages_from(&Page { pgoff: page.pgoff - grown as u64, guard: false, ..first }, grown);
        self.now_mut().put(to..stack, pages, Joins { left: false, right: true });
        Ok(())
    }

    fn may_grow(&self, stack: usize, to: usize, page: &Page) -> Result<(), Errno> {
        let memory: &Memory = self.now();
        memory.may_expand(page, stack - to)?;
        if (memory.end_of(stack) - to) as u64 * PAGE_SIZE > memory.limits.stack as u64 * PAGE_SIZE {
            return Err(Errno::ENOMEM);
        }
        memory.may_lock(page.flags, stack - to)?;
        may_promise(stack - to)
    }
}
