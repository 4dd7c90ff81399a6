//! The twin between two checkpoints, and what is taken over where it is wrong.

use abi::{Call, PAGE_SIZE, VirtAddr};

use super::tape::{Tape, page, row};
use crate::ResyncReason;

fn munmap(from: u64, to: u64) -> Call {
    Call::Munmap { addr: page(from), len: (to - from) * PAGE_SIZE }
}

#[test]
fn a_hole_is_predicted() {
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &[row(1, 9)], &[])
        .call(7, 1, munmap(3, 5))
        .checkpoint(7, 1, &[row(1, 3), row(5, 9)], &[])
        .run();
    assert_eq!((run.proof.checkpoints, run.proof.checkpoints_matched), (1, 1));
    assert_eq!((run.proof.mappings, run.proof.mappings_matched), (2, 2));
    assert_eq!(run.alive[0].sample.virtual_bytes, 6 << 12);
}

#[test]
fn a_map_that_differs_is_taken_over_and_told_with_the_last_call() {
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &[row(1, 9)], &[])
        .call(7, 1, munmap(3, 5))
        .checkpoint(7, 1, &[row(1, 4), row(5, 9)], &[])
        .checkpoint(7, 1, &[row(1, 4), row(5, 9)], &[])
        .run();
    assert_eq!((run.proof.checkpoints, run.proof.checkpoints_matched), (2, 1));
    let resync = &run.proof.resynced[0];
    assert_eq!(resync.reason, ResyncReason::Divergence);
    assert_eq!(resync.last_call.map(|last| last.call), Some(munmap(3, 5)));
    assert!(!run.proof.is_whole());
}

#[test]
fn a_refused_call_changes_nothing() {
    let call = Call::Munmap { addr: VirtAddr(1), len: PAGE_SIZE };
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &[row(1, 9)], &[])
        .call(7, 1, call)
        .checkpoint(7, 1, &[row(1, 9)], &[])
        .run();
    // Unaligned: refused, and the map stays.
    assert_eq!((run.proof.calls, run.proof.checkpoints_matched), (1, 1));
}
