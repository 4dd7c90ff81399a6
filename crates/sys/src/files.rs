//! What `std` does not tell of files.

use std::ffi::CStr;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::{OsResult, check};

/// The file system of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileSystem {
    /// Its magic number (`statfs`).
    pub magic: u64,
    /// Whether it is mounted `noexec`.
    pub noexec: bool,
    /// The bytes of its blocks.
    pub block_bytes: u64,
}

/// The file system of the file at a path.
pub fn file_system(path: &CStr) -> OsResult<FileSystem> {
    // The kernel's `struct statfs` of x86-64 is 15 words: type and block size first, the mount's flags at place 10.
    let mut words = [0u64; 15];
    // SAFETY: `path` ends with a zero byte, `words` has the structure's size.
    check("statfs", unsafe { libc::syscall(libc::SYS_statfs, path.as_ptr(), words.as_mut_ptr()) })?;
    let noexec = words[10] & libc::ST_NOEXEC != 0;
    Ok(FileSystem { magic: words[0], noexec, block_bytes: words[1] })
}

/// What a file says of itself (`statx`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct About {
    /// What it is, as `S_IFMT` masks it.
    pub file_type: u32,
    /// The device that it says it is on, major and minor.
    pub dev: (u32, u32),
    /// The number that it says it has.
    pub ino: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Of a device: which one, major and minor.
    pub device: (u32, u32),
    /// Whether it may only be appended to (`chattr +a`).
    pub append_only: bool,
    /// The number of its mount that no other has or will have; kernels before 6.8 do not tell.
    pub mount: Option<u64>,
}

/// Asks the file at a path what it is.
pub fn about(path: &CStr) -> OsResult<About> {
    const BASIC_STATS: u32 = 0x7ff;
    const MNT_ID_UNIQUE: u32 = 0x4000;
    const ATTR_APPEND: u64 = 0x20;
    // The kernel's `struct statx` is 32 words.
    let mut words = [0u64; 32];
    let mask = BASIC_STATS | MNT_ID_UNIQUE;
    let (at, flags) = (libc::AT_FDCWD, libc::AT_NO_AUTOMOUNT);
    // SAFETY: `path` ends with a zero byte, `words` has the structure's size.
    let done = unsafe { libc::syscall(libc::SYS_statx, at, path.as_ptr(), flags, mask, words.as_mut_ptr()) };
    check("statx", done)?;
    let halves = |word: u64| (word as u32, (word >> 32) as u32);
    Ok(About {
        file_type: u32::from((words[3] >> 32) as u16) & libc::S_IFMT,
        dev: halves(words[17]),
        ino: words[4],
        bytes: words[5],
        device: halves(words[16]),
        append_only: words[1] & ATTR_APPEND != 0,
        mount: (words[0] as u32 & MNT_ID_UNIQUE != 0).then_some(words[18]),
    })
}

/// The seals of a file in memory; 0 for any other.
pub fn seals(fd: &impl AsRawFd) -> u32 {
    // SAFETY: takes numbers.
    let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
    seals.max(0) as u32
}

/// Makes a file in memory.
pub fn memory_file(name: &CStr) -> OsResult<OwnedFd> {
    // SAFETY: `name` ends with a zero byte.
    let fd = check("memfd_create", unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) }.into())?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A System V segment's key and size.
pub fn segment(id: i32) -> OsResult<(i32, u64)> {
    // SAFETY: a structure of integers.
    let mut state: libc::shmid_ds = unsafe { mem::zeroed() };
    // SAFETY: `state` lives.
    check("shmctl(IPC_STAT)", unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut state) }.into())?;
    Ok((state.shm_perm.__key, state.shm_segsz as u64))
}
