//! `ptrace`: seizing, stops, registers.

use std::ffi::c_void;
use std::mem::{self, offset_of};
use std::ptr;

use abi::{Tid, VirtAddr};

use crate::filter::ARCH_X86_64;
use crate::{OsError, OsResult, check};

/// Which calls of a tracee stop besides what a filter says: none.
pub const OPTIONS: i32 = libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACESYSGOOD;

/// A signal of the kernel's that says no more (`include/uapi/asm-generic/siginfo.h`).
const SI_KERNEL: i32 = 0x80;

/// What becomes of the tracees when the tracer dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnTracerDeath {
    /// They go on.
    Live,
    /// They are killed.
    Kill,
}

/// How a stopped tracee goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// To its next event.
    Event,
    /// To its next event or the next border of a system call.
    Syscall,
}

/// Why a tracee stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// A signal is about to be delivered.
    Signal(i32),
    /// The process is stopped by this signal (job control).
    Group(i32),
    /// A new tracee's first stop, or a group stop has ended, or it was interrupted.
    Trap,
    /// It has made a process or thread.
    Spawn,
    /// It has executed a program.
    Exec,
    /// It is about to end.
    Exit,
    /// The filter said `SECCOMP_RET_TRACE`.
    Seccomp,
    /// It enters or leaves a system call.
    Syscall,
    /// An event that was not asked for.
    Other,
}

/// What waiting for a tracee told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// It ended with this code.
    Exited(i32),
    /// It was ended by this signal.
    Killed(i32),
    /// It stands still.
    Stopped(Stop),
    /// It goes on (only told to its parent).
    Continued,
}

impl Waited {
    /// Reads a status word of `wait`.
    pub fn from_status(status: i32) -> Self {
        if libc::WIFEXITED(status) {
            return Self::Exited(libc::WEXITSTATUS(status));
        }
        if libc::WIFSIGNALED(status) {
            return Self::Killed(libc::WTERMSIG(status));
        }
        if libc::WIFCONTINUED(status) {
            return Self::Continued;
        }
        let signal = libc::WSTOPSIG(status);
        Self::Stopped(match status >> 16 {
            0 if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
            0 => Stop::Signal(signal),
            libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Stop::Trap,
            libc::PTRACE_EVENT_STOP => Stop::Group(signal),
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => Stop::Spawn,
            libc::PTRACE_EVENT_EXEC => Stop::Exec,
            libc::PTRACE_EVENT_EXIT => Stop::Exit,
            libc::PTRACE_EVENT_SECCOMP => Stop::Seccomp,
            _ => Stop::Other,
        })
    }
}

/// The state that a status word of an exit event holds (`exit_code` as the kernel keeps it).
pub fn exit_of(message: u64) -> Waited {
    Waited::from_status(message as i32)
}

fn request(name: &'static str, request: libc::c_uint, tid: Tid, addr: usize, data: usize) -> OsResult<i64> {
    // SAFETY: the requests passed here take numbers, or pointers that the callers below took from live values
    // of the right size; another process's memory is not ours.
    let result = unsafe { libc::ptrace(request, tid.0, addr as *mut c_void, data as *mut c_void) };
    if result == -1 { Err(OsError::last(name)) } else { Ok(result) }
}

/// Begins to trace a thread without stopping it; its children are traced likewise.
pub fn seize(tid: Tid, death: OnTracerDeath) -> OsResult<()> {
    let kill = if death == OnTracerDeath::Kill { libc::PTRACE_O_EXITKILL } else { 0 };
    request("ptrace(PTRACE_SEIZE)", libc::PTRACE_SEIZE, tid, 0, (OPTIONS | kill) as usize).map(drop)
}

/// Sets what becomes of a stopped tracee, and of all it makes from now on, when the tracer dies.
pub fn set_on_tracer_death(tid: Tid, death: OnTracerDeath) -> OsResult<()> {
    let kill = if death == OnTracerDeath::Kill { libc::PTRACE_O_EXITKILL } else { 0 };
    request("ptrace(PTRACE_SETOPTIONS)", libc::PTRACE_SETOPTIONS, tid, 0, (OPTIONS | kill) as usize).map(drop)
}

