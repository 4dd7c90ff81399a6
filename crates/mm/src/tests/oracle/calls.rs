//! The twin's side of a step: the call, and what the kernel reads besides.

use alloc::sync::Arc;

use abi::{Call, Fd, FileId, MapFlags, MlockFlags, PAGE_SIZE, PrctlOp, Prot, RemapFlags, VirtAddr};

use super::map::address;
use super::model::{FILE, HEAP};
use super::steps::{Ask, Kind, Remap, Span, Step, Where};
use crate::file::{DescriptionId, FileKind, MapFile, ObjectId, OpenMode};
use crate::input::{FileInput, Input};

const fn bytes(pages: usize) -> u64 {
    pages as u64 * PAGE_SIZE
}

const fn addr(at: usize) -> VirtAddr {
    VirtAddr(address(at))
}

/// Returns the call of a step; `None` where it is none.
pub(super) fn call(step: Step) -> Option<Call> {
    let at = |span: Span| (addr(span.at), bytes(span.pages));
    Some(match step {
        Step::Map(ask) => map(ask),
        Step::Unmap(span) => {
            let (addr, len) = at(span);
            Call::Munmap { addr, len }
        }
        Step::Protect { span, prot, down } => {
            let (addr, len) = at(span);
            let down = if down { Prot::GROWSDOWN } else { Prot::NONE };
            Call::Mprotect { addr, len, prot: Prot(prot) | down }
        }
        Step::Name { span, name } => Call::Prctl {
            op: PrctlOp::SET_VMA,
            arg2: 0,
            arg3: addr(span.at).0,
            arg4: bytes(span.pages),
            arg5: u64::from(name.is_some()),
        },
        Step::Advise { span, advice } => {
            let (addr, len) = at(span);
            Call::Madvise { addr, len, advice }
        }
        Step::Lock { span, on_fault: false } => {
            let (addr, len) = at(span);
            Call::Mlock { addr, len }
        }
        Step::Lock { span, on_fault: true } => {
            let (addr, len) = at(span);
            Call::Mlock2 { addr, len, flags: MlockFlags::ONFAULT }
        }
        Step::Unlock(span) => {
            let (addr, len) = at(span);
            Call::Munlock { addr, len }
        }
        Step::LockAll(flags) => Call::Mlockall { flags },
        Step::UnlockAll => Call::Munlockall {},
        Step::Seal(span) => {
            let (addr, len) = at(span);
            Call::Mseal { addr, len, flags: 0 }
        }
        Step::Brk(pages) => Call::Brk { addr: addr(HEAP + pages) },
        Step::Remap(remap) => move_(remap),
        _ => return None,
    })
}

fn map(ask: Ask) -> Call {
    let Ask { place, pages, prot, kind, flags } = ask;
    let (addr, place) = match place {
        Where::Fixed(at) => (addr(at), MapFlags::FIXED),
        Where::Free(at) => (addr(at), MapFlags::FIXED_NOREPLACE),
        // Inside the page: hints are rounded down.
        Where::Hint(at) => (VirtAddr(address(at) + 8), MapFlags::NONE),
        Where::Anywhere => (VirtAddr::NULL, MapFlags::NONE),
    };
    let (kind, fd, offset) = match kind {
        Kind::Private => (MapFlags::PRIVATE | MapFlags::ANONYMOUS, -1, 0),
        Kind::Stack => (MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::GROWSDOWN, -1, 0),
        Kind::Shared => (MapFlags::SHARED | MapFlags::ANONYMOUS, -1, 0),
        Kind::File { file, shared: false, pgoff } => (MapFlags::PRIVATE, file as i32, pgoff * PAGE_SIZE),
        Kind::File { file, shared: true, pgoff } => (MapFlags::SHARED, file as i32, pgoff * PAGE_SIZE),
        Kind::Closed => (MapFlags::PRIVATE, -1, 0),
    };
    let flags = kind | place | flags;
    Call::Mmap { addr, len: bytes(pages), prot: Prot(prot), flags, fd: Fd(fd), offset }
}

fn move_(remap: Remap) -> Call {
    let Remap { at, old, new, flags, to } = remap;
    let told = flags.intersects(RemapFlags::FIXED | RemapFlags::DONTUNMAP);
    Call::Mremap {
        addr: addr(at),
        old_len: bytes(old),
        new_len: bytes(new),
        flags,
        new_addr: if told { addr(to) } else { VirtAddr::NULL },
    }
}

/// Returns what the kernel reads behind pointers and descriptors.
pub(super) fn input(step: Step) -> Input {
    let name = match step {
        Step::Name { name: Some(name), .. } => Some([name as u8].as_slice().into()),
        _ => None,
    };
    let file = match step {
        Step::Map(Ask { kind: Kind::File { file, .. }, .. }) => FileInput::Open(Arc::new(open_file(file))),
        _ => FileInput::Bad,
    };
    Input { name, file, ..Input::default() }
}

/// One file, opened twice: the second time for reading only.
fn open_file(file: u64) -> MapFile {
    MapFile {
        object: ObjectId::File(FileId::default()),
        description: DescriptionId::Known(file),
        kind: FileKind::RegularOther,
        mode: OpenMode { read: true, write: file == 1, append_only: false },
        bytes: bytes(FILE),
        seals: 0,
        noexec: false,
    }
}
