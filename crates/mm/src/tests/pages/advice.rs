//! Advice about pages, and what they add up to.

use abi::{Advice, Call, Fd, MapFlags, PAGE_SIZE, Prot};

use super::{World, page, pages};
use crate::pages::{Faults, PageKind, Rss, Usage};
use crate::profile::Profile;

fn advise(world: &mut World, start: u64, end: u64, advice: Advice) {
    world.call(0, Call::Madvise { addr: page(start), len: (end - start) * PAGE_SIZE, advice });
}

#[test]
fn what_is_paged_out_is_read_back() {
    let mut world = World::with(Profile { swap_pages: 2, ..Profile::linux_6_18_x86_64() });
    world.map(0, pages(0, 4), Prot::RW);
    for at in 0..3 {
        world.store(0, page(at), 10 + at as u8).expect("writable");
    }
    world.load(0, page(3)).expect("readable");
    advise(&mut world, 0, 4, Advice::PAGEOUT);
    world.check();
    assert_eq!(world.spaces[0].rss(), Rss { anon: 1, swap: 2, ..Rss::default() }, "there is room for two");
    assert_eq!(
        [0, 1, 2, 3].map(|at| world.kind(0, at)),
        [PageKind::Swapped, PageKind::Swapped, PageKind::Anon, PageKind::Zero]
    );
    let child = world.fork(0);
    assert_eq!(world.spaces[child].rss(), Rss { anon: 1, swap: 2, ..Rss::default() });
    world.store(child, page(0), 20).expect("writable");
    assert_eq!((world.load(0, page(0)), world.load(child, page(0))), (Ok(10), Ok(20)));
    assert_eq!(world.load(0, page(1)), Ok(11));
    assert_eq!(world.spaces[0].faults(), Faults { minor: 4, major: 2 });
    world.exit(child);
    world.exit(0);
    assert_eq!(world.sys.frames(), 0);
}

#[test]
fn what_was_freed_goes_unless_it_was_written_again() {
    let mut world = World::new();
    world.map(0, pages(0, 2), Prot::RW);
    world.store(0, page(0), 1).expect("writable");
    world.store(0, page(1), 2).expect("writable");
    advise(&mut world, 0, 2, Advice::FREE);
    let usage = world.spaces[0].usage(&world.sys, pages(0, 2));
    assert_eq!((usage.lazy_free, usage.private_clean, usage.referenced), (8192, 8192, 0));
    world.store(0, page(1), 3).expect("writable");
    advise(&mut world, 0, 2, Advice::PAGEOUT);
    world.check();
    assert_eq!((world.load(0, page(0)), world.load(0, page(1))), (Ok(0), Ok(3)));
}

#[test]
fn droppable_memory_may_go_once_it_is_clean_and_children_get_none() {
    let mut world = World::new();
    let flags = MapFlags(MapFlags::DROPPABLE.0) | MapFlags::ANONYMOUS | MapFlags::FIXED;
    let (addr, len) = (page(0), 2 * PAGE_SIZE);
    world.call(0, Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 });
    world.store(0, page(0), 1).expect("writable");
    let child = world.fork(0);
    assert_eq!((world.load(child, page(0)), world.load(0, page(0))), (Ok(0), Ok(1)));
}

#[test]
fn a_wiped_mapping_is_empty_in_children() {
    let mut world = World::new();
    world.map(0, pages(0, 2), Prot::RW);
    world.store(0, page(0), 1).expect("writable");
    advise(&mut world, 0, 1, Advice::WIPEONFORK);
    world.store(0, page(1), 2).expect("writable");
    let child = world.fork(0);
    assert_eq!((world.load(child, page(0)), world.load(child, page(1))), (Ok(0), Ok(2)));
}

#[test]
fn populated_pages_are_there_without_an_access() {
    let mut world = World::new();
    let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED | MapFlags::POPULATE;
    let (addr, len) = (page(0), 4 * PAGE_SIZE);
    world.call(0, Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 });
    assert_eq!(world.spaces[0].rss().anon, 4);
    world.map(0, pages(8, 12), Prot::RW);
    advise(&mut world, 8, 10, Advice::POPULATE_READ);
    assert_eq!([8, 9, 10].map(|at| world.kind(0, at)), [PageKind::Zero, PageKind::Zero, PageKind::None]);
    world.call(0, Call::Mlock { addr: page(9), len: 2 * PAGE_SIZE });
    assert_eq!([8, 9, 10].map(|at| world.kind(0, at)), [PageKind::Zero, PageKind::Anon, PageKind::Anon]);
}

