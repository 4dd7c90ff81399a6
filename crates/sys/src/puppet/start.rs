//! Starting the puppet's process: its descriptors, its personality, its program.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use abi::{Personality, Rlimit};

use super::image::{self, Library};
use super::layout::{ARENA_FD, FIRST_FILE_FD, PROGRAM_FD, SPARE_FD};
use crate::os_error::{OsError, OsResult};

/// How a puppet is set up before it executes its program.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The files that it holds open, from [`FIRST_FILE_FD`] on.
    pub files: &'a [BorrowedFd<'a>],
    /// Its execution domain: whether its layout is random, which way mappings are placed.
    pub personality: Personality,
    /// Its stack limit: it decides where mappings end.
    pub stack_limit: Rlimit,
    /// The C library that it is linked with, if any.
    pub library: Option<&'a Library>,
}

/// Tells whether this process may have an execution domain: containers often forbid the fixed layout.
pub fn may_have(personality: Personality) -> bool {
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: the calls change an attribute of this thread, which matters to the programs it executes only, and
    // change it back.
    unsafe {
        let before = libc::personality(ASK);
        let allowed = before >= 0 && libc::personality(personality.0) >= 0;
        if allowed {
            libc::personality(before as libc::c_ulong);
        }
        allowed
    }
}

/// Makes a memfd.
pub(super) fn memfd(name: &'static CStr, flags: libc::c_uint) -> OsResult<OwnedFd> {
    // SAFETY: the name is a C string; the call touches no other memory.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), flags | libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(OsError::last("memfd_create"));
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Starts the process.
pub(super) fn start(setup: &Setup<'_>, arena: BorrowedFd<'_>) -> OsResult<Child> {
    let failed = |call| move |error: io::Error| os_error(call, &error);
    let library = setup.library.filter(|library| library.fits());
    let mut program = File::from(memfd(c"vmatlas-puppet", libc::MFD_EXEC)?);
    program.write_all(&image::elf(library)).map_err(failed("write(puppet)"))?;
    let mut moves = vec![(program.as_raw_fd(), PROGRAM_FD), (arena.as_raw_fd(), ARENA_FD)];
    moves.extend(setup.files.iter().map(|file| file.as_raw_fd()).zip(FIRST_FILE_FD..));
    let mut spares = vec![0; moves.len()];
    let (personality, stack) = (setup.personality, setup.stack_limit);
    let mut command = Command::new(format!("/proc/self/fd/{PROGRAM_FD}"));
    command.arg0("puppet").env_clear().process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if library.is_some() {
        // No memory that the kernel writes to whenever the process has been off its processor; no words on a terminal.
        command.env("GLIBC_TUNABLES", "glibc.pthread.rseq=0").env("LIBC_FATAL_STDERR_", "1");
    }
    let before_exec = move || {
        domain(personality, stack)?;
        place_descriptors(&moves, &mut spares)
    };
    // SAFETY: the closure allocates nothing and makes only async-signal-safe calls.
    unsafe { command.pre_exec(before_exec) };
    command.spawn().map_err(failed("exec(puppet)"))
}

fn domain(personality: Personality, stack: Rlimit) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: stack.soft, rlim_max: stack.hard };
    // SAFETY: the calls change attributes of this process only and read one local structure.
    let all_well = unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0
            && libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) == 0
            && libc::setrlimit(libc::RLIMIT_STACK, &raw const limit) == 0
            && libc::personality(personality.0) >= 0
    };
    if all_well { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Moves each descriptor to its number; all are copied out of the way first, so that none is overwritten.
fn place_descriptors(moves: &[(i32, i32)], spares: &mut [i32]) -> io::Result<()> {
    for ((from, _), spare) in moves.iter().zip(spares.iter_mut()) {
        // SAFETY: the call changes the descriptor table only.
        *spare = unsafe { libc::fcntl(*from, libc::F_DUPFD_CLOEXEC, SPARE_FD) };
        if *spare < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    for ((_, to), spare) in moves.iter().zip(spares.iter()) {
        let flags = if *to == PROGRAM_FD { libc::O_CLOEXEC } else { 0 };
        // SAFETY: the call changes the descriptor table only.
        if unsafe { libc::dup3(*spare, *to, flags) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn os_error(call: &'static str, error: &io::Error) -> OsError {
    OsError { call, errno: abi::Errno(error.raw_os_error().unwrap_or(libc::EIO) as u16) }
}