/// Lets a stopped tracee go on, with a signal to be delivered (0: none).
pub fn resume(tid: Tid, until: Until, signal: i32) -> OsResult<()> {
    let (name, how) = match until {
        Until::Event => ("ptrace(PTRACE_CONT)", libc::PTRACE_CONT),
        Until::Syscall => ("ptrace(PTRACE_SYSCALL)", libc::PTRACE_SYSCALL),
    };
    request(name, how, tid, 0, signal as usize).map(drop)
}

/// Asks a tracee to stop when it next leaves the kernel.
pub fn interrupt(tid: Tid) -> OsResult<()> {
    request("ptrace(PTRACE_INTERRUPT)", libc::PTRACE_INTERRUPT, tid, 0, 0).map(drop)
}

/// Leaves a tracee in its group stop.
pub fn listen(tid: Tid) -> OsResult<()> {
    request("ptrace(PTRACE_LISTEN)", libc::PTRACE_LISTEN, tid, 0, 0).map(drop)
}

/// Ends the tracing of a stopped tracee and lets it go on.
pub fn detach(tid: Tid) -> OsResult<()> {
    request("ptrace(PTRACE_DETACH)", libc::PTRACE_DETACH, tid, 0, 0).map(drop)
}

/// What an event says: the new thread, the former thread id, the exit code.
pub fn event_message(tid: Tid) -> OsResult<u64> {
    let mut message: libc::c_ulong = 0;
    let at = ptr::from_mut(&mut message) as usize;
    request("ptrace(PTRACE_GETEVENTMSG)", libc::PTRACE_GETEVENTMSG, tid, 0, at)?;
    Ok(message)
}

/// The address that a tracee accessed which is stopped by the signal for that; `None` if the signal is another, was sent,
/// or does not tell.
pub fn bad_access(tid: Tid) -> OsResult<Option<VirtAddr>> {
    // SAFETY: a structure of integers; all zeros is a value.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    let at = ptr::from_mut(&mut info) as usize;
    request("ptrace(PTRACE_GETSIGINFO)", libc::PTRACE_GETSIGINFO, tid, 0, at)?;
    let is_access = matches!(info.si_signo, libc::SIGSEGV | libc::SIGBUS);
    // Above zero it is the kernel's own; `SI_KERNEL` is one of a processor that does not know the address.
    if !is_access || info.si_code <= 0 || info.si_code == SI_KERNEL {
        return Ok(None);
    }
    // SAFETY: these signals of the kernel's carry an address.
    let addr = unsafe { info.si_addr() };
    Ok(Some(VirtAddr(addr as u64)))
}

/// The registers of a stopped tracee.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registers {
    /// Of a 64-bit program.
    X86_64 {
        /// The system call's number, all ones outside of one.
        nr: u64,
        /// Its arguments.
        args: [u64; 6],
        /// What it returned.
        result: i64,
        /// The instruction pointer.
        ip: u64,
        /// The stack pointer.
        sp: u64,
    },
    /// Of a 32-bit program.
    I386 {
        /// The system call's number, all ones outside of one.
        nr: u32,
        /// What it returned.
        result: i32,
    },
}

/// Reads the registers of a stopped tracee.
pub fn registers(tid: Tid) -> OsResult<Registers> {
    // SAFETY: a structure of integers; all zeros is a value.
    let mut regs: libc::user_regs_struct = unsafe { mem::zeroed() };
    let mut iov = libc::iovec {
        iov_base: ptr::from_mut(&mut regs).cast(),
        iov_len: size_of::<libc::user_regs_struct>(),
    };
    let at = ptr::from_mut(&mut iov) as usize;
    let which = libc::NT_PRSTATUS as usize;
    request("ptrace(PTRACE_GETREGSET)", libc::PTRACE_GETREGSET, tid, which, at)?;
    if iov.iov_len < size_of::<libc::user_regs_struct>() {
        // The kernel has filled the smaller structure, in words of 32 bits: the 7th is eax, the 12th orig_eax.
        return Ok(Registers::I386 { nr: (regs.rbx >> 32) as u32, result: regs.r12 as i32 });
    }
    Ok(Registers::X86_64 {
        nr: regs.orig_rax,
        args: [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9],
        result: regs.rax as i64,
        ip: regs.rip,
        sp: regs.rsp,
    })
}

/// Sets what the call returns in which a stopped tracee stands.
pub fn set_result(tid: Tid, result: i64) -> OsResult<()> {
    let at = offset_of!(libc::user, regs) + offset_of!(libc::user_regs_struct, rax);
    request("ptrace(PTRACE_POKEUSER)", libc::PTRACE_POKEUSER, tid, at, result as usize).map(drop)
}

