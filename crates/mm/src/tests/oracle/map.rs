//! Mapping, unmapping, and the limits of both.

use alloc::vec::Vec;
use core::ops::Range;

use abi::{Errno, MapFlags, PAGE_SIZE};

use super::merge::{Joins, Source, joins};
use super::model::{Answer, FIRST, Memory, Object, Oracle, PAGES, PROMISED, Page, UNLIMITED};
use super::steps::{Ask, Kind, Where};
use crate::flags::VmFlags;

/// Returns the address of a page.
pub(super) const fn address(at: usize) -> u64 {
    (FIRST + at as u64) * PAGE_SIZE
}

impl Memory {
    /// Linux: `mm/mmap.c: may_expand_vm`.
    pub(super) fn may_expand(&self, page: &Page, pages: usize) -> Result<(), Errno> {
        let fits = self.total_vm() + pages <= self.limits.address_space;
        // A soft limit of 0 means the hard one.
        let data = if self.limits.data == 0 { UNLIMITED } else { self.limits.data };
        let data_fits = !page.is_data() || self.data_vm() + pages <= data;
        if fits && data_fits { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Linux: `mm/mmap.c: mlock_future_ok`.
    pub(super) fn may_lock(&self, flags: VmFlags, pages: usize) -> Result<(), Errno> {
        let fits = !flags.contains(VmFlags::LOCKED) || self.locked_vm() + pages <= self.limits.memlock;
        if fits { Ok(()) } else { Err(Errno::EAGAIN) }
    }
}

/// Linux: `mm/util.c: __vm_enough_memory`.
pub(super) fn may_promise(pages: usize) -> Result<(), Errno> {
    if pages <= PROMISED { Ok(()) } else { Err(Errno::ENOMEM) }
}

impl Oracle {
    /// Linux: `mm/mmap.c: do_mmap`.
    pub(super) fn map(&mut self, ask: Ask) -> Answer {
        if ask.kind == Kind::Closed {
            return Err(Errno::EBADF);
        }
        if ask.pages == 0 {
            return Err(Errno::EINVAL);
        }
        if self.map_count() > self.max_map_count {
            return Err(Errno::ENOMEM);
        }
        let memory = self.now();
        let object = self.object(ask.kind);
        let at = match ask.place {
            Where::Fixed(at) | Where::Free(at) => Some(at).filter(|at| at + ask.pages <= PAGES),
            Where::Hint(at) => memory.place(Some(at), ask.pages, object),
            Where::Anywhere => memory.place(None, ask.pages, object),
        };
        let range = at.map(|at| at..at + ask.pages).ok_or(Errno::ENOMEM)?;
        if matches!(ask.place, Where::Free(_)) && !memory.is_free(range.clone()) {
            return Err(Errno::EEXIST);
        }
        if ask.flags.contains(MapFlags::LOCKED) && memory.limits.memlock == 0 {
            return Err(Errno::EPERM);
        }
        let flags = self.new_flags(ask);
        memory.may_lock(flags, ask.pages)?;
        if let Kind::File { file: 2, shared: true, .. } = ask.kind
            && flags.contains(VmFlags::WRITE)
        {
            return Err(Errno::EACCES);
        }
        self.map_range(range.clone(), flags, object, ask.kind)?;
        if flags.contains(VmFlags::LOCKED) || ask.flags.contains(MapFlags::POPULATE) {
            self.populate(range.clone());
        }
        Ok(address(range.start))
    }

    /// What would be mapped; a new object where it is shared memory.
    fn object(&self, kind: Kind) -> Object {
        match kind {
            Kind::Shared => Object::Nameless(self.objects.len() as u64),
            Kind::File { file, .. } => Object::File(file),
            Kind::Private | Kind::Stack | Kind::Closed => Object::Anonymous,
        }
    }

    fn new_flags(&self, ask: Ask) -> VmFlags {
        let has =
            |flag: MapFlags, flags: VmFlags| if ask.flags.contains(flag) { flags } else { VmFlags::NONE };
        let kind = match ask.kind {
            Kind::Stack => VmFlags::GROWSDOWN,
            Kind::Shared | Kind::File { file: 1, shared: true, .. } => {
                VmFlags::SHARED.with(VmFlags::MAYSHARE)
            }
            Kind::File { shared: true, .. } => VmFlags::MAYSHARE,
            _ => VmFlags::NONE,
        };
        let may = match ask.kind {
            Kind::File { file: 2, shared: true, .. } => VmFlags::MAYREAD.with(VmFlags::MAYEXEC),
            _ => VmFlags::MAY_ALL,
        };
        VmFlags(ask.prot)
            .with(kind)
            .with(may)
            .with(self.now().future)
            .with(has(MapFlags::LOCKED, VmFlags::LOCKED))
            .with(has(MapFlags::NORESERVE, VmFlags::NORESERVE))
    }

    /// Linux: `mm/vma.c: __mmap_region`.
    fn map_range(
        &mut self,
        range: Range<usize>,
        flags: VmFlags,
        object: Object,
        kind: Kind,
    ) -> Result<(), Errno> {
        self.gather(range.clone())?;
        let pgoff = match kind {
            Kind::File { pgoff, .. } => pgoff,
            Kind::Shared => 0,
            _ => FIRST + range.start as u64,
        };
        let mut page = Page { begins: false, flags, object, pgoff, chain: None, name: None, guard: false };
        let there = self.now().pages[range.clone()].iter().flatten();
        let promised = there.clone().filter(|page| page.has(VmFlags::ACCOUNT)).count();
        self.now().may_expand(&page, range.len() - there.count())?;
        if page.has(VmFlags::WRITE) && !page.has(VmFlags::SHARED.with(VmFlags::NORESERVE)) {
            may_promise(range.len() - promised)?;
            page.flags = page.flags.with(VmFlags::ACCOUNT);
        }
        if matches!(object, Object::Nameless(_)) {
            self.objects.push(range.len());
        }
        self.now_mut().pages[range.clone()].fill(None);
        let pages = pages_from(&page, range.len());
        let with = joins(self.now(), &range, &pages, Source::New, Joins::BOTH);
        self.now_mut().put(range, pages, with);
        Ok(())
    }

    /// Linux: `mm/vma.c: do_vmi_munmap`.
    pub(super) fn unmap(&mut self, range: Range<usize>) -> Answer {
        if range.is_empty() || range.end > PAGES {
            return Err(Errno::EINVAL);
        }
        self.gather(range.clone())?;
        self.now_mut().pages[range].fill(None);
        Ok(0)
    }

    /// Splits at both ends of a range and checks that nothing in it is sealed. What was split stays split.
    ///
    /// Linux: `mm/vma.c: vms_gather_munmap_vmas`.
    fn gather(&mut self, range: Range<usize>) -> Result<(), Errno> {
        let sealed = |memory: &Memory, at| memory.page(at).is_some_and(|page| page.has(VmFlags::SEALED));
        if !self.now().is_edge(range.start) {
            let splits_both = self.now().end_of(range.start) > range.end;
            if splits_both && self.map_count() >= self.max_map_count {
                return Err(Errno::ENOMEM);
            }
            if sealed(self.now(), range.start) {
                return Err(Errno::EPERM);
            }
            self.now_mut().split(range.start);
        }
        let starts = self.now().starts();
        for start in starts.into_iter().filter(|at| range.contains(at)) {
            if sealed(self.now(), start) {
                return Err(Errno::EPERM);
            }
            if self.now().end_of(start) > range.end {
                self.now_mut().split(range.end);
            }
        }
        Ok(())
    }
}

/// Makes pages in a row, each with the next page offset.
pub(super) fn pages_from(first: &Page, pages: usize) -> Vec<Page> {
    (0..pages as u64).map(|at| Page { pgoff: first.pgoff + at, ..first.clone() }).collect()
}
