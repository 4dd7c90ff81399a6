//! The page states of one memory beside the kernel's: what the program's faults bring in, what its calls change.

use std::fs::File;
use std::io;

use abi::{AddrRange, Call, Errno, Pid, Tid, VirtAddr};
use capture::checkpoint::page_run;
use mm::{AddressSpace, Thp};
use recording::{FaultEvent, PageRun, TimeNs};
use sys::pagemap::Scanner;
use timeline::ledger::{Asked, Done, EVERYWHERE, Held, Huge, Ledger, Moving, Sight, Touch};

use super::found::{Found, PagesDiffer};
use super::under_way::Company;

/// The pages of one memory.
pub(super) struct Pages {
    ledger: Ledger,
    pagemap: File,
    scanner: Scanner,
    runs: Vec<PageRun>,
}

/// When pages are looked at.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) pid: Pid,
    pub(super) now: TimeNs,
    pub(super) company: Company,
    pub(super) sight: Sight,
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

    /// Makes those of a forked child, from its mappings.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn fork(&self, child: Pid, space: &AddressSpace) -> io::Result<Self> {
        Self::of(child, self.ledger.fork(space))
    }

    fn of(pid: Pid, ledger: Ledger) -> io::Result<Self> {
        let pagemap = File::open(format!("/proc/{pid}/pagemap"))?;
        Ok(Self { ledger, pagemap, scanner: Scanner::default(), runs: Vec::new() })
    }

    /// The program touched a page.
    pub(super) fn fault(
        &mut self,
        space: &AddressSpace,
        huge: Huge,
        (tid, time): (Tid, TimeNs),
        fault: &FaultEvent,
    ) {
        let touch = Touch { time, tid, stack: None };
        self.ledger.fault(space, touch, (fault.addr, fault.access.into()), huge);
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
    pub(super) fn ask(&mut self, company: Company) -> io::Result<()> {
        if company == Company::Others {
            self.ledger.begin_reading();
        }
        self.scan()
    }

    /// Holds what is known against the kernel's word, as it was asked last.
    pub(super) fn hold(
        &mut self,
        space: &AddressSpace,
        found: &mut Found,
        look: Look<'_>,
        after: Option<Call>,
    ) {
        let moving = match look.company {
            Company::Alone if look.open.is_empty() => Moving::Still,
            Company::Alone | Company::Others => Moving::Told(look.open),
        };
        let at = touch(look.pid, look.now);
        let how = Asked { sight: look.sight, moving, taken_over: &[], raced: &[], stacks: &[] };
        let held = self.ledger.hold(space, (EVERYWHERE, &self.runs), at, how);
        note(found, look.pid, &held, after);
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
