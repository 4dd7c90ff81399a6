//! The open file behind a descriptor, as a mapping sees it.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use abi::{DevId, Fd, FileId, Tid};
use recording::{CallInput, FileKind, FileRef, OpenMode};

use sys::files::{About, FileSystem};

use super::bytes;
use super::mounts::{Mount, Mounts};

const EXT4: u64 = 0xef53;
const XFS: u64 = 0x5846_5342;
const BTRFS: u64 = 0x9123_683e;
const TMPFS: u64 = 0x0102_1994;
const HUGETLBFS: u64 = 0x9584_58f6;
const EROFS: u64 = 0xe0f5_e1e2;
const FUSE: u64 = 0x6573_5546;
const PROC: u64 = 0x9fa0;
const SYSFS: u64 = 0x6265_6572;
const CGROUP: u64 = 0x0027_e0eb;
const CGROUP2: u64 = 0x6367_7270;
const RESCTRL: u64 = 0x0765_5821;
const TRACEFS: u64 = 0x7472_6163;
const DEBUGFS: u64 = 0x6462_6720;
const NSFS: u64 = 0x6e73_6673;
const PIPEFS: u64 = 0x5049_5045;
const SOCKFS: u64 = 0x534f_434b;
const MQUEUE: u64 = 0x1980_0202;
const ANON_INODES: u64 = 0x0904_1934;
const PIDFS: u64 = 0x5049_4446;
const SECRETMEM: u64 = 0x5345_434d;
const BINDERFS: u64 = 0x6c6f_6f70;
const OVERLAYFS: u64 = 0x794c_7630;

/// `BPF_MAP_TYPE_ARENA`.
const ARENA: &str = "33";

const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFREG: u32 = 0o100_000;
const S_IFSOCK: u32 = 0o140_000;

/// `/dev/zero`, wherever it lies.
const ZERO: (u32, u32) = (1, 5);
const GIB: u64 = 1 << 30;

const O_ACCMODE: u32 = 0o3;
const O_WRONLY: u32 = 0o1;
const O_RDWR: u32 = 0o2;
const O_APPEND: u32 = 0o2000;
const O_PATH: u32 = 0o10_000_000;

/// File systems where `stat` shows the device that a map shows.
const ONE_DEVICE: [u64; 6] = [EXT4, XFS, TMPFS, HUGETLBFS, PROC, SYSFS];

/// File systems that hold no programs, however they are mounted. `statfs` does not tell.
///
/// Linux: `fs/exec.c: path_noexec`, `SB_I_NOEXEC`.
const NO_PROGRAMS: [u64; 13] = [
    PROC,
    SYSFS,
    CGROUP,
    CGROUP2,
    RESCTRL,
    NSFS,
    PIPEFS,
    SOCKFS,
    MQUEUE,
    ANON_INODES,
    PIDFS,
    SECRETMEM,
    BINDERFS,
];

/// Reads what a thread's descriptor stands for.
pub(super) fn read(tid: Tid, fd: Fd, mounts: &mut Mounts) -> CallInput {
    if fd.0 < 0 {
        return CallInput::BadFd;
    }
    let link = format!("/proc/{tid}/fd/{fd}");
    let Ok(path) = fs::read_link(&link) else { return CallInput::BadFd };
    // What can't be told of an open file (the program may not be looked into any more) is left out, not invented.
    let Ok(c_link) = CString::new(link.as_bytes()) else { return CallInput::Unreadable };
    let Ok(about) = sys::files::about(&c_link) else { return CallInput::Unreadable };
    let file_system = sys::files::file_system(&c_link).ok();
    let magic = file_system.map_or(0, |system| system.magic);
    let path = path.as_os_str().as_bytes();
    let info = Info::read(tid, fd);
    let kind = match kind(&about, file_system) {
        FileKind::Other if path == b"anon_inode:bpf-map" && info.is_arena => FileKind::BpfArena,
        FileKind::RegularOther | FileKind::KernelFile
            if magic == TRACEFS && path.ends_with(b"/trace_pipe_raw") =>
        {
            FileKind::TraceBuffer
        }
        kind => kind,
    };
    let listed = info.mount.filter(|_| !ONE_DEVICE.contains(&magic));
    let device = listed.and_then(|listed| mounts.device(tid, Mount { unique: about.mount, listed }));
    CallInput::File(Box::new(FileRef {
        path: bytes(path),
        id: FileId {
            dev: device.unwrap_or(DevId { major: about.dev.0, minor: about.dev.1 }),
            ino: info.ino.unwrap_or(about.ino),
        },
        bytes: about.bytes,
        kind,
        mode: info.mode,
        description: 0,
        seals: if is_in_memory(kind) && path.starts_with(b"/memfd:") { seals(&link) } else { 0 },
        noexec: file_system.is_some_and(|system| system.noexec) || NO_PROGRAMS.contains(&magic),
        append_only: about.append_only,
    }))
}

