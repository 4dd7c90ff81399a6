//! The page states of one memory beside the kernel's: what the program's faults bring in, what its calls change.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use abi::{AddrRange, Call, Pid, Tid};
use capture::checkpoint::page_run;
use mm::AddressSpace;
use recording::{FaultEvent, FaultSource, PageRun, TimeNs};
use sys::pagemap::Scanner;
use timeline::ledger::{Asked, Done, EVERYWHERE, Held, Huge, Ledger, Moving, Sight, Touch};

use super::found::{Found, PagesDiffer};
use super::under_way::{Caller, Company};

/// The pages of one memory.
pub(super) struct Pages {
    ledger: Ledger,
    pagemap: File,
    scanner: Scanner,
    runs: Vec<PageRun>,
    /// What was touched while a call that is over changed it, until the kernel's word on it is sure.
    touched: Vec<AddrRange>,
    /// What was touched or changed of late, in order.
    recent: VecDeque<Recent>,
    /// What was coming in when the kernel was asked.
    coming: Vec<AddrRange>,
    /// Faults were lost since the kernel was asked last, and before that.
    has_gaps: bool,
    had_gaps: bool,
}

/// A fork takes no longer, from the copy of the page tables to the moment at which the child stands.
const RECENT_NS: u64 = 200_000_000;
const RECENT_MAX: usize = 1 << 16;

/// Something that a thread touched or changed.
#[derive(Clone, Copy)]
struct Recent {
    time: TimeNs,
    tid: Tid,
    range: AddrRange,
}

/// When pages are looked at.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) caller: Caller,
    pub(super) now: TimeNs,
    /// What is seen of faults.
    pub(super) source: FaultSource,
    /// The ranges of calls under way and of those that were cut off: each may have changed some of its pages.
    pub(super) open: &'a [AddrRange],
}