/// Sets the first argument of the call in which a stopped tracee stands, of a 64-bit or of a 32-bit one.
pub fn set_first_argument(tid: Tid, arch: u32, value: u64) -> OsResult<()> {
    let register = if arch == ARCH_X86_64 {
        offset_of!(libc::user_regs_struct, rdi)
    } else {
        offset_of!(libc::user_regs_struct, rbx)
    };
    let at = offset_of!(libc::user, regs) + register;
    request("ptrace(PTRACE_POKEUSER)", libc::PTRACE_POKEUSER, tid, at, value as usize).map(drop)
}

/// A border of a system call, as `PTRACE_GET_SYSCALL_INFO` tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyscallStop {
    /// The call is about to be made.
    Entry {
        /// `AUDIT_ARCH_*`.
        arch: u32,
        /// The number.
        nr: u64,
        /// The arguments.
        args: [u64; 6],
    },
    /// The call has been made.
    Exit {
        /// Its raw return value.
        result: i64,
    },
    /// Neither.
    None,
}

/// Reads which border of which system call a stopped tracee stands at.
pub fn syscall_stop(tid: Tid) -> OsResult<SyscallStop> {
    // SAFETY: a structure of integers and unions of them; all zeros is a value.
    let mut info: libc::ptrace_syscall_info = unsafe { mem::zeroed() };
    let at = ptr::from_mut(&mut info) as usize;
    let bytes = size_of::<libc::ptrace_syscall_info>();
    request("ptrace(PTRACE_GET_SYSCALL_INFO)", libc::PTRACE_GET_SYSCALL_INFO, tid, bytes, at)?;
    Ok(match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => {
            // SAFETY: `op` says which part of the union the kernel filled.
            let entry = unsafe { info.u.entry };
            SyscallStop::Entry { arch: info.arch, nr: entry.nr, args: entry.args }
        }
        libc::PTRACE_SYSCALL_INFO_SECCOMP => {
            // SAFETY: as above.
            let entry = unsafe { info.u.seccomp };
            SyscallStop::Entry { arch: info.arch, nr: entry.nr, args: entry.args }
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => {
            // SAFETY: as above.
            SyscallStop::Exit { result: unsafe { info.u.exit.sval } }
        }
        _ => SyscallStop::None,
    })
}

/// Asks, without waiting, what became of any tracee or child.
///
/// # Errors
/// `ECHILD` where there is none left.
pub fn wait_any() -> OsResult<Option<(Tid, Waited)>> {
    wait("waitpid", -1, libc::WNOHANG | libc::__WALL)
}

/// Asks what became of one child, stops and goings-on included; waits for it where `options` lack `WNOHANG`.
pub(crate) fn wait(name: &'static str, pid: i32, options: i32) -> OsResult<Option<(Tid, Waited)>> {
    let mut status = 0;
    // SAFETY: `status` is a live integer.
    let pid = check(name, unsafe { libc::waitpid(pid, &raw mut status, options) }.into())?;
    Ok((pid != 0).then(|| (Tid(pid as i32), Waited::from_status(status))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read() {
        assert_eq!(Waited::from_status(3 << 8), Waited::Exited(3));
        assert_eq!(Waited::from_status(libc::SIGKILL), Waited::Killed(9));
        assert_eq!(Waited::from_status(0x80 | libc::SIGSEGV), Waited::Killed(11));
        let stopped = |event: i32, signal: i32| Waited::from_status(event << 16 | signal << 8 | 0x7f);
        assert_eq!(stopped(0, libc::SIGINT), Waited::Stopped(Stop::Signal(2)));
        assert_eq!(stopped(0, libc::SIGTRAP | 0x80), Waited::Stopped(Stop::Syscall));
        assert_eq!(stopped(libc::PTRACE_EVENT_STOP, libc::SIGTSTP), Waited::Stopped(Stop::Group(20)));
        assert_eq!(stopped(libc::PTRACE_EVENT_STOP, libc::SIGTRAP), Waited::Stopped(Stop::Trap));
        assert_eq!(stopped(libc::PTRACE_EVENT_EXEC, libc::SIGTRAP), Waited::Stopped(Stop::Exec));
        assert_eq!(Waited::from_status(0xffff), Waited::Continued);
    }
}
