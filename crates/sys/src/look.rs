//! A look at a thread that runs: its registers and a piece of its stack. It is stopped for that, for well below a
//! millisecond, and is never left stopped: if anything goes wrong the tracing thread ends, and the kernel lets go of
//! all that it traced.

use std::mem;
use std::ptr;
use std::time::{Duration, Instant};

use abi::{Errno, Tid, VirtAddr};

use crate::ptrace::{Stop, Waited, wait};
use crate::resident::Resident;
use crate::{OsError, OsResult, check};

/// How long we wait for a thread to stop: one that sleeps uninterruptibly may not.
const WAIT_MAX: Duration = Duration::from_millis(50);
/// How long we ask without sleeping in between: a thread that runs or waits for events stops within that.
const SPIN_MAX: Duration = Duration::from_millis(1);

/// What was seen of a thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The instruction pointer.
    pub ip: VirtAddr,
    /// The general registers in DWARF's order: rax rdx rcx rbx rsi rdi rbp rsp r8 … r15.
    pub general: [u64; 16],
    /// The stack from its pointer upwards, as much as was asked for and could be read.
    pub stack: Vec<u8>,
    /// For how long it was stopped at most.
    pub stopped: Duration,
}

/// Looks at a thread of another process, and copies at most `stack_bytes` of its stack.
///
/// # Errors
/// `EPERM` where the thread may not be traced or is traced already, `ESRCH` where there is none, `ETIMEDOUT` where it
/// does not stop.
pub fn look(tid: Tid, stack_bytes: usize) -> OsResult<Seen> {
    // A tracer is a thread: when this one ends nothing is traced any more.
    let looking = std::thread::spawn(move || stop_and_read(tid, stack_bytes));
    looking.join().unwrap_or(Err(OsError { call: "look", errno: Errno(libc::EFAULT as u16) }))
}

fn stop_and_read(tid: Tid, stack_bytes: usize) -> OsResult<Seen> {
    // Reading is done from here, so that the pages of the buffer are there when the thread stands.
    let mut stack = vec![1u8; stack_bytes];
    let memory = Resident::of(tid);
    request("ptrace(PTRACE_SEIZE)", libc::PTRACE_SEIZE, tid, 0, 0)?;
    let begin = Instant::now();
    request("ptrace(PTRACE_INTERRUPT)", libc::PTRACE_INTERRUPT, tid, 0, 0)?;
    let signal = wait_for_stop(tid, begin)?;
    let seen = read(tid, &memory, &mut stack);
    request("ptrace(PTRACE_DETACH)", libc::PTRACE_DETACH, tid, 0, signal as usize)?;
    let stopped = begin.elapsed();
    let (ip, general, length) = seen?;
    stack.truncate(length);
    Ok(Seen { ip, general, stack, stopped })
}

/// Waits until it stands; returns the signal that must be given to it when it goes on, 0 for none.
fn wait_for_stop(tid: Tid, begin: Instant) -> OsResult<i32> {
    loop {
        match wait("waitpid", tid.0, libc::__WALL | libc::WNOHANG)? {
            Some((_, Waited::Stopped(Stop::Signal(signal)))) => return Ok(signal),
            Some((_, Waited::Stopped(_))) => return Ok(0),
            Some((_, Waited::Exited(_) | Waited::Killed(_))) => {
                return Err(OsError { call: "waitpid", errno: Errno(libc::ESRCH as u16) });
            }
            Some((_, Waited::Continued)) | None => {}
        }
        match begin.elapsed() {
            elapsed if elapsed > WAIT_MAX => {
                return Err(OsError { call: "waitpid", errno: Errno(libc::ETIMEDOUT as u16) });
            }
            elapsed if elapsed > SPIN_MAX => std::thread::sleep(Duration::from_micros(100)),
            _ => std::thread::yield_now(),
        }
    }
}

fn read(tid: Tid, memory: &Resident, stack: &mut [u8]) -> OsResult<(VirtAddr, [u64; 16], usize)> {
    // SAFETY: a structure of integers; all zeros is a value.
    let mut regs: libc::user_regs_struct = unsafe { mem::zeroed() };
    let bytes = size_of::<libc::user_regs_struct>();
    let mut iov = libc::iovec { iov_base: ptr::from_mut(&mut regs).cast(), iov_len: bytes };
    let at = ptr::from_mut(&mut iov) as usize;
    request("ptrace(PTRACE_GETREGSET)", libc::PTRACE_GETREGSET, tid, libc::NT_PRSTATUS as usize, at)?;
    if iov.iov_len < bytes {
        // A 32-bit program.
        return Err(OsError { call: "ptrace(PTRACE_GETREGSET)", errno: Errno(libc::EINVAL as u16) });
    }
    let general = [
        regs.rax, regs.rdx, regs.rcx, regs.rbx, regs.rsi, regs.rdi, regs.rbp, regs.rsp, regs.r8, regs.r9,
        regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15,
    ];
    let length = memory.read(VirtAddr(regs.rsp), stack).unwrap_or(0);
    Ok((VirtAddr(regs.rip), general, length))
}

fn request(name: &'static str, request: libc::c_uint, tid: Tid, addr: usize, data: usize) -> OsResult<()> {
    // SAFETY: the requests passed here take numbers, or pointers that the callers above took from live values of the
    // right size.
    let result =
        unsafe { libc::ptrace(request, tid.0, addr as *mut libc::c_void, data as *mut libc::c_void) };
    check(name, result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK_BYTES: usize = 16 << 10;

    fn state(tid: Tid) -> Option<String> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", tid.0)).ok()?;
        let line = |key: &str| text.lines().find(|line| line.starts_with(key)).map(str::to_owned);
        Some(format!("{} {}", line("State:")?, line("TracerPid:")?))
    }

    #[test]
    fn a_thread_goes_on_as_it_was() {
        let mut sleep = std::process::Command::new("sleep");
        // The kernel leaves up to two pages out above a program's first function; what is above these is there.
        let mut child = sleep.arg("60").env("FILLER", "x".repeat(STACK_BYTES)).spawn().expect("sleep");
        std::thread::sleep(Duration::from_millis(200));
        let tid = Tid(child.id() as i32);
        let before = state(tid);
        let seen = look(tid, STACK_BYTES);
        // On a busy machine it needs a moment to be back in its call.
        let is_back = || {
            (0..200).find_map(|_| {
                std::thread::sleep(Duration::from_millis(10));
                (state(tid) == before).then_some(())
            })
        };
        let after = is_back().map_or_else(|| state(tid), |()| before.clone());
        let again = look(tid, 1 << 20);
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        let seen = match seen {
            Err(error) if error.errno == Errno::EPERM => {
                println!("SKIPPED: a look at a thread, {error}");
                return;
            }
            seen => seen.expect("our own child"),
        };
        assert_eq!(before, after);
        assert!(seen.ip.0 != 0 && seen.general[7] != 0);
        assert_eq!(seen.stack.len(), STACK_BYTES, "{:x}", seen.general[7]);
        let again = again.expect("our own child");
        assert_eq!((again.ip, again.general[7]), (seen.ip, seen.general[7]), "it waits in the same call");
    }

    #[test]
    fn no_thread_is_said() {
        assert_eq!(look(Tid(i32::MAX), 16).expect_err("no such thread").errno, Errno(libc::ESRCH as u16));
    }
}
