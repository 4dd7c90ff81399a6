//! Arguments of every call but `mmap`.

use abi::{
    AddrRange, Advice, Call, MlockFlags, MlockallFlags, MsyncFlags, PAGE_SIZE, PrctlOp, Prot, RemapFlags,
    ShmFlags, VirtAddr,
};

use super::map::FILLED_BYTES_MAX;
use super::{Choice, KINDS, Kind};
use crate::fuzz::line::Act;
use crate::fuzz::world::HUGE_SEGMENT;

/// Advice that takes pages away or makes them fault: the puppet's own memory must not be given it, sealed or not.
pub(super) const ADVICE: &[Advice] = &[
    Advice::NORMAL,
    Advice::RANDOM,
    Advice::SEQUENTIAL,
    Advice::WILLNEED,
    Advice::DONTNEED,
    Advice::DONTNEED,
    Advice::FREE,
    Advice::REMOVE,
    Advice::DONTFORK,
    Advice::DOFORK,
    Advice::MERGEABLE,
    Advice::UNMERGEABLE,
    Advice::HUGEPAGE,
    Advice::NOHUGEPAGE,
    Advice::DONTDUMP,
    Advice::DODUMP,
    Advice::WIPEONFORK,
    Advice::KEEPONFORK,
    Advice::COLD,
    Advice::PAGEOUT,
    Advice::POPULATE_READ,
    Advice::POPULATE_WRITE,
    Advice::DONTNEED_LOCKED,
    Advice::COLLAPSE,
    Advice::GUARD_INSTALL,
    Advice::GUARD_INSTALL,
    Advice::GUARD_REMOVE,
    Advice(5),
    Advice(99),
    Advice(-1),
];

