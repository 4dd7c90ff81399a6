//! Programs about the pool of huge pages: edges on the borders of huge pages and right beside them.

use abi::{Call, Fd, MapFlags, PAGE_SIZE, VirtAddr};
use live::Setup;

use super::map::NOW_AND_THEN;
use super::{Choice, Grain};
use crate::fuzz::line::Act;
use crate::fuzz::pool::HUGE;

impl Choice<'_> {
    /// Tells whether the next address, length or mapping is one of huge pages.
    pub(super) fn is_huge(&mut self, percent: u64) -> bool {
        self.taste.grain == Grain::Huge && self.rng.percent(percent)
    }

    /// Picks a border of huge pages, or an address right beside one.
    ///
    /// ```text
    /// |........|........|        |: a border
    ///        ^ ^ ^   ^
    /// ```
    pub(super) fn huge_address(&mut self) -> VirtAddr {
        let border = self.huge_border();
        let addr = match self.rng.below(20) {
            0..13 => border,
            13 => border.wrapping_add(PAGE_SIZE),
            14 => border.wrapping_sub(PAGE_SIZE),
            15 => border.wrapping_add(HUGE / 2),
            _ => border.wrapping_add(self.rng.below(HUGE / PAGE_SIZE) * PAGE_SIZE),
        };
        VirtAddr(addr)
    }

    /// Picks a border in the window or at its end; now and then one near the heap, the stack or the place of the next
    /// mapping.
    fn huge_border(&mut self) -> u64 {
        let layout = self.space.layout();
        let borders = self.taste.pages / (HUGE / PAGE_SIZE) + 1;
        match self.rng.below(20) {
            0 => layout.brk.0.next_multiple_of(HUGE),
            1 => {
                let below = self.rng.below(3) * HUGE;
                (layout.start_stack.0 & !(HUGE - 1)).wrapping_sub(below)
            }
            2 => layout.mmap_base.0 & !(HUGE - 1),
            _ => self.taste.window.0 + self.rng.below(borders) * HUGE,
        }
    }

    /// Picks a length: mostly some huge pages.
    pub(super) fn huge_length(&mut self) -> u64 {
        let whole = (1 + self.rng.below(3)) * HUGE;
        match self.rng.below(20) {
            0..13 => whole,
            13 => whole - PAGE_SIZE,
            14 => whole + PAGE_SIZE,
            15 => HUGE / 2,
            16 => PAGE_SIZE,
            17 => whole - self.rng.below(PAGE_SIZE),
            18 => self.rng.pick(&[0, 1, 1 << 30, 1 << 34, 1 << 46, 1 << 63, u64::MAX - HUGE + 1, u64::MAX]),
            _ => self.rng.below(3 * HUGE),
        }
    }

    /// Maps huge pages: nameless ones, or those of a file.
    pub(super) fn mmap_huge(&mut self) -> Option<Act> {
        let is_file = self.huge_files > 0 && self.rng.percent(25);
        let kind = self.rng.weighted(&[
            (55, MapFlags::PRIVATE),
            (36, MapFlags::SHARED),
            (4, MapFlags::SHARED_VALIDATE),
            (3, MapFlags::DROPPABLE),
            (2, MapFlags::NONE),
        ]);
        let mut flags = kind;
        if !is_file || self.rng.percent(5) {
            flags = flags | MapFlags::ANONYMOUS;
        }
        if !is_file || self.rng.percent(50) {
            // Their size as the power of 2: the usual one, 2 MiB, 1 GiB, none.
            let log2 = self.rng.weighted(&[(70, 0), (20, 21), (6, 30), (1, 22), (1, 1), (1, 63)]);
            flags = flags | MapFlags::HUGETLB | MapFlags(log2 << MapFlags::HUGE_SHIFT);
        }
        if self.rng.percent(self.taste.unpromised) {
            flags = flags | MapFlags::NORESERVE;
        }
        let addr = self.map_place(&mut flags);
        while self.rng.percent(12) {
            flags = flags | self.rng.pick(NOW_AND_THEN);
        }
        let offset = self.rng.weighted(&[
            (70, 0),
            (10, HUGE),
            (5, 2 * HUGE),
            (5, 5 * HUGE),
            (4, PAGE_SIZE),
            (1, 1),
            (2, 1 << 43),
            (1, (1 << 63) - HUGE),
            (1, 1 << 63),
            (1, u64::MAX - HUGE + 1),
        ]);
        let fd = if is_file {
            Setup::fd(self.files + self.rng.below(self.huge_files as u64) as usize)
        } else {
            Fd(-1)
        };
        let (len, prot) = (self.huge_length(), self.prot());
        Some(Act::Call(Call::Mmap { addr, len, prot, flags, fd, offset }))
    }

    /// Tells whether a file in memory may be joined into a huge page in a range: if free memory has one, what is mapped of it
    /// reaches past the file's end, and accesses there raise no signal.
    pub(super) fn may_join_file(&self, addr: VirtAddr, len: u64) -> bool {
        let end = VirtAddr(addr.0.saturating_add(len).saturating_add(PAGE_SIZE));
        let is_file = |vma: &mm::Vma| vma.backing.file().is_some() && !vma.is_hugetlb();
        let mut there = self.space.vmas().filter(|vma| vma.range.start < end && vma.range.end > addr);
        self.taste.grain == Grain::Huge && there.any(is_file)
    }

    /// Gives a file of huge pages another size.
    pub(super) fn truncate_huge(&mut self) -> Act {
        let file = self.files + self.rng.below(self.huge_files as u64) as usize;
        let bytes = self.rng.pick(&[0, HUGE, 2 * HUGE, 3 * HUGE, 6 * HUGE, PAGE_SIZE, HUGE + 1]);
        Act::Truncate { file, bytes }
    }
}
