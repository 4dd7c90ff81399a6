//! Making, ending and asking about processes.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::ptr;

use abi::{Errno, Fd, Pid, Resource, Rlimit, Tid};

use crate::ptrace::{self, Waited};
use crate::{OsError, OsResult, check};

/// Which side of a `fork` this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The parent, with its new child.
    Parent(Pid),
    /// The child.
    Child,
}

/// Makes a copy of this process.
///
/// # Preconditions
/// The process has one thread: locks of others would stay locked in the child.
pub fn fork() -> OsResult<Side> {
    // SAFETY: with one thread (see above) the child can do all the parent could.
    let pid = check("fork", unsafe { libc::fork() }.into())?;
    Ok(if pid == 0 { Side::Child } else { Side::Parent(Pid(pid as i32)) })
}

/// Executes a program in place of this one; returns only the error.
pub fn exec(path: &CStr, args: &[CString], env: &[CString]) -> OsError {
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both arrays end with a null pointer and point to texts that live through the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    OsError::last("execve")
}

/// Ends this process at once, without any cleaning up.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: takes a number and does not come back.
    unsafe { libc::_exit(code) }
}

/// Waits until a child changes: ends, stops or goes on. `None` where `Wait::Not` and nothing has happened.
pub fn wait_child(pid: Pid, wait: Wait) -> OsResult<Option<Waited>> {
    let hang = if wait == Wait::Not { libc::WNOHANG } else { 0 };
    let options = libc::WUNTRACED | libc::WCONTINUED | hang;
    Ok(ptrace::wait("waitpid", pid.0, options)?.map(|(_, waited)| waited))
}

/// Whether to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Until something happens.
    UntilEvent,
    /// Not at all.
    Not,
}

/// Sends a signal to a process.
pub fn kill(pid: Pid, signal: i32) -> OsResult<()> {
    // SAFETY: takes numbers.
    check("kill", unsafe { libc::kill(pid.0, signal) }.into()).map(drop)
}

/// Makes this process the leader of a new session, without a controlling terminal.
pub fn new_session() -> OsResult<()> {
    // SAFETY: takes nothing.
    check("setsid", unsafe { libc::setsid() }.into()).map(drop)
}

/// Takes this process out of its process group, into one of its own.
pub fn new_group() -> OsResult<()> {
    // SAFETY: takes numbers.
    check("setpgid", unsafe { libc::setpgid(0, 0) }.into()).map(drop)
}

/// The id of this process.
pub fn own_pid() -> Pid {
    // SAFETY: takes nothing, can't fail.
    Pid(unsafe { libc::getpid() })
}

/// Lets another process trace this one, where Yama would not; kernels without Yama refuse, which is no matter.
pub fn let_trace(tracer: Pid) {
    // SAFETY: the operation takes numbers.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, tracer.0 as libc::c_ulong, 0, 0, 0) };
}

/// Lets this process have as many files open as it may.
pub fn raise_file_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes `limit`, which lives.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the kernel reads `limit`, which lives; a refusal is no matter.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    }
}

/// Forbids this process to leave a core.
pub fn forbid_core() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `none` lives; a refusal is no matter, since then the second line still holds.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    // SAFETY: the operation takes numbers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

/// What of this process steers its memory and is inherited by children and by programs executed, by the name of the
/// operation that tells it; what this kernel does not have is left out.
pub fn memory_settings() -> Vec<(&'static str, u64)> {
    const MEMORY_MERGE: libc::c_int = 68;
    const OPERATIONS: [(&str, libc::c_int); 3] = [
        ("PR_GET_MDWE", libc::PR_GET_MDWE),
        ("PR_GET_THP_DISABLE", libc::PR_GET_THP_DISABLE),
        ("PR_GET_MEMORY_MERGE", MEMORY_MERGE),
    ];
    let told = |(name, operation)| {
        // SAFETY: the operation takes numbers and changes nothing.
        let value = unsafe { libc::prctl(operation, 0, 0, 0, 0) };
        Some((name, u64::try_from(value).ok()?))
    };
    OPERATIONS.into_iter().filter_map(told).collect()
}

/// Names this thread, as `ps` shows it.
pub fn name_thread(name: &CStr) {
    // SAFETY: `name` ends with a zero byte and is copied.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) };
}

/// Points a descriptor at another file, inherited by programs executed later.
pub fn redirect(from: &impl AsRawFd, to: RawFd) -> OsResult<()> {
    // SAFETY: takes numbers; whoever owned `to` loses it, which is what is asked for.
    check("dup2", unsafe { libc::dup2(from.as_raw_fd(), to) }.into()).map(drop)
}

