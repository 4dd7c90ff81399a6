//! The tracepoints that tell page faults with how they accessed memory. They need `CAP_PERFMON` and tracefs.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::os_error::{OsError, OsResult};

/// Where tracefs usually is.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
const CLOEXEC: libc::c_uint = 1;

/// The numbers of the tracepoints, which differ from kernel to kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultTracepoints {
    /// `exceptions:page_fault_user`: faults of the program's own instructions.
    pub user: u64,
    /// `exceptions:page_fault_kernel`: faults of the kernel on its behalf.
    pub kernel: u64,
}

impl FaultTracepoints {
    /// Asks the kernel for them. Where tracefs is not mounted, an instance that is attached nowhere is asked.
    ///
    /// # Errors
    /// Where there is no tracefs, or it may not be read.
    pub fn find() -> OsResult<Self> {
        let at = |place: &str| {
            let number = |name| number(File::open(format!("{place}/{}", path(name))).ok()?);
            Some(Self { user: number("page_fault_user")?, kernel: number("page_fault_kernel")? })
        };
        match PLACES.iter().find_map(|place| at(place)) {
            Some(found) => Ok(found),
            None => {
                let tracefs = detached()?;
                at(&format!("/proc/self/fd/{}", tracefs.as_raw_fd()))
                    .ok_or_else(|| OsError::last("open(tracefs)"))
            }
        }
    }
}

fn path(name: &str) -> String {
    format!("events/exceptions/{name}/id")
}

fn number(mut file: File) -> Option<u64> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// An instance of tracefs that no folder shows.
fn detached() -> OsResult<OwnedFd> {
    // SAFETY: the name is a C string; the call touches no other memory.
    let context =
        owned(unsafe { libc::syscall(libc::SYS_fsopen, c"tracefs".as_ptr(), CLOEXEC) }, "fsopen(tracefs)")?;
    let null = std::ptr::null::<libc::c_char>();
    // SAFETY: this request reads neither of the pointers.
    let made =
        unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, null, null, 0) };
    if made < 0 {
        return Err(OsError::last("fsconfig(tracefs)"));
    }
    // SAFETY: the call takes numbers only.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, 0) }, "fsmount(tracefs)")
}

fn owned(fd: libc::c_long, call: &'static str) -> OsResult<OwnedFd> {
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(|| OsError::last(call))?;
    // SAFETY: the kernel has just given us this descriptor and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_found_or_refused() {
        match FaultTracepoints::find() {
            Ok(found) => assert!(found.user > 0 && found.kernel > 0 && found.user != found.kernel),
            Err(error) => println!("SKIPPED: the_numbers_are_found_or_refused, {error}"),
        }
    }
}
