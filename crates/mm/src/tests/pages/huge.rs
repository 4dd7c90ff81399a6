//! Transparent huge pages: where one is mapped, what splits it, what it counts as.

use abi::{AddrRange, Advice, Call, Errno, PAGE_SIZE, Prot, RemapFlags};

use super::{World, page, pages};
use crate::input::{Basis, Input};
use crate::pages::{HugeSupply, PageKind, PageSize, Rss};
use crate::profile::{FolioOrders, Profile, Thp};

/// Pages of a huge page.
const HUGE: u64 = 512;

/// Two huge pages' room, where they are asked for.
fn world() -> World {
    let mut world = World::new();
    world.map(0, pages(0, 2 * HUGE), Prot::RW);
    advise(&mut world, 0, pages(0, 2 * HUGE), Advice::HUGEPAGE);
    world
}

fn advise(world: &mut World, who: usize, range: AddrRange, advice: Advice) {
    world.call(who, Call::Madvise { addr: range.start, len: range.len(), advice });
}

fn size(world: &World, who: usize, at: u64) -> PageSize {
    world.spaces[who].page(&world.sys, page(at)).size
}

fn anon_huge(world: &World, who: usize) -> u64 {
    world.spaces[who].usage(&world.sys, pages(0, 2 * HUGE)).anon_huge / PAGE_SIZE
}

fn anon(world: &World, who: usize) -> u64 {
    world.spaces[who].rss().anon
}

#[test]
fn one_fault_maps_two_mib_and_counts_its_table() {
    let mut world = world();
    world.store(0, page(7), 1).expect("writable");
    assert_eq!((anon(&world, 0), anon_huge(&world, 0)), (HUGE, HUGE));
    assert_eq!(world.spaces[0].faults().minor, 1);
    assert_eq!(world.spaces[0].page_table_bytes(), 3 * PAGE_SIZE);
    assert_eq!(world.load(0, page(7)), Ok(1));
    assert_eq!(world.load(0, page(511)), Ok(0));
    assert_eq!(world.kind(0, 512), PageKind::None);
    advise(&mut world, 0, pages(0, HUGE), Advice::DONTNEED);
    // The table went with the page.
    assert_eq!(world.spaces[0].page_table_bytes(), 2 * PAGE_SIZE);
    assert_eq!((anon(&world, 0), world.sys.frames()), (0, 0));
}

#[test]
fn settings_advice_room_and_supply_decide() {
    let small = |mut world: World, at: u64| {
        world.store(0, page(at), 1).expect("writable");
        size(&world, 0, at) == PageSize::Small && anon(&world, 0) == 1
    };
    let unasked = |thp| {
        let mut world = World::with(Profile { thp, ..Profile::linux_6_18_x86_64() });
        world.map(0, pages(0, HUGE), Prot::RW);
        world
    };
    assert!(small(unasked(Thp::Madvise), 0));
    assert!(!small(unasked(Thp::Always), 0));
    let mut refused = unasked(Thp::Always);
    advise(&mut refused, 0, pages(0, HUGE), Advice::NOHUGEPAGE);
    assert!(small(refused, 0));
    let mut never = unasked(Thp::Never);
    advise(&mut never, 0, pages(0, HUGE), Advice::HUGEPAGE);
    assert!(small(never, 0));
    let mut short = World::new();
    short.map(0, pages(1, HUGE), Prot::RW);
    advise(&mut short, 0, pages(1, HUGE), Advice::HUGEPAGE);
    assert!(small(short, 5));
    let mut before = unasked(Thp::Madvise);
    before.store(0, page(9), 1).expect("writable");
    advise(&mut before, 0, pages(0, HUGE), Advice::HUGEPAGE);
    advise(&mut before, 0, pages(9, 10), Advice::DONTNEED);
    assert!(small(before, 0), "a table is there, though it is empty");
    let mut exhausted = world();
    exhausted.sys.set_huge_supply(HugeSupply::Exhausted);
    exhausted.store(0, page(0), 1).expect("writable");
    assert_eq!((anon(&exhausted, 0), exhausted.sys.huge_asked()), (1, 1));
    exhausted.load(0, page(HUGE)).expect("readable");
    exhausted.store(0, page(HUGE), 1).expect("writable");
    assert_eq!((anon(&exhausted, 0), size(&exhausted, 0, HUGE)), (2, PageSize::Small));
    let mut settings = exhausted.spaces[0].settings();
    settings.thp_disabled = true;
    let mut disabled = world();
    disabled.spaces[0].set_settings(settings);
    assert!(small(disabled, 0));
}

