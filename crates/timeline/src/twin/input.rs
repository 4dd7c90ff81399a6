//! What a call reads besides its registers, in the twin's words.

use std::sync::Arc;

use abi::{Call, DevId, Errno, FileId};
use mm::{Caps, DescriptionId, Driver, FileInput, Input, MapFile, ObjectId, OpenMode, Pointers, Target};
use recording::{CallInput, FileRef};

use super::{Told, Twin, driver};

/// The file system behind System V segments, memfds and shared anonymous memory.
const KERNEL_TMPFS: DevId = DevId { major: 0, minor: 1 };

impl Twin {
    /// Translates what was recorded of a call.
    pub(super) fn input(&self, call: Call, input: &CallInput, caps: Caps, told: Told) -> Input {
        let mut out = Input { caps, ..Input::default() };
        match told {
            Told::Nothing => {}
            Told::Place(addr) => {
                out.placed = Some(addr);
                out.observed = Some(Ok(addr.0));
            }
            Told::Answer(raw @ -4095..0) => out.observed = Some(Err(Errno(raw.unsigned_abs() as u16))),
            Told::Answer(raw) => out.observed = Some(Ok(raw.cast_unsigned())),
        }
        match input {
            CallInput::None | CallInput::BadFd => {}
            // One opened for its path only can't be mapped, as if it were not open.
            CallInput::File(file) if file.mode.path_only => {}
            CallInput::File(file) => out.file = FileInput::Open(Arc::new(map_file(file))),
            CallInput::Refused(errno) => out.target = Target::Refused(*errno),
            CallInput::Rlimit { pid: _, limit } => out.rlimit = Some(*limit),
            CallInput::Name(name) => out.name = name.clone(),
            CallInput::Ranges { target, ranges } => {
                out.ranges = ranges.clone();
                if *target != Some(self.mm) {
                    out.target = Target::Other;
                }
            }
            CallInput::Words(words) => {
                out.words = words.clone();
                out.nodes = words.first().copied().unwrap_or(0);
            }
            CallInput::Segment { key: _, bytes } => out.segment = Some(Arc::new(segment(call, *bytes))),
            CallInput::Unreadable => out.pointers = Pointers::Bad,
        }
        if let Call::UffdIoctl { fd, .. } = call {
            out.uffd = self.uffds.get(&fd).copied();
        }
        out
    }
}

/// Tells whether a call maps a file whose driver is not known: the flags of its mapping are an input.
pub fn is_of_unknown_driver(call: Call, input: &CallInput) -> bool {
    let (Call::Mmap { .. }, CallInput::File(file)) = (call, input) else { return false };
    kind_of(file.kind, &file.path) == mm::FileKind::Special(Driver::Other)
}

/// An open file.
fn map_file(file: &FileRef) -> MapFile {
    let FileRef { path, id, bytes, kind, mode, description, seals, noexec, append_only } = file;
    MapFile {
        object: ObjectId::File(*id),
        description: match description {
            0 => DescriptionId::Unknown(*id),
            known => DescriptionId::Known(*known),
        },
        kind: kind_of(*kind, path),
        mode: OpenMode { read: mode.read, write: mode.write, append_only: *append_only },
        bytes: *bytes,
        seals: *seals,
        noexec: *noexec || driver::is_nameless_inode(path),
    }
}

/// What a file is to the twin, by its kind and its name.
pub(super) fn kind_of(kind: recording::FileKind, path: &[u8]) -> mm::FileKind {
    match kind {
        recording::FileKind::Regular => mm::FileKind::Regular,
        recording::FileKind::RegularHuge => mm::FileKind::RegularHuge,
        recording::FileKind::Fuse => mm::FileKind::Fuse,
        recording::FileKind::RegularOther => mm::FileKind::RegularOther,
        recording::FileKind::Overlay => mm::FileKind::Overlay,
        recording::FileKind::Shmem => mm::FileKind::Shmem,
        recording::FileKind::Hugetlb => mm::FileKind::Hugetlb,
        recording::FileKind::HugetlbGib => mm::FileKind::HugetlbGib,
        recording::FileKind::ZeroDevice => mm::FileKind::ZeroDevice,
        recording::FileKind::Device => driver::device(path),
        recording::FileKind::BpfArena => mm::FileKind::Special(Driver::BpfArena),
        recording::FileKind::TraceBuffer => mm::FileKind::Special(Driver::Trace),
        recording::FileKind::KernelFile | recording::FileKind::Kernfs | recording::FileKind::Socket => {
            mm::FileKind::Special(Driver::Other)
        }
        // Rings and the like have a file of their own; pipes and directories have no pages.
        recording::FileKind::Other => driver::nameless_inode(path).unwrap_or(mm::FileKind::Unmappable),
    }
}

/// A System V segment: its inode number is its identifier.
fn segment(call: Call, bytes: u64) -> MapFile {
    let file = segment_file(call);
    MapFile {
        object: ObjectId::File(file),
        description: DescriptionId::Unknown(file),
        kind: mm::FileKind::SysV,
        mode: OpenMode { read: true, write: true, append_only: false },
        bytes,
        seals: 0,
        noexec: false,
    }
}

/// The file behind the segment that a call attaches.
pub(super) fn segment_file(call: Call) -> FileId {
    let ino = match call {
        Call::Shmat { id, .. } => u64::from(id.cast_unsigned()),
        _ => 0,
    };
    FileId { dev: KERNEL_TMPFS, ino }
}

/// The name that the kernel prints for a segment.
pub(super) fn segment_name(key: i32) -> Vec<u8> {
    format!("/SYSV{:08x} (deleted)", key.cast_unsigned()).into_bytes()
}