/// Closes one descriptor.
pub fn close(fd: RawFd) {
    close_range(fd as u32, fd as u32 + 1);
}

/// Closes every descriptor from `first` on, except those in `keep`.
pub fn close_all_but(first: RawFd, keep: &[RawFd]) {
    let mut keep: Vec<RawFd> = keep.iter().copied().filter(|fd| *fd >= first).collect();
    keep.sort_unstable();
    let mut from = first as u32;
    for fd in keep {
        close_range(from, fd as u32);
        from = fd as u32 + 1;
    }
    close_range(from, u32::MAX);
}

/// Closes `from..end`.
fn close_range(from: u32, end: u32) {
    if from < end {
        // SAFETY: takes numbers; the caller names what nobody uses any more.
        unsafe { libc::syscall(libc::SYS_close_range, from, end - u32::from(end != u32::MAX), 0) };
    }
}

/// Tells whether a number that is no descriptor stands for the calling thread or process where a pidfd is asked for
/// (`PIDFD_SELF_THREAD`, `PIDFD_SELF_THREAD_GROUP`): kernels differ in whether and which.
pub fn means_caller(number: Fd) -> bool {
    if number.0 >= 0 {
        return false;
    }
    // SAFETY: plain numbers; signal 0 is not sent, and without a structure nothing is read.
    let sent =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, number.0, 0, ptr::null::<libc::siginfo_t>(), 0) };
    sent == 0
}

/// Makes a descriptor for a process, readable when it ends.
pub fn pidfd(pid: Pid) -> OsResult<OwnedFd> {
    // SAFETY: takes numbers.
    let fd = check("pidfd_open", unsafe { libc::syscall(libc::SYS_pidfd_open, pid.0, 0) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// A process's limit.
pub fn limit(pid: Pid, resource: Resource) -> OsResult<Rlimit> {
    let mut old = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `old` lives; no new limit is given.
    let result = unsafe { libc::prlimit64(pid.0, resource.0, ptr::null(), &raw mut old) };
    check("prlimit64", result.into())?;
    Ok(Rlimit { soft: old.rlim_cur, hard: old.rlim_max })
}

/// Tells whether two threads share their memory.
pub fn share_memory(a: Tid, b: Tid) -> OsResult<bool> {
    const KCMP_VM: i32 = 1;
    // SAFETY: takes numbers.
    let result = unsafe { libc::syscall(libc::SYS_kcmp, a.0, b.0, KCMP_VM, 0, 0) };
    check("kcmp(KCMP_VM)", result).map(|order| order == 0)
}

/// The inode of the first user namespace (`include/linux/proc_ns.h`).
const FIRST_USER_NAMESPACE: u64 = 0xefff_fffd;

/// Returns the effective capabilities of a thread that count where memory is limited, one bit each: those in a user
/// namespace of its own, as in a container without privilege, do not (`kernel/capability.c: capable`).
///
/// # Errors
/// As [`effective_capabilities`].
pub fn memory_capabilities(tid: Tid) -> OsResult<u64> {
    let all = effective_capabilities(tid)?;
    let is_elsewhere = || {
        let namespace = std::fs::metadata(format!("/proc/{tid}/ns/user"));
        namespace.is_ok_and(|namespace| namespace.ino() != FIRST_USER_NAMESPACE)
    };
    Ok(if all != 0 && is_elsewhere() { 0 } else { all })
}

/// Returns the effective capabilities of a thread, one bit each.
///
/// # Errors
/// `ESRCH` where the thread is gone.
pub fn effective_capabilities(tid: Tid) -> OsResult<u64> {
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = [VERSION_3, tid.0 as u32];
    // Effective, permitted and inheritable of the low 32, then of the high 32.
    let mut words = [0_u32; 6];
    // SAFETY: a header, which the kernel may correct, and as many words as this version of it writes.
    let result = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), words.as_mut_ptr()) };
    check("capget", result)?;
    Ok(u64::from(words[0]) | u64::from(words[3]) << 32)
}

/// The errno with which a program could not be executed, told apart as a shell does.
pub const fn exec_status(errno: Errno) -> u8 {
    if errno.0 == libc::ENOENT as u16 || errno.0 == libc::ENOTDIR as u16 { 127 } else { 126 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_those_of_status() {
        let status = std::fs::read_to_string("/proc/self/status").expect("readable");
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("every status has it");
        let expected = u64::from_str_radix(line.trim(), 16).expect("hexadecimal");
        assert_eq!(effective_capabilities(Tid(std::process::id() as i32)), Ok(expected));
        assert!(effective_capabilities(Tid(i32::MAX)).is_err());
    }
}