#[test]
fn a_read_shares_one_huge_page_of_zeroes() {
    let mut world = world();
    assert_eq!(world.load(0, page(3)), Ok(0));
    assert_eq!((world.kind(0, 100), size(&world, 0, 100)), (PageKind::Zero, PageSize::Huge));
    assert_eq!((anon(&world, 0), world.spaces[0].page_table_bytes()), (0, 3 * PAGE_SIZE));
    world.store(0, page(3), 1).expect("writable");
    assert_eq!((anon(&world, 0), anon_huge(&world, 0)), (HUGE, HUGE));
    // Where none can be had then, one page is copied.
    world.load(0, page(HUGE)).expect("readable");
    world.sys.set_huge_supply(HugeSupply::Exhausted);
    world.store(0, page(HUGE + 1), 1).expect("writable");
    assert_eq!((anon(&world, 0), world.kind(0, HUGE)), (HUGE + 1, PageKind::Zero));
    assert_eq!(size(&world, 0, HUGE), PageSize::Small);
    let mut own = World::with(Profile { huge_zero_page: false, ..Profile::linux_6_18_x86_64() });
    own.map(0, pages(0, HUGE), Prot::RW);
    advise(&mut own, 0, pages(0, HUGE), Advice::HUGEPAGE);
    own.load(0, page(0)).expect("readable");
    assert_eq!(anon_huge(&own, 0), HUGE);
}

#[test]
fn what_reaches_a_part_splits_it() {
    for split in [
        Call::Munmap { addr: page(5), len: PAGE_SIZE },
        Call::Mprotect { addr: page(5), len: PAGE_SIZE, prot: Prot::READ },
        Call::Madvise { addr: page(5), len: PAGE_SIZE, advice: Advice::DONTNEED },
        Call::Madvise { addr: page(5), len: PAGE_SIZE, advice: Advice::DONTFORK },
        Call::Mlock { addr: page(5), len: PAGE_SIZE },
    ] {
        let mut world = world();
        world.store(0, page(4), 1).expect("writable");
        world.call(0, split);
        assert_eq!(anon_huge(&world, 0), 0, "{split}");
        assert!(anon(&world, 0) >= HUGE - 1, "{split}");
        assert_eq!(world.load(0, page(4)), Ok(1));
    }
}

#[test]
fn a_split_for_good_gives_zeroes_back() {
    for advice in [Advice::FREE, Advice::COLD, Advice::PAGEOUT] {
        let mut world = world();
        world.store(0, page(4), 1).expect("writable");
        world.store(0, page(9), 2).expect("writable");
        advise(&mut world, 0, pages(5, 7), advice);
        assert_eq!(world.spaces[0].rss(), Rss { anon: 2, ..Rss::default() }, "{advice:?}");
        assert_eq!((world.kind(0, 5), world.load(0, page(9))), (PageKind::Zero, Ok(2)));
        assert_eq!(world.sys.frames(), 2);
    }
    // As a whole it may be dropped as one.
    let mut world = world();
    world.store(0, page(4), 1).expect("writable");
    advise(&mut world, 0, pages(0, HUGE), Advice::FREE);
    assert_eq!(anon_huge(&world, 0), HUGE);
    assert_eq!(world.spaces[0].usage(&world.sys, pages(0, HUGE)).lazy_free, HUGE * PAGE_SIZE);
    advise(&mut world, 0, pages(0, HUGE), Advice::PAGEOUT);
    assert_eq!(anon(&world, 0), 0);
}

