//! Peaks, last states and sums over several processes.

use recording::{SpawnKind, TimeNs};

use super::tape::{Tape, pages, row};
use crate::ProcessNo;

#[test]
fn the_largest_resident_moment_is_kept_with_its_pages() {
    let map = [row(1, 100)];
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &map, &[pages(1, 3)])
        .checkpoint(7, 1, &map, &[pages(1, 50)])
        .checkpoint(7, 1, &map, &[pages(1, 9)])
        .exit(7, 1)
        .run();
    let peak = run.peak().expect("pages were read");
    assert_eq!((peak.time, peak.total.resident_bytes), (TimeNs(2_000_000), 49 << 12));
    let snapshot = run.snapshot(run.largest_memory().expect("is kept"));
    assert_eq!(snapshot.mappings.len(), 1);
    assert_eq!(snapshot.pages.expect("were read")[0].range, pages(1, 50));
    let process = &run.processes[0];
    assert_eq!(process.largest.resident_bytes, Some((49 << 12, TimeNs(2_000_000))));
    assert_eq!(process.last_resident, Some((8 << 12, TimeNs(3_000_000))));
    assert_eq!(process.page_checkpoints, 3);
    assert!(run.last_of(ProcessNo(0)).is_some());
    assert!(run.alive.is_empty());
}

#[test]
fn sums_are_of_what_lives_together() {
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &[row(1, 11)], &[pages(1, 3)])
        .spawn(7, 1, 8, 8, 2, SpawnKind::Fork)
        .exec(8, 2, 3)
        .checkpoint(8, 3, &[row(1, 101)], &[pages(1, 2)])
        .exit(8, 3)
        .checkpoint(7, 1, &[row(1, 11)], &[pages(1, 3)])
        .run();
    let peak = run.peaks.of_virtual().expect("there was one");
    assert_eq!(peak.total.virtual_bytes, 110 << 12);
    assert_eq!(peak.memories.len(), 2);
    assert_eq!(run.alive.len(), 1);
    assert_eq!(run.alive[0].sample.virtual_bytes, 10 << 12);
    assert_eq!(run.processes[1].parent, Some(ProcessNo(0)));
    assert_eq!(run.curve.buckets().last().map(|bucket| bucket.virtual_bytes), Some(10 << 12));
}

#[test]
fn a_vfork_child_borrows_and_gives_back() {
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &[row(1, 11)], &[])
        .spawn(7, 1, 8, 8, 1, SpawnKind::Vfork)
        .exec(8, 1, 2)
        .checkpoint(8, 2, &[row(1, 2)], &[])
        .exit(8, 2)
        .checkpoint(7, 1, &[row(1, 11)], &[])
        .run();
    assert_eq!(run.proof.checkpoints_matched, 1);
    assert_eq!(run.alive[0].sample.mappings, 1);
}
