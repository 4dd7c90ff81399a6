//! Signals: taken as messages, sent to oneself, looked at.

use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use abi::Pid;

use crate::{OsError, OsResult, check};

pub use libc::{
    SIGCHLD, SIGCONT, SIGINT, SIGKILL, SIGPIPE, SIGSTOP, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH,
};

/// A set of signals.
#[derive(Clone, Copy)]
pub struct SignalSet(libc::sigset_t);

impl SignalSet {
    /// All signals except those that a fault of our own raises.
    pub fn all_but_faults() -> Self {
        let mut set = Self::empty();
        // SAFETY: `set` is a valid set; the numbers are signals.
        unsafe {
            libc::sigfillset(&raw mut set.0);
            for signal in
                [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP]
            {
                libc::sigdelset(&raw mut set.0, signal);
            }
        }
        set
    }

    /// No signal.
    pub fn empty() -> Self {
        // SAFETY: the call makes it a valid, empty set.
        unsafe {
            let mut set = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            Self(set)
        }
    }

    /// One signal.
    pub fn of(signal: i32) -> Self {
        let mut set = Self::empty();
        // SAFETY: `set` is a valid set.
        unsafe { libc::sigaddset(&raw mut set.0, signal) };
        set
    }
}

/// Holds signals back and returns those held back before.
pub fn block(set: &SignalSet) -> SignalSet {
    change_mask(libc::SIG_BLOCK, set)
}

/// Lets signals through.
pub fn unblock(set: &SignalSet) -> SignalSet {
    change_mask(libc::SIG_UNBLOCK, set)
}

/// Holds back exactly these signals.
pub fn set_mask(set: &SignalSet) -> SignalSet {
    change_mask(libc::SIG_SETMASK, set)
}

fn change_mask(how: i32, set: &SignalSet) -> SignalSet {
    let mut old = SignalSet::empty();
    // SAFETY: both sets live and are valid.
    unsafe { libc::pthread_sigmask(how, &raw const set.0, &raw mut old.0) };
    old
}

/// A signal that was taken as a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// Its number.
    pub signal: i32,
    /// Who sent it, where a process did.
    pub sender: Option<Pid>,
}

/// Where held-back signals arrive as messages.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Makes one for signals that are held back.
    pub fn new(set: &SignalSet) -> OsResult<Self> {
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: `set` is a valid set.
        let fd = check("signalfd", unsafe { libc::signalfd(-1, &raw const set.0, flags) }.into())?;
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// Takes the next signal, `None` if there is none.
    pub fn take(&self) -> Option<Taken> {
        // SAFETY: a structure of integers.
        let mut info: libc::signalfd_siginfo = unsafe { mem::zeroed() };
        let bytes = size_of::<libc::signalfd_siginfo>();
        // SAFETY: `info` has room for that many bytes.
        let got = unsafe { libc::read(self.0.as_raw_fd(), ptr::from_mut(&mut info).cast(), bytes) };
        (got == bytes as isize).then(|| Taken {
            signal: info.ssi_signo as i32,
            // `SI_USER` and below are sent by processes, above by the kernel.
            sender: (info.ssi_code <= 0).then_some(Pid(info.ssi_pid as i32)),
        })
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What a signal does to a process that has not said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// The default.
    Default,
    /// Nothing.
    Ignore,
}

/// Sets what a signal does to this process.
pub fn set_disposition(signal: i32, disposition: Disposition) -> OsResult<()> {
    let handler = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    // SAFETY: no handler of ours is set.
    let old = unsafe { libc::signal(signal, handler) };
    if old == libc::SIG_ERR { Err(OsError::last("signal")) } else { Ok(()) }
}

/// Does to this process what the signal does by default, held back or not.
pub fn suffer(signal: i32) {
    // `SIGKILL` and `SIGSTOP` have no other disposition and say so.
    let _ = set_disposition(signal, Disposition::Default);
    // SAFETY: takes numbers.
    unsafe { libc::raise(signal) };
    let before = unblock(&SignalSet::of(signal));
    set_mask(&before);
}
