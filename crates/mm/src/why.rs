//! Why a call answered what it answered: the check that refused it, the rules that made or stopped merges.
//!
//! [`Refusal`] is the one table of checks: each row has its errno, the kernel function that checks and what it
//! checks. Inside the twin a refusal travels as the error itself, so an errno never loses its reason.

use core::fmt;

use abi::{Errno, PAGE_SIZE, VirtAddr};

use crate::flags::VmFlags;

macro_rules! refusals {
    ($( $name:ident $errno:ident $function:literal $text:literal; )*) => {
        /// A check of the kernel that refused a call.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[expect(missing_docs, reason = "each variant's text says what it is")]
        #[non_exhaustive]
        pub enum Refusal { $( $name, )* }

        impl Refusal {
            /// Every check.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// The answer.
            pub const fn errno(self) -> Errno {
                match self { $( Self::$name => Errno::$errno, )* }
            }

            /// The kernel's file and function that checks.
            pub const fn function(self) -> &'static str {
                match self { $( Self::$name => $function, )* }
            }

            /// What is wrong.
            pub const fn text(self) -> &'static str {
                match self { $( Self::$name => $text, )* }
            }
        }
    };
}

refusals! {
    OffsetUnaligned EINVAL "arch/x86/kernel/sys_x86_64.c: mmap" "the offset is not a multiple of the page size";
    BadFd EBADF "mm/mmap.c: ksys_mmap_pgoff" "the descriptor is not open";
    HugeFlagOnFile EINVAL "mm/mmap.c: ksys_mmap_pgoff" "MAP_HUGETLB with a file of another file system";
    HugeSize EINVAL "mm/mmap.c: ksys_mmap_pgoff" "there are no huge pages of this size";
    ZeroLength EINVAL "mm/mmap.c: do_mmap" "the length is 0";
    LengthOverflow ENOMEM "mm/mmap.c: do_mmap" "the length wraps when rounded up";
    OffsetOverflow EOVERFLOW "mm/mmap.c: do_mmap" "offset and length together wrap";
    TooManyMappings ENOMEM "mm/mmap.c: do_mmap" "more mappings than vm.max_map_count";
    TooLong ENOMEM "mm/mmap.c: __get_unmapped_area" "longer than the address space";
    BeyondTaskSize ENOMEM "mm/mmap.c: __get_unmapped_area" "the range ends past the last user address";
    AddressIsErrno EINVAL "mm/mmap.c: __get_unmapped_area" "the address itself is taken for an error number";
    AddressUnaligned EINVAL "mm/mmap.c: __get_unmapped_area" "the address is not a multiple of the page size";
    NoSpace ENOMEM "mm/vma.c: vm_unmapped_area" "no free range is large enough";
    MinAddr EPERM "security/min_addr: cap_mmap_addr" "below vm.mmap_min_addr, and no CAP_SYS_RAWIO";
    WouldReplace EEXIST "mm/mmap.c: do_mmap" "MAP_FIXED_NOREPLACE, and something is mapped there";
    MayNotLock EPERM "mm/mlock.c: can_do_mlock" "RLIMIT_MEMLOCK is 0, and no CAP_IPC_LOCK";
    LockLimit EAGAIN "mm/mmap.c: mlock_future_ok" "more locked memory than RLIMIT_MEMLOCK";
    FileTooShort EOVERFLOW "mm/mmap.c: file_mmap_ok" "past the largest size of such a file";
    UnknownSharedFlags EOPNOTSUPP "mm/mmap.c: do_mmap" "MAP_SHARED_VALIDATE with flags the file does not support";
    NotOpenForWriting EACCES "mm/mmap.c: do_mmap" "shared and writable, but the file is not open for writing";
    AppendOnly EACCES "mm/mmap.c: do_mmap" "shared, and the file may only be appended to";
    NotOpenForReading EACCES "mm/mmap.c: do_mmap" "the file is not open for reading";
    NoExecMount EPERM "mm/mmap.c: do_mmap" "executable, and the file system is mounted noexec";
    Unmappable ENODEV "mm/mmap.c: do_mmap" "the file can't be mapped";
    GrowsDownFile EINVAL "mm/mmap.c: do_mmap" "MAP_GROWSDOWN of a file";
    GrowsDownShared EINVAL "mm/mmap.c: do_mmap" "MAP_GROWSDOWN of shared memory";
    BadType EINVAL "mm/mmap.c: do_mmap" "no known mapping type";
    DroppableFlags EINVAL "mm/mmap.c: do_mmap" "MAP_DROPPABLE with MAP_LOCKED, MAP_HUGETLB or MAP_GROWSDOWN";
    NotDax EOPNOTSUPP "include/linux/dax.h: daxdev_mapping_supported" "MAP_SYNC of a file that is not DAX";
    PerfPrivate EINVAL "kernel/events/core.c: perf_mmap" "a private mapping of a counter's ring";
    BpfPrivate EINVAL "kernel/bpf/syscall.c: bpf_map_mmap" "a private mapping of a BPF map";
    TraceReadOnly EPERM "kernel/trace/ring_buffer.c: __rb_map_vma" "a trace buffer is mapped shared and for reading only";
    RingPlaced EINVAL "io_uring/memmap.c: io_uring_get_unmapped_area" "the kernel alone places the rings of io_uring";
    WriteSealed EPERM "mm/memfd.c: memfd_check_seals_mmap" "the memfd is sealed against writing";
    WriteExec EACCES "include/linux/mman.h: map_deny_write_exec" "writable and executable, and MDWE is on";
    MapSealedWritable EPERM "mm/vma.c: mapping_map_writable" "the file is sealed against shared writable mappings";
    Sealed EPERM "mm/vma.h: vma_is_sealed" "the mapping is sealed";
    AddressSpaceLimit ENOMEM "mm/vma.c: may_expand_vm" "more than RLIMIT_AS";
    DataLimit ENOMEM "mm/vma.c: may_expand_vm" "more private writable memory than RLIMIT_DATA";
    Overcommit ENOMEM "mm/util.c: __vm_enough_memory" "more memory than may be promised";
    HugePool ENOMEM "mm/hugetlb.c: hugetlb_reserve_pages" "too few free huge pages";
    HugeUnaligned EINVAL "fs/hugetlbfs/inode.c: hugetlb_get_unmapped_area" "not a multiple of the huge page size";
    HugeOffset EINVAL "fs/hugetlbfs/inode.c: hugetlbfs_file_mmap" "the offset is not a multiple of the huge page size";
    UnmapRange EINVAL "mm/vma.c: do_vmi_munmap" "unaligned, empty or past the last user address";
    UnmapSplits ENOMEM "mm/vma.c: vms_gather_munmap_vmas" "it would split a mapping, and there are vm.max_map_count";
    Splits ENOMEM "mm/vma.c: split_vma" "it would split a mapping, and there are vm.max_map_count";
    MayNotSplit EINVAL "mm/vma.c: __split_vma" "such a mapping can't be split there";
    GrowsBoth EINVAL "mm/mprotect.c: do_mprotect_pkey" "PROT_GROWSDOWN and PROT_GROWSUP together";
    ProtectUnaligned EINVAL "mm/mprotect.c: do_mprotect_pkey" "the address is not a multiple of the page size";
    ProtectOverflow ENOMEM "mm/mprotect.c: do_mprotect_pkey" "the range wraps";
    UnknownProt EINVAL "include/linux/mman.h: arch_validate_prot" "unknown protection bits";
    NoKey EINVAL "mm/mprotect.c: do_mprotect_pkey" "the protection key is not allocated";
    ProtectHole ENOMEM "mm/mprotect.c: do_mprotect_pkey" "a part of the range is not mapped";
    DoesNotGrow EINVAL "mm/mprotect.c: do_mprotect_pkey" "the mapping does not grow in that direction";
    MayNotAccess EACCES "mm/mprotect.c: do_mprotect_pkey" "the mapping may never be given this access";
    KeyRights EINVAL "arch/x86/kernel/fpu/xstate.c: arch_set_user_pkey_access" "the processor has no protection keys";
    KeyFlags EINVAL "mm/mprotect.c: pkey_alloc" "unknown flags or rights";
    NoKeysLeft ENOSPC "mm/mprotect.c: pkey_alloc" "no protection key is free: the processor has none";
    KeyNotAllocated EINVAL "mm/mprotect.c: pkey_free" "the protection key is not allocated";
    RemapFlags EINVAL "mm/mremap.c: check_mremap_params" "unknown flags, or a new address without MREMAP_MAYMOVE";
    RemapUnaligned EINVAL "mm/mremap.c: check_mremap_params" "an address is not a multiple of the page size";
    RemapNewLength EINVAL "mm/mremap.c: check_mremap_params" "the new length is 0 or past the address space";
    RemapTarget EINVAL "mm/mremap.c: check_mremap_params" "the new range ends past the last user address";
    RemapResize EINVAL "mm/mremap.c: check_mremap_params" "MREMAP_DONTUNMAP with two different lengths";
    RemapOverlap EINVAL "mm/mremap.c: check_mremap_params" "the new range overlaps the old one";
    RemapHeadroom ENOMEM "mm/mremap.c: check_mremap_params" "too close to vm.max_map_count";
    MoveHeadroom ENOMEM "mm/mremap.c: prep_move_vma" "too close to vm.max_map_count";
    RemapSealed EPERM "mm/mremap.c: check_prep_vma" "the mapping is sealed";
    RemapHuge EINVAL "mm/mremap.c: align_hugetlb" "huge pages: unaligned, or to grow";
    RemapDeadRing EINVAL "fs/aio.c: aio_ring_mremap" "the ring's context is not alive in this process";
    RemapHole EFAULT "mm/mremap.c: check_prep_vma" "nothing is mapped at the old address";
    RemapDuplicate EINVAL "mm/mremap.c: check_prep_vma" "old length 0 of a private mapping";
    RemapSpecial EINVAL "mm/mremap.c: check_prep_vma" "MREMAP_DONTUNMAP of a special mapping";
    RemapBeyond EFAULT "mm/mremap.c: check_prep_vma" "the old range reaches past its mapping";
    RemapOffset EINVAL "mm/mremap.c: check_prep_vma" "the file offset wraps";
    RemapNoExpand EFAULT "mm/mremap.c: check_prep_vma" "a special mapping can't grow";
    RemapMustMove ENOMEM "mm/mremap.c: expand_vma" "no room to grow in place, and no MREMAP_MAYMOVE";
    RemapMultiple EFAULT "mm/mremap.c: remap_move" "several mappings, and one of them can't move with others";
    RemapMayNotMerge ENOMEM "mm/mremap.c: expand_vma_in_place" "the extension does not merge with the mapping";
    AdviceUnknown EINVAL "mm/madvise.c: madvise_behavior_valid" "unknown advice";
    AdviceRange EINVAL "mm/madvise.c: is_valid_madvise" "unaligned, or the range wraps";
    AdviceHole ENOMEM "mm/madvise.c: madvise_walk_vmas" "a part of the range is not mapped; the rest was advised";
    AdviceLocked EINVAL "mm/madvise.c: madvise_dontneed_free_valid_vma" "the mapping is locked or special";
    AdviceSealed EPERM "mm/madvise.c: can_madvise_modify" "the mapping is sealed: its data may not be discarded";
    AdviceReclaim EINVAL "mm/madvise.c: can_madv_lru_vma" "the mapping is locked, special or of huge pages";
    AdviceDroppable EINVAL "mm/madvise.c: madvise_vma_behavior" "not for memory that the kernel may drop";
    HoleSealed EPERM "mm/shmem.c: shmem_fallocate" "the file is sealed against writing";
    HoleUnsupported ENODEV "fs/open.c: vfs_fallocate" "not a file that can have holes";
    HoleOffset EINVAL "fs/open.c: vfs_fallocate" "the offset is past the largest one of any file";
    HoleTooFar EFBIG "fs/open.c: vfs_fallocate" "the hole ends past the largest offset of the file";
    AdviceNotAnonymous EINVAL "mm/madvise.c: madvise_free_single_vma" "only for private anonymous memory";
    AdviceFileOrShared EINVAL "mm/madvise.c: madvise_vma_behavior" "not for files or shared memory";
    AdviceSpecial EINVAL "mm/madvise.c: madvise_vma_behavior" "not for special mappings";
    AdviceNeedsFile EINVAL "mm/madvise.c: madvise_remove" "there is no file, or it is locked";
    AdviceNotWritable EACCES "mm/madvise.c: madvise_remove" "the mapping is not shared and writable";
    AdviceSplits EAGAIN "mm/madvise.c: madvise_vma_behavior" "it would split a mapping, and there are vm.max_map_count";
    AdviceCollapse EINVAL "mm/khugepaged.c: madvise_collapse" "the mapping can't hold huge pages";
    CollapseNothing EINVAL "mm/khugepaged.c: find_pmd_or_thp_or_none" "there is no table near the pages to be joined";
    CollapseUntouched EINVAL "mm/khugepaged.c: check_pmd_state" "there is no table of the pages to be joined";
    CollapseGuarded EINVAL "mm/khugepaged.c: __collapse_huge_page_swapin" "a guard marker is in the way";
    CollapseMissing EBUSY "mm/khugepaged.c: hpage_collapse_scan_pmd" "a userfaultfd waits for pages that are not there";
    CollapseProtected EINVAL "mm/khugepaged.c: hpage_collapse_scan_pmd" "a page is write-protected by userfaultfd";
    CollapseMemory ENOMEM "mm/khugepaged.c: alloc_charge_folio" "free memory has no huge page";
    AdviceKernel EPERM "mm/madvise.c: madvise_inject_error" "no CAP_SYS_ADMIN";
    PopulateHole ENOMEM "mm/madvise.c: madvise_populate" "a part of the range is not mapped";
    PopulateAccess EINVAL "mm/madvise.c: madvise_populate" "the protection does not allow the access";
    PopulateFault EFAULT "mm/madvise.c: madvise_populate" "an access would raise a signal";
    PopulateBroken EHWPOISON "mm/madvise.c: madvise_populate" "a page is marked as broken";
    GuardInvalid EINVAL "mm/madvise.c: is_valid_guard_vma" "special, huge or locked";
    MlockFlags EINVAL "mm/mlock.c: mlock2" "unknown flags";
    MlockRange EINVAL "mm/mlock.c: apply_vma_lock_flags" "the range wraps";
    MlockHole ENOMEM "mm/mlock.c: apply_vma_lock_flags" "a part of the range is not mapped";
    MlockLimit ENOMEM "mm/mlock.c: do_mlock" "more locked memory than RLIMIT_MEMLOCK";
    MlockPopulate ENOMEM "mm/mlock.c: __mlock_posix_error_return" "a page can't be faulted in";
    MlockallLimit ENOMEM "mm/mlock.c: mlockall" "more is mapped than RLIMIT_MEMLOCK";
    MlockallFlags EINVAL "mm/mlock.c: mlockall" "no flags, unknown flags or MCL_ONFAULT alone";
    MsealFlags EINVAL "mm/mseal.c: do_mseal" "unknown flags, unaligned, or the range wraps";
    MsealHole ENOMEM "mm/mseal.c: do_mseal" "a part of the range is not mapped";
    MsyncArguments EINVAL "mm/msync.c: msync" "unknown or contradicting flags, or unaligned";
    MsyncOverflow ENOMEM "mm/msync.c: msync" "the range wraps";
    MsyncHole ENOMEM "mm/msync.c: msync" "a part of the range is not mapped";
    MsyncLocked EBUSY "mm/msync.c: msync" "MS_INVALIDATE of a locked mapping";
    MsyncIo EIO "mm/msync.c: msync" "the file could not be written";
    MsyncNoSync EINVAL "fs/sync.c: vfs_fsync_range" "the file can't be synchronised";
    MincoreUnaligned EINVAL "mm/mincore.c: mincore" "the address is not a multiple of the page size";
    MincoreRange ENOMEM "mm/mincore.c: mincore" "past the last user address, or not mapped";
    MincoreVector EFAULT "mm/mincore.c: mincore" "the vector can't be written";
    RemapPages EINVAL "mm/mmap.c: remap_file_pages" "bad range, protection given, or not one shared mapping";
    ShmAddress EINVAL "ipc/shm.c: do_shmat" "bad identifier or address, or something is mapped there";
    ShmSegment EINVAL "ipc/shm.c: do_shmat" "no such segment";
    ShmAccess EACCES "ipc/shm.c: do_shmat" "the segment's mode does not allow it";
    ShmNotAttached EINVAL "ipc/shm.c: ksys_shmdt" "no segment is attached there";
    MbindArguments EINVAL "mm/mempolicy.c: do_mbind" "bad mode, flags, nodes or range";
    MbindHole EFAULT "mm/mempolicy.c: queue_pages_range" "a part of the range is not mapped";
    MbindMoveAll EPERM "mm/mempolicy.c: do_mbind" "MPOL_MF_MOVE_ALL without CAP_SYS_NICE";
    HomeNodeArguments EINVAL "mm/mempolicy.c: set_mempolicy_home_node" "bad range, flags or node";
    HomeNodeMode EOPNOTSUPP "mm/mempolicy.c: set_mempolicy_home_node" "a policy that has no home node";
    HomeNodeNone ENOENT "mm/mempolicy.c: set_mempolicy_home_node" "no mapping of the range has a policy";
    UffdMode EINVAL "fs/userfaultfd.c: userfaultfd_register" "no mode, or an unknown one";
    UffdRange EINVAL "fs/userfaultfd.c: validate_range" "unaligned, empty or past the last user address";
    UffdHole EINVAL "fs/userfaultfd.c: userfaultfd_register" "nothing is mapped in the range";
    UffdGone ENOENT "mm/userfaultfd.c: uffd_mfill_lock" "not within one mapping that is registered";
    UffdNotWatched ENOENT "mm/userfaultfd.c: mwriteprotect_range" "no mapping there, or one not registered for write protection";
    UffdThere EEXIST "mm/userfaultfd.c: mfill_atomic_install_pte" "something is there already";
    UffdNothing EFAULT "mm/userfaultfd.c: mfill_atomic_pte_continue" "past the end of the file, or it has no such page";
    UffdPastEnd EINVAL "mm/shmem.c: shmem_get_folio_gfp" "past the end of the file";
    UffdPart EAGAIN "fs/userfaultfd.c: userfaultfd_copy" "only a part of the range could be filled";
    UffdOpen EINVAL "mm/userfaultfd.c: mfill_atomic" "the mapping is not registered for write protection";
    UffdUnfit EINVAL "include/linux/userfaultfd_k.h: vma_can_userfault" "a mapping of a kind that can't be registered so";
    UffdNotWritable EPERM "fs/userfaultfd.c: userfaultfd_register" "a mapping that may never be written";
    UffdBusy EBUSY "fs/userfaultfd.c: userfaultfd_register" "a mapping of another userfaultfd";
    ProcessFlags EINVAL "mm/madvise.c: process_madvise" "flags that must be 0";
    IovecLength EINVAL "lib/iov_iter.c: import_iovec" "too many ranges, or a length beyond all memory";
    RemoteAdvice EINVAL "mm/madvise.c: process_madvise_remote_valid" "not for another process";
    RemotePrivilege EPERM "mm/madvise.c: process_madvise" "another process, and no CAP_SYS_NICE";
    NotDying EINVAL "mm/oom_kill.c: process_mrelease" "the process is not dying";
    AioArguments EINVAL "fs/aio.c: io_setup" "the word is not 0, or no events or too many";
    AioTooMany EAGAIN "fs/aio.c: ioctx_alloc" "more events than fs.aio-max-nr";
    AioMap ENOMEM "fs/aio.c: aio_setup_ring" "the ring can't be mapped";
    AioContext EINVAL "fs/aio.c: io_destroy" "no such context";
    SetMmPrivilege EPERM "kernel/sys.c: prctl_set_mm" "no CAP_SYS_RESOURCE";
    SetMmValue EINVAL "kernel/sys.c: prctl_set_mm" "unknown field, bad address or order, or more than RLIMIT_DATA";
    SetMmHole EFAULT "kernel/sys.c: prctl_set_mm" "nothing is mapped at or above the address";
    VdsoMapped EEXIST "arch/x86/entry/vdso/vma.c: map_vdso_once" "a vdso is mapped already";
    ArchPrctlOp EINVAL "arch/x86/kernel/process_64.c: do_arch_prctl_64" "this kernel has no such operation";
    NoShadowStack ENOSYS "kernel/sys_ni.c: map_shadow_stack" "the kernel has no shadow stacks";
    NameArguments EINVAL "mm/madvise.c: prctl_set_vma" "bad name or range, or the kernel keeps no names";
    NameFile EBADF "mm/madvise.c: madvise_vma_behavior" "only anonymous memory has names";
    NameHole ENOMEM "mm/madvise.c: madvise_walk_vmas" "a part of the range is not mapped";
    MdweArguments EINVAL "kernel/sys.c: prctl_set_mdwe" "unknown bits, or arguments that must be 0";
    MdweOff EPERM "kernel/sys.c: prctl_set_mdwe" "MDWE can't be taken back";
    PrctlArguments EINVAL "kernel/sys.c: prctl" "arguments that must be 0, or an unknown operation";
    BrkLow EINVAL "mm/mmap.c: brk" "below the heap's start";
    BrkData ENOSPC "include/linux/mm.h: check_data_rlimit" "more data than RLIMIT_DATA";
    BrkNotHeap EINVAL "mm/mmap.c: brk" "no mapping ends at the heap's end";
    BrkBlocked ENOMEM "mm/mmap.c: brk" "the next mapping, with its guard gap and a page, is too near";
    GrowMinAddr EPERM "mm/vma.c: expand_downwards" "the stack would reach below vm.mmap_min_addr";
    GrowGuard ENOMEM "mm/vma.c: expand_downwards" "the stack would come within its guard gap of another mapping";
    GrowStackLimit ENOMEM "mm/vma.c: acct_stack_growth" "more stack than RLIMIT_STACK";
    GrowLock ENOMEM "mm/vma.c: acct_stack_growth" "more locked memory than RLIMIT_MEMLOCK";
    GrowOffset ENOMEM "mm/vma.c: expand_downwards" "the stack's page offset would pass below 0";
    RlimitHigh EPERM "kernel/sys.c: do_prlimit" "above the hard limit, and no CAP_SYS_RESOURCE";
    RlimitOrder EINVAL "kernel/sys.c: do_prlimit" "the soft limit is above the hard one";
    RlimitProcess ESRCH "kernel/sys.c: prlimit64" "there is no such process";
    RlimitForeign EPERM "kernel/sys.c: check_prlimit_permission" "of another user's process, and no CAP_SYS_RESOURCE";
    Unreadable EFAULT "lib/usercopy.c: copy_from_user" "the memory the call reads can't be read";
    ShadowStack EOPNOTSUPP "arch/x86/kernel/shstk.c: map_shadow_stack" "the processor has no shadow stacks";
    Observed EINVAL "(the kernel's answer, taken over)" "the answer depends on what is not modelled";
}

