//! What the twin says of pages, in the kernel's words.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use live::hash_page;
use mm::{PageKind, PageView, VmFlags};
use proc_text::{PagemapEntry, SmapsFields};

use super::world::{Space, Sys, WINDOW};

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const FILE: u64 = 1 << 61;
const GUARD: u64 = 1 << 58;
const EXCLUSIVE: u64 = 1 << 56;

/// The bits of a pagemap word that are compared. A guard marker is also told as swapped.
pub(super) fn compared(entry: PagemapEntry) -> u64 {
    let bits = entry.0 & (PRESENT | SWAPPED | FILE | GUARD | EXCLUSIVE);
    if bits & GUARD != 0 { bits & !SWAPPED } else { bits }
}

/// The same of the twin's page.
fn word(view: PageView) -> u64 {
    let exclusive = if view.mapped == 1 { EXCLUSIVE } else { 0 };
    match view.kind {
        PageKind::None => 0,
        PageKind::Guard => GUARD,
        PageKind::Zero => PRESENT,
        PageKind::Anon => PRESENT | exclusive,
        PageKind::File | PageKind::Shmem | PageKind::Device => PRESENT | FILE | exclusive,
        PageKind::Swapped => SWAPPED,
    }
}

/// The words of the window's pages.
pub(super) fn pagemap(space: &mut Space, sys: &mut Sys) -> Vec<u64> {
    space.catch_up(sys);
    let mut words = vec![0; WINDOW.pages() as usize];
    for (at, entry) in words.iter_mut().enumerate() {
        *entry = word(space.page(sys, page(at)));
    }
    words
}

/// The pages of the window that are there and may be read, in runs, with the hash of each.
pub(super) fn hashes(space: &mut Space, sys: &mut Sys) -> Vec<(AddrRange, Vec<u64>)> {
    let mut runs: Vec<(AddrRange, Vec<u64>)> = Vec::new();
    for at in 0..WINDOW.pages() as usize {
        let addr = page(at);
        let readable = space.find(addr).is_some_and(|vma| vma.flags.contains(VmFlags::READ));
        if !readable || !space.page(sys, addr).is_present() {
            continue;
        }
        let mut bytes = [0; PAGE_SIZE as usize];
        let Ok(()) = space.load(sys, addr, &mut bytes) else { continue };
        let end = VirtAddr(addr.0 + PAGE_SIZE);
        match runs.last_mut() {
            Some((run, hashes)) if run.end == addr => {
                run.end = end;
                hashes.push(hash_page(&bytes));
            }
            _ => runs.push((AddrRange::new(addr, end), vec![hash_page(&bytes)])),
        }
    }
    runs
}

/// The address of a page of the window.
pub(super) fn page(at: usize) -> VirtAddr {
    VirtAddr(WINDOW.start.0 + at as u64 * PAGE_SIZE)
}

/// What smaps says of a mapping, as far as no chance decides it: in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Usage {
    rss: u64,
    pss: u64,
    anonymous: u64,
    shared: u64,
    private: u64,
    swap: u64,
    locked: u64,
}

/// Fixed-point digits of a proportional size (`fs/proc/task_mmu.c: PSS_SHIFT`).
const PSS_SHIFT: u32 = 12;

impl Usage {
    /// By the twin.
    pub(super) fn of(space: &Space, sys: &Sys, range: AddrRange) -> Self {
        let mut usage = Self::default();
        let mut pss = 0;
        space.pages(sys, range, |_, view| {
            if view.kind == PageKind::Swapped {
                usage.swap += PAGE_SIZE;
            }
            let counted = matches!(view.kind, PageKind::Anon | PageKind::File | PageKind::Shmem);
            if !counted {
                return;
            }
            usage.rss += PAGE_SIZE;
            pss += (PAGE_SIZE << PSS_SHIFT) / u64::from(view.mapped.max(1));
            let anonymous = view.kind == PageKind::Anon;
            usage.anonymous += if anonymous { PAGE_SIZE } else { 0 };
            *(if view.mapped > 1 { &mut usage.shared } else { &mut usage.private }) += PAGE_SIZE;
        });
        let locked = space.find(range.start).is_some_and(|vma| vma.flags.contains(VmFlags::LOCKED));
        usage.locked = if locked { pss >> PSS_SHIFT } else { 0 };
        usage.pss = pss >> PSS_SHIFT;
        usage.rounded()
    }

    /// By the kernel.
    pub(super) fn told(fields: &SmapsFields<'_>) -> Self {
        let of = |field: Option<u64>| field.unwrap_or(0);
        Self {
            rss: of(fields.rss),
            pss: of(fields.pss),
            anonymous: of(fields.anonymous),
            shared: of(fields.shared_clean) + of(fields.shared_dirty),
            private: of(fields.private_clean) + of(fields.private_dirty),
            swap: of(fields.swap),
            locked: of(fields.locked),
        }
    }

    /// Whole KiB, as it is printed.
    fn rounded(mut self) -> Self {
        for field in [&mut self.pss, &mut self.locked] {
            *field &= !1023;
        }
        self
    }
}
