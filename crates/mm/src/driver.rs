//! What drivers make of the mappings of their files: the rules of those that are known.
//!
//! ```text
//!                  flags                               split   places itself   refuses
//! perf ring        IO PFNMAP DONTCOPY DONTEXPAND dump  never   no              private
//! io_uring         DONTEXPAND MIXEDMAP                 yes     any hint, fixed places: EINVAL
//! BPF map          DONTEXPAND MIXEDMAP dump            yes     where others go private
//! BPF arena        DONTCOPY DONTEXPAND                 never   an input        private
//! trace buffer     DONTCOPY DONTEXPAND MIXEDMAP dump   never   no              writable, executable, private
//! any other        an input                            yes     an input        an input
//! ```
//! (`dump` is `DONTDUMP`.) Whatever else a driver refuses is an input.

use abi::Errno;

use crate::flags::VmFlags;
use crate::why::Refusal;

/// What a BPF map answers that has no memory to map.
const ENOTSUPP: Errno = Errno(524);

/// The driver behind a special file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Driver {
    /// The ring of a performance counter.
    Perf,
    /// The rings of `io_uring`.
    IoUring,
    /// The memory of a BPF map.
    Bpf,
    /// A BPF arena.
    BpfArena,
    /// The ring of the kernel's tracing.
    Trace,
    /// Any other: flags and placement of its mappings are inputs.
    Other,
}

impl Driver {
    /// What a driver may change of the flags that a call asked for.
    pub const CHANGES: VmFlags = VmFlags(
        VmFlags::SPECIAL.0
            | VmFlags::DONTCOPY.0
            | VmFlags::DONTDUMP.0
            | VmFlags::MAY_ALL.0
            | VmFlags::NOHUGEPAGE.0
            | VmFlags::HUGEPAGE.0
            | VmFlags::WIPEONFORK.0,
    );

    /// Returns the flags of a mapping that was asked for with these; `told` are those of the mapping there, where its
    /// driver is not known.
    ///
    /// Linux: `kernel/events/core.c: perf_mmap`, `mm/memory.c: remap_pfn_range`, `io_uring/memmap.c: io_uring_mmap`,
    /// `kernel/bpf/syscall.c: bpf_map_mmap`, `kernel/bpf/arena.c: arena_map_mmap`,
    /// `kernel/trace/ring_buffer.c: __rb_map_vma`, `mm/memory.c: vm_insert_page`.
    pub fn flags(self, asked: VmFlags, told: Option<VmFlags>) -> VmFlags {
        let kept = VmFlags::DONTEXPAND;
        let pages = kept | VmFlags::MIXEDMAP;
        match self {
            Self::Perf => {
                asked | kept | VmFlags::IO | VmFlags::PFNMAP | VmFlags::DONTCOPY | VmFlags::DONTDUMP
            }
            Self::IoUring => asked | pages,
            Self::Bpf => without_later_write(asked) | pages | VmFlags::DONTDUMP,
            Self::BpfArena => without_later_write(asked) | kept | VmFlags::DONTCOPY,
            Self::Trace => asked.without(VmFlags::MAYWRITE) | pages | VmFlags::DONTCOPY | VmFlags::DONTDUMP,
            Self::Other => match told {
                Some(told) => asked.without(Self::CHANGES) | VmFlags(told.0 & Self::CHANGES.0),
                None => asked | kept,
            },
        }
    }

    /// Tells what the driver refuses by rule, unless it said something that comes before: a BPF map without memory to map,
    /// a trace buffer in use.
    ///
    /// Linux: `kernel/events/core.c: perf_mmap`, `kernel/bpf/syscall.c: bpf_map_mmap`,
    /// `kernel/trace/ring_buffer.c: __rb_map_vma`.
    pub(crate) fn refuses(self, asked: VmFlags, observed: Option<Result<u64, Errno>>) -> Option<Refusal> {
        if let Some(Err(ENOTSUPP | Errno::EBUSY)) = observed {
            return None;
        }
        let writes = asked.intersects(VmFlags::WRITE.with(VmFlags::EXEC));
        match self {
            Self::Perf if !asked.contains(VmFlags::SHARED) => Some(Refusal::PerfPrivate),
            Self::Bpf | Self::BpfArena if !asked.contains(VmFlags::SHARED) => Some(Refusal::BpfPrivate),
            Self::Trace if writes || !asked.contains(VmFlags::MAYSHARE) => Some(Refusal::TraceReadOnly),
            _ => None,
        }
    }

    /// Tells whether its mappings may be split.
    ///
    /// Linux: `kernel/events/core.c: perf_mmap_may_split`, `kernel/bpf/arena.c: arena_vm_may_split`,
    /// `kernel/trace/trace.c: tracing_buffers_may_split`.
    pub(crate) const fn may_split(self) -> bool {
        !matches!(self, Self::Perf | Self::BpfArena | Self::Trace)
    }

    /// Tells whether it places its mappings itself (`f_op->get_unmapped_area`); of an unknown one it is taken that it does
    /// not, as hardly any does.
    ///
    /// Linux: `io_uring/memmap.c: io_uring_get_unmapped_area`, `kernel/bpf/syscall.c: bpf_get_unmapped_area`.
    pub(crate) const fn places_itself(self) -> bool {
        matches!(self, Self::IoUring | Self::Bpf | Self::BpfArena)
    }
}

/// What is mapped for reading only can't be made writable later, and nothing executable.
fn without_later_write(asked: VmFlags) -> VmFlags {
    let without = if asked.contains(VmFlags::WRITE) { VmFlags::NONE } else { VmFlags::MAYWRITE };
    asked.without(without | VmFlags::MAYEXEC)
}
