//! `/proc/PID/status`: the kernel's own sums for a process.

use abi::Pid;

use crate::cursor::{Cursor, Lines};
use crate::error::TextError;

/// Declares the numbers of `/proc/PID/status` that are kept, each optional: kernel threads and zombies have
/// none of the memory fields, other kernels lack some.
macro_rules! status_fields {
    ($( $(#[$meta:meta])* $field:ident = $key:literal $read:ident ),* $(,)?) => {
        /// The fields of `/proc/PID/status` that matter here; sizes in bytes.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct Status<'a> {
            /// The thread's name, with `\n` and `\\` escaped as printed.
            pub name: &'a [u8],
            $( $(#[$meta])* pub $field: Option<u64>, )*
        }

        impl<'a> Status<'a> {
            fn read_field(&mut self, key: &[u8], line: &mut Cursor<'a>) -> Result<(), TextError> {
                if key == b"Name" {
                    self.name = line.rest();
                }
                $( if key == $key { self.$field = Some($read(line)?); } )*
                Ok(())
            }
        }
    };
}

status_fields! {
    /// The process (thread group).
    tgid = b"Tgid" count,
    /// The thread.
    pid = b"Pid" count,
    /// The parent process.
    ppid = b"PPid" count,
    /// The tracing process, 0 for none.
    tracer = b"TracerPid" count,
    /// The real user.
    uid = b"Uid" count,
    /// Whether it is a kernel thread (1) or not (0).
    kernel_thread = b"Kthread" count,
    /// Largest `vm_size` so far.
    vm_peak = b"VmPeak" bytes,
    /// Virtual size.
    vm_size = b"VmSize" bytes,
    /// Locked.
    locked = b"VmLck" bytes,
    /// Pinned.
    pinned = b"VmPin" bytes,
    /// Largest resident size so far.
    rss_peak = b"VmHWM" bytes,
    /// Resident size.
    rss = b"VmRSS" bytes,
    /// Resident anonymous memory.
    rss_anon = b"RssAnon" bytes,
    /// Resident file pages.
    rss_file = b"RssFile" bytes,
    /// Resident shared memory.
    rss_shmem = b"RssShmem" bytes,
    /// Private writable mappings that are no stack.
    data = b"VmData" bytes,
    /// Stack mappings.
    stack = b"VmStk" bytes,
    /// The program's text.
    exe = b"VmExe" bytes,
    /// Executable mappings less the program's text.
    lib = b"VmLib" bytes,
    /// Page tables.
    page_tables = b"VmPTE" bytes,
    /// Swapped out.
    swap = b"VmSwap" bytes,
    /// hugetlbfs pages.
    hugetlb = b"HugetlbPages" bytes,
    /// Whether huge pages are allowed (1) or not (0).
    thp_enabled = b"THP_enabled" count,
    /// Threads of the process.
    threads = b"Threads" count,
    /// Whether no new privileges can be gained (1) or can (0).
    no_new_privs = b"NoNewPrivs" count,
    /// The seccomp mode: 0 none, 1 strict, 2 filter.
    seccomp = b"Seccomp" count,
}

impl Status<'_> {
    /// The process, where the text names it.
    pub fn process(&self) -> Option<Pid> {
        self.tgid.and_then(|id| i32::try_from(id).ok()).map(Pid)
    }
}

/// Reads the text of `/proc/PID/status`. Lines with keys not kept are passed over unread.
///
/// # Errors
/// If a field that is kept holds no number.
pub fn status(text: &[u8]) -> Result<Status<'_>, TextError> {
    let mut status = Status::default();
    let mut lines = Lines::new(text);
    while let Some(mut line) = lines.next_line() {
        if let Some(key) = line.until(b':') {
            line.skip_blanks();
            status.read_field(key, &mut line)?;
        }
    }
    Ok(status)
}

/// Reads a number.
fn count(line: &mut Cursor<'_>) -> Result<u64, TextError> {
    line.decimal()
}

/// Reads a number of `kB` (meaning KiB) as bytes.
pub(crate) fn bytes(line: &mut Cursor<'_>) -> Result<u64, TextError> {
    let wrong = line.error(crate::Expected::Decimal);
    line.decimal()?.checked_mul(1024).ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_unknown_ones_passed_over() {
        let text = b"Name:\ta: b\nUmask:\t0022\nTgid:\t7\nVmSize:\t    2928 kB\nNewField:\t?\nThreads:\t2\n";
        let status = status(text).expect("good text");
        assert_eq!(status.name, b"a: b");
        assert_eq!(status.process(), Some(Pid(7)));
        assert_eq!((status.vm_size, status.rss, status.threads), (Some(2928 * 1024), None, Some(2)));
    }

    #[test]
    fn an_error_says_where() {
        let error = status(b"Name:\tx\nVmRSS:\tmuch kB\n").unwrap_err();
        assert_eq!((error.line, error.column), (2, 8));
        assert!(status(b"VmRSS:\t18446744073709551615 kB\n").is_err());
    }

    #[test]
    fn our_own_is_read() {
        let text = std::fs::read("/proc/self/status").expect("a Linux machine");
        let status = status(&text).expect("the kernel's text");
        assert_eq!(status.pid, Some(u64::from(std::process::id())));
        assert!(status.rss.expect("a process with memory") > 0);
    }
}
