//! What a memory call reads besides its registers, looked up while its thread waits.

mod file;
mod mounts;
mod process;
mod words;

use abi::{Call, Fd, MapFlags, Pid, Tid};
use recording::{Bytes, CallInput, MmId};

pub use self::file::file_kind;
pub(crate) use self::mounts::Mounts;

/// Which memory a process has.
pub(crate) trait MemoryOf {
    /// Its memory, if it is traced.
    fn memory_of(&self, pid: Pid) -> Option<MmId>;
    /// The memory of a thread, if it is traced.
    fn own_of(&self, tid: Tid) -> Option<MmId>;
    /// Every thread that is traced.
    fn threads(&self) -> impl Iterator<Item = Tid>;
}

/// Reads the inputs of a call that this thread is about to make.
pub(crate) fn read(tid: Tid, call: Call, memories: &impl MemoryOf, mounts: &mut Mounts) -> CallInput {
    match call {
        Call::Mmap { flags, fd, .. } if !flags.contains(MapFlags::ANONYMOUS) => file::read(tid, fd, mounts),
        Call::Shmat { id, .. } => segment(id),
        Call::Setrlimit { limit, .. } => words::limit(tid, Pid(0), limit),
        Call::Prlimit64 { pid, new_limit, .. } => {
            // What can't be read is refused before anything is asked of the process.
            match (words::limit(tid, Pid(0), new_limit), process::limited(tid, pid, memories)) {
                (CallInput::Rlimit { pid: _, limit }, Ok(pid)) => CallInput::Rlimit { pid, limit },
                (CallInput::Rlimit { .. }, Err(errno)) => CallInput::Refused(errno),
                (unreadable, _) => unreadable,
            }
        }
        Call::Prctl { op, arg2, arg3, arg4, arg5 } => words::prctl(tid, op, [arg2, arg3, arg4, arg5]),
        Call::ProcessMadvise { pidfd, iovec, count, .. } => match by_descriptor(tid, pidfd, memories) {
            Some(Target(mm)) => words::ranges(tid, mm, iovec, count),
            None => CallInput::BadFd,
        },
        Call::ProcessMrelease { pidfd, .. } => match by_descriptor(tid, pidfd, memories) {
            Some(Target(target)) => CallInput::Ranges { target, ranges: [].into() },
            None => CallInput::BadFd,
        },
        Call::UffdIoctl { request, arg, .. } => words::ioctl(tid, request, arg),
        Call::Mbind { nodemask, maxnode, .. } => words::nodes(tid, nodemask, maxnode),
        Call::IoSetup { ctx, .. } => words::some(tid, ctx, 1),
        _ => CallInput::None,
    }
}

/// A System V segment.
fn segment(id: i32) -> CallInput {
    match sys::files::segment(id).ok().or_else(|| listed_segment(id)) {
        Some((key, bytes)) => CallInput::Segment { key, bytes },
        None => CallInput::None,
    }
}

/// The same from the list that everybody may read.
fn listed_segment(id: i32) -> Option<(i32, u64)> {
    let text = std::fs::read_to_string("/proc/sysvipc/shm").ok()?;
    text.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        let key = words.next()?.parse().ok()?;
        (words.next()?.parse() == Ok(id)).then_some(())?;
        Some((key, words.nth(1)?.parse().ok()?))
    })
}

/// The memory of a process, if it is traced.
struct Target(Option<MmId>);

/// The process behind a pidfd, or behind one of the numbers that stand for the caller where the kernel knows them.
fn by_descriptor(tid: Tid, pidfd: Fd, memories: &impl MemoryOf) -> Option<Target> {
    if pidfd.0 < 0 {
        return sys::process::means_caller(pidfd).then(|| Target(memories.own_of(tid)));
    }
    let text = std::fs::read_to_string(format!("/proc/{tid}/fdinfo/{pidfd}")).ok()?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    let pid = pid.trim().parse().ok().map(Pid).filter(|pid| pid.0 > 0)?;
    Some(Target(memories.memory_of(pid)))
}

