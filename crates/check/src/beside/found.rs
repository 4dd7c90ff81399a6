//! What a check found.

use std::collections::BTreeMap;
use std::fmt;

use abi::{AddrRange, Call, Pid, Tid};
use mm::{Mutation, Why};
use recording::{ExecEvent, MapRow};
use timeline::Difference;
use timeline::ledger::{Held, May};

use crate::fuzz;

/// Divergences kept whole; beyond, they are only counted.
const KEPT_MAX: usize = 32;

/// What is read because no rule decides it, besides answers of the calls that `COMPAT.md` calls inputs: `docs/check.md`
/// says what each is. The list is closed.
pub const INPUTS: &[&str] = &[
    "layout bases",
    "mmap_base",
    "start of brk",
    "stack top",
    "mappings made at exec",
    "MAP_32BIT start",
    "inode of shared anonymous memory",
    "inherited state",
    "limit set from outside",
    "userfaultfd closed",
    "Committed_AS",
    "call cut off by a signal",
    "a process that ended while it was looked at",
];

/// Tells whether an input is of the closed list, or the name of a call, whose answer it is.
fn is_known(name: &str) -> bool {
    INPUTS.contains(&name) || abi::table::ROWS.iter().any(|row| row.name == name)
}

/// What a check found, as numbers that each count something that was really compared.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Memory calls seen.
    pub calls: u64,
    /// Of these, the calls whose result the twin predicted and the kernel gave.
    pub predicted: u64,
    /// Differences of a result or of a map.
    pub diverged: u64,
    /// Whole maps compared.
    pub maps_compared: u64,
    /// Execs whose map is what the files of program and interpreter say; they count as maps compared.
    pub execs_predicted: u64,
    /// Changed ranges with their neighbours compared.
    pub ranges_compared: u64,
    /// Calls that affect memory and are not predicted, by name.
    pub unmodelled: BTreeMap<Unmodelled, u64>,
    /// Calls where other threads' faults or calls may have come before or after: the answer was right for one
    /// of the orders.
    pub order_uncertain: u64,
    /// Stretches of a map that were not compared at a call, for a call of another thread may have been half done
    /// there; that call's own end compares them.
    pub ranges_left_out: u64,
    /// Processes seen.
    pub processes: u64,
    /// Threads seen, first ones included.
    pub threads: u64,
    /// What was read where no rule decides, by name.
    pub inputs: BTreeMap<&'static str, u64>,
    /// The first divergences.
    pub divergences: Vec<Divergence>,
    /// Page states; `None` where they were not compared.
    pub pages: Option<Held>,
    /// The first page states that differ.
    pub pages_differing: Vec<PagesDiffer>,
    /// The rule of the twin that was changed on purpose.
    pub defect: Option<Mutation>,
}

/// Page states that differ, and nothing explains it.
#[derive(Clone, Debug)]
pub struct PagesDiffer {
    /// Whose.
    pub pid: Pid,
    /// How many calls were seen before it.
    pub at_call: u64,
    /// The call that was just done; `None`: the program ran since the last one.
    pub after: Option<Call>,
    /// How many pages.
    pub pages: u64,
    /// The first of them.
    pub range: AddrRange,
    /// What they may be by the twin.
    pub twin: May,
    /// What they are.
    pub kernel: May,
}

impl fmt::Display for PagesDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, at_call, after, pages, range, twin, kernel } = self;
        match after {
            Some(call) => write!(f, "after call {at_call}, pid {pid}: {call}: ")?,
            None => write!(f, "before call {at_call}, pid {pid}: ")?,
        }
        write!(f, "{range}: the twin says {twin}, the kernel {kernel} ({pages} pages in all)")
    }
}

/// A kind of call that is not predicted.
pub type Unmodelled = String;

/// What is kept of the twin's word at a divergence.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Its answer (negative: an errno).
    pub answer: i64,
    /// Its reasons.
    pub why: Why,
}

/// A difference between twin and kernel.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// Whose call.
    pub pid: Pid,
    /// Which thread's.
    pub tid: Tid,
    /// How many calls were seen before it.
    pub at_call: u64,
    /// The call; `None` for a difference found at exec, fork or the end.
    pub call: Option<Call>,
    /// The twin's word.
    pub twin: Option<Kept>,
    /// The kernel's answer, where there was one.
    pub kernel: Option<i64>,
    /// Where the maps differ, both sides of it.
    pub maps: Vec<Difference>,
    /// A program that may show it outside of the process.
    pub program: Option<fuzz::Program>,
}

