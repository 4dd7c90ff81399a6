//! Addresses and lengths: mostly where something is or just beside it.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};

use super::{Choice, Grain};
use crate::fuzz::line::Act;

/// Addresses with a meaning of their own.
const SPECIAL: &[u64] = &[
    0,
    PAGE_SIZE,
    0xf000,
    0x1_0000,
    0x4000_0000,
    0x7fff_f000,
    0x8000_0000,
    0x1_0000_0000,
    0x7fff_ffff_e000,
    0x7fff_ffff_f000,
    0x8000_0000_0000,
    0x4_0000_0000_0000,
    0xffff_8000_0000_0000,
    0xffff_ffff_ff60_0000,
    0xffff_ffff_ffff_f000,
];

/// Lengths with a meaning of their own.
const SPECIAL_LENGTHS: &[u64] = &[
    0,
    1,
    PAGE_SIZE - 1,
    PAGE_SIZE + 1,
    (2 << 20) - PAGE_SIZE,
    2 << 20,
    (2 << 20) + PAGE_SIZE,
    4 << 20,
    1 << 30,
    1 << 40,
    1 << 46,
    0x7fff_ffff_f000,
    1 << 47,
    1 << 63,
    u64::MAX - PAGE_SIZE,
    u64::MAX - PAGE_SIZE + 1,
    u64::MAX,
];

impl Choice<'_> {
    /// Picks an address: of the window, at or beside an edge of a mapping, or a special one.
    pub(super) fn address(&mut self) -> VirtAddr {
        if self.is_huge(60) {
            return self.huge_address();
        }
        let addr = match self.rng.below(100) {
            0..45 => VirtAddr(self.taste.window.0 + self.rng.below(self.taste.pages) * PAGE_SIZE),
            45..92 => self.edge(),
            92..96 => self.of_process(),
            _ => VirtAddr(self.rng.pick(SPECIAL)),
        };
        if self.rng.percent(3) { VirtAddr(addr.0.wrapping_add(self.rng.below(PAGE_SIZE))) } else { addr }
    }

    /// Picks a page inside a mapping, or at or beside one of its edges.
    fn edge(&mut self) -> VirtAddr {
        let window = self.taste.window;
        let range = self.vma().map_or(AddrRange { start: window, end: window }, |vma| vma.range);
        let addr = match self.rng.below(10) {
            0..4 => range.start.0,
            4..6 => range.end.0,
            6 => range.start.0.wrapping_sub(PAGE_SIZE),
            7 => range.end.0.wrapping_sub(PAGE_SIZE),
            _ => range.start.0 + self.rng.below(range.pages()) * PAGE_SIZE,
        };
        VirtAddr(addr)
    }

    /// Picks an address near the heap, the stack or the place of the next mapping.
    fn of_process(&mut self) -> VirtAddr {
        let layout = self.space.layout();
        let base = self.rng.pick(&[layout.brk, layout.start_brk, layout.start_stack, layout.mmap_base]);
        let offset = self.rng.pick(&[0, 1, 2, 100, 255, 256, 257, 300]) * PAGE_SIZE;
        let below = self.rng.percent(60);
        let addr = if below { base.0.wrapping_sub(offset) } else { base.0.wrapping_add(offset) };
        VirtAddr(addr & !(PAGE_SIZE - 1))
    }

    /// Picks a length: mostly a few pages.
    pub(super) fn length(&mut self) -> u64 {
        if self.is_huge(70) {
            return self.huge_length();
        }
        match self.rng.below(100) {
            0..50 => (1 + self.rng.below(3)) * PAGE_SIZE,
            50..78 => (1 + self.rng.below(self.taste.pages)) * PAGE_SIZE,
            78..90 => self.vma().map_or(PAGE_SIZE, |vma| vma.range.len()),
            90..93 => 1 + self.rng.below(3 * PAGE_SIZE),
            93..96 => self.rng.pick(&[2 << 20, 4 << 20, (2 << 20) + PAGE_SIZE]),
            _ => self.rng.pick(SPECIAL_LENGTHS),
        }
    }

    /// Picks a length that begins at an address: often up to an edge of a mapping.
    pub(super) fn length_at(&mut self, addr: VirtAddr) -> u64 {
        if self.rng.percent(35) {
            let near = self.vma().map(|vma| vma.range);
            if let Some(range) = near {
                let end = if self.rng.percent(70) { range.end } else { range.start };
                if end > addr {
                    return end.0 - addr.0;
                }
            }
        }
        self.length()
    }

    /// Picks an address to touch. Addresses past the end of user memory are left out: the processor answers.
    pub(super) fn touch(&mut self) -> Option<Act> {
        let page = if self.rng.percent(80) { self.inside() } else { self.address().page_down() };
        let addr = match self.rng.below(10) {
            0..7 => page,
            7 => VirtAddr(page.0 | (8 * self.rng.below(PAGE_SIZE / 8))),
            _ => VirtAddr(page.0 | (PAGE_SIZE - 8)),
        };
        let found = self.space.find(addr);
        // What lies behind the kernel's own pages depends on the machine's clock, and the ring of a context that
        // is destroyed is truncated some time later.
        let is_kernels = |vma: &mm::Vma| {
            matches!(vma.backing, mm::Backing::Kernel(_))
                || vma.backing.file_kind() == Some(mm::FileKind::AioRing)
        };
        if found.is_some_and(is_kernels) {
            return None;
        }
        if addr.0 >= 0x7fff_ffff_f000 || self.vital.iter().any(|range| range.contains(addr)) {
            return None;
        }
        Some(match self.rng.below(20) {
            0..6 => Act::Load(addr),
            6..19 => Act::Store(addr),
            // An instruction may begin at any byte that stores wrote or nobody did: all are harmless at these.
            _ => Act::Fetch(page),
        })
    }

    /// Picks a page of a mapping; of a stack also pages below.
    fn inside(&mut self) -> VirtAddr {
        let below = self.rng.pick(&[1, 1, 2, 3, 30, 255, 256, 257]) * PAGE_SIZE;
        let grows = self.rng.percent(40);
        let place = self.rng.next();
        let most = if self.taste.grain == Grain::Huge { 1 << 18 } else { 64 };
        match self.vma() {
            None => self.taste.window,
            Some(vma) if grows && vma.flags.contains(mm::VmFlags::GROWSDOWN) => {
                VirtAddr(vma.range.start.0.saturating_sub(below))
            }
            Some(vma) => VirtAddr(vma.range.start.0 + place % vma.range.pages().min(most) * PAGE_SIZE),
        }
    }
}
