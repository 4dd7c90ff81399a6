//! The open file behind a descriptor, as a mapping sees it.

use std::ffi::CString;
use std::fs::{self, File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use abi::{DevId, Fd, FileId, Tid};
use recording::{CallInput, FileKind, FileRef, OpenMode};

use super::bytes;

const EXT4: u64 = 0xef53;
const XFS: u64 = 0x5846_5342;
const BTRFS: u64 = 0x9123_683e;
const TMPFS: u64 = 0x0102_1994;
const HUGETLBFS: u64 = 0x9584_58f6;

const O_ACCMODE: u32 = 0o3;
const O_WRONLY: u32 = 0o1;
const O_RDWR: u32 = 0o2;
const O_APPEND: u32 = 0o2000;
const O_PATH: u32 = 0o10_000_000;

/// Reads what a thread's descriptor stands for.
pub(super) fn read(tid: Tid, fd: Fd) -> CallInput {
    if fd.0 < 0 {
        return CallInput::BadFd;
    }
    let link = format!("/proc/{tid}/fd/{fd}");
    let Ok(path) = fs::read_link(&link) else { return CallInput::BadFd };
    // What can't be told of an open file (the program may not be looked into any more) is left out, not invented.
    let Ok(metadata) = fs::metadata(&link) else { return CallInput::Unreadable };
    let file_system = CString::new(link.as_bytes()).ok().and_then(|link| sys::files::file_system(&link).ok());
    let kind = kind(&metadata, file_system.map_or(0, |system| system.magic));
    let path = path.as_os_str().as_bytes();
    CallInput::File(Box::new(FileRef {
        path: bytes(path),
        id: id(&metadata),
        bytes: metadata.len(),
        kind,
        mode: mode(tid, fd),
        description: 0,
        seals: if kind == FileKind::Shmem && path.starts_with(b"/memfd:") { seals(&link) } else { 0 },
        noexec: file_system.is_some_and(|system| system.noexec),
    }))
}

fn id(metadata: &Metadata) -> FileId {
    // The kernel's `new_encode_dev`: 12 bits of major, 20 of minor, as `stat` gives them on x86-64.
    let dev = metadata.dev();
    let major = (dev >> 8 & 0xfff | dev >> 32 & 0xffff_f000) as u32;
    let minor = (dev & 0xff | dev >> 12 & 0xffff_ff00) as u32;
    FileId { dev: DevId { major, minor }, ino: metadata.ino() }
}

fn kind(metadata: &Metadata, magic: u64) -> FileKind {
    let kind = metadata.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return FileKind::Device;
    }
    if !kind.is_file() {
        return FileKind::Other;
    }
    match magic {
        EXT4 | XFS | BTRFS => FileKind::Regular,
        TMPFS => FileKind::Shmem,
        HUGETLBFS => FileKind::Hugetlb,
        _ => FileKind::RegularOther,
    }
}

/// How it was opened, from the `flags` of `/proc/PID/fdinfo/N`.
fn mode(tid: Tid, fd: Fd) -> OpenMode {
    let text = fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0);
    OpenMode {
        read: flags & O_ACCMODE != O_WRONLY,
        write: matches!(flags & O_ACCMODE, O_WRONLY | O_RDWR),
        append: flags & O_APPEND != 0,
        path_only: flags & O_PATH != 0,
    }
}

/// The seals of a file in memory, through a description of our own.
fn seals(link: &str) -> u32 {
    File::open(link).map_or(0, |file| sys::files::seals(&file))
}