impl fmt::Display for Refusal {
    /// Writes `ENOMEM from mm/vma.c: may_expand_vm: more than RLIMIT_AS`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}: {}", self.errno(), self.function(), self.text())
    }
}

/// A rule that stops two neighbours from being one mapping, in the kernel's order of checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MergeBar {
    /// There is no neighbour on that side, or it does not touch.
    NotAdjacent,
    /// Special mappings never merge.
    Special,
    /// Another NUMA policy.
    Policy,
    /// Flags that differ.
    Flags(VmFlags),
    /// Another open file description, or a file and none.
    File,
    /// Another userfaultfd.
    Userfaultfd,
    /// Another name.
    Name,
    /// Two different anon_vmas: both were touched before they met.
    AnonVma,
    /// The anon_vma came through a fork: the child still shares pages with its parent.
    ForkChild,
    /// The page offsets do not continue.
    Offset,
    /// Each fits the middle, but the two sides have different anon_vmas.
    SidesDiffer,
    /// The mapping to go has operations that must see its end.
    MayNotDelete,
}

impl MergeBar {
    /// Returns its number, from 1 on in the order above, and the flags that differ.
    const fn number(self) -> (u64, VmFlags) {
        let flags = if let Self::Flags(flags) = self { flags } else { VmFlags::NONE };
        let number = match self {
            Self::NotAdjacent => 1,
            Self::Special => 2,
            Self::Policy => 3,
            Self::Flags(_) => 4,
            Self::File => 5,
            Self::Userfaultfd => 6,
            Self::Name => 7,
            Self::AnonVma => 8,
            Self::ForkChild => 9,
            Self::Offset => 10,
            Self::SidesDiffer => 11,
            Self::MayNotDelete => 12,
        };
        (number, flags)
    }