impl Divergence {
    /// One of a map just after exec.
    pub(super) fn at_exec(exec: &ExecEvent, at_call: u64) -> Self {
        Self::of_no_call(exec.pid, Tid(exec.pid.0), at_call)
    }

    /// One at no call, of which nothing more is known.
    pub(super) fn of_no_call(pid: Pid, tid: Tid, at_call: u64) -> Self {
        Self { pid, tid, at_call, call: None, twin: None, kernel: None, maps: Vec::new(), program: None }
    }
}

impl Found {
    /// Counts an input.
    pub fn input(&mut self, name: &'static str, count: u64) {
        if count > 0 {
            debug_assert!(is_known(name), "{name} is no input that is documented");
            *self.inputs.entry(name).or_default() += count;
        }
    }

    /// Counts what should have been compared and was not.
    pub fn not_compared(&mut self, what: &str, count: u64) {
        *self.unmodelled.entry(what.to_owned()).or_default() += count;
    }

    /// Takes a divergence in.
    pub fn diverge(&mut self, divergence: Divergence) {
        self.diverged += 1;
        if self.divergences.len() < KEPT_MAX {
            self.divergences.push(divergence);
        }
    }

    /// Takes in page states that differ.
    pub fn pages_differ(&mut self, differ: PagesDiffer) {
        if self.pages_differing.len() < KEPT_MAX {
            self.pages_differing.push(differ);
        }
    }

    /// Tells whether everything was predicted, and rightly.
    pub fn is_clean(&self) -> bool {
        let pages_differ = self.pages.as_ref().is_some_and(|pages| pages.differing > 0);
        self.diverged == 0 && self.unmodelled.is_empty() && !pages_differ
    }
}

impl fmt::Display for Divergence {
    /// Writes the call, both answers, the twin's reasons and both maps, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, tid, at_call, call, twin, kernel, maps, program: _ } = self;
        match call {
            Some(call) => write!(f, "call {at_call}, pid {pid}, thread {tid}: {call}")?,
            None => write!(f, "after call {at_call}, pid {pid}, thread {tid}")?,
        }
        if let (Some(twin), Some(kernel)) = (twin, kernel)
            && twin.answer != *kernel
        {
            write!(f, "\n  the kernel answered {}, the twin {}", Answer(*kernel), Answer(twin.answer))?;
        }
        if let Some(twin) = twin {
            write!(f, "\n  the twin's reasons: {}", twin.why)?;
        }
        for difference in maps {
            for (who, rows) in [("kernel", &difference.kernel), ("twin", &difference.twin)] {
                if rows.is_empty() {
                    write!(f, "\n    {who:<7}nothing in {}", difference.range)?;
                }
                for row in rows {
                    write!(f, "\n    {who:<7}{}", Row(row))?;
                }
            }
        }
        Ok(())
    }
}

/// A raw return value as a person reads it.
struct Answer(i64);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            raw @ -4095..0 => write!(f, "{}", abi::Errno(raw.unsigned_abs() as u16)),
            0 => f.write_str("0"),
            raw => write!(f, "{raw:#x}"),
        }
    }
}

/// A line of maps on one line of text.
struct Row<'a>(&'a MapRow);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MapRow { range, prot, shared, offset, file, name } = self.0;
        let letter = |bit, letter| if prot.contains(bit) { letter } else { '-' };
        let [r, w, x] =
            [letter(abi::Prot::READ, 'r'), letter(abi::Prot::WRITE, 'w'), letter(abi::Prot::EXEC, 'x')];
        let s = if *shared { 's' } else { 'p' };
        let abi::FileId { dev, ino } = file;
        write!(f, "{range} {r}{w}{x}{s} {:08x} {dev} {ino} {}", offset.0, String::from_utf8_lossy(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_is_documented() {
        let docs = include_str!("../../../../docs/check.md");
        let (_, after) = docs.split_once("## Inputs").expect("a part about inputs");
        let rows: Vec<&str> = after.lines().filter(|line| line.starts_with("| ")).collect();
        for name in INPUTS {
            assert!(
                rows.iter().any(|row| row.split('|').nth(1).is_some_and(|names| names.contains(name))),
                "{name}"
            );
        }
        assert!(is_known("ioctl") && is_known("mincore") && !is_known("luck"));
    }
}