impl Choice<'_> {
    pub(super) fn any_call(&mut self) -> Option<Act> {
        let kind = match self.taste.favourite {
            Some(kind) if self.rng.percent(30) => kind,
            _ => self.rng.weighted(KINDS),
        };
        match kind {
            Kind::Mmap => self.mmap(),
            Kind::Munmap => self.munmap(),
            Kind::Mprotect => self.mprotect(),
            Kind::Mremap => self.mremap(),
            Kind::Brk => self.brk(),
            Kind::Madvise => self.madvise(),
            Kind::Mlock => self.mlock(),
            Kind::Munlock => self.ranged(|addr, len| Call::Munlock { addr, len }),
            Kind::Mlockall => self.mlockall(),
            Kind::Munlockall => Some(Act::Call(Call::Munlockall {})),
            Kind::Msync => self.msync(),
            Kind::Mincore => self.mincore(),
            Kind::Mseal => self.mseal(),
            Kind::RemapFilePages => self.remap_file_pages(),
            Kind::Bind => self.bind(),
            Kind::Name => self.name(),
            Kind::Prctl => self.prctl(),
            Kind::SetMm => Some(self.set_mm()),
            Kind::ArchPrctl => self.arch_prctl(),
            Kind::Personality => self.personality(),
            Kind::Truncate => self.truncate(),
            Kind::Pkey => self.pkey(),
            Kind::Shmat => Some(self.shmat()),
            Kind::Shmdt => Some(Act::Call(Call::Shmdt { addr: self.attached() })),
            Kind::HomeNode => self.home_node(),
            Kind::ShadowStack => self.ranged(|addr, size| Call::MapShadowStack { addr, size, flags: 1 }),
            Kind::Ring => self.ring(),
            Kind::Process => self.process(),
            Kind::Uffd => self.uffd(),
        }
    }

    pub(super) fn range(&mut self) -> (VirtAddr, u64) {
        let addr = self.address();
        (addr, self.length_at(addr))
    }

    fn ranged(&mut self, call: fn(VirtAddr, u64) -> Call) -> Option<Act> {
        let (addr, len) = self.range();
        Some(Act::Call(call(addr, len)))
    }

    /// Tells whether a range may reach what the process needs to live.
    pub(super) fn is_vital(&self, addr: VirtAddr, len: u64) -> bool {
        let end = addr.0.saturating_add(len).saturating_add(PAGE_SIZE);
        let range = AddrRange { start: addr.page_down(), end: VirtAddr(end) };
        self.vital.iter().any(|vital| vital.overlaps(range))
    }

    /// Tells whether filling a range with pages takes too much memory.
    pub(super) fn is_much(&self, addr: VirtAddr, len: u64) -> bool {
        let range = AddrRange { start: addr.page_down(), end: VirtAddr(addr.0.saturating_add(len)) };
        let parts = self.space.vmas().filter_map(|vma| vma.range.intersection(range));
        parts.map(AddrRange::len).sum::<u64>() > 2 * FILLED_BYTES_MAX
    }

    fn munmap(&mut self) -> Option<Act> {
        self.ranged(|addr, len| Call::Munmap { addr, len })
    }

    fn mprotect(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        let mut prot = self.prot();
        match self.rng.below(40) {
            0..4 => prot = prot | Prot::GROWSDOWN,
            4 | 5 => prot = prot | Prot::GROWSUP,
            6 => prot = prot | Prot::GROWSDOWN | Prot::GROWSUP,
            _ => {}
        }
        Some(Act::Call(Call::Mprotect { addr, len, prot }))
    }

    fn mremap(&mut self) -> Option<Act> {
        let (addr, mut old_len) = self.range();
        if self.rng.percent(6) {
            old_len = 0;
        }
        let new_len = if self.rng.percent(35) { old_len } else { self.length() };
        let flags = self.rng.weighted(&[
            (20, 0),
            (40, 1),
            (40, 3),
            (12, 5),
            (12, 7),
            (2, 2),
            (2, 4),
            (2, 6),
            (2, 8),
            (1, 9),
        ]);
        let new_addr = self.address();
        if self.is_much(addr, old_len) && self.locks_new() {
            return None;
        }
        let is_huge = new_len > 2 * FILLED_BYTES_MAX && new_len < 1 << 47;
        let locks =
            self.space.find(addr.page_down()).is_some_and(|vma| vma.flags.contains(mm::VmFlags::LOCKED));
        if is_huge && locks {
            return None;
        }
        Some(Act::Call(Call::Mremap { addr, old_len, new_len, flags: RemapFlags(flags), new_addr }))
    }

    fn brk(&mut self) -> Option<Act> {
        let layout = self.space.layout();
        let (start, end) = (layout.start_brk.0, layout.brk.0);
        let step = self.rng.below(8) * PAGE_SIZE;
        let addr = match self.rng.below(20) {
            0..7 => end + step,
            7..12 => end.saturating_sub(step),
            12..14 => start + step,
            14..16 => end + self.rng.below(3 * PAGE_SIZE),
            16 => end.saturating_sub(self.rng.below(3 * PAGE_SIZE)),
            17 => 0,
            18 => start.saturating_sub(step),
            _ => self.address().0,
        };
        let grows = addr.saturating_sub(end);
        if grows > FILLED_BYTES_MAX && self.locks_new() {
            return None;
        }
        Some(Act::Call(Call::Brk { addr: VirtAddr(addr) }))
    }

    fn madvise(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        let mut advice = self.rng.pick(ADVICE);
        if !self.caps.sys_admin && self.rng.percent(2) {
            // Whoever may do it would take the machine's memory out of use.
            advice = self.rng.pick(&[Advice::HWPOISON, Advice::SOFT_OFFLINE]);
        }
        if self.is_vital(addr, len) || self.is_much(addr, len) {
            return None;
        }
        if advice == Advice::COLLAPSE && self.may_join_file(addr, len) {
            return None;
        }
        Some(Act::Call(Call::Madvise { addr, len, advice }))
    }

    fn mlock(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        if self.is_much(addr, len) {
            return None;
        }
        Some(Act::Call(match self.rng.below(10) {
            0..6 => Call::Mlock { addr, len },
            6..8 => Call::Mlock2 { addr, len, flags: MlockFlags::ONFAULT },
            8 => Call::Mlock2 { addr, len, flags: MlockFlags::NONE },
            _ => Call::Mlock2 { addr, len, flags: MlockFlags(self.rng.below(8)) },
        }))
    }

    fn mlockall(&mut self) -> Option<Act> {
        let flags = MlockallFlags(self.rng.below(9));
        let everything = AddrRange { start: VirtAddr::NULL, end: VirtAddr(u64::MAX) };
        if self.is_much(everything.start, everything.len()) {
            return None;
        }
        Some(Act::Call(Call::Mlockall { flags }))
    }

    fn msync(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        // Writing back takes milliseconds; the checks before it are the same.
        let flags = self.rng.weighted(&[(10, 0), (10, 1), (10, 2), (10, 3), (1, 4), (3, 5), (1, 6), (3, 8)]);
        Some(Act::Call(Call::Msync { addr, len, flags: MsyncFlags(flags) }))
    }

    fn mincore(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        if len > FILLED_BYTES_MAX && len < 1 << 47 {
            return None;
        }
        let vec = if self.rng.percent(5) { VirtAddr::NULL } else { live::Live::scratch().start };
        Some(Act::Call(Call::Mincore { addr, len, vec }))
    }

    fn mseal(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        let flags = u64::from(self.rng.percent(5));
        Some(Act::Call(Call::Mseal { addr, len, flags }))
    }

    fn remap_file_pages(&mut self) -> Option<Act> {
        let (addr, size) = self.range();
        let prot = if self.rng.percent(90) { Prot::NONE } else { self.prot() };
        let pgoff = self.rng.pick(&[0, 1, 2, 3, 100, 1 << 40, u64::MAX]);
        let flags = abi::MapFlags(self.rng.pick(&[0, 0, 0, 0x1_0000, 0x2000]));
        if self.is_vital(addr, size) || self.is_much(addr, size) {
            return None;
        }
        Some(Act::Call(Call::RemapFilePages { addr, size, prot, pgoff, flags }))
    }

    fn bind(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        if self.is_vital(addr, len) {
            return None;
        }
        let mode = self.rng.pick(&[0, 0, 1, 2, 3, 4, 5, 6, 7, 9, 0x8002, 0x4002]);
        let nodes = self.rng.pick(&[0, 1, 1, 1, 2, 3]);
        let flags = self.rng.pick(&[0, 0, 0, 1, 2, 4, 8]);
        Some(Act::Bind { addr, len, mode, nodes, flags })
    }

    fn name(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        if self.is_vital(addr, len) {
            return None;
        }
        let name = self.rng.pick(&[None, Some("a"), Some("a"), Some("b"), Some(""), Some("a[b")]);
        Some(Act::Name { addr, len, name: name.map(|name| name.as_bytes().to_vec()) })
    }

    fn prctl(&mut self) -> Option<Act> {
        let (op, arg2) = self.rng.pick(&[
            (PrctlOp::SET_MDWE, 1),
            (PrctlOp::SET_MDWE, 3),
            (PrctlOp::SET_MDWE, 0),
            (PrctlOp::SET_MDWE, 4),
            (PrctlOp::SET_THP_DISABLE, 1),
            (PrctlOp::SET_THP_DISABLE, 0),
            (PrctlOp::SET_MEMORY_MERGE, 1),
            (PrctlOp::SET_MEMORY_MERGE, 0),
        ]);
        let arg3 = if self.rng.percent(10) { 1 } else { 0 };
        Some(Act::Call(Call::Prctl { op, arg2, arg3, arg4: 0, arg5: 0 }))
    }

    fn personality(&mut self) -> Option<Act> {
        // READ_IMPLIES_EXEC, with and without; the layout stays as exec made it.
        let persona = self.rng.pick(&[0x44_0000, 0x4_0000]);
        Some(Act::Call(Call::Personality { persona }))
    }

    fn truncate(&mut self) -> Option<Act> {
        if self.huge_files > 0 && self.is_huge(70) {
            return Some(self.truncate_huge());
        }
        let file = self.rng.below(self.files as u64) as usize;
        let bytes =
            self.rng.pick(&[0, 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE, 5 * PAGE_SIZE, 9 * PAGE_SIZE]);
        Some(Act::Truncate { file, bytes })
    }

    fn pkey(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        let prot = self.prot();
        let pkey = self.rng.pick(&[-1, -1, 0, 1, 15, 16]);
        Some(Act::Call(match self.rng.below(5) {
            0 => {
                Call::PkeyAlloc { flags: self.rng.pick(&[0, 0, 1]), access_rights: self.rng.pick(&[0, 1, 4]) }
            }
            1 => Call::PkeyFree { pkey },
            _ => Call::PkeyMprotect { addr, len, prot, pkey },
        }))
    }

    fn shmat(&mut self) -> Act {
        let mut flags = ShmFlags::NONE;
        for flag in [ShmFlags::RDONLY, ShmFlags::RND, ShmFlags::REMAP, ShmFlags::EXEC] {
            if self.rng.percent(30) {
                flags = flags | flag;
            }
        }
        let addr = if self.rng.percent(30) { VirtAddr::NULL } else { self.address() };
        let segment = match self.is_huge(60) {
            true => HUGE_SEGMENT,
            false => self.rng.pick(&[0, 0, 0, 1, 2]),
        };
        Act::Attach { segment, addr, flags }
    }

    /// Picks the start of an attached segment, if there is one.
    fn attached(&mut self) -> VirtAddr {
        let is_attached = |vma: &&mm::Vma| vma.backing.file_kind().is_some_and(mm::FileKind::is_segment);
        let count = self.space.vmas().filter(is_attached).count() as u64;
        let at = self.rng.below(count) as usize;
        let found = self.space.vmas().filter(is_attached).nth(at).map(|vma| vma.range.start);
        match found {
            Some(addr) if self.rng.percent(80) => addr,
            _ => self.address(),
        }
    }

    fn home_node(&mut self) -> Option<Act> {
        let (addr, len) = self.range();
        if self.is_vital(addr, len) {
            return None;
        }
        let home_node = self.rng.pick(&[0, 0, 0, 1, 1024]);
        let flags = self.rng.pick(&[0, 0, 0, 1]);
        Some(Act::Call(Call::SetMempolicyHomeNode { addr, len, home_node, flags }))
    }
}