    /// Returns the rule of a number; `None` for 0.
    fn of_number(number: u64, flags: VmFlags) -> Option<Self> {
        let all = [
            Self::NotAdjacent,
            Self::Special,
            Self::Policy,
            Self::Flags(flags),
            Self::File,
            Self::Userfaultfd,
            Self::Name,
            Self::AnonVma,
            Self::ForkChild,
            Self::Offset,
            Self::SidesDiffer,
            Self::MayNotDelete,
        ];
        all.into_iter().find(|bar| bar.number().0 == number)
    }

    /// Returns the kernel's file and function of the rule.
    pub const fn function(self) -> &'static str {
        match self {
            Self::NotAdjacent => "mm/vma.c: can_vma_merge_left",
            Self::Special => "mm/vma.c: vma_merge_new_range",
            Self::Policy | Self::Flags(_) | Self::File | Self::Userfaultfd | Self::Name => {
                "mm/vma.c: is_mergeable_vma"
            }
            Self::AnonVma => "mm/vma.c: is_mergeable_anon_vma",
            Self::ForkChild => "mm/vma.c: vma_is_fork_child",
            Self::Offset => "mm/vma.c: can_vma_merge_after",
            Self::SidesDiffer => "mm/vma.c: can_vma_merge_right",
            Self::MayNotDelete => "mm/vma.c: can_merge_remove_vma",
        }
    }
}

