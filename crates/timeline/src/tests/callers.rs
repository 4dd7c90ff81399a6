//! Limits are those of a process and the personality is that of a thread, whoever has the memory.

use abi::{Call, Errno, Fd, MapFlags, PAGE_SIZE, Personality, Pid, Prot, Resource, Rlimit, VirtAddr};
use recording::{CallInput, MapRow, SpawnKind};

use super::tape::{Tape, page, row};

/// Process 7 has memory 1, its thread 8 too; process 9 borrows it.
fn begun() -> Tape {
    Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &[row(1, 9)], &[])
        .spawn(7, 1, 8, 7, 1, SpawnKind::Thread)
        .spawn(7, 1, 9, 9, 1, SpawnKind::SharedMemory)
}

/// Maps 4 pages for reading.
fn map(at: u64) -> Call {
    let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
    Call::Mmap { addr: page(at), len: 4 * PAGE_SIZE, prot: Prot::READ, flags, fd: Fd(-1), offset: 0 }
}

/// Room for 10 pages.
const SMALL: Rlimit = Rlimit { soft: 10 * PAGE_SIZE, hard: Rlimit::INFINITY };

trait Limits {
    fn limit(self, tid: i32, mm: u32, pid: i32, limit: Rlimit) -> Self;
}

impl Limits for Tape {
    fn limit(self, tid: i32, mm: u32, pid: i32, limit: Rlimit) -> Self {
        let (new_limit, old_limit) = (page(1), VirtAddr::NULL);
        let call = Call::Prlimit64 { pid, resource: Resource::AS, new_limit, old_limit };
        self.call_with(tid, mm, call, CallInput::Rlimit { pid: Pid(pid), limit })
    }
}

fn read_only(from: u64, to: u64) -> MapRow {
    MapRow { prot: Prot::READ, ..row(from, to) }
}

/// The map is this at the end, and nothing had to be taken over before.
fn ends(tape: Tape, mm: u32, rows: &[MapRow]) {
    let run = tape.checkpoint(if mm == 1 { 7 } else { 10 }, mm, rows, &[]).run();
    assert_eq!(run.proof.resynced, []);
    assert_eq!(run.proof.checkpoints_matched, run.proof.checkpoints);
    assert!(run.proof.checkpoints > 0);
}

#[test]
fn who_borrows_a_memory_has_limits_of_its_own() {
    let own = begun().limit(9, 1, 0, SMALL).call(9, 1, map(20)).call(7, 1, map(30));
    ends(own, 1, &[row(1, 9), read_only(30, 34)]);
    let makers = begun().limit(7, 1, 0, SMALL).call(9, 1, map(20)).call(8, 1, map(30));
    ends(makers, 1, &[row(1, 9), read_only(20, 24)]);
}

#[test]
fn a_limit_is_set_of_the_process_that_a_number_means() {
    for (number, limited) in [(9, 9), (7, 7), (8, 7)] {
        for setter in [7, 8, 9] {
            let tape = begun().limit(setter, 1, number, SMALL).call(7, 1, map(20)).call(9, 1, map(30));
            let other = if limited == 7 { read_only(30, 34) } else { read_only(20, 24) };
            ends(tape, 1, &[row(1, 9), other]);
        }
    }
    // Of one that is not known nothing changes here, nor where the kernel refuses.
    let tape = begun().limit(7, 1, 99, SMALL);
    let (new_limit, old_limit) = (page(1), VirtAddr::NULL);
    let call = Call::Prlimit64 { pid: 9, resource: Resource::AS, new_limit, old_limit };
    let tape = tape.call_with(7, 1, call, CallInput::Refused(Errno::ESRCH));
    ends(tape.call(7, 1, map(20)).call(9, 1, map(30)), 1, &[row(1, 9), read_only(20, 24), read_only(30, 34)]);
}

#[test]
fn a_fork_has_its_makers_limits_until_it_gets_others() {
    let forked = || begun().limit(9, 1, 0, SMALL).spawn(9, 1, 10, 10, 2, SpawnKind::Fork);
    ends(forked().call(10, 2, map(20)), 2, &[row(1, 9)]);
    ends(forked().limit(9, 1, 0, Rlimit::UNLIMITED).call(10, 2, map(20)), 2, &[row(1, 9)]);
    ends(
        forked().limit(9, 1, 10, Rlimit::UNLIMITED).call(10, 2, map(20)),
        2,
        &[row(1, 9), read_only(20, 24)],
    );
    // A number that is used again is another process.
    let again = forked().exit(10, 2).spawn(7, 1, 10, 10, 2, SpawnKind::Fork);
    ends(again.call(10, 2, map(20)), 2, &[row(1, 9), read_only(20, 24)]);
}

#[test]
fn the_personality_is_a_threads_own() {
    let executable = |from, to| MapRow { prot: Prot::READ | Prot::EXEC, ..row(from, to) };
    let set = Call::Personality { persona: Personality::READ_IMPLIES_EXEC.0 };
    let tape = begun()
        .call(8, 1, set)
        .spawn(8, 1, 10, 7, 1, SpawnKind::Thread)
        .call(7, 1, map(20))
        .call(8, 1, map(30))
        .call(9, 1, map(40))
        .call(10, 1, map(50));
    let rows = [row(1, 9), read_only(20, 24), executable(30, 34), read_only(40, 44), executable(50, 54)];
    ends(tape, 1, &rows);
}
