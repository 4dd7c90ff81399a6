//! Arguments of `mmap`, with every flag and type.

use abi::{Call, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};
use live::Setup;
use mm::{DescriptionId, VmFlags};

use super::Choice;
use crate::fuzz::line::Act;
use crate::fuzz::run::Locks;

/// Flags that a mapping is given now and then.
pub(super) const NOW_AND_THEN: &[MapFlags] = &[
    MapFlags::NORESERVE,
    MapFlags::NORESERVE,
    MapFlags::POPULATE,
    MapFlags::LOCKED,
    MapFlags::GROWSDOWN,
    MapFlags::GROWSDOWN,
    MapFlags::GROWSDOWN,
    MapFlags::STACK,
    MapFlags::MAP_32BIT,
    MapFlags::ABOVE4G,
    MapFlags::SYNC,
    MapFlags::DENYWRITE,
    MapFlags::EXECUTABLE,
    MapFlags::NONBLOCK,
    MapFlags::HUGETLB,
    MapFlags::UNINITIALIZED,
];

/// The longest range that is mapped where its pages are faulted in at once.
pub(super) const FILLED_BYTES_MAX: u64 = 8 << 20;

impl Choice<'_> {
    pub(super) fn mmap(&mut self) -> Option<Act> {
        if self.is_huge(60) {
            return self.mmap_huge();
        }
        if self.rng.percent(25)
            && let Some(call) = self.mmap_beside()
        {
            return Some(Act::Call(call));
        }
        let is_file = self.rng.percent(self.taste.files);
        let mut flags = self.map_type(is_file);
        if !is_file || self.rng.percent(3) {
            flags = flags | MapFlags::ANONYMOUS;
        }
        let addr = self.map_place(&mut flags);
        while self.rng.percent(12) {
            flags = flags | self.rng.pick(NOW_AND_THEN);
        }
        let (fd, offset) = if is_file { self.file() } else { self.no_file() };
        let len = self.length();
        let fills = flags.intersects(MapFlags::LOCKED.with(MapFlags::POPULATE)) || self.locks_new();
        if fills && len > FILLED_BYTES_MAX && len < 1 << 47 {
            return None;
        }
        Some(Act::Call(Call::Mmap { addr, len, prot: self.prot(), flags, fd, offset }))
    }

    /// Maps a few pages right beside a mapping, of the same kind: what merges, if nothing stands against it.
    ///
    /// ```text
    /// ..VVVV++      or      ++VVVV..
    /// ```
    fn mmap_beside(&mut self) -> Option<Call> {
        let (pages, is_above, is_exact) = (1 + self.rng.below(3), self.rng.percent(50), self.rng.percent(85));
        let files = self.files as u64;
        let vma = self.vma()?;
        let len = pages * PAGE_SIZE;
        let addr = if is_above { vma.range.end.0 } else { vma.range.start.0.checked_sub(len)? };
        let shift = if is_exact { 0 } else { PAGE_SIZE };
        let mut flags = MapFlags::FIXED;
        flags =
            flags | if vma.flags.contains(VmFlags::MAYSHARE) { MapFlags::SHARED } else { MapFlags::PRIVATE };
        let same = [
            (VmFlags::GROWSDOWN, MapFlags::GROWSDOWN),
            (VmFlags::NORESERVE, MapFlags::NORESERVE),
            (VmFlags::LOCKED, MapFlags::LOCKED),
        ];
        for (flag, map_flag) in same {
            if vma.flags.contains(flag) {
                flags = flags | map_flag;
            }
        }
        let (fd, offset) = match vma.backing.file().map(|file| file.description) {
            Some(DescriptionId::Known(number)) if number < files => {
                let begin = (vma.pgoff.0 * PAGE_SIZE).wrapping_add(shift);
                let at = if is_above { begin.wrapping_add(vma.range.len()) } else { begin.wrapping_sub(len) };
                (Setup::fd(number as usize), at)
            }
            _ => {
                flags = flags | MapFlags::ANONYMOUS;
                (Fd(-1), 0)
            }
        };
        Some(Call::Mmap { addr: VirtAddr(addr), len, prot: vma.flags.prot(), flags, fd, offset })
    }

    fn map_type(&mut self, is_file: bool) -> MapFlags {
        match self.rng.below(100) {
            0..4 => MapFlags::SHARED_VALIDATE,
            4..7 => MapFlags::DROPPABLE,
            7..9 => MapFlags(self.rng.below(16)),
            9..25 => MapFlags::SHARED,
            25..50 if is_file => MapFlags::SHARED,
            _ => MapFlags::PRIVATE,
        }
    }

    pub(super) fn map_place(&mut self, flags: &mut MapFlags) -> VirtAddr {
        match self.rng.below(100) {
            0..20 => VirtAddr::NULL,
            20..40 => self.address(),
            40..48 => {
                *flags = *flags | MapFlags::FIXED_NOREPLACE;
                self.address()
            }
            _ => {
                *flags = *flags | MapFlags::FIXED;
                self.address()
            }
        }
    }

    /// Tells whether `mlockall` made the process lock every new mapping.
    pub(super) fn locks_new(&self) -> bool {
        self.locks == Locks::All
    }

    fn file(&mut self) -> (Fd, u64) {
        let fd = Setup::fd(self.rng.below(self.files as u64) as usize);
        let page = self.rng.pick(&[0, 0, 0, 1, 1, 2, 3, 5, 6, 100]);
        let offset = match self.rng.below(50) {
            0 => 1,
            1 => u64::MAX - PAGE_SIZE + 1,
            2 => 1 << 43,
            3 => (1 << 63) - 0x2000,
            _ => page * PAGE_SIZE,
        };
        (fd, offset)
    }

    fn no_file(&mut self) -> (Fd, u64) {
        let fd = self.rng.pick(&[Fd(-1), Fd(-1), Fd(-1), Fd(-1), Fd(9999), Setup::fd(0)]);
        let offset = if self.rng.percent(5) { self.rng.pick(&[1, PAGE_SIZE, 1 << 43, !0xfff]) } else { 0 };
        (fd, offset)
    }

    /// Picks a protection: one that pages have, now and then with bits that mean nothing or something else.
    pub(super) fn prot(&mut self) -> Prot {
        let access = self.rng.weighted(&[
            (15, Prot::NONE),
            (20, Prot::READ),
            (45, Prot::RW),
            (5, Prot::WRITE),
            (6, Prot::RX),
            (3, Prot::EXEC),
            (6, Prot(7)),
        ]);
        match self.rng.below(60) {
            0 => access | Prot::SEM,
            1 => access | Prot(0x10),
            _ => access,
        }
    }
}
