//! The life of an address in recordings made by hand.

use abi::{Advice, Call, Errno, Fd, PAGE_SIZE, Pid, Tid, VirtAddr};
use recording::{
    Body, CallEvent, CallInput, CallResult, FaultAccess, FaultEvent, FaultMode, LossSource, MmId, SpawnKind,
};

use super::tape::{Tape, page, pages, row};
use crate::{Happened, Other, Story, Unshared};

const BASE: u64 = 0x1000;
const IP: VirtAddr = VirtAddr(0x40_1000);

/// Process 7 with the memory 1, which has 8 pages mapped; the first two are there.
fn begun() -> Tape {
    let there = pages(BASE, BASE + 2);
    Tape::default().exec(7, 0, 1).checkpoint(7, 1, &[row(BASE, BASE + 8)], &[there])
}

/// The same after process 8 was forked, with the memory 2.
fn forked() -> Tape {
    begun().spawn(7, 1, 8, 8, 2, SpawnKind::Fork)
}

impl Tape {
    fn touch(self, pid: i32, at: u64, access: FaultAccess) -> Self {
        let fault = FaultEvent { addr: page(BASE + at), ip: IP, mode: FaultMode::User, access, stack: None };
        // Memory 1 is of process 7, 2 of 8, and so on.
        self.push(pid, u32::try_from(pid - 6).expect("small"), Body::Fault(fault))
    }

    fn advise(self, call: Call, result: CallResult, input: CallInput) -> Self {
        self.push(7, 1, Body::Call(CallEvent { call, result, input, stack: None }))
    }

    /// What happened to a page in the memory of a process.
    fn life(self, pid: i32, at: u64) -> Vec<Happened> {
        let mut replay = self.replay();
        let story = Story::follow(&mut replay, page(BASE + at)).expect("whole");
        let steps = story.of(MmId(u32::try_from(pid - 6).expect("small")));
        steps.iter().map(|step| step.what.clone()).collect()
    }
}

fn shared_with(child: i32) -> Happened {
    Happened::Copied { child: Tid(child) }
}

fn copied(child: i32, other: Other) -> Happened {
    Happened::CopiedOnWrite { ip: IP, unshared: Unshared { child: Pid(child), other } }
}

#[test]
fn a_write_after_a_fork_copies_and_the_second_may_take_over() {
    for access in [FaultAccess::Write, FaultAccess::Unknown] {
        let tape = || forked().touch(8, 0, access).touch(7, 0, access).touch(7, 1, access);
        let (child, parent) = (tape().life(8, 0), tape().life(7, 0));
        assert_eq!(child[child.len() - 2..], [shared_with(8), copied(8, Other::Had)]);
        assert_eq!(parent[parent.len() - 2..], [shared_with(8), copied(8, Other::Unknown)]);
        // The other page is written by the parent alone.
        assert_eq!(tape().life(7, 1).last(), Some(&copied(8, Other::Had)));
        assert_eq!(tape().life(8, 1).last(), Some(&shared_with(8)));
    }
}

#[test]
fn where_the_other_is_not_known_to_have_the_page_it_may_be_taken_over() {
    let after = |tape: Tape| tape.touch(7, 0, FaultAccess::Write).life(7, 0).last().cloned();
    assert_eq!(after(forked()), Some(copied(8, Other::Had)));
    assert_eq!(after(forked().exit(8, 2)), Some(copied(8, Other::Unknown)));
    let len = PAGE_SIZE;
    assert_eq!(
        after(forked().call(8, 2, Call::Munmap { addr: page(BASE), len })),
        Some(copied(8, Other::Unknown))
    );
    let lost = Body::Lost { source: LossSource::Faults, count: 1 };
    assert_eq!(after(forked().push(8, 2, lost)), Some(copied(8, Other::Unknown)));
    assert_eq!(
        after(begun().push(7, 1, Body::FaultPeriod { period: 2 }).spawn(7, 1, 8, 8, 2, SpawnKind::Fork)),
        Some(copied(8, Other::Unknown))
    );
}

#[test]
fn the_last_fork_is_the_one_that_is_told() {
    let tape = || {
        let tape = forked().touch(8, 0, FaultAccess::Write).spawn(7, 1, 9, 9, 3, SpawnKind::Fork);
        tape.touch(7, 0, FaultAccess::Write).spawn(7, 1, 10, 10, 4, SpawnKind::Fork)
    };
    let life = tape().touch(10, 0, FaultAccess::Write).life(10, 0);
    let expected =
        [shared_with(8), shared_with(9), copied(9, Other::Had), shared_with(10), copied(10, Other::Had)];
    assert_eq!(life[life.len() - expected.len()..], expected);
}

