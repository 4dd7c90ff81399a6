//! What the twin says of pages, in the kernel's words.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use live::hash_page;
use mm::VmFlags;
use proc_text::{PagemapEntry, PagemapFacts};

use super::world::{Space, Sys, WINDOW};

/// The words of the window's pages.
pub(super) fn pagemap(space: &mut Space, sys: &mut Sys, window: AddrRange) -> Vec<PagemapEntry> {
    space.catch_up(sys);
    proc_twin::pagemap(space, sys, window).collect()
}

/// The twin's words with what is the kernel's choice: in which frame a page is, and where in swap.
pub(super) fn numbered(ours: &[PagemapEntry], told: &[u8]) -> impl Iterator<Item = PagemapEntry> {
    let told = words(told).chain(std::iter::repeat(PagemapEntry::default()));
    ours.iter().zip(told).map(|(ours, told)| {
        let (ours, told) = (PagemapFacts::from(*ours), PagemapFacts::from(told));
        let frame = ours.frame.map(|_| told.frame.unwrap_or(0));
        let swap = ours.swap.map(|_| told.swap.unwrap_or(0));
        PagemapFacts { frame, swap, ..ours }.entry()
    })
}

/// The words that a read of the pagemap gave.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = PagemapEntry> {
    bytes.as_chunks().0.iter().map(|word| PagemapEntry(u64::from_ne_bytes(*word)))
}

/// The vectors of what is mapped of the window, one for each stretch without a hole.
pub(super) fn vectors(space: &Space, sys: &Sys, window: AddrRange) -> Vec<(AddrRange, Vec<u8>)> {
    let mut stretches: Vec<AddrRange> = Vec::new();
    for part in space.vmas_in(window).filter_map(|vma| vma.range.intersection(window)) {
        match stretches.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => stretches.push(part),
        }
    }
    let vector = |range| {
        let mut vector = Vec::new();
        proc_twin::write_mincore(space, sys, range, &mut vector);
        (range, vector)
    };
    stretches.into_iter().map(vector).collect()
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
