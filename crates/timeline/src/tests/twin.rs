//! The twin between two checkpoints, and what is taken over where it is wrong.

use abi::{Call, DevId, Fd, FileId, MapFlags, PAGE_SIZE, Prot, VirtAddr};
use recording::{Bytes, MapRow, SpawnKind};

use super::tape::{Tape, page, pages, row};
use crate::{CorrectionReason, ResyncReason};

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

/// The first thread's call unmapped what lies highest before the second's mapped, says the order of entry; the kernel did
/// it the other way round.
#[test]
fn where_the_kernel_placed_a_mapping_it_is() {
    let (addr, len, prot, fd, offset) = (VirtAddr(0), PAGE_SIZE, Prot::READ, Fd(-1), 0);
    let placed = MapRow { prot, ..row(23, 24) };
    let mmap = Call::Mmap { addr, len, prot, flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS, fd, offset };
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &[row(20, 22), row(24, 30)], &[])
        .spawn(7, 1, 8, 7, 1, SpawnKind::Thread)
        .call(7, 1, munmap(25, 29))
        .call(8, 1, mmap)
        .mapped(8, 1, placed.range)
        .checkpoint(7, 1, &[row(20, 22), placed, row(24, 25), row(29, 30)], &[])
        .run();
    assert_eq!(run.proof.resynced, []);
    assert_eq!((run.proof.calls_corrected, run.proof.checkpoints_matched), (1, 1));
    assert_eq!(run.proof.corrections[0].reason, CorrectionReason::OrderUncertain);
}

/// The second thread's mapping took the place that the first's was thought to have; the first's came below it, and its record,
/// joined with the other, covers both places.
#[test]
fn a_place_that_another_thread_took_first_is_no_confirmation() {
    let (addr, len, prot, fd, offset) = (VirtAddr(0), PAGE_SIZE, Prot::RW, Fd(-1), 0);
    let mmap = Call::Mmap { addr, len, prot, flags: MapFlags::PRIVATE | MapFlags::ANONYMOUS, fd, offset };
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &[row(10, 12), MapRow { prot: Prot::READ, ..row(24, 30) }], &[])
        .spawn(7, 1, 8, 7, 1, SpawnKind::Thread)
        .call(7, 1, mmap)
        .call(8, 1, mmap)
        .mapped(8, 1, pages(23, 24))
        .mapped(7, 1, pages(22, 24))
        .checkpoint(7, 1, &[row(10, 12), row(22, 24), MapRow { prot: Prot::READ, ..row(24, 30) }], &[])
        .run();
    assert_eq!(run.proof.resynced, []);
    assert_eq!((run.proof.calls_corrected, run.proof.checkpoints_matched), (2, 1));
}

/// Whether the pool has pages is the kernel's to say, and of which file they are: both are inputs.
#[test]
fn huge_pages_of_a_pool_are_mapped_where_the_kernel_says() {
    let (addr, len, prot, fd, offset) = (VirtAddr(0), 2 << 20, Prot::RW, Fd(-1), 0);
    let huge = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::HUGETLB;
    let mmap = Call::Mmap { addr, len, prot, flags: huge, fd, offset };
    let file = FileId { dev: DevId { major: 0, minor: 17 }, ino: 99 };
    let name = Bytes::from(b"/anon_hugepage (deleted)".as_slice());
    let pool = MapRow { file, name, ..row(0x800, 0xa00) };
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, &[row(0xb00, 0xd00)], &[])
        .call(7, 1, mmap)
        .mapped_file(7, 1, &pool)
        // A part of a huge page can't be unmapped.
        .call(7, 1, munmap(0x800, 0x801))
        .checkpoint(7, 1, &[pool.clone(), row(0xb00, 0xd00)], &[])
        .call(7, 1, munmap(0x900, 0x901))
        .checkpoint(7, 1, &[pool, row(0xb00, 0xd00)], &[])
        .run();
    assert_eq!(run.proof.resynced, []);
    assert_eq!((run.proof.calls_corrected, run.proof.checkpoints_matched), (0, 2));
    assert_eq!(run.proof.inputs.values().sum::<u64>(), 2, "{:?}", run.proof.inputs);
}

/// A map taken over from the kernel has huge pages of a pool by their name.
#[test]
fn huge_pages_of_a_pool_are_known_by_their_name() {
    let name = Bytes::from(b"/anon_hugepage (deleted)".as_slice());
    let pool =
        MapRow { name, file: FileId { dev: DevId { major: 0, minor: 17 }, ino: 99 }, ..row(0x800, 0xa00) };
    let run = Tape::default()
        .exec(7, 0, 1)
        .checkpoint(7, 1, std::slice::from_ref(&pool), &[])
        .call(7, 1, munmap(0x801, 0x802))
        .checkpoint(7, 1, std::slice::from_ref(&pool), &[])
        .run();
    assert_eq!((run.proof.checkpoints, run.proof.checkpoints_matched), (1, 1));
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
