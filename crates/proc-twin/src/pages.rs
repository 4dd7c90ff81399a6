//! `/proc/PID/pagemap` and the vector of `mincore`.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use mm::{AddressSpace, Frames, PageKind, PageSize, PageView, Pages, System, VmFlags};
use proc_text::{PagemapEntry, PagemapFacts};

/// Returns the word of each page of a range, ascending.
///
/// Linux: `fs/proc/task_mmu.c: pagemap_read`.
pub fn pagemap<F: Frames>(
    space: &AddressSpace<Pages<F>>,
    sys: &System<Pages<F>>,
    range: AddrRange,
) -> impl Iterator<Item = PagemapEntry> {
    let pages = (range.start.page_down().0..range.end.0).step_by(PAGE_SIZE as usize).map(VirtAddr);
    let marks_written = sys.profile.options.soft_dirty;
    pages.map(move |addr| {
        let mut facts = facts(space.page(sys, addr));
        facts.soft_dirty =
            marks_written && space.find(addr).is_some_and(|vma| vma.flags.contains(VmFlags::SOFTDIRTY));
        facts.entry()
    })
}

/// Appends the words of the pages of a range, as a read of `/proc/PID/pagemap` gives them.
pub fn write_pagemap<F: Frames>(
    space: &AddressSpace<Pages<F>>,
    sys: &System<Pages<F>>,
    range: AddrRange,
    out: &mut Vec<u8>,
) {
    proc_text::write_pagemap(pagemap(space, sys, range), out);
}

/// Appends the vector that `mincore` fills for a range, all of it mapped, files being such as the caller may write.
pub fn write_mincore<F: Frames>(
    space: &AddressSpace<Pages<F>>,
    sys: &System<Pages<F>>,
    range: AddrRange,
    out: &mut Vec<u8>,
) {
    proc_text::write_mincore(space.residency(sys, range).into_iter().map(|byte| byte != 0), out);
}

/// Linux: `fs/proc/task_mmu.c: pte_to_pagemap_entry`, `pagemap_pmd_range`.
fn facts(view: PageView) -> PagemapFacts {
    PagemapFacts { uffd_protected: view.uffd_protected, ..facts_of_kind(view) }
}

fn facts_of_kind(view: PageView) -> PagemapFacts {
    let here = PagemapFacts { frame: Some(0), exclusive: view.mapped == 1, ..PagemapFacts::default() };
    match view.kind {
        PageKind::None => PagemapFacts::default(),
        // A marker stands where a place in swap would.
        PageKind::Poisoned | PageKind::Protected => PagemapFacts { swap: Some(0), ..PagemapFacts::default() },
        PageKind::Guard => PagemapFacts { swap: Some(0), guard: true, ..PagemapFacts::default() },
        PageKind::Swapped => PagemapFacts { swap: Some(0), ..PagemapFacts::default() },
        // The page of zeroes is no page of anyone's; the huge one is told as a file's.
        PageKind::Zero => PagemapFacts { file: view.size == PageSize::Huge, exclusive: false, ..here },
        PageKind::Anon => here,
        PageKind::File | PageKind::Shmem | PageKind::Device => PagemapFacts { file: true, ..here },
    }
}