/// What kind of file lies at a path; one that can't be looked at is taken for any regular file.
pub fn file_kind(path: &Path) -> FileKind {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return FileKind::RegularOther };
    let (about, system) = (sys::files::about(&path), sys::files::file_system(&path));
    about.map_or(FileKind::RegularOther, |about| kind(&about, system.ok()))
}

fn kind(about: &About, system: Option<FileSystem>) -> FileKind {
    match about.file_type {
        S_IFREG => {}
        S_IFCHR if about.device == ZERO => return FileKind::ZeroDevice,
        S_IFCHR | S_IFBLK => return FileKind::Device,
        S_IFSOCK => return FileKind::Socket,
        _ => return FileKind::Other,
    }
    match system.map_or(0, |system| system.magic) {
        EXT4 | XFS => FileKind::Regular,
        BTRFS | EROFS => FileKind::RegularHuge,
        FUSE => FileKind::Fuse,
        TMPFS => FileKind::Shmem,
        HUGETLBFS if system.is_some_and(|system| system.block_bytes == GIB) => FileKind::HugetlbGib,
        HUGETLBFS => FileKind::Hugetlb,
        OVERLAYFS => FileKind::Overlay,
        PROC | TRACEFS | DEBUGFS | NSFS => FileKind::KernelFile,
        SYSFS | CGROUP | CGROUP2 | RESCTRL => FileKind::Kernfs,
        _ => FileKind::RegularOther,
    }
}

const fn is_in_memory(kind: FileKind) -> bool {
    matches!(kind, FileKind::Shmem | FileKind::Hugetlb | FileKind::HugetlbGib)
}

/// What `/proc/PID/fdinfo/N` says of an open file.
struct Info {
    mode: OpenMode,
    /// The mount by its number in the list of mounts.
    mount: Option<u64>,
    /// The number of the file as a map shows it, which `stat` need not: overlayfs, FUSE. Kernels before 5.14 do not tell.
    ino: Option<u64>,
    /// Whether it is a BPF map that is an arena.
    is_arena: bool,
}

impl Info {
    fn read(tid: Tid, fd: Fd) -> Self {
        let text = fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).unwrap_or_default();
        Self::of(&text)
    }

    fn of(text: &str) -> Self {
        let word = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let flags = word("flags:").and_then(|word| u32::from_str_radix(word, 8).ok()).unwrap_or(0);
        Self {
            mode: OpenMode {
                read: flags & O_ACCMODE != O_WRONLY,
                write: matches!(flags & O_ACCMODE, O_WRONLY | O_RDWR),
                append: flags & O_APPEND != 0,
                path_only: flags & O_PATH != 0,
            },
            mount: word("mnt_id:").and_then(|word| word.parse().ok()),
            ino: word("ino:").and_then(|word| word.parse().ok()),
            is_arena: word("map_type:") == Some(ARENA),
        }
    }
}

/// The seals of a file in memory, through a description of our own.
fn seals(link: &str) -> u32 {
    File::open(link).map_or(0, |file| sys::files::seals(&file))
}
