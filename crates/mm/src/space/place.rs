//! Where a mapping goes: the address for an `mmap` that did not fix it.
//!
//! ```text
//! top down   |.....AAAA..BBB....******|            the highest free range below mmap_base
//!                                     ^mmap_base
//! stack      |....***********.....gggg|SSSS        the guard gap below a growing stack stays free
//! huge       |..AAA...[---pad----]                 2 MiB more are searched, then the range shifts to a multiple
//! bottom up  |****.AAAA                            the legacy layout, MAP_32BIT, or nothing found above
//! ```

use abi::{AddrRange, Errno, MapFlags, VirtAddr};

use crate::driver::Driver;
use crate::file::{FileKind, MapFile};
use crate::flags::VmFlags;
use crate::input::Basis;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pages::Memory;
use crate::profile::Thp;
use crate::why::Refusal;

/// The first address of the range of `MAP_32BIT`; its start is random in the 32 MiB from here on.
const LOW_BEGIN: u64 = 0x4000_0000;
/// The last page where the random start can be.
const LOW_BEGIN_LAST: u64 = 0x4200_0000 - 0x1000;
/// The end of the range of `MAP_32BIT`.
const LOW_END: u64 = 0x8000_0000;
/// Return values this near to 2^64 are errors.
const ERRNO_MAX: u64 = 4095;
/// `MAP_ABOVE4G` searches from here.
const FOUR_GIB: u64 = 1 << 32;

/// A mapping that needs a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placing<'a> {
    /// What is mapped; `None` for anonymous memory.
    pub(crate) file: Option<&'a MapFile>,
    /// The hint, or the place itself with `MAP_FIXED`.
    pub(crate) addr: VirtAddr,
    /// In bytes, page-aligned.
    pub(crate) len: u64,
    /// The first page of the file.
    pub(crate) pgoff: u64,
    /// The flags of the call.
    pub(crate) flags: MapFlags,
    /// The flags that the mapping will have.
    pub(crate) vm_flags: VmFlags,
}

/// What a search for a free range asks for.
///
/// Linux: `include/linux/mm.h: vm_unmapped_area_info`.
#[derive(Clone, Copy, Debug)]
struct Area {
    len: u64,
    low: u64,
    high: u64,
    /// All bits below the alignment, 0 where a page is enough.
    align_mask: u64,
    /// Free bytes to keep below the range.
    start_gap: u64,
}

impl Placing<'_> {
    fn huge_page_bytes(&self) -> Option<u64> {
        self.file.and_then(|file| file.kind.huge_page_bytes())
    }

    fn start_gap(&self, page_size: u64) -> u64 {
        let guarded = self.vm_flags.contains(VmFlags::SHADOW_STACK) && self.huge_page_bytes().is_none();
        if guarded { page_size } else { 0 }
    }
}

