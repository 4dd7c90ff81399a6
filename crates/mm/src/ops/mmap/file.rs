//! The checks of `mmap` that a file brings.

use abi::{Errno, MapFlags, MapType, PAGE_SHIFT, PageOff, Prot};

use crate::driver::Driver;
use crate::file::{FileKind, MapFile, SEAL_FUTURE_WRITE, SEAL_WRITE};
use crate::flags::VmFlags;
use crate::input::Basis;
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

/// `LEGACY_MAP_MASK`: the flags that `MAP_SHARED_VALIDATE` knows. `MAP_FIXED_NOREPLACE` is not one of them.
const KNOWN: MapFlags = MapFlags(
    MapFlags::SHARED.0
        | MapFlags::PRIVATE.0
        | MapFlags::FIXED.0
        | MapFlags::ANONYMOUS.0
        | MapFlags::DENYWRITE.0
        | MapFlags::EXECUTABLE.0
        | MapFlags::UNINITIALIZED.0
        | MapFlags::GROWSDOWN.0
        | MapFlags::LOCKED.0
        | MapFlags::NORESERVE.0
        | MapFlags::POPULATE.0
        | MapFlags::NONBLOCK.0
        | MapFlags::STACK.0
        | MapFlags::HUGETLB.0
        | MapFlags::MAP_32BIT.0
        | MapFlags::ABOVE4G.0
        | 0x1f << MapFlags::HUGE_SHIFT,
);

impl<M: Memory> Op<'_, M> {
    /// Checks a file against what is asked and returns the flags of its mapping.
    ///
    /// Linux: `mm/mmap.c: do_mmap`.
    pub(super) fn check_file(
        &mut self,
        file: &MapFile,
        len: u64,
        prot: Prot,
        flags: MapFlags,
        pgoff: PageOff,
        vm_flags: VmFlags,
    ) -> Result<VmFlags, Refusal> {
        if !fits(file.kind, len, pgoff) {
            return Err(Refusal::FileTooShort);
        }
        let vm_flags = match flags.map_type() {
            MapType::SharedValidate if !flags.without(known(file.kind)).is_empty() => {
                return Err(Refusal::UnknownSharedFlags);
            }
            MapType::Shared | MapType::SharedValidate => shared_flags(file, prot, vm_flags)?,
            MapType::Private => vm_flags,
            MapType::Droppable | MapType::Invalid(_) => return Err(Refusal::BadType),
        };
        if !file.mode.read {
            return Err(Refusal::NotOpenForReading);
        }
        let vm_flags = match file.noexec {
            true if vm_flags.contains(VmFlags::EXEC) => return Err(Refusal::NoExecMount),
            true => vm_flags.without(VmFlags::MAYEXEC),
            false => vm_flags,
        };
        if file.kind == FileKind::Unmappable {
            return Err(Refusal::Unmappable);
        }
        // An unknown driver that says so has nothing to be mapped.
        if file.kind == FileKind::Special(Driver::Other) && self.observed == Some(Err(Errno::ENODEV)) {
            self.basis = Basis::TakenOver;
            return Err(Refusal::Observed);
        }
        if vm_flags.contains(VmFlags::GROWSDOWN) {
            return Err(Refusal::GrowsDownFile);
        }
        check_seals(file, vm_flags)
    }
}

/// Some file systems know `MAP_SYNC`, if only to refuse it later.
fn known(kind: FileKind) -> MapFlags {
    if kind == FileKind::Regular { KNOWN | MapFlags::SYNC } else { KNOWN }
}

/// Linux: `mm/mmap.c: file_mmap_ok`.
fn fits(kind: FileKind, len: u64, pgoff: PageOff) -> bool {
    let most = match kind {
        FileKind::Special(Driver::Trace) => i64::MAX as u64,
        FileKind::ZeroDevice | FileKind::Special(_) | FileKind::Unmappable => u64::MAX,
        _ => i64::MAX as u64,
    };
    len <= most && pgoff.0 <= (most - len) >> PAGE_SHIFT
}

fn shared_flags(file: &MapFile, prot: Prot, vm_flags: VmFlags) -> Result<VmFlags, Refusal> {
    if prot.contains(Prot::WRITE) && !file.mode.write {
        return Err(Refusal::NotOpenForWriting);
    }
    if file.mode.append_only && file.mode.write {
        return Err(Refusal::AppendOnly);
    }
    let vm_flags = vm_flags | VmFlags::SHARED | VmFlags::MAYSHARE;
    if file.mode.write {
        return Ok(vm_flags);
    }
    Ok(vm_flags.without(VmFlags::MAYWRITE | VmFlags::SHARED))
}

/// Linux: `mm/memfd.c: memfd_check_seals_mmap`.
fn check_seals(file: &MapFile, vm_flags: VmFlags) -> Result<VmFlags, Refusal> {
    if file.seals & (SEAL_WRITE | SEAL_FUTURE_WRITE) == 0 || !vm_flags.contains(VmFlags::SHARED) {
        return Ok(vm_flags);
    }
    if vm_flags.contains(VmFlags::WRITE) {
        return Err(Refusal::WriteSealed);
    }
    Ok(vm_flags.without(VmFlags::MAYWRITE))
}