impl fmt::Display for MergeBar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAdjacent => f.write_str("no mapping touches there")?,
            Self::Special => f.write_str("special mappings never merge")?,
            Self::Policy => f.write_str("the NUMA policies differ")?,
            Self::Flags(flags) => write!(f, "the flags differ in {flags:?}")?,
            Self::File => f.write_str("the open files differ")?,
            Self::Userfaultfd => f.write_str("the userfaultfds differ")?,
            Self::Name => f.write_str("the names differ")?,
            Self::AnonVma => f.write_str("both were touched: their anon_vmas differ")?,
            Self::ForkChild => f.write_str("its anon_vma is shared with a forked parent")?,
            Self::Offset => f.write_str("the page offsets do not continue")?,
            Self::SidesDiffer => f.write_str("the anon_vmas of the two sides differ")?,
            Self::MayNotDelete => f.write_str("it may not be deleted by a merge")?,
        }
        write!(f, " ({})", self.function())
    }
}

/// Which neighbour a merge looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The one below.
    Left,
    /// The one above.
    Right,
}

/// What became of one possible merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MergeNote {
    /// The first address of the new or changed range.
    pub at: VirtAddr,
    /// Which neighbour.
    pub side: Side,
    /// `None`: merged; else the rule that stopped it.
    pub bar: Option<MergeBar>,
}