impl<M: Memory> Op<'_, M> {
    /// Finds the place of a new mapping and checks it.
    ///
    /// Linux: `mm/mmap.c: __get_unmapped_area`.
    ///
    /// # Errors
    /// The check that refused.
    pub(crate) fn place(&mut self, placing: Placing<'_>) -> Result<VirtAddr, Refusal> {
        let task_size = self.sys.profile.task_size.0;
        if placing.len > task_size {
            return Err(Refusal::TooLong);
        }
        let addr = self.search(placing)?;
        if addr.0 > u64::MAX - ERRNO_MAX {
            self.addr_errno = Some(Errno(addr.0.wrapping_neg() as u16));
            return Err(Refusal::AddressIsErrno);
        }
        if addr.0 > task_size - placing.len {
            return Err(Refusal::BeyondTaskSize);
        }
        if !addr.is_page_aligned() {
            return Err(Refusal::AddressUnaligned);
        }
        self.check_min_addr(addr)?;
        Ok(addr)
    }

    /// Linux: `security/commoncap.c: cap_mmap_addr`.
    pub(crate) fn check_min_addr(&self, addr: VirtAddr) -> Result<(), Refusal> {
        if addr < self.sys.profile.dac_mmap_min_addr && !self.caps.sys_rawio {
            return Err(Refusal::MinAddr);
        }
        Ok(())
    }

    /// Asks the one who places this kind of mapping.
    fn search(&mut self, placing: Placing<'_>) -> Result<VirtAddr, Refusal> {
        let shared = placing.flags.contains(MapFlags::SHARED);
        match placing.file.map(|file| file.kind) {
            None if shared => self.search_shmem(Placing { pgoff: 0, ..placing }),
            None if placing.addr == VirtAddr::NULL
                && placing.len.is_multiple_of(self.sys.profile.pmd_size) =>
            {
                self.search_huge(Placing { pgoff: 0, ..placing })
            }
            None => self.search_plain(Placing { pgoff: 0, ..placing }),
            Some(FileKind::ZeroDevice) if shared => self.search_shmem(placing),
            Some(FileKind::Regular | FileKind::RegularHuge | FileKind::Fuse | FileKind::ZeroDevice) => {
                self.search_huge(placing)
            }
            Some(FileKind::Shmem | FileKind::SysV) => self.search_shmem(placing),
            Some(FileKind::Hugetlb | FileKind::HugetlbGib | FileKind::SysVHuge) => {
                self.search_hugetlb(placing)
            }
            Some(FileKind::Special(driver)) => self.search_special(driver, placing),
            Some(FileKind::RegularOther | FileKind::Overlay | FileKind::AioRing | FileKind::Unmappable) => {
                self.search_plain(placing)
            }
        }
    }

    /// Searches so that huge pages can be used.
    ///
    /// Linux: `mm/huge_memory.c: thp_get_unmapped_area_vmflags`, `__thp_get_unmapped_area`.
    fn search_huge(&mut self, placing: Placing<'_>) -> Result<VirtAddr, Refusal> {
        match self.search_padded(placing) {
            Some(addr) => Ok(addr),
            None => self.search_plain(placing),
        }
    }

    fn search_padded(&mut self, placing: Placing<'_>) -> Option<VirtAddr> {
        let size = self.sys.profile.pmd_size;
        if !self.sys.profile.options.thp || self.sys.profile.mutated(Mutation::NoHugeAlignment) {
            return None;
        }
        let off = placing.pgoff.wrapping_mul(self.sys.profile.page_size);
        let off_end = off.wrapping_add(placing.len) as i64;
        let off_align = off.wrapping_add(size - 1) & !(size - 1);
        if off_end <= off_align as i64 || ((off_end as u64).wrapping_sub(off_align)) < size {
            return None;
        }
        let len = placing.len.checked_add(size)?;
        // Unsigned, unlike the first comparison.
        if off.wrapping_add(len) < off {
            return None;
        }
        let found = self.search_plain(Placing { len, ..placing }).ok()?;
        if found == placing.addr {
            // The caller takes address 0 for a failure and searches anew.
            return (found != VirtAddr::NULL).then_some(found);
        }
        let shift = off.wrapping_sub(found.0) & (size - 1);
        if !self.space.layout.bottom_up && shift == 0 {
            return Some(VirtAddr(found.0 + size));
        }
        Some(VirtAddr(found.0 + shift))
    }

    /// Searches for shared memory: as others where it has no huge pages.
    ///
    /// Linux: `mm/shmem.c: shmem_get_unmapped_area`.
    fn search_shmem(&mut self, placing: Placing<'_>) -> Result<VirtAddr, Refusal> {
        let addr = self.search_plain(placing)?;
        let size = self.sys.profile.pmd_size;
        let Placing { len, .. } = placing;
        let offset = placing.pgoff.wrapping_mul(self.sys.profile.page_size) & (size - 1);
        if !self.sys.profile.options.thp
            || self.sys.profile.shmem_thp == Thp::Never
            || !addr.is_page_aligned()
            || addr.0 > self.sys.profile.task_size.0 - len
            || placing.flags.contains(MapFlags::FIXED)
            || addr == placing.addr
            || len < size
            || (offset != 0 && offset + len < 2 * size)
            || addr.0 & (size - 1) == offset
        {
            return Ok(addr);
        }
        let padded = len.wrapping_add(size - self.sys.profile.page_size);
        if padded > self.sys.profile.task_size.0 || padded < len {
            return Ok(addr);
        }
        let padded_placing = Placing { file: None, len: padded, pgoff: 0, ..placing };
        let Ok(found) = self.search_plain(padded_placing) else { return Ok(addr) };
        if !found.is_page_aligned() {
            return Ok(addr);
        }
        let has = found.0 & (size - 1);
        let mut moved = found.0.wrapping_add(offset).wrapping_sub(has);
        if has > offset {
            moved += size;
        }
        if moved > self.sys.profile.task_size.0 - len { Ok(addr) } else { Ok(VirtAddr(moved)) }
    }

    /// Searches as others do, but for a driver that does it itself: where that leads is an input, if no rule is known.
    ///
    /// Linux: `io_uring/memmap.c: io_uring_get_unmapped_area`, `kernel/bpf/arena.c: arena_get_unmapped_area`.
    fn search_special(&mut self, driver: Driver, placing: Placing<'_>) -> Result<VirtAddr, Refusal> {
        match (driver, self.placed) {
            (Driver::IoUring, _) if placing.addr != VirtAddr::NULL => Err(Refusal::RingPlaced),
            (Driver::BpfArena | Driver::Other, Some(placed)) if !placing.flags.contains(MapFlags::FIXED) => {
                self.basis = Basis::TakenOver;
                Ok(placed)
            }
            _ => self.search_plain(placing),
        }
    }

    /// Linux: `fs/hugetlbfs/inode.c: hugetlb_get_unmapped_area`.
    fn search_hugetlb(&mut self, placing: Placing<'_>) -> Result<VirtAddr, Refusal> {
        let inside = placing.huge_page_bytes().unwrap_or(self.sys.profile.page_size) - 1;
        let fixed = placing.flags.contains(MapFlags::FIXED);
        if placing.len & inside != 0 || (fixed && placing.addr.0 & inside != 0) {
            return Err(Refusal::HugeUnaligned);
        }
        let addr = VirtAddr(placing.addr.0.wrapping_add(inside) & !inside);
        self.search_plain(Placing { addr, vm_flags: VmFlags::NONE, ..placing })
    }

    /// Searches by the rules of x86-64.
    ///
    /// Linux: `arch/x86/kernel/sys_x86_64.c: arch_get_unmapped_area_topdown`.
    fn search_plain(&mut self, placing: Placing<'_>) -> Result<VirtAddr, Refusal> {
        let Placing { addr: hint, len, flags, .. } = placing;
        let task_size = self.sys.profile.task_size.0;
        if self.space.layout.bottom_up {
            return self.search_bottom_up(placing);
        }
        if len > task_size {
            return Err(Refusal::TooLong);
        }
        if flags.contains(MapFlags::FIXED) {
            return Ok(hint);
        }
        if flags.contains(MapFlags::MAP_32BIT) {
            return self.search_bottom_up(placing);
        }
        if hint != VirtAddr::NULL {
            let hint = if self.sys.profile.mutated(Mutation::HintRoundedUp) {
                hint.page_up_wrapping()
            } else {
                hint.page_down()
            };
            let valid = hint.0 <= task_size - len && (hint.0 > task_size) == (hint.0 + len > task_size);
            if valid && self.is_clear_of_next(hint, len) {
                return Ok(hint);
            }
        }
        let low = if flags.contains(MapFlags::ABOVE4G) { FOUR_GIB } else { self.sys.profile.page_size };
        let area = Area { low, high: self.space.layout.mmap_base.0, ..self.area(placing) };
        match self.highest_area(area) {
            Some(addr) => Ok(addr),
            None => self.search_bottom_up(Placing { vm_flags: VmFlags::NONE, ..placing }),
        }
    }

    /// Linux: `arch/x86/kernel/sys_x86_64.c: arch_get_unmapped_area`.
    fn search_bottom_up(&mut self, placing: Placing<'_>) -> Result<VirtAddr, Refusal> {
        let Placing { addr: hint, len, flags, .. } = placing;
        if flags.contains(MapFlags::FIXED) {
            return Ok(hint);
        }
        let low = flags.contains(MapFlags::MAP_32BIT);
        let (begin, end) = if low {
            (LOW_BEGIN, LOW_END)
        } else {
            (self.space.layout.mmap_legacy_base.0, self.sys.profile.task_size.0)
        };
        if len > end {
            return Err(Refusal::NoSpace);
        }
        if hint != VirtAddr::NULL {
            let hint = hint.page_up_wrapping();
            if end - len >= hint.0 && self.is_clear_of_next(hint, len) {
                return Ok(hint);
            }
        }
        let area = Area { low: begin, high: end, ..self.area(placing) };
        if low && let Some(placed) = self.placed {
            return self.check_low_place(area, placed);
        }
        self.lowest_area(area).ok_or(Refusal::NoSpace)
    }

    /// Takes over where the kernel put a `MAP_32BIT` mapping, if some random start leads there.
    ///
    /// The search from the latest start at or below the place finds it, or no start does.
    fn check_low_place(&mut self, area: Area, placed: VirtAddr) -> Result<VirtAddr, Refusal> {
        self.basis = Basis::TakenOver;
        let low = placed.0.clamp(LOW_BEGIN, LOW_BEGIN_LAST);
        self.lowest_area(Area { low, ..area }).ok_or(Refusal::NoSpace)
    }

    fn area(&self, placing: Placing<'_>) -> Area {
        let align_mask = placing.huge_page_bytes().map_or(0, |bytes| bytes - self.sys.profile.page_size);
        let start_gap = placing.start_gap(self.sys.profile.page_size);
        Area { len: placing.len, low: 0, high: 0, align_mask, start_gap }
    }

    /// Tells whether `len` bytes at `addr` are free, with the guard gap of a stack above.
    fn is_clear_of_next(&self, addr: VirtAddr, len: u64) -> bool {
        match self.space.vmas.first_ending_after(addr) {
            None => true,
            Some(next) => addr.0 + len <= self.start_gap(next).0,
        }
    }

    /// Linux: `mm/vma.c: unmapped_area_topdown`.
    fn highest_area(&self, area: Area) -> Option<VirtAddr> {
        let len = area.len.checked_add(area.align_mask)?.checked_add(area.start_gap)?;
        let start = VirtAddr(area.low.max(self.sys.profile.mmap_min_addr.0));
        let mut end = VirtAddr(area.high);
        while start < end {
            let gap = self.space.vmas.highest_gap(AddrRange { start, end }, len)?;
            let next = self.space.vmas.first_ending_after(VirtAddr(gap.end.0 - 1));
            match next.map(|next| self.start_gap(next)) {
                Some(kept) if kept < gap.end => end = kept,
                _ => {
                    let addr = gap.end.0 - area.len;
                    return Some(VirtAddr(addr - (addr & area.align_mask)));
                }
            }
        }
        None
    }

    /// Linux: `mm/vma.c: unmapped_area`.
    fn lowest_area(&self, area: Area) -> Option<VirtAddr> {
        let len = area.len.checked_add(area.align_mask)?.checked_add(area.start_gap)?;
        let mut start = VirtAddr(area.low.max(self.sys.profile.mmap_min_addr.0));
        let end = VirtAddr(area.high);
        while start < end {
            let gap = self.space.vmas.lowest_gap(AddrRange { start, end }, len)?;
            let addr = gap.start.0 + area.start_gap;
            let addr = addr + (addr.wrapping_neg() & area.align_mask);
            match self.space.vmas.first_ending_after(gap.start) {
                Some(next)
                    if self.start_gap(next) < next.range.start && self.start_gap(next).0 < addr + len - 1 =>
                {
                    start = next.range.end;
                }
                _ => return Some(VirtAddr(addr)),
            }
        }
        None
    }

    fn start_gap(&self, vma: &crate::vma::Vma) -> VirtAddr {
        if self.sys.profile.mutated(Mutation::StackGapIgnored) {
            return vma.range.start;
        }
        vma.start_gap(&self.sys.profile)
    }
}