impl Pages {
    /// Takes over what is there.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn adopt(pid: Pid, now: TimeNs) -> io::Result<Self> {
        let mut pages = Self::of(pid, Ledger::default())?;
        pages.scan()?;
        pages.ledger = Ledger::adopt(&pages.runs, touch(pid, now));
        Ok(pages)
    }

    /// Makes those of a child that a thread has forked, from its mappings. What other threads touched or changed at about that
    /// time, or are changing (`open`), it has as it was before or after.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn fork(
        &self,
        (tid, child): (Tid, Pid),
        space: &AddressSpace,
        open: &[AddrRange],
    ) -> io::Result<Self> {
        let mut pages = Self::of(child, self.ledger.fork(space))?;
        pages.touched.extend(&self.touched);
        pages
            .touched
            .extend(self.recent.iter().filter(|recent| recent.tid != tid).map(|recent| recent.range));
        pages.touched.extend(self.faulting_but(tid).chain(open.iter().copied()));
        pages.has_gaps = self.has_gaps;
        Ok(pages)
    }

    fn of(pid: Pid, ledger: Ledger) -> io::Result<Self> {
        let pagemap = File::open(format!("/proc/{pid}/pagemap"))?;
        let (scanner, runs, touched, recent, coming) = Default::default();
        let (has_gaps, had_gaps) = (false, false);
        Ok(Self { ledger, pagemap, scanner, runs, touched, recent, coming, has_gaps, had_gaps })
    }

    /// The program touched a page; returns what comes with it.
    pub(super) fn fault(
        &mut self,
        space: &AddressSpace,
        huge: Huge,
        (tid, time): (Tid, TimeNs),
        fault: &FaultEvent,
    ) -> Option<AddrRange> {
        let touch = Touch { time, tid, stack: None };
        self.ledger.fault(space, touch, (fault.addr, fault.access.into()), huge);
        let comes = self.ledger.faulting_of(tid)?;
        self.note_recent(Recent { time, tid, range: comes });
        Some(comes)
    }

    fn note_recent(&mut self, recent: Recent) {
        let is_old = |old: &mut Recent| recent.time.0.saturating_sub(old.time.0) > RECENT_NS;
        while self.recent.len() >= RECENT_MAX || self.recent.front_mut().is_some_and(is_old) {
            self.recent.pop_front();
        }
        self.recent.push_back(recent);
    }

    /// What the last fault of each other thread brings in.
    pub(super) fn faulting_but(&self, tid: Tid) -> impl Iterator<Item = AddrRange> {
        self.ledger.faulting().filter(move |(of, _)| *of != tid).map(|(_, range)| range)
    }

    /// A thread has ended, perhaps inside a fault that then brought nothing.
    pub(super) fn forget_thread(&mut self, tid: Tid) {
        self.touched.extend(self.ledger.faulting_of(tid));
        self.ledger.forget_thread(tid);
    }

    /// All others end now.
    pub(super) fn forget_others(&mut self, tid: Tid) {
        let faulting: Vec<AddrRange> = self.faulting_but(tid).collect();
        self.touched.extend(faulting);
    }

    /// Faults were lost.
    pub(super) const fn note_gap(&mut self) {
        self.has_gaps = true;
    }

    /// These were touched before or after a call changed them.
    pub(super) fn note_touched(&mut self, touched: &[AddrRange]) {
        self.touched.extend_from_slice(touched);
    }

    /// A call was done, which may have changed pages of these ranges; `space` are the mappings after it.
    pub(super) fn call(
        &mut self,
        space: &AddressSpace,
        (tid, time): (Tid, TimeNs),
        done: Done<'_>,
        changed: &[AddrRange],
    ) {
        changed.iter().for_each(|range| self.note_recent(Recent { time, tid, range: *range }));
        self.ledger.call(space, Touch { time, tid, stack: None }, done);
    }

    /// Asks the kernel. Where the memory has other threads, the faults that were told meanwhile are to be taken in before what
    /// it said is held against what is known: they came before what was read, or after it.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn ask(&mut self, caller: Caller) -> io::Result<()> {
        // It stands where its last fault is over.
        self.ledger.forget_thread(caller.tid);
        if caller.company == Company::Others {
            self.ledger.begin_reading();
        }
        self.coming = self.faulting_but(caller.tid).collect();
        self.had_gaps = std::mem::take(&mut self.has_gaps);
        self.scan().inspect_err(|_| self.ledger.end_reading())
    }

    /// Holds what is known against the kernel's word, as it was asked last.
    pub(super) fn hold(
        &mut self,
        space: &AddressSpace,
        found: &mut Found,
        look: Look<'_>,
        after: Option<Call>,
    ) {
        let Caller { pid, tid, company } = look.caller;
        let moving = match company {
            Company::Alone if look.open.is_empty() => Moving::Still,
            Company::Alone | Company::Others => Moving::Told(look.open),
        };
        let sight = match look.source {
            FaultSource::All if !self.has_gaps && !self.had_gaps => Sight::Whole,
            _ => Sight::Gaps,
        };
        let at = touch(pid, look.now);
        let how = Asked { sight, moving, taken_over: &[], raced: &[], stacks: &[], touched: &self.touched };
        let held = self.ledger.hold(space, (EVERYWHERE, &self.runs), at, how);
        // What comes in or goes is not settled by this look.
        let coming: Vec<AddrRange> = self.faulting_but(tid).collect();
        let unsure = [&self.coming, &coming[..], look.open].concat();
        self.touched.retain(|range| unsure.iter().any(|unsure| unsure.overlaps(*range)));
        self.touched.sort_unstable_by_key(|range| (range.start, range.end));
        self.touched.dedup();
        note(found, pid, &held, after);
    }

    fn scan(&mut self) -> io::Result<()> {
        let Self { pagemap, scanner, runs, .. } = self;
        runs.clear();
        scanner.scan(pagemap, |region| runs.push(page_run(region)))?;
        Ok(())
    }
}

fn note(found: &mut Found, pid: Pid, held: &Held, after: Option<Call>) {
    found.pages.get_or_insert_default().add(held);
    if let Some((range, twin, kernel)) = held.first {
        let (at_call, pages) = (found.calls, held.differing);
        found.pages_differ(PagesDiffer { pid, at_call, after, pages, range, twin, kernel });
    }
}

fn touch(pid: Pid, time: TimeNs) -> Touch {
    Touch { time, tid: Tid(pid.0), stack: None }
}
