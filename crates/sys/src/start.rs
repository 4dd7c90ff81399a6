//! What this process was started with, as far as Rust's runtime changes it before `main`: it ignores `SIGPIPE` and
//! opens `/dev/null` in the place of standard streams that are closed.

use std::mem;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::signals::Disposition;

static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);
static SIGCHLD_IGNORED: AtomicBool = AtomicBool::new(false);
static CLOSED: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// What `SIGPIPE` did.
pub fn sigpipe() -> Disposition {
    disposition(&SIGPIPE_IGNORED)
}

/// What `SIGCHLD` did.
pub fn sigchld() -> Disposition {
    disposition(&SIGCHLD_IGNORED)
}

/// The standard streams that were closed.
pub fn closed_streams() -> impl Iterator<Item = RawFd> {
    (0..).zip(&CLOSED).filter(|(_, closed)| closed.load(Ordering::Relaxed)).map(|(fd, _)| fd)
}

fn disposition(is_ignored: &AtomicBool) -> Disposition {
    if is_ignored.load(Ordering::Relaxed) { Disposition::Ignore } else { Disposition::Default }
}

// SAFETY: the loader calls the functions of this section once, before `main`; it may call nothing of Rust's
// runtime, and calls two functions of the C library.
#[unsafe(link_section = ".init_array")]
#[used]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for (signal, is_ignored) in [(libc::SIGPIPE, &SIGPIPE_IGNORED), (libc::SIGCHLD, &SIGCHLD_IGNORED)] {
        // SAFETY: a structure of integers and a pointer, which the call fills.
        let action = unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            libc::sigaction(signal, ptr::null(), &raw mut action);
            action
        };
        is_ignored.store(action.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
    }
    for (fd, closed) in (0..).zip(&CLOSED) {
        // SAFETY: takes numbers.
        closed.store(unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1, Ordering::Relaxed);
    }
}
