//! Faults of which several events tell, each told once.

use abi::{Tid, VirtAddr};
use recording::{FaultEvent, FaultMode};

use super::seen::{Held, What};
use crate::stacks::StackCopies;

/// Records of one fault lie no further apart.
const ONCE_MORE_NS: u64 = 200_000;

/// The last fault of which a ring told: the next record may tell of it once more.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Told {
    /// The event that told of it; `None` if several did.
    event: Option<u64>,
    /// Its place among those held; `None` if it has been handed on.
    at: Option<usize>,
    tid: Tid,
    /// The time of the first record of it.
    monotonic_ns: u64,
    place: (VirtAddr, VirtAddr, FaultMode),
}

/// Whether a record tells of a fault that was not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tells {
    /// It does.
    New,
    /// It tells once more of the one before.
    Again,
}

impl Told {
    /// Takes in what an event tells of a fault: `last` is what the same ring told before it.
    pub(super) fn note(
        last: &mut Option<Self>,
        held: &mut Vec<Held>,
        (event, seen): (u64, Held),
        copies: Option<&StackCopies>,
    ) -> Tells {
        let What::Fault(fault) = &seen.what else { return Tells::New };
        if let Some(told) = last.filter(|told| told.is_told_by(event, &seen, fault)) {
            *last = Some(Self { event: told.event.filter(|first| *first == event), ..told });
            match told.at.and_then(|at| held.get_mut(at)) {
                Some(known) => known.take_in(seen, copies),
                None => seen.drop_copy(copies),
            }
            return Tells::Again;
        }
        let (tid, monotonic_ns, place) = (seen.tid, seen.monotonic_ns, place(fault));
        *last = Some(Self { event: Some(event), at: Some(held.len()), tid, monotonic_ns, place });
        held.push(seen);
        Tells::New
    }

    /// It in the next round of reading: those held stand in order of time now, and some have been handed on.
    pub(super) fn among(self, held: &[Held]) -> Self {
        let is_it = |known: &Held| {
            let is_fault = matches!(known.what, What::Fault(_));
            is_fault && (known.monotonic_ns, known.tid) == (self.monotonic_ns, self.tid)
        };
        Self { at: held.iter().rposition(is_it), ..self }
    }

    /// Whether a record tells of it once more: one of another event that is on at the same time, right after the first. Of a
    /// software event all that tell of one fault have the number and the time of the first of them: they share what is
    /// filled in once (`kernel/events/core.c: do_perf_sw_event`, `perf_prepare_sample`).
    fn is_told_by(&self, event: u64, seen: &Held, fault: &FaultEvent) -> bool {
        let is_of_another = self.event.is_some_and(|first| first != event);
        let is_near = seen.monotonic_ns.abs_diff(self.monotonic_ns) < ONCE_MORE_NS;
        (is_of_another && is_near || seen.monotonic_ns == self.monotonic_ns)
            && (self.tid, self.place) == (seen.tid, place(fault))
    }
}

const fn place(fault: &FaultEvent) -> (VirtAddr, VirtAddr, FaultMode) {
    (fault.addr, fault.ip, fault.mode)
}

#[cfg(test)]
mod tests {
    use abi::Pid;
    use recording::FaultAccess;
    use sys::perf::UserStack;

    use super::*;

    fn fault(monotonic_ns: u64, addr: u64, copies: &StackCopies) -> Held {
        let user = UserStack {
            rip: VirtAddr(1),
            rsp: VirtAddr(2),
            rbx: 0,
            rbp: 0,
            r10_to_r15: [0; 6],
            bytes: &[7; 64],
        };
        let stack = copies.put_fault(Tid(1), &user, &[]);
        let (addr, ip, mode) = (VirtAddr(addr), VirtAddr(1), FaultMode::User);
        let fault = FaultEvent { addr, ip, mode, access: FaultAccess::Unknown, stack };
        Held { monotonic_ns, pid: Pid(1), tid: Tid(1), what: What::Fault(fault) }
    }

    #[test]
    fn a_fault_that_was_handed_on_is_not_told_again() {
        let copies = StackCopies::default();
        let (mut last, mut held) = (None, Vec::new());
        let note = |last: &mut _, held: &mut _, event, monotonic_ns, addr| {
            Told::note(last, held, (event, fault(monotonic_ns, addr, &copies)), Some(&copies))
        };
        assert_eq!(note(&mut last, &mut held, 1, 100, 0x1000), Tells::New);
        assert_eq!(note(&mut last, &mut held, 2, 150, 0x1000), Tells::Again);
        assert_eq!(held.len(), 1);
        held.clear();
        last = last.map(|told: Told| told.among(&held));
        assert_eq!(note(&mut last, &mut held, 1, 100, 0x1000), Tells::Again);
        assert_eq!(held.len(), 0);
        // The same event at another time, another event long after, another page.
        for (event, monotonic_ns, addr) in [(1, 180, 0x1000), (2, 1_000_000, 0x1000), (3, 1_000_001, 0x2000)]
        {
            assert_eq!(note(&mut last, &mut held, event, monotonic_ns, addr), Tells::New);
        }
        assert_eq!(held.len(), 3);
        // The first was handed on with its copy.
        assert_eq!(copies.faults_waiting(), 4);
    }
}
