//! Putting a mapping into a range: what was there goes, the limits are asked, neighbours merge.

use alloc::sync::Arc;

use abi::{AddrRange, Errno, PAGE_SHIFT, PAGE_SIZE, PageOff};

use super::Place;
use crate::driver::Driver;
use crate::file::{Backing, FileKind, MapFile};
use crate::flags::VmFlags;
use crate::input::Basis;
use crate::merge::{Expansion, Proposal};
use crate::op::Op;
use crate::ops::munmap::Gathered;
use crate::pages::Memory;
use crate::vma::Vma;
use crate::why::Refusal;

/// Kinds of memory that KSM leaves alone.
///
/// Linux: `mm/ksm.c: ksm_compatible`.
pub(crate) const NO_KSM: VmFlags = VmFlags(
    VmFlags::SHARED.0 | VmFlags::MAYSHARE.0 | VmFlags::SPECIAL.0 | VmFlags::HUGETLB.0 | VmFlags::DROPPABLE.0,
);

impl<M: Memory> Op<'_, M> {
    /// Maps a range, in the place of whatever is there.
    ///
    /// Linux: `mm/vma.c: mmap_region`, `__mmap_region`.
    ///
    /// # Errors
    /// The check that refused. Splits at the edges may have happened, and a file that refused to be mapped
    /// leaves a hole.
    pub(crate) fn map_region(
        &mut self,
        range: AddrRange,
        place: Place,
        mut flags: VmFlags,
        pgoff: PageOff,
        file: Option<Arc<MapFile>>,
    ) -> Result<(), Refusal> {
        self.space.deny_write_exec(flags, flags)?;
        let there = match place {
            Place::Free => Gathered::default(),
            Place::Any => self.gather(range)?,
        };
        let pages = range.pages();
        self.may_expand(flags, pages - there.pages)?;
        let hugetlb = file.as_ref().is_some_and(|file| file.kind.huge_page_bytes().is_some());
        let charged = !hugetlb && is_accountable(flags);
        if charged {
            // Where nothing more is promised, nobody is asked.
            if pages > there.accounted {
                self.charge(pages - there.accounted)?;
            }
            // Those that go give their charge to the new mapping.
            self.sys.recharge(there.accounted);
            flags = flags | VmFlags::ACCOUNT;
        }
        if there.pages > 0 {
            self.remove_all(range);
        }
        let asked = flags;
        let (flags, backing) = match self.open_file(range, flags, pgoff, file) {
            Ok(opened) => opened,
            Err(refusal) => {
                if charged {
                    self.sys.uncharge(pages);
                }
                return Err(refusal);
            }
        };
        self.insert_or_merge(range, (asked, flags), pgoff, backing);
        Ok(())
    }

    /// Lets the file say what becomes of its mapping.
    fn open_file(
        &mut self,
        range: AddrRange,
        flags: VmFlags,
        pgoff: PageOff,
        file: Option<Arc<MapFile>>,
    ) -> Result<(VmFlags, Backing), Refusal> {
        let shared = flags.contains(VmFlags::SHARED);
        let Some(file) = file else {
            if !shared {
                return Ok((flags, Backing::Anonymous));
            }
            return Ok((flags, self.shared_memory(range, flags)?));
        };
        match file.kind {
            FileKind::ZeroDevice if shared => Ok((flags, self.shared_memory(range, flags)?)),
            FileKind::Hugetlb | FileKind::HugetlbGib | FileKind::SysVHuge => {
                check_huge_offset(&file, range, pgoff)?;
                // A segment was promised its pages when it was made.
                if file.kind != FileKind::SysVHuge && !flags.contains(VmFlags::NORESERVE) {
                    self.reserve_huge_pages(file.kind)?;
                }
                self.lengthen_huge(&file, range, flags, pgoff);
                Ok((flags | VmFlags::HUGETLB | VmFlags::DONTEXPAND, Backing::File(file)))
            }
            FileKind::Regular if flags.contains(VmFlags::SYNC) => Err(Refusal::NotDax),
            // Opened by its server with `FOPEN_DIRECT_IO`, which nobody tells. Linux: `fs/fuse/file.c: fuse_file_mmap`.
            FileKind::Fuse if shared && self.observed == Some(Err(Errno::ENODEV)) => {
                self.basis = Basis::TakenOver;
                Err(Refusal::Observed)
            }
            FileKind::AioRing => Ok((flags | VmFlags::DONTEXPAND, Backing::File(file))),
            FileKind::Special(driver) => Ok((self.ask_driver(driver, flags)?, Backing::File(file))),
            _ => Ok((flags, Backing::File(file))),
        }
    }

    /// Lets the driver of a special file say with which flags it is mapped.
    fn ask_driver(&mut self, driver: Driver, asked: VmFlags) -> Result<VmFlags, Refusal> {
        if let Some(refusal) = driver.refuses(asked, self.observed) {
            return Err(refusal);
        }
        if matches!(self.observed, Some(Err(_))) {
            self.basis = Basis::TakenOver;
            return Err(Refusal::Observed);
        }
        if driver == Driver::Other {
            self.basis = Basis::TakenOver;
        }
        Ok(driver.flags(asked, self.special_flags))
    }

    /// Makes the object of shared anonymous memory. Its pages are promised to it, not to the mapping.
    ///
    /// Linux: `mm/shmem.c: shmem_zero_setup`, `shmem_acct_size`.
    fn shared_memory(&mut self, range: AddrRange, flags: VmFlags) -> Result<Backing, Refusal> {
        if !flags.contains(VmFlags::NORESERVE) {
            self.charge(range.pages())?;
            // Whether the object lives on is not known: it is asked for, but not counted.
            self.sys.uncharge(range.pages());
        }
        Ok(Backing::File(self.sys.nameless_file(FileKind::Shmem, range.len())))
    }

    /// A writable mapping, private or shared, makes the file as long as it reaches.
    ///
    /// Linux: `fs/hugetlbfs/inode.c: hugetlbfs_file_mmap`.
    fn lengthen_huge(&mut self, file: &MapFile, range: AddrRange, flags: VmFlags, pgoff: PageOff) {
        let end = pgoff.bytes().0 + range.len();
        if flags.contains(VmFlags::WRITE) && self.sys.file_size(file) < end {
            self.sys.set_file_size(file.object, end);
        }
    }

    /// The pool of huge pages is an input: without word of it, it is empty.
    fn reserve_huge_pages(&mut self, kind: FileKind) -> Result<(), Refusal> {
        if self.is_stocked(kind) {
            return Ok(());
        }
        if matches!(self.observed, Some(Ok(_))) {
            self.basis = Basis::TakenOver;
            return Ok(());
        }
        Err(Refusal::HugePool)
    }

    /// `asked` are the flags before the file had its say. A driver has it only where nothing merges: the merge comes first.
    fn insert_or_merge(
        &mut self,
        range: AddrRange,
        (asked, flags): (VmFlags, VmFlags),
        pgoff: PageOff,
        backing: Backing,
    ) {
        let mergeable = self.space.ksm_flags(flags);
        let flags = if is_ksm_early(&backing) { mergeable } else { flags };
        let anew = backing.file().map(|file| Backing::File(file.while_mapped_anew()));
        let is_special = matches!(backing.file_kind(), Some(FileKind::Special(_)));
        let proposal = Proposal {
            range,
            pgoff,
            flags: if is_special { asked } else { flags },
            backing: anew.as_ref().unwrap_or(&backing),
            anon: None,
            forked: None,
            extra: None,
        };
        let merged = self.merge_new(&proposal, Expansion::Both, None);
        let counters = &mut self.space.counters;
        counters.add(flags, range.pages());
        let start = merged.unwrap_or_else(|| {
            let vma = Vma { range, pgoff, flags: mergeable, backing, anon: None, extra: None };
            self.space.vmas.insert(vma);
            range.start
        });
        if flags.contains(VmFlags::LOCKED) {
            self.settle_lock(range, start);
        }
    }

    /// Counts a new locked mapping; where locking has no effect, it is not locked.
    ///
    /// Linux: `mm/vma.c: __mmap_complete`.
    fn settle_lock(&mut self, range: AddrRange, start: abi::VirtAddr) {
        let supported = self.space.vmas.update(start, |vma| {
            if vma.supports_mlock() {
                return true;
            }
            vma.flags = vma.flags.without(VmFlags::LOCKED_MASK);
            false
        });
        if supported == Some(true) {
            self.space.counters.locked_vm += range.pages();
        }
    }
}

