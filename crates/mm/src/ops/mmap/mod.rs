//! `mmap`: the checks in the kernel's order, then the mapping.
//!
//! ```text
//! mmap        offset EINVAL · descriptor EBADF · MAP_HUGETLB EINVAL
//! do_mmap     length EINVAL, ENOMEM · offset EOVERFLOW · map_count ENOMEM · place EINVAL ENOMEM EPERM
//!             NOREPLACE EEXIST · lock EPERM EAGAIN · file EOVERFLOW EOPNOTSUPP EACCES EPERM ENODEV EINVAL
//! mmap_region MDWE EACCES · seals EPERM · limits ENOMEM · commit ENOMEM
//! ```

mod file;
mod region;

use alloc::sync::Arc;

use abi::{AddrRange, MapFlags, MapType, PAGE_SHIFT, PAGE_SIZE, PageOff, Prot, VirtAddr};

pub(crate) use self::region::NO_KSM;
use super::Answer;
use crate::file::{FileKind, MapFile};
use crate::flags::VmFlags;
use crate::input::FileInput;
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pages::Memory;
use crate::profile::OvercommitMode;
use crate::space::Placing;
use crate::why::Refusal;

/// A mapping as a call asks for it; also `shmat` and `remap_file_pages` make one.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) file: Option<Arc<MapFile>>,
    pub(crate) addr: VirtAddr,
    /// In bytes, not yet rounded up.
    pub(crate) len: u64,
    pub(crate) prot: Prot,
    pub(crate) flags: MapFlags,
    pub(crate) pgoff: PageOff,
}

/// A mapping made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mapped {
    pub(crate) range: AddrRange,
    /// Whether its pages are to be faulted in now.
    pub(crate) populate: Populate,
}

/// What may lie where something is to be mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Nothing.
    Free,
    /// Anything.
    Any,
}

/// Whether pages are to be faulted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Populate {
    Yes,
    No,
}

impl<M: Memory> Op<'_, M> {
    /// Linux: `arch/x86/kernel/sys_x86_64.c: mmap`, `mm/mmap.c: ksys_mmap_pgoff`.
    pub(super) fn mmap(&mut self, mut request: Request, offset: u64, file: &FileInput) -> Answer {
        if !offset.is_multiple_of(PAGE_SIZE) {
            return Err(Refusal::OffsetUnaligned);
        }
        if self.sys.profile.mutated(Mutation::ErrnoOrderSwapped) && request.len == 0 {
            return Err(Refusal::ZeroLength);
        }
        let flags = request.flags;
        if !flags.contains(MapFlags::ANONYMOUS) {
            let FileInput::Open(file) = file else { return Err(Refusal::BadFd) };
            if let Some(bytes) = file.kind.huge_page_bytes() {
                request.len = align_up(request.len, bytes);
            } else if flags.contains(MapFlags::HUGETLB) {
                return Err(Refusal::HugeFlagOnFile);
            }
            request.file = Some(Arc::clone(file));
        } else if flags.contains(MapFlags::HUGETLB) {
            let kind = self.huge_kind(flags.huge_size_log2()).ok_or(Refusal::HugeSize)?;
            request.len = align_up(request.len, kind.huge_page_bytes().unwrap_or(PAGE_SIZE));
            request.file = Some(self.sys.nameless_file(kind, request.len));
        }
        let mapped = self.do_mmap(request)?;
        if mapped.populate == Populate::Yes {
            self.populate(mapped.range);
        }
        Ok(mapped.range.start.0)
    }

    /// Linux: `mm/hugetlb.c: hstate_sizelog`.
    fn huge_kind(&self, log2: u32) -> Option<FileKind> {
        match log2 {
            0 | 21 => Some(FileKind::Hugetlb),
            30 if self.sys.profile.options.gib_pages => Some(FileKind::HugetlbGib),
            _ => None,
        }
    }

    /// Makes a mapping.
    ///
    /// Linux: `mm/mmap.c: do_mmap`.
    ///
    /// # Errors
    /// The first check that refused.
    pub(crate) fn do_mmap(&mut self, request: Request) -> Result<Mapped, Refusal> {
        let Request { file, mut addr, mut len, mut prot, mut flags, mut pgoff } = request;
        if len == 0 && !self.sys.profile.mutated(Mutation::ZeroLengthAllowed) {
            return Err(Refusal::ZeroLength);
        }
        let noexec = file.as_ref().is_some_and(|file| file.noexec);
        if prot.contains(Prot::READ) && self.space.settings.read_implies_exec && !noexec {
            prot = prot | Prot::EXEC;
        }
        if flags.contains(MapFlags::FIXED_NOREPLACE) {
            flags = flags | MapFlags::FIXED;
        }
        if !flags.contains(MapFlags::FIXED) {
            addr = self.round_hint(addr);
        }
        len = align_up(len, PAGE_SIZE);
        if len == 0 {
            return Err(Refusal::LengthOverflow);
        }
        if pgoff.0.checked_add(len >> PAGE_SHIFT).is_none() {
            return Err(Refusal::OffsetOverflow);
        }
        self.check_map_count()?;
        let mut vm_flags = VmFlags::of_prot(prot)
            | of_map_flags(flags, self.sys.profile.options.thp)
            | self.space.def_flags
            | VmFlags::MAY_ALL;
        let placing = Placing { file: file.as_deref(), addr, len, pgoff: pgoff.0, flags, vm_flags };
        let start = self.place(placing)?;
        let range = AddrRange { start, end: VirtAddr(start.0 + len) };
        let place = self.check_replace(range, flags)?;
        if flags.contains(MapFlags::LOCKED) {
            self.space.can_lock(self.caps)?;
        }
        self.space.lock_future(vm_flags, len, self.caps)?;
        match &file {
            Some(file) => vm_flags = self.check_file(file, len, prot, flags, pgoff, vm_flags)?,
            None => (vm_flags, pgoff) = anonymous_flags(flags, vm_flags, start)?,
        }
        if flags.contains(MapFlags::NORESERVE) {
            let hugetlb = file.as_ref().is_some_and(|file| file.kind.huge_page_bytes().is_some());
            if hugetlb || self.sys.profile.overcommit.mode != OvercommitMode::Never {
                vm_flags = vm_flags | VmFlags::NORESERVE;
            }
        }
        self.map_region(range, place, vm_flags, pgoff, file)?;
        let now = flags.contains(MapFlags::POPULATE) && !flags.contains(MapFlags::NONBLOCK);
        let populate = if now || vm_flags.contains(VmFlags::LOCKED) { Populate::Yes } else { Populate::No };
        Ok(Mapped { range, populate })
    }

    /// Checks that `MAP_FIXED_NOREPLACE` replaces nothing, and tells whether anything would.
    fn check_replace(&self, range: AddrRange, flags: MapFlags) -> Result<Place, Refusal> {
        if flags.contains(MapFlags::FIXED_NOREPLACE) {
            let is_free = self.space.vmas.is_free(range);
            return if is_free { Ok(Place::Free) } else { Err(Refusal::WouldReplace) };
        }
        // Where the kernel placed it was not searched for.
        let searched = !flags.contains(MapFlags::FIXED) && self.placed.is_none();
        Ok(if searched { Place::Free } else { Place::Any })
    }

    /// Rounds a hint down to a page, and one below the lowest address up to that.
    ///
    /// Linux: `mm/mmap.c: round_hint_to_min`.
    fn round_hint(&self, hint: VirtAddr) -> VirtAddr {
        let rounded = if self.sys.profile.mutated(Mutation::HintRoundedUp) {
            hint.page_up_wrapping()
        } else {
            hint.page_down()
        };
        if rounded != VirtAddr::NULL && rounded < self.sys.profile.mmap_min_addr {
            return self.sys.profile.mmap_min_addr.page_up_wrapping();
        }
        rounded
    }

    /// Checks that there are not more mappings than allowed: one over is.
    pub(crate) fn check_map_count(&self) -> Result<(), Refusal> {
        let over = u64::from(self.sys.profile.mutated(Mutation::MapCountOffByOne));
        if self.space.map_count() + over > self.sys.profile.max_map_count {
            return Err(Refusal::TooManyMappings);
        }
        Ok(())
    }
}

