//! Seccomp: installing a filter, and answering its notifications.

use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use abi::{Errno, Tid};

use crate::filter::Instruction;
use crate::{OsError, OsResult, check};

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
const SYNC_WAKE_UP: u64 = 1;

/// A call that waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notification {
    /// Its number, by which it is answered.
    pub id: u64,
    /// Who calls.
    pub tid: Tid,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// The system call's number.
    pub nr: u32,
    /// Its arguments.
    pub args: [u64; 6],
    /// Where it was made from.
    pub ip: u64,
}

fn install(instructions: &[Instruction], flags: libc::c_ulong) -> OsResult<i64> {
    let mut filter: Vec<libc::sock_filter> = instructions
        .iter()
        .map(|i| libc::sock_filter { code: i.code, jt: i.if_true, jf: i.if_false, k: i.operand })
        .collect();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let operation = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: `program` and the instructions it points to live through the call, which copies them.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &raw const program) };
    check("seccomp(SECCOMP_SET_MODE_FILTER)", result)
}

/// Installs a filter with a listener on this thread. Nothing takes it off again.
///
/// # Errors
/// `EBUSY` where a filter above has a listener, `EACCES` without privilege and without `NO_NEW_PRIVS`, `EINVAL` on
/// kernels before 5.19.
pub fn install_with_listener(instructions: &[Instruction]) -> OsResult<OwnedFd> {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
        | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW
        | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let fd = install(instructions, flags)? as RawFd;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Installs a filter without a listener on this thread.
///
/// # Errors
/// As above, without `EBUSY`.
pub fn install_for_tracer(instructions: &[Instruction]) -> OsResult<()> {
    install(instructions, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW).map(drop)
}

/// The end of a filter where its notifications arrive.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Takes a listener's descriptor; asks the kernel to wake the other side on the same processor, where it can.
    pub fn new(fd: OwnedFd) -> Self {
        // SAFETY: the request takes a number. A kernel before 6.6 refuses it, which costs time only.
        unsafe { libc::ioctl(fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
        Self(fd)
    }

    /// The descriptor.
    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Takes the next call, waiting for one.
    ///
    /// # Errors
    /// `ENOENT` where the caller has gone meanwhile, `EINTR`.
    pub fn receive(&self) -> OsResult<Notification> {
        // SAFETY: a structure of integers; the kernel wants zeros.
        let mut notif: libc::seccomp_notif = unsafe { mem::zeroed() };
        let at = ptr::from_mut(&mut notif);
        // SAFETY: `notif` lives and has the size that the request's number names.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, at) };
        check("ioctl(SECCOMP_IOCTL_NOTIF_RECV)", result.into())?;
        let libc::seccomp_data { nr, arch, instruction_pointer, args } = notif.data;
        let tid = Tid(notif.pid as i32);
        Ok(Notification { id: notif.id, tid, arch, nr: nr as u32, args, ip: instruction_pointer })
    }

    /// Lets a call be made as it is.
    ///
    /// # Errors
    /// `ENOENT` where the caller has gone meanwhile.
    pub fn allow(&self, id: u64) -> OsResult<()> {
        let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        self.send(libc::seccomp_notif_resp { id, val: 0, error: 0, flags })
    }

    /// Answers a call with an errno; it is not made.
    ///
    /// # Errors
    /// As above.
    pub fn refuse(&self, id: u64, errno: Errno) -> OsResult<()> {
        self.send(libc::seccomp_notif_resp { id, val: 0, error: -i32::from(errno.0), flags: 0 })
    }

    fn send(&self, response: libc::seccomp_notif_resp) -> OsResult<()> {
        let at = &raw const response;
        // SAFETY: `response` lives and has the size that the request's number names.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, at) };
        check("ioctl(SECCOMP_IOCTL_NOTIF_SEND)", result.into()).map(drop)
    }
}

/// Tells whether this kernel knows notifications at all.
pub fn has_notifications() -> bool {
    let action = libc::SECCOMP_RET_USER_NOTIF;
    let operation = libc::SECCOMP_GET_ACTION_AVAIL;
    // SAFETY: the operation reads one integer.
    unsafe { libc::syscall(libc::SYS_seccomp, operation, 0, &raw const action) == 0 }
}

/// Gives up gaining privileges by exec, for this thread and its children.
///
/// # Errors
/// None on any kernel with seccomp filters.
pub fn set_no_new_privs() -> OsResult<()> {
    // SAFETY: the operation takes numbers.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if result == -1 { Err(OsError::last("prctl(PR_SET_NO_NEW_PRIVS)")) } else { Ok(()) }
}