#[test]
fn shares_are_divided_among_those_who_hold_a_page() {
    let mut world = World::new();
    world.map(0, pages(0, 3), Prot::RW);
    for at in 0..3 {
        world.store(0, page(at), 1).expect("writable");
    }
    let child = world.fork(0);
    let grandchild = world.fork(child);
    world.store(grandchild, page(0), 2).expect("writable");
    let usage = world.spaces[0].usage(&world.sys, pages(0, 3));
    assert_eq!(usage.pss.bytes(), 2048 + 2 * 1365);
    let all = 3 * PAGE_SIZE;
    let shares = Usage { pss: usage.pss, pss_anon: usage.pss, pss_dirty: usage.pss, ..Usage::default() };
    let shares = Usage { referenced: all, referenced_most: all, ..shares };
    assert_eq!(usage, Usage { resident: all, anonymous: all, shared_dirty: all, ..shares });
    let own = world.spaces[grandchild].usage(&world.sys, pages(0, 1));
    assert_eq!((own.private_dirty, own.referenced, own.pss.kib()), (4096, 4096, 4));
}

#[test]
fn a_page_that_forks_share_may_be_freed_lazily_too() {
    let mut world = World::new();
    world.map(0, pages(0, 1), Prot::RW);
    world.store(0, page(0), 1).expect("writable");
    let child = world.fork(0);
    world.call(child, Call::Madvise { addr: page(0), len: PAGE_SIZE, advice: Advice::FREE });
    let lazily = |world: &World, who: usize| world.spaces[who].usage(&world.sys, pages(0, 1)).lazy_free;
    // The parent's entry still says that it was written.
    assert_eq!((lazily(&world, child), lazily(&world, 0)), (PAGE_SIZE, 0));
}

#[test]
fn populating_for_writing_makes_the_page_dirty_and_not_the_entry() {
    let mut world = World::new();
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED;
    let (addr, len) = (page(0), 2 * PAGE_SIZE);
    world.call(0, Call::Mmap { addr, len, prot: Prot::RW, flags: shared, fd: Fd(-1), offset: 0 });
    let child = world.fork(0);
    for who in [0, child] {
        world.load(who, page(0)).expect("readable");
    }
    world.call(0, Call::Madvise { addr, len: PAGE_SIZE, advice: Advice::POPULATE_WRITE });
    let usage = |world: &World| world.spaces[child].usage(&world.sys, pages(0, 1));
    assert_eq!((usage(&world).shared_dirty, usage(&world).shared_clean), (PAGE_SIZE, 0));
}

#[test]
fn mincore_writes_what_is_in_memory() {
    let mut world = World::new();
    world.map(0, pages(0, 4), Prot::RW);
    world.store(0, page(1), 1).expect("writable");
    world.load(0, page(3)).expect("readable");
    let vec = page(0);
    world.call(0, Call::Mincore { addr: page(0), len: 4 * PAGE_SIZE, vec });
    let mut seen = [9; 4];
    let World { sys, spaces } = &mut world;
    spaces[0].load(sys, vec, &mut seen).expect("readable");
    assert_eq!(seen, [0, 1, 0, 1], "the answer's own page came after the question");
}

#[test]
fn shared_pages_that_were_never_written_leave_the_cache() {
    let mut world = World::new();
    let flags = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED;
    let (addr, len) = (page(0), 2 * PAGE_SIZE);
    world.call(0, Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 });
    world.load(0, page(0)).expect("readable");
    world.store(0, page(1), 1).expect("writable");
    advise(&mut world, 0, 2, Advice::PAGEOUT);
    assert_eq!([0, 1].map(|at| world.kind(0, at)), [PageKind::None, PageKind::None]);
    assert_eq!(world.spaces[0].residency(&world.sys, pages(0, 2)), [0, 1]);
    assert_eq!(world.load(0, page(1)), Ok(1));
}

#[test]
fn a_page_that_came_after_a_hole_was_punched_stays() {
    let mut world = World::new();
    let flags = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED;
    world.call(
        0,
        Call::Mmap { addr: page(0), len: 5 * PAGE_SIZE, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 },
    );
    let child = world.fork(0);
    world.load(child, page(4)).expect("readable");
    let advise =
        |from: u64, to: u64, advice| Call::Madvise { addr: page(from), len: (to - from) * PAGE_SIZE, advice };
    world.call(child, advise(2, 5, Advice::REMOVE));
    world.call(child, advise(0, 2, Advice::GUARD_INSTALL));
    world.store(child, page(2), 7).expect("writable");
    let grandchild = world.fork(child);
    for who in [child, grandchild] {
        world.spaces[who].catch_up(&mut world.sys);
        assert_eq!(world.kind(who, 2), PageKind::Shmem, "of {who}");
    }
}
