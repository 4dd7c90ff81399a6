//! What a state repeats of the recording's events.

use abi::{Call, Errno};
use recording::{
    CallInput, ExecEvent, ExitStatus, FileKind, FileRef, ObjectEvent, OpenMode, Segment, SpawnKind,
};

use super::codec::{In, Out, Saved, saved, saved_enum, saved_number};

saved_enum! {
    FileKind {
        Regular, RegularOther, Shmem, Hugetlb, Device, Other, Overlay, RegularHuge, Fuse, KernelFile, Kernfs,
        HugetlbGib, ZeroDevice, Socket, BpfArena, TraceBuffer,
    }
    SpawnKind { Fork, Vfork, Thread, SharedMemory }
}

saved_number! { Errno: u16 }

saved! {
    OpenMode { read, write, append, path_only }
    FileRef { path, id, bytes, kind, mode, description, seals, noexec, append_only }
    ExecEvent {
        pid, former_tid, former_mm, path, argv, auxv, start_brk, start_stack, segments, personality,
        foreign_arch,
    }
    Segment { kind, flags, offset, vaddr, file_bytes, memory_bytes, align }
    ObjectEvent { file, path, build_id, segments }
}

impl Saved for ExitStatus {
    fn put(&self, out: &mut Out) {
        match self {
            Self::Code(code) => (false, *code).put(out),
            Self::Signal(signal) => (true, *signal).put(out),
        }
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        let (is_signal, value) = Saved::get(input)?;
        Some(if is_signal { Self::Signal(value) } else { Self::Code(value) })
    }
}

impl Saved for Call {
    fn put(&self, out: &mut Out) {
        self.encode_x86_64().put(out);
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        let (nr, args) = Saved::get(input)?;
        Self::decode_x86_64(nr, args)
    }
}

/// Only `mmap`'s input is ever needed after the call, and it reads nothing but a file.
impl Saved for CallInput {
    fn put(&self, out: &mut Out) {
        let file = match self {
            Self::File(file) => Some(&**file),
            _ => None,
        };
        file.is_some().put(out);
        if let Some(file) = file {
            file.put(out);
        }
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        let file = Option::<FileRef>::get(input)?;
        Some(file.map_or(Self::None, |file| Self::File(Box::new(file))))
    }
}

impl<T: Saved, E: Saved> Saved for Result<T, E> {
    fn put(&self, out: &mut Out) {
        self.is_ok().put(out);
        match self {
            Ok(value) => value.put(out),
            Err(error) => error.put(out),
        }
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        if bool::get(input)? { T::get(input).map(Ok) } else { E::get(input).map(Err) }
    }
}