/// The bytes of a text, shared.
fn bytes(text: &[u8]) -> Bytes {
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use abi::{MapFlags, Prot, VirtAddr};
    use recording::FileKind;

    use super::*;

    pub(super) struct Nobody;

    impl MemoryOf for Nobody {
        fn memory_of(&self, _pid: Pid) -> Option<MmId> {
            None
        }

        fn own_of(&self, tid: Tid) -> Option<MmId> {
            (tid == own()).then_some(MmId(1))
        }

        fn threads(&self) -> impl Iterator<Item = Tid> {
            [own()].into_iter()
        }
    }

    pub(super) fn own() -> Tid {
        Tid(std::process::id() as i32)
    }

    fn map(fd: i32) -> CallInput {
        let flags = MapFlags(2);
        let call =
            Call::Mmap { addr: VirtAddr(0), len: 4096, prot: Prot::READ, flags, fd: Fd(fd), offset: 0 };
        read(own(), call, &Nobody, &mut Mounts::default())
    }

    #[test]
    fn the_file_behind_a_descriptor() {
        use std::os::fd::AsRawFd;
        let path = std::env::current_exe().expect("a test has a file");
        let file = std::fs::File::open(&path).expect("our own");
        let CallInput::File(found) = map(file.as_raw_fd()) else { panic!("a file") };
        assert_eq!(found.path.as_ref(), path.as_os_str().as_encoded_bytes());
        assert_eq!(found.bytes, file.metadata().expect("our own").len());
        assert!(found.mode.read && !found.mode.write && !found.mode.append && !found.mode.path_only);

        let memory = sys::files::memory_file(c"a name").expect("a file");
        let CallInput::File(found) = map(memory.as_raw_fd()) else { panic!("a file") };
        assert_eq!(found.path.as_ref(), b"/memfd:a name (deleted)");
        assert_eq!((found.kind, found.mode.write), (FileKind::Shmem, true));
        // A memory file made without `MFD_ALLOW_SEALING` is sealed against sealing.
        assert_eq!(found.seals, 1);

        let zero = std::fs::File::open("/dev/zero").expect("a device");
        let CallInput::File(found) = map(zero.as_raw_fd()) else { panic!("a file") };
        assert_eq!(found.kind, FileKind::ZeroDevice);
        let null = std::fs::File::open("/dev/null").expect("a device");
        let CallInput::File(found) = map(null.as_raw_fd()) else { panic!("a file") };
        assert_eq!((found.kind, found.noexec), (FileKind::Device, false));

        let of_proc = std::fs::File::open("/proc/self/maps").expect("ours");
        let CallInput::File(found) = map(of_proc.as_raw_fd()) else { panic!("a file") };
        assert_eq!((found.kind, found.noexec), (FileKind::KernelFile, true));
        let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let CallInput::File(found) = map(socket.as_raw_fd()) else { panic!("a file") };
        assert_eq!((found.kind, found.noexec), (FileKind::Socket, true));
        assert_eq!(map(99_999), CallInput::BadFd);
        assert_eq!(map(-1), CallInput::BadFd);
    }

    #[test]
    fn a_pidfd_leads_to_a_process_and_some_numbers_to_the_caller() {
        let madvise = |pidfd| {
            let advice = abi::Advice::DONTNEED;
            let call =
                Call::ProcessMadvise { pidfd: Fd(pidfd), iovec: VirtAddr(0), count: 0, advice, flags: 0 };
            read(own(), call, &Nobody, &mut Mounts::default())
        };
        let to = |target| CallInput::Ranges { target, ranges: [].into() };
        let other = sys::process::pidfd(Pid(own().0)).expect("we live");
        assert_eq!(madvise(other.as_raw_fd()), to(None), "it is not traced");
        assert_eq!(madvise(-1), CallInput::BadFd);
        assert_eq!(madvise(99_999), CallInput::BadFd);
        // PIDFD_SELF_THREAD, on kernels that have it.
        let is_known = sys::process::means_caller(Fd(-10_000));
        assert_eq!(madvise(-10_000), if is_known { to(Some(MmId(1))) } else { CallInput::BadFd });
    }

    #[test]
    fn what_pointers_lead_to() {
        let limit = [1u64 << 20, u64::MAX];
        let call = |limit| Call::Prlimit64 {
            pid: 0,
            resource: abi::Resource::AS,
            new_limit: VirtAddr(limit),
            old_limit: VirtAddr(0),
        };
        let found = read(own(), call(limit.as_ptr() as u64), &Nobody, &mut Mounts::default());
        let limit = abi::Rlimit { soft: 1 << 20, hard: u64::MAX };
        assert_eq!(found, CallInput::Rlimit { pid: Pid(0), limit });
        assert_eq!(read(own(), call(8), &Nobody, &mut Mounts::default()), CallInput::Unreadable);

        let name = c"heap of mine";
        let op = abi::PrctlOp::SET_VMA;
        let named = |arg5| Call::Prctl { op, arg2: 0, arg3: 0, arg4: 4096, arg5 };
        let found = read(own(), named(name.as_ptr() as u64), &Nobody, &mut Mounts::default());
        assert_eq!(found, CallInput::Name(Some(bytes(b"heap of mine"))));
        assert_eq!(read(own(), named(0), &Nobody, &mut Mounts::default()), CallInput::Name(None));
    }
}