impl fmt::Display for MergeNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Left => "below",
            Side::Right => "above",
        };
        match self.bar {
            None => write!(f, "{}: merged with the mapping {side}", self.at),
            Some(bar) => write!(f, "{}: not merged with {side}: {bar}", self.at),
        }
    }
}

/// The most notes that one answer keeps.
const NOTES: usize = 6;

/// A note in two words: an answer is made at every call, and mostly nobody reads it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Packed {
    /// The address, which is a page's, with the side in its lowest bit and the rule above that.
    place: u64,
    /// The flags of [`MergeBar::Flags`].
    flags: VmFlags,
}

impl Packed {
    fn of(note: MergeNote) -> Self {
        let MergeNote { at, side, bar } = note;
        debug_assert!(at.is_page_aligned(), "{at} is where a mapping starts");
        let place = at.0 | u64::from(side == Side::Right);
        match bar.map(MergeBar::number) {
            None => Self { place, flags: VmFlags::NONE },
            Some((rule, flags)) => Self { place: place | rule << 1, flags },
        }
    }

    fn note(self) -> MergeNote {
        let Self { place, flags } = self;
        let side = if place & 1 == 0 { Side::Left } else { Side::Right };
        let bar = MergeBar::of_number((place % PAGE_SIZE) >> 1, flags);
        MergeNote { at: VirtAddr(place).page_down(), side, bar }
    }
}

/// Why a call answered what it answered.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Why {
    /// The check that refused, if one did.
    pub refused: Option<Refusal>,
    count: u8,
    notes: [Packed; NOTES],
    /// How many more merges were looked at than are kept in the notes.
    pub more: u32,
}

impl Why {
    /// Returns what became of the first merges looked at, in order.
    pub fn merges(&self) -> impl Iterator<Item = MergeNote> + '_ {
        self.notes[..usize::from(self.count)].iter().map(|packed| packed.note())
    }

    pub(crate) fn note(&mut self, at: VirtAddr, side: Side, bar: Option<MergeBar>) {
        match self.notes.get_mut(usize::from(self.count)) {
            Some(slot) => {
                *slot = Packed::of(MergeNote { at, side, bar });
                self.count += 1;
            }
            None => self.more += 1,
        }
    }
}

impl fmt::Debug for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Why({self})")
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refused {
            Some(refusal) => write!(f, "{refusal}")?,
            None => f.write_str("allowed")?,
        }
        for note in self.merges() {
            write!(f, "; {note}")?;
        }
        if self.more > 0 {
            write!(f, "; and {} more", self.more)?;
        }
        Ok(())
    }
}
