//! Arguments of `mmap`, with every flag and type.

use abi::{Call, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};
use live::Setup;

use super::Choice;
use crate::fuzz::line::Act;
use crate::fuzz::run::Locks;

/// Flags that a mapping is given now and then.
const NOW_AND_THEN: &[MapFlags] = &[
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

    fn map_place(&mut self, flags: &mut MapFlags) -> VirtAddr {
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
