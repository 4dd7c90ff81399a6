//! The process that a call names by its number.

use std::fs;
use std::os::unix::fs::MetadataExt;

use abi::{Errno, Pid, Tid};
use sys::process;

use super::MemoryOf;

/// `CAP_SYS_RESOURCE`.
const SYS_RESOURCE: u64 = 1 << 24;

/// What `/proc/PID/status` says of who a thread is.
struct Status {
    /// Its numbers, from the namespace of our `/proc` inwards to its own.
    numbers: Vec<i32>,
    /// Real, effective and saved.
    users: [u32; 3],
    groups: [u32; 3],
}

impl Status {
    fn read(number: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{number}/status")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let words = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.split_ascii_whitespace())
        };
        let ids = |key| {
            words(key)?.take(3).map(|id| id.parse().ok()).collect::<Option<Vec<u32>>>()?.try_into().ok()
        };
        Some(Self {
            numbers: words("NSpid:")?.map(|number| number.parse().ok()).collect::<Option<_>>()?,
            users: ids("Uid:")?,
            groups: ids("Gid:")?,
        })
    }

    /// Linux: `kernel/sys.c: check_prlimit_permission`.
    fn is_of_same_user(&self, other: &Self) -> bool {
        other.users == [self.users[0]; 3] && other.groups == [self.groups[0]; 3]
    }
}

/// Whose limits a thread may set by a number: 0 for its own process, else the process as its number is here.
///
/// # Errors
/// The kernel's answer: there is none, or it is another user's.
pub(super) fn limited(tid: Tid, number: i32, memories: &impl MemoryOf) -> Result<Pid, Errno> {
    if number == 0 {
        return Ok(Pid(0));
    }
    let Some(caller) = Status::read(tid.0) else { return Ok(Pid(number)) };
    if caller.numbers.last() == Some(&number) {
        return Ok(Pid(0));
    }
    let pid = match caller.numbers.len() {
        _ if number < 0 => return Err(Errno::ESRCH),
        0 | 1 => Pid(number),
        level => inside(tid, level, number, memories).ok_or(Errno::ESRCH)?,
    };
    let target = Status::read(pid.0);
    // Some systems hide the processes of others.
    if target.is_none() && process::kill(pid, 0).is_err_and(|error| error.errno == Errno::ESRCH) {
        return Err(Errno::ESRCH);
    }
    let is_of_same_user = target.is_some_and(|target| caller.is_of_same_user(&target));
    if is_of_same_user || is_capable(tid, pid) { Ok(pid) } else { Err(Errno::EPERM) }
}

/// The traced process that has this number in the namespace of a thread, which is the `level`-th from ours inwards.
fn inside(tid: Tid, level: usize, number: i32, memories: &impl MemoryOf) -> Option<Pid> {
    let namespace = |tid: Tid| fs::metadata(format!("/proc/{tid}/ns/pid")).ok().map(|link| link.ino());
    let own = namespace(tid);
    let is_meant = |other: &Tid| {
        Status::read(other.0).is_some_and(|status| {
            let is_below = status.numbers.len() > level || namespace(*other) == own;
            status.numbers.get(level - 1) == Some(&number) && is_below
        })
    };
    memories.threads().find(is_meant).map(|tid| Pid(tid.0))
}

/// Tells whether a thread has `CAP_SYS_RESOURCE` in the user namespace of a process: in that one itself, or in the first,
/// which is above all.
fn is_capable(tid: Tid, of: Pid) -> bool {
    let namespace = |number: i32| fs::metadata(format!("/proc/{number}/ns/user")).ok().map(|link| link.ino());
    let is_same = namespace(tid.0).is_some_and(|own| namespace(of.0) == Some(own));
    let capabilities =
        if is_same { process::effective_capabilities(tid) } else { process::memory_capabilities(tid) };
    capabilities.is_ok_and(|capabilities| capabilities & SYS_RESOURCE != 0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Nobody, own};
    use super::*;

    #[test]
    fn a_number_means_the_caller_another_or_nobody() {
        assert_eq!(limited(own(), 0, &Nobody), Ok(Pid(0)));
        assert_eq!(limited(own(), own().0, &Nobody), Ok(Pid(0)));
        assert_eq!(limited(own(), -1, &Nobody), Err(Errno::ESRCH));
        assert_eq!(limited(own(), i32::MAX, &Nobody), Err(Errno::ESRCH));
        let first = limited(own(), 1, &Nobody);
        let capable = is_capable(own(), Pid(1));
        let same =
            Status::read(1).zip(Status::read(own().0)).is_some_and(|(one, own)| own.is_of_same_user(&one));
        assert_eq!(first, if capable || same { Ok(Pid(1)) } else { Err(Errno::EPERM) });
    }

    #[test]
    fn ids_must_all_be_those_of_the_caller() {
        let status =
            |ids: &str| Status::parse(&format!("Uid:\t{ids}\nGid:\t7 7 7 7\nNSpid:\t9 1\n")).expect("whole");
        let caller = status("5 0 0 0");
        assert_eq!(caller.numbers, [9, 1]);
        assert!(caller.is_of_same_user(&status("5 5 5 0")));
        assert!(!caller.is_of_same_user(&status("5 5 0 5")));
        assert!(!caller.is_of_same_user(&caller));
        assert!(Status::parse("Uid:\t5 0 0 0\n").is_none());
    }
}