#[test]
fn fork_shares_it_and_a_write_copies_one_page() {
    let mut world = world();
    world.store(0, page(4), 1).expect("writable");
    let child = world.fork(0);
    assert_eq!((anon_huge(&world, 0), anon_huge(&world, child)), (HUGE, HUGE));
    world.store(child, page(4), 2).expect("writable");
    assert_eq!((anon_huge(&world, 0), anon_huge(&world, child)), (HUGE, 0));
    assert_eq!((world.load(0, page(4)), world.load(child, page(4))), (Ok(1), Ok(2)));
    assert_eq!(world.sys.frames(), HUGE + 1);
    world.exit(child);
    // It is this process's alone again: no copy.
    world.store(0, page(5), 3).expect("writable");
    assert_eq!((anon_huge(&world, 0), world.sys.frames()), (HUGE, HUGE));
}

#[test]
fn it_moves_whole_where_both_places_are_a_huge_pages() {
    for (to, whole) in [(3 * HUGE, HUGE), (3 * HUGE + 1, 0)] {
        let mut world = world();
        world.store(0, page(4), 1).expect("writable");
        let flags = RemapFlags::MAYMOVE | RemapFlags::FIXED;
        let len = HUGE * PAGE_SIZE;
        world.call(0, Call::Mremap { addr: page(0), old_len: len, new_len: len, flags, new_addr: page(to) });
        let usage = world.spaces[0].usage(&world.sys, pages(to, to + HUGE));
        assert_eq!((usage.anon_huge / PAGE_SIZE, usage.anonymous / PAGE_SIZE), (whole, HUGE));
        assert_eq!(world.load(0, page(to + 4)), Ok(1));
    }
}

#[test]
fn joined_pages_are_one_that_is_whole() {
    let mut world = World::new();
    world.map(0, pages(0, 2 * HUGE), Prot::RW);
    for at in [3, 9] {
        world.store(0, page(at), at as u8).expect("writable");
    }
    world.load(0, page(20)).expect("readable");
    let tables = world.spaces[0].page_table_bytes();
    let collapse = |blocks: u64| Call::Madvise {
        addr: page(0),
        len: blocks * HUGE * PAGE_SIZE,
        advice: Advice::COLLAPSE,
    };
    // The second 2 MiB have no table yet: the first are joined all the same.
    let half = world.act(0, collapse(2), &Input::default());
    assert_eq!((half.result, half.basis), (Err(Errno::EINVAL), Basis::Predicted));
    assert_eq!((anon(&world, 0), anon_huge(&world, 0)), (HUGE, HUGE));
    assert_eq!((world.load(0, page(9)), world.load(0, page(20))), (Ok(9), Ok(0)));
    assert_eq!((world.spaces[0].page_table_bytes(), world.sys.frames()), (tables, HUGE));
    assert_eq!(world.call(0, collapse(1)), 0, "it is there");
    world.store(0, page(HUGE), 1).expect("writable");
    world.sys.set_huge_supply(HugeSupply::Exhausted);
    let none = world.act(0, collapse(2), &Input::default());
    assert_eq!(none.result, Err(Errno::ENOMEM));
}

#[test]
fn large_folios_come_in_the_largest_size_that_fits() {
    let large_folios = FolioOrders { always: 1 << 2, madvise: 1 << 4 };
    let mut world = World::with(Profile { thp: Thp::Never, large_folios, ..Profile::linux_6_18_x86_64() });
    world.map(0, pages(0, 64), Prot::RW);
    world.load(0, page(0)).expect("readable");
    assert_eq!(anon(&world, 0), 0, "a read shares the page of zeroes");
    world.store(0, page(5), 1).expect("writable");
    assert_eq!([3, 4, 7, 8].map(|at| world.kind(0, at) == PageKind::Anon), [false, true, true, false]);
    // Pages 0 to 16 are not all missing: only the smaller size is free there.
    advise(&mut world, 0, pages(0, 64), Advice::HUGEPAGE);
    world.store(0, page(9), 1).expect("writable");
    assert_eq!(anon(&world, 0), 8);
    world.store(0, page(20), 1).expect("writable");
    assert_eq!((anon(&world, 0), world.spaces[0].faults().minor), (24, 4));
    assert_eq!(size(&world, 0, 20), PageSize::Small);
    // A part that is cooled splits it for good.
    advise(&mut world, 0, pages(16, 18), Advice::COLD);
    assert_eq!(anon(&world, 0), 9);
    world.sys.set_huge_supply(HugeSupply::Exhausted);
    world.store(0, page(40), 1).expect("writable");
    assert_eq!(anon(&world, 0), 10);
}
