//! `/proc/PID/stat`: the numbers that tell of memory.

use abi::{Pid, VirtAddr};

use crate::cursor::Cursor;
use crate::error::{Expected, TextError};

/// The fields of `/proc/PID/stat` that matter here (`fs/proc/array.c: do_task_stat`).
///
/// Addresses are 0 (or 1 for the code's) where the reader may not see them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat<'a> {
    /// The process or thread.
    pub pid: Pid,
    /// Its name, as set; any bytes but NUL.
    pub comm: &'a [u8],
    /// Its state's letter.
    pub state: u8,
    /// Its parent.
    pub ppid: Pid,
    /// Minor faults so far.
    pub minor_faults: u64,
    /// Major faults so far.
    pub major_faults: u64,
    /// Threads of the process.
    pub threads: u64,
    /// Start time, in clock ticks since boot.
    pub start_ticks: u64,
    /// The code's first address.
    pub start_code: VirtAddr,
    /// The address past the code.
    pub end_code: VirtAddr,
    /// The stack's first address (where exec left the stack pointer).
    pub start_stack: VirtAddr,
    /// The data's first address.
    pub start_data: VirtAddr,
    /// The address past the data and bss.
    pub end_data: VirtAddr,
    /// The heap's start.
    pub start_brk: VirtAddr,
}

/// The number of fields after the name that are kept while reading (up to `start_brk`, field 47).
const FIELDS: usize = 45;

/// Reads the text of `/proc/PID/stat`.
///
/// # Errors
/// If the name is not closed, or fields are missing or not numbers.
pub fn stat(text: &[u8]) -> Result<Stat<'_>, TextError> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut line = Cursor::new(text);
    let pid = line.decimal()?;
    line.byte(b' ')?;
    line.byte(b'(')?;
    // The name may hold anything, also ") R 1 2": only the last parenthesis closes it.
    let inside = line.rest();
    let close = inside.iter().rposition(|&b| b == b')').ok_or(line.error(Expected::Char(')')))?;
    let comm = line.take(close).ok_or(line.error(Expected::MoreText))?;
    line.byte(b')')?;
    line.byte(b' ')?;
    let state = line.take(1).and_then(|s| s.first().copied()).ok_or(line.error(Expected::MoreText))?;
    // `fields[n]` is field n of proc_pid_stat(5); fields 1 to 3 are the ones above.
    let mut fields = [0u64; FIELDS + 3];
    for slot in &mut fields[4..] {
        line.skip_blanks();
        *slot = if line.rest().first() == Some(&b'-') {
            line.word();
            u64::MAX
        } else {
            line.decimal()?
        };
    }
    Ok(Stat {
        pid: Pid(pid as i32),
        comm,
        state,
        ppid: Pid(fields[4] as i32),
        minor_faults: fields[10],
        major_faults: fields[12],
        threads: fields[20],
        start_ticks: fields[22],
        start_code: VirtAddr(fields[26]),
        end_code: VirtAddr(fields[27]),
        start_stack: VirtAddr(fields[28]),
        start_data: VirtAddr(fields[45]),
        end_data: VirtAddr(fields[46]),
        start_brk: VirtAddr(fields[47]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_does_not_shift_the_fields() {
        let text = b"5689 (a) R (b) R 5677 5677 3359 0 -1 4194304 100 0 7 0 0 0 0 0 20 0 3 0 211846 3133440 375 \
            18446744073709551615 94011008790528 94011008810409 140733872177984 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 \
            94011008826416 94011008828032 94011025436672 140733872179930 140733872179950 140733872179950 0 0\n";
        let stat = stat(text).expect("good text");
        assert_eq!((stat.comm, stat.state, stat.ppid), (&b"a) R (b"[..], b'R', Pid(5677)));
        assert_eq!((stat.minor_faults, stat.major_faults, stat.threads), (100, 7, 3));
        assert_eq!((stat.start_stack.0, stat.start_brk.0), (140_733_872_177_984, 94_011_025_436_672));
    }

    #[test]
    fn our_own_is_read() {
        let text = std::fs::read("/proc/self/stat").expect("a Linux machine");
        let stat = stat(&text).expect("the kernel's text");
        assert_eq!(stat.pid.0 as u32, std::process::id());
        assert!(stat.start_brk.0 != 0);
    }

    #[test]
    fn a_cut_text_is_an_error() {
        assert!(stat(b"1 (a) R 2 3").is_err());
        assert!(stat(b"1 (a").is_err());
        assert!(stat(b"").is_err());
    }
}
