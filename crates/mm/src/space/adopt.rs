//! Taking over a memory of which only a kernel's map is known.

use alloc::sync::Arc;

use abi::{AddrRange, PAGE_SHIFT, PageOff, VirtAddr};

use super::{AddressSpace, Counters, Limits, Settings};
use crate::file::Backing;
use crate::flags::VmFlags;
use crate::guard::Guards;
use crate::pages::Memory;
use crate::set::VmaSet;
use crate::system::System;
use crate::vma::{Extra, Vma};
use crate::why::Why;

/// Where exec placed things. All of it is an input: it is random.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// Linux: `mmap_base`: where mappings without a hint end, the first one highest.
    pub mmap_base: VirtAddr,
    /// Linux: `mmap_legacy_base`: where the bottom-up search begins when the other finds nothing.
    pub mmap_legacy_base: VirtAddr,
    /// Whether the search goes upwards (`MMF_TOPDOWN` unset: the legacy layout).
    pub bottom_up: bool,
    /// Linux: `start_brk`: the heap's start.
    pub start_brk: VirtAddr,
    /// Linux: `brk`: the heap's end, any byte.
    pub brk: VirtAddr,
    /// Linux: `start_data`.
    pub start_data: VirtAddr,
    /// Linux: `end_data`.
    pub end_data: VirtAddr,
    /// Linux: `start_stack`: an address in the main stack.
    pub start_stack: VirtAddr,
}

/// Whether a mapping has anonymous pages: whether it has an anon_vma.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnonPages {
    /// It has.
    Some,
    /// It has none, or none is known yet.
    None,
}

/// A mapping as a kernel's map tells it.
#[derive(Clone, Debug)]
pub struct AdoptedVma {
    /// Where.
    pub range: AddrRange,
    /// Its flags; [`VmFlags::of_maps_line`] guesses them where only maps is known.
    pub flags: VmFlags,
    /// The page offset into its file; `None` for private anonymous memory: it follows from the address.
    pub pgoff: Option<PageOff>,
    /// What it is backed by.
    pub backing: Backing,
    /// Whether it has anonymous pages.
    pub anon: AnonPages,
    /// The name given to it.
    pub name: Option<Arc<[u8]>>,
}

impl AdoptedVma {
    /// Returns a main thread's stack as it is after exec.
    pub const fn stack(range: AddrRange) -> Self {
        let flags = VmFlags::DATA_DEFAULT.with(VmFlags::GROWSDOWN).with(VmFlags::ACCOUNT);
        Self { range, flags, pgoff: None, backing: Backing::Anonymous, anon: AnonPages::Some, name: None }
    }
}

impl<M: Memory> AddressSpace<M> {
    /// Takes over a memory from its map.
    ///
    /// Neighbours that hold anonymous pages and could have shared an anon_vma are taken to share one, as if
    /// they had been touched from the highest address down.
    ///
    /// # Preconditions
    /// The rows are disjoint, page-aligned and not empty.
    pub fn adopt(
        sys: &mut System<M>,
        layout: Layout,
        limits: Limits,
        rows: impl IntoIterator<Item = AdoptedVma>,
    ) -> Self {
        let mut space = Self {
            vmas: VmaSet::new(),
            layout,
            counters: Counters::default(),
            limits,
            def_flags: VmFlags::NONE,
            settings: Settings::default(),
            guards: Guards::default(),
            rings: alloc::vec::Vec::new(),
            pages: Default::default(),
        };
        let mut touched = alloc::vec::Vec::new();
        for row in rows {
            if row.anon == AnonPages::Some {
                touched.push(row.range.start);
            }
            space.adopt_one(sys, row);
        }
        for start in touched.into_iter().rev() {
            space.prepare_anon(sys, start);
        }
        space
    }

    fn adopt_one(&mut self, sys: &mut System<M>, row: AdoptedVma) {
        let AdoptedVma { range, flags, pgoff, backing, anon: _, name } = row;
        let pgoff = pgoff.unwrap_or(PageOff(range.start.0 >> PAGE_SHIFT));
        let extra = name.map(|name| Arc::new(Extra { name: Some(name), ..Extra::default() }));
        self.counters.add(flags, range.pages());
        if flags.contains(VmFlags::LOCKED) {
            self.counters.locked_vm += range.pages();
        }
        if flags.contains(VmFlags::ACCOUNT) {
            sys.committed += range.pages();
        }
        self.vmas.insert(Vma { range, pgoff, flags, backing, anon: None, extra });
    }

    /// Says that a scan showed an anonymous page somewhere in `range`: the mappings there have anon_vmas.
    pub fn learn_anon_vma(&mut self, sys: &mut System<M>, range: AddrRange) {
        let starts: alloc::vec::Vec<_> = self
            .vmas
            .range(range)
            .filter(|vma| vma.anon.is_none() && !vma.flags.contains(VmFlags::SHARED))
            .map(|vma| vma.range.start)
            .collect();
        for start in starts {
            self.prepare_anon(sys, start);
        }
    }

    /// Puts mappings as a kernel's map tells them in the place of what is in `range`: state that was not
    /// predicted. Pieces outside `range` stay.
    pub fn resync(
        &mut self,
        sys: &mut System<M>,
        range: AddrRange,
        rows: impl IntoIterator<Item = AdoptedVma>,
    ) {
        let mut why = Why::default();
        let mut op = crate::op::Op::new(self, sys, &crate::input::Input::default(), &mut why);
        op.cut_out(range);
        for row in rows {
            let touched = row.anon == AnonPages::Some;
            let start = row.range.start;
            self.adopt_one(sys, row);
            if touched {
                self.prepare_anon(sys, start);
            }
        }
    }
}
