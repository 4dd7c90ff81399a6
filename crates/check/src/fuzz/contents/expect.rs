//! What the twin says of pages, in the kernel's words.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use live::hash_page;
use mm::{PageKind, PageSize, PageView, Usage, VmFlags};
use proc_text::{PagemapEntry, SmapsFields};

use super::chance::Sampled;
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
        // The huge page of zeroes is told as a file's.
        PageKind::Zero if view.size == PageSize::Huge => PRESENT | FILE,
        PageKind::Zero => PRESENT,
        PageKind::Anon => PRESENT | exclusive,
        PageKind::File | PageKind::Shmem | PageKind::Device => PRESENT | FILE | exclusive,
        PageKind::Swapped => SWAPPED,
    }
}

/// The words of the window's pages.
pub(super) fn pagemap(space: &mut Space, sys: &mut Sys, window: AddrRange) -> Vec<u64> {
    space.catch_up(sys);
    let mut words = vec![0; window.pages() as usize];
    for (at, entry) in words.iter_mut().enumerate() {
        *entry = word(space.page(sys, page(at)));
    }
    words
}

/// The pages of the window that are there and may be read, in runs, with the hash of each.
pub(super) fn hashes(space: &mut Space, sys: &mut Sys, window: AddrRange) -> Vec<(AddrRange, Vec<u64>)> {
    let mut runs: Vec<(AddrRange, Vec<u64>)> = Vec::new();
    for at in 0..window.pages() as usize {
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

/// Whether the kernel may have written back what the twin holds dirty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteBack {
    /// At any time: pages of a disk's file.
    Chance,
    /// Never.
    Never,
}

/// Compares what smaps says of a mapping with what the twin adds up; returns what differs, by the twin and by the kernel.
///
/// What is dirty may be clean by now where it has a disk behind it, never the other way round. `Referenced` has the
/// pages that the page table says were accessed, and of the others none but those that the kernel's queues may remember.
pub(super) fn differing(
    ours: &Usage,
    told: &SmapsFields<'_>,
    write_back: WriteBack,
    sampled: Sampled,
) -> Option<(String, String)> {
    let of = |field: Option<u64>| field.unwrap_or(0);
    let sum = |a: Option<u64>, b: Option<u64>| of(a) + of(b);
    let (shared, private) = (ours.shared_clean + ours.shared_dirty, ours.private_clean + ours.private_dirty);
    let exact = [
        ("Rss", ours.resident, of(told.rss)),
        ("Pss", ours.pss.kib() << 10, of(told.pss)),
        ("Shared_Clean + Shared_Dirty", shared, sum(told.shared_clean, told.shared_dirty)),
        ("Private_Clean + Private_Dirty", private, sum(told.private_clean, told.private_dirty)),
        ("Anonymous", ours.anonymous, of(told.anonymous)),
        ("LazyFree", ours.lazy_free, of(told.lazy_free)),
        ("AnonHugePages", ours.anon_huge, of(told.anon_huge)),
        ("Swap", ours.swap, of(told.swap)),
        ("SwapPss", ours.swap_pss.kib() << 10, of(told.swap_pss)),
        ("Locked", ours.locked.kib() << 10, of(told.locked)),
    ];
    let dirty = [
        ("Pss_Dirty", ours.pss_dirty.kib() << 10, of(told.pss_dirty)),
        ("Shared_Dirty", ours.shared_dirty, of(told.shared_dirty)),
        ("Private_Dirty", ours.private_dirty, of(told.private_dirty)),
    ];
    let referenced = [("Referenced", ours.referenced, of(told.referenced))];
    let mut lines = (String::new(), String::new());
    let mut note = |(name, ours, told): (&str, u64, u64), is_allowed: bool| {
        if !is_allowed {
            lines.0.push_str(&format!("{name} {ours} "));
            lines.1.push_str(&format!("{name} {told} "));
        }
    };
    exact.into_iter().for_each(|row| note(row, row.1 == row.2));
    dirty.into_iter().for_each(|row| {
        note(row, row.1 == row.2 || write_back == WriteBack::Chance && row.2 < row.1);
    });
    referenced.into_iter().for_each(|row| {
        note(row, row.1 <= row.2 && (row.2 <= ours.referenced_most || sampled == Sampled::Chance));
    });
    (!lines.0.is_empty()).then_some(lines)
}
