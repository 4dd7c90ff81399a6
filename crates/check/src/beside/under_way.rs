//! Calls between their two ends: who makes them, and what the twin said of them before.

use std::collections::HashMap;

use abi::{AddrRange, Call, Pid, Tid};
use recording::CallInput;
use timeline::Difference;
use timeline::twin::Predicted;

/// Touches noted during one call; beyond, pages are held against the kernel's as if nobody had touched them.
const TOUCHED_MAX: usize = 1 << 20;

/// Whether other threads may touch pages, or make calls, while a call is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Company {
    /// The caller is the memory's only thread.
    Alone,
    /// There are others.
    Others,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The process.
    pub pid: Pid,
    /// The thread.
    pub tid: Tid,
    /// Whether there are others.
    pub company: Company,
}

/// A call between its two ends.
#[derive(Clone, Debug)]
pub struct UnderWay {
    /// Who makes it.
    pub tid: Tid,
    /// The call.
    pub call: Call,
    /// What the kernel reads besides its registers.
    pub input: CallInput,
    /// What the twin answered where the call's effect was seen before its end was; the twin has done it then.
    pub early: Option<Early>,
    /// Where it may change pages, as far as that is known at its beginning: nobody touches a place that it is yet to find.
    pub changes: Vec<AddrRange>,
    /// What other threads have touched there since its beginning: before it did its work, or after.
    pub touched: Vec<AddrRange>,
    /// Differences that were left out, as it may have been half done: its end is to find them gone.
    pub owes: Vec<Difference>,
}

impl UnderWay {
    /// Another thread touches pages, or changes them by a call of its own.
    pub(super) fn touch(&mut self, range: AddrRange) {
        let is_there = self.changes.iter().any(|of| of.overlaps(range));
        if is_there && self.touched.last() != Some(&range) && self.touched.len() < TOUCHED_MAX {
            self.touched.push(range);
        }
    }
}

/// The twin's word on a call whose effect was seen before its end.
#[derive(Clone, Debug)]
pub struct Early {
    /// Its word.
    pub predicted: Predicted,
    /// The ranges that the call changes.
    pub ranges: [Option<AddrRange>; 2],
}

/// The end of a call.
pub struct Ending<'a> {
    /// Who made it.
    pub caller: Caller,
    /// The call.
    pub done: UnderWay,
    /// What the kernel answered.
    pub kernel: i64,
    /// The calls of other threads that are under way.
    pub others: &'a mut HashMap<Tid, UnderWay>,
}

/// What a call came to: the twin's word, and whether it was the kernel's.
pub(super) struct Answered {
    pub(super) predicted: Predicted,
    pub(super) ranges: [Option<AddrRange>; 2],
    pub(super) agrees: bool,
}

/// Calls whose end nobody has seen.
#[derive(Clone, Copy)]
pub enum OpenCalls<'a> {
    /// Their threads were killed inside: the kernel did each or did not.
    CutOff(&'a HashMap<Tid, UnderWay>),
    /// They are under way, while a process forks.
    UnderWay(&'a HashMap<Tid, UnderWay>),
}

/// The twin's word as the register would have it.
pub(super) fn raw(predicted: &Predicted) -> i64 {
    match predicted.result {
        Ok(value) => value.cast_signed(),
        Err(errno) => -i64::from(errno.0),
    }
}
