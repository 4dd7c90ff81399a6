//! The arguments of programs about to be executed, which the kernel counts to the memory that `execve` is called in.
//!
//! `execve` copies them to where the next program's stack will be, in a memory that nobody has yet. Until that memory is
//! taken into use they are in `RssAnon` of the caller's, though no page of it holds them (`fs/exec.c: acct_arg_size`).
//! Where they fill more than the one page they begin with, the stack to come grows, which is told:
//! ```text
//! events   [mapped 7fffffffd000-7ffffffff000]   [checkpoint: RssAnon is two pages more]   [exec]
//! ```
//! Nothing tells of the first page alone but the exec that follows.

use abi::{AddrRange, PAGE_SIZE, Tid, VirtAddr};
use mm::AddressSpace;
use recording::Counters;

/// What a memory is counted for programs that its threads are about to execute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    /// By the stacks to come that grew.
    told: Vec<(Tid, u64)>,
    /// Totals that no page explains, until it is known whether an exec does.
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    /// The checkpoint's number.
    event: u64,
    bytes: u64,
    /// Who did something else since: who is in `execve` does nothing.
    active: Vec<Tid>,
}

impl Arguments {
    /// A mapping grew, which may be the stack to come of a program that the thread is about to execute: it ends where all
    /// addresses do, before it is moved to where chance puts it.
    pub(crate) fn mapped(&mut self, tid: Tid, range: AddrRange, task_size: VirtAddr, space: &AddressSpace) {
        let is_own =
            || space.find(VirtAddr(range.end.0 - 1)).is_some_and(|vma| range.start < vma.range.start);
        if range.end == task_size && !range.is_empty() && !is_own() {
            self.went_on(tid);
            self.told.push((tid, range.len()));
        }
    }

    /// A thread did something that no thread does in `execve`.
    pub(crate) fn went_on(&mut self, tid: Tid) {
        self.told.retain(|(of, _)| *of != tid);
        if let Some(open) = self.open.as_mut().filter(|open| !open.active.contains(&tid)) {
            open.active.push(tid);
        }
    }

    /// The counters without what is known to be of arguments.
    pub(crate) fn without(&self, counters: &Counters) -> Counters {
        let told: u64 = self.told.iter().map(|(_, bytes)| bytes).sum();
        Counters { rss_anon: counters.rss_anon.saturating_sub(told), ..*counters }
    }

    /// So much more is anonymous by the counters than by the pages; an exec may explain it.
    /// `event` is the checkpoint's.
    pub(crate) fn leave_open(&mut self, bytes: Option<u64>, event: u64) {
        self.open = bytes.map(|bytes| Open { event, bytes, active: Vec::new() });
    }

    /// The thread has executed a program. Returns the checkpoint whose open totals that explains: the thread had done nothing
    /// else since, and its arguments are of that size.
    pub(crate) fn executed(&mut self, tid: Tid) -> Option<u64> {
        let told = self.told.iter().find(|(of, _)| *of == tid).map_or(PAGE_SIZE, |(_, bytes)| *bytes);
        self.told.retain(|(of, _)| *of != tid);
        let open = self.open.take()?;
        (open.bytes == told && !open.active.contains(&tid)).then_some(open.event)
    }
}

#[cfg(test)]
mod tests {
    use mm::{Layout, Limits, Profile, System};

    use super::*;

    const TOP: VirtAddr = VirtAddr(0x7fff_ffff_f000);

    fn grown(pages: u64) -> AddrRange {
        AddrRange::new(VirtAddr(TOP.0 - pages * PAGE_SIZE), TOP)
    }

    #[test]
    fn what_grows_at_the_end_of_all_addresses_is_of_a_program_to_come() {
        let mut sys = System::new(Profile::linux_6_18_x86_64());
        let space = AddressSpace::adopt(&mut sys, Layout::default(), Limits::default(), []);
        let counters = Counters { rss_anon: 10 * PAGE_SIZE, ..Counters::default() };
        let anon = |arguments: &Arguments| arguments.without(&counters).rss_anon / PAGE_SIZE;
        let mut arguments = Arguments::default();
        arguments.mapped(Tid(1), grown(2), TOP, &space);
        assert_eq!(anon(&arguments), 8);
        arguments.mapped(Tid(1), grown(3), TOP, &space);
        arguments.mapped(Tid(2), AddrRange::new(VirtAddr(0x1000), VirtAddr(0x3000)), TOP, &space);
        assert_eq!(anon(&arguments), 7);
        arguments.went_on(Tid(1));
        assert_eq!(anon(&arguments), 10);
    }

    #[test]
    fn an_exec_explains_its_own_arguments_only() {
        let mut arguments = Arguments::default();
        let mut after = |bytes, active: &[i32], tid| {
            arguments.leave_open(Some(bytes), 9);
            active.iter().for_each(|tid| arguments.went_on(Tid(*tid)));
            arguments.executed(tid)
        };
        assert_eq!(after(PAGE_SIZE, &[2], Tid(1)), Some(9));
        assert_eq!(after(PAGE_SIZE, &[1], Tid(1)), None);
        assert_eq!(after(2 * PAGE_SIZE, &[], Tid(1)), None);
        arguments.leave_open(None, 9);
        assert_eq!(arguments.executed(Tid(1)), None);
    }
}
