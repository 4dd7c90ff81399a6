//! The page states of one memory beside the kernel's: what the program's faults bring in, what its calls change.

use std::fs::File;
use std::io;

use abi::{AddrRange, Call, Errno, Pid, Tid, VirtAddr};
use capture::checkpoint::page_run;
use mm::{AddressSpace, Thp};
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
    /// What was coming in when the kernel was asked.
    coming: Vec<AddrRange>,
    /// Faults were lost since the last look.
    has_gaps: bool,
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

/// Of which threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whose {
    /// The one named.
    Own,
    /// All others.
    Others,
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

    /// Makes those of a forked child, from its mappings.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn fork(&self, child: Pid, space: &AddressSpace) -> io::Result<Self> {
        let pages = Self::of(child, self.ledger.fork(space))?;
        Ok(Self { touched: self.touched.clone(), has_gaps: self.has_gaps, ..pages })
    }

    fn of(pid: Pid, ledger: Ledger) -> io::Result<Self> {
        let pagemap = File::open(format!("/proc/{pid}/pagemap"))?;
        let (scanner, runs, touched, coming) = Default::default();
        Ok(Self { ledger, pagemap, scanner, runs, touched, coming, has_gaps: false })
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
        self.faulting(tid, Whose::Own).next()
    }

    /// What the last fault of a thread brings in, or the last of each other thread.
    pub(super) fn faulting(&self, tid: Tid, whose: Whose) -> impl Iterator<Item = AddrRange> {
        let is_wanted = move |of: Tid| (of == tid) == (whose == Whose::Own);
        self.ledger.faulting().filter(move |(of, _)| is_wanted(*of)).map(|(_, range)| range)
    }

    /// A thread has ended, or stands where its last fault is over.
    pub(super) fn forget_thread(&mut self, tid: Tid) {
        self.ledger.forget_thread(tid);
    }

    /// Faults were lost.
    pub(super) const fn note_gap(&mut self) {
        self.has_gaps = true;
    }

    /// These were touched before or after a call changed them.
    pub(super) fn note_touched(&mut self, touched: impl Iterator<Item = AddrRange>) {
        self.touched.extend(touched);
    }

    /// A call was done; `space` are the mappings after it.
    pub(super) fn call(
        &mut self,
        space: &AddressSpace,
        tid: Tid,
        now: TimeNs,
        (call, result, brk): (Call, i64, VirtAddr),
        (ranges, thp): (&[AddrRange], Thp),
    ) {
        let touch = Touch { time: now, tid, stack: None };
        self.ledger.call(space, touch, Done { call, result: Errno::from_raw(result), brk, ranges, thp });
    }

    /// Asks the kernel. Where the memory has other threads, the faults that were told meanwhile are to be taken in before what
    /// it said is held against what is known: they came before what was read, or after it.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn ask(&mut self, caller: Caller) -> io::Result<()> {
        if caller.company == Company::Others {
            // It stands at its call.
            self.ledger.forget_thread(caller.tid);
            self.ledger.begin_reading();
        }
        self.coming = self.faulting(caller.tid, Whose::Others).collect();
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
            FaultSource::All if !self.has_gaps => Sight::Whole,
            _ => Sight::Gaps,
        };
        let at = touch(pid, look.now);
        let how = Asked { sight, moving, taken_over: &[], raced: &[], stacks: &[], touched: &self.touched };
        let held = self.ledger.hold(space, (EVERYWHERE, &self.runs), at, how);
        self.has_gaps = false;
        // What comes in or goes is not settled by this look.
        let coming: Vec<AddrRange> = self.faulting(tid, Whose::Others).collect();
        let unsure = [&self.coming, &coming[..], look.open].concat();
        self.touched.retain(|range| unsure.iter().any(|unsure| unsure.overlaps(*range)));
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