#[test]
fn a_read_after_a_fork_is_no_copy_and_what_is_not_told_is_not_said() {
    // A page that was never there: whoever touches it first brings it in.
    for access in [FaultAccess::Read, FaultAccess::Write, FaultAccess::Unknown] {
        let life = forked().touch(8, 5, access).life(8, 5);
        let forked = Some(Tid(8));
        assert_eq!(life.last(), Some(&Happened::Touched { ip: IP, access, forked }));
        // Before any fork there is nothing that it may have copied.
        let life = begun().touch(7, 5, access).life(7, 5);
        assert_eq!(life.last(), Some(&Happened::Touched { ip: IP, access, forked: None }));
    }
    // Told to be read although it is there: another thread's business, no copy.
    let life = forked().touch(8, 0, FaultAccess::Read).life(8, 0);
    assert!(matches!(life.last(), Some(Happened::Touched { access: FaultAccess::Read, .. })), "{life:?}");
}

#[test]
fn advice_that_drops_guards_or_does_neither() {
    let madvise = |advice| Call::Madvise { addr: page(BASE), len: PAGE_SIZE, advice };
    let last = |call, result, input| begun().advise(call, result, input).life(7, 0).pop();
    let plain = |advice, result| last(madvise(advice), result, CallInput::None);
    let none = plain(Advice::NORMAL, CallResult::Seen(0));
    assert!(matches!(none, Some(Happened::Mapped { .. })), "{none:?}");
    for advice in [Advice::PAGEOUT, Advice::COLD, Advice::WILLNEED] {
        assert_eq!(plain(advice, CallResult::Seen(0)), none);
    }
    for advice in [Advice::DONTNEED, Advice::FREE, Advice::REMOVE, Advice::DONTNEED_LOCKED] {
        assert_eq!(plain(advice, CallResult::Seen(0)), Some(Happened::Dropped { call: madvise(advice) }));
    }
    let call = madvise(Advice::GUARD_INSTALL);
    assert_eq!(plain(Advice::GUARD_INSTALL, CallResult::Unseen), Some(Happened::Guarded { call }));
    let touched = begun().advise(call, CallResult::Unseen, CallInput::None).touch(7, 0, FaultAccess::Write);
    assert_eq!(touched.life(7, 0).pop(), Some(Happened::Barred { ip: IP }));
    let call = madvise(Advice::GUARD_REMOVE);
    assert_eq!(plain(Advice::GUARD_REMOVE, CallResult::Unseen), Some(Happened::Unguarded { call }));
    // Refused: nothing is known to be done. A hole: the rest is.
    let refused = |errno| CallResult::Seen(Errno::to_raw(Err(errno)));
    assert_eq!(plain(Advice::DONTNEED, refused(Errno::EINVAL)), none);
    let call = madvise(Advice::DONTNEED);
    assert_eq!(plain(Advice::DONTNEED, refused(Errno::ENOMEM)), Some(Happened::Dropped { call }));
}

#[test]
fn a_vector_of_advice_drops_what_it_came_to_in_the_memory_it_is_for() {
    let advice = Advice::DONTNEED;
    let call = Call::ProcessMadvise { pidfd: Fd(3), iovec: page(1), count: 2, advice, flags: 0 };
    let ranges = || [pages(BASE + 4, BASE + 6), pages(BASE, BASE + 2)].into();
    let input = |target| CallInput::Ranges { target, ranges: ranges() };
    let last = |target, bytes, at| {
        let tape = begun().advise(call, CallResult::Seen(bytes), input(target));
        matches!(tape.life(7, at).last(), Some(Happened::Dropped { .. }))
    };
    let page = i64::try_from(PAGE_SIZE).expect("small");
    assert!(last(Some(MmId(1)), 4 * page, 0) && last(Some(MmId(1)), 4 * page, 5));
    assert!(!last(Some(MmId(1)), 4 * page, 3), "between them");
    assert!(last(Some(MmId(1)), 3 * page, 0) && !last(Some(MmId(1)), 3 * page, 1), "it came so far");
    assert!(!last(Some(MmId(1)), -22, 0) && !last(None, 4 * page, 0));
    // For a process that is not recorded: the caller's own page is still there.
    let call = Call::ProcessMadvise {
        pidfd: Fd(3),
        iovec: self::page(1),
        count: 2,
        advice: Advice::PAGEOUT,
        flags: 0,
    };
    let tape = forked().advise(call, CallResult::Seen(4 * page), input(None)).touch(7, 0, FaultAccess::Write);
    assert_eq!(tape.life(7, 0).last(), Some(&copied(8, Other::Had)));
}