/// Linux: `include/linux/mman.h: calc_vm_flag_bits`.
fn of_map_flags(flags: MapFlags, thp: bool) -> VmFlags {
    let mut vm_flags = VmFlags::NONE;
    for (flag, vm_flag) in [
        (MapFlags::GROWSDOWN, VmFlags::GROWSDOWN),
        (MapFlags::LOCKED, VmFlags::LOCKED),
        (MapFlags::SYNC, VmFlags::SYNC),
    ] {
        if flags.contains(flag) {
            vm_flags = vm_flags | vm_flag;
        }
    }
    if thp && flags.contains(MapFlags::STACK) {
        vm_flags = vm_flags | VmFlags::NOHUGEPAGE;
    }
    vm_flags
}

/// The flags and page offset of memory without a file, by type.
fn anonymous_flags(
    flags: MapFlags,
    vm_flags: VmFlags,
    start: VirtAddr,
) -> Result<(VmFlags, PageOff), Refusal> {
    let grows = vm_flags.contains(VmFlags::GROWSDOWN);
    let own_pages = PageOff(start.0 >> PAGE_SHIFT);
    match flags.map_type() {
        MapType::Shared if grows => Err(Refusal::GrowsDownShared),
        MapType::Shared => Ok((vm_flags | VmFlags::SHARED | VmFlags::MAYSHARE, PageOff(0))),
        MapType::Droppable if grows || flags.intersects(MapFlags::LOCKED | MapFlags::HUGETLB) => {
            Err(Refusal::DroppableFlags)
        }
        MapType::Droppable => {
            let flags = VmFlags::DROPPABLE | VmFlags::NORESERVE | VmFlags::WIPEONFORK | VmFlags::DONTDUMP;
            Ok((vm_flags | flags, own_pages))
        }
        MapType::Private => Ok((vm_flags, own_pages)),
        MapType::SharedValidate | MapType::Invalid(_) => Err(Refusal::BadType),
    }
}

/// Rounds up, to 0 where it wraps.
fn align_up(len: u64, to: u64) -> u64 {
    len.wrapping_add(to - 1) & !(to - 1)
}