/// Tells whether `PR_SET_MEMORY_MERGE` shows before the merge: only where no driver has a word later.
///
/// Linux: `mm/vma.c: can_set_ksm_flags_early`.
fn is_ksm_early(backing: &Backing) -> bool {
    !matches!(
        backing.file_kind(),
        Some(FileKind::Fuse | FileKind::Overlay | FileKind::ZeroDevice | FileKind::Special(_))
    )
}

/// Linux: `fs/hugetlbfs/inode.c: hugetlbfs_file_mmap`.
fn check_huge_offset(file: &MapFile, range: AddrRange, pgoff: PageOff) -> Result<(), Refusal> {
    let inside = (file.kind.huge_page_bytes().unwrap_or(PAGE_SIZE) - 1) >> PAGE_SHIFT;
    let most = i64::MAX as u64 >> PAGE_SHIFT;
    let end = pgoff.bytes().0.checked_add(range.len());
    if pgoff.0 > most || pgoff.0 & inside != 0 || end.is_none() {
        return Err(Refusal::HugeOffset);
    }
    Ok(())
}

/// Tells whether a mapping is charged against the commit limit.
///
/// Linux: `mm/vma.c: accountable_mapping`.
fn is_accountable(flags: VmFlags) -> bool {
    let mask = VmFlags::NORESERVE | VmFlags::SHARED | VmFlags::WRITE;
    flags.0 & mask.0 == VmFlags::WRITE.0
}

impl<M: Memory> crate::space::AddressSpace<M> {
    /// Checks that no memory is or becomes both writable and executable, where the process forbade it.
    ///
    /// Linux: `include/linux/mman.h: map_deny_write_exec`.
    pub(crate) fn deny_write_exec(&self, old: VmFlags, new: VmFlags) -> Result<(), Refusal> {
        let denied = self.settings.refuse_exec_gain
            && new.contains(VmFlags::EXEC)
            && (new.contains(VmFlags::WRITE) || !old.contains(VmFlags::EXEC));
        if denied { Err(Refusal::WriteExec) } else { Ok(()) }
    }

    /// Adds what `PR_SET_MEMORY_MERGE` adds to a new mapping.
    ///
    /// Linux: `mm/ksm.c: ksm_vma_flags`.
    pub(crate) fn ksm_flags(&self, flags: VmFlags) -> VmFlags {
        if self.settings.merge_any && !flags.intersects(NO_KSM) { flags | VmFlags::MERGEABLE } else { flags }
    }
}
