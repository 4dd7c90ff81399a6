//! Private anonymous memory: zeroes on demand, copies on write, forks.

use abi::{Advice, Call, PAGE_SIZE, Prot, RemapFlags, VirtAddr};

use super::{World, page, pages};
use crate::access::Signal;
use crate::pages::{Fault, Faults, PageKind, Rss, Writable};

#[test]
fn a_read_finds_the_zero_page_and_a_write_its_own() {
    let mut world = World::new();
    world.map(0, pages(0, 4), Prot::RW);
    assert_eq!(world.load(0, page(1)), Ok(0));
    assert_eq!(world.kind(0, 1), PageKind::Zero);
    assert_eq!(world.spaces[0].rss(), Rss::default());
    world.store(0, VirtAddr(page(1).0 + 5), 7).expect("writable");
    world.store(0, page(2), 8).expect("writable");
    assert_eq!(world.load(0, VirtAddr(page(1).0 + 5)), Ok(7));
    assert_eq!(world.load(0, page(1)), Ok(0));
    assert_eq!(world.load(0, page(3)), Ok(0), "the zero page was not written");
    assert_eq!(
        [0, 1, 2, 3].map(|at| world.kind(0, at)),
        [PageKind::None, PageKind::Anon, PageKind::Anon, PageKind::Zero]
    );
    assert_eq!(world.spaces[0].rss(), Rss { anon: 2, ..Rss::default() });
    assert_eq!(world.spaces[0].faults(), Faults { minor: 4, major: 0 });
    // One table of each level.
    assert_eq!(world.spaces[0].page_table_bytes(), 3 * PAGE_SIZE);
    world.call(0, Call::Munmap { addr: page(0), len: 4 * PAGE_SIZE });
    assert_eq!(world.spaces[0].page_table_bytes(), 0);
    assert_eq!(world.sys.frames(), 0);
}

#[test]
fn what_a_mapping_does_not_allow_raises_its_signal() {
    let mut world = World::new();
    world.map(0, pages(0, 1), Prot::READ);
    world.map(0, pages(1, 2), Prot::NONE);
    let fault = |at, signal| Err(Fault { addr: page(at), signal });
    assert_eq!(world.store(0, page(0), 1), fault(0, Signal::SegvAccErr));
    assert_eq!(world.load(0, page(1)).map(drop), fault(1, Signal::SegvAccErr));
    assert_eq!(world.load(0, page(2)).map(drop), fault(2, Signal::SegvMapErr));
    // A fetch without the right to execute: the page is there from then on.
    let World { sys, spaces } = &mut world;
    assert_eq!(spaces[0].fetch(sys, page(0), &mut [0]), fault(0, Signal::SegvAccErr));
    assert_eq!(world.kind(0, 0), PageKind::Zero);
}

#[test]
fn a_store_over_two_pages_is_whole_or_nothing() {
    let mut world = World::new();
    world.map(0, pages(0, 2), Prot::RW);
    let edge = VirtAddr(page(1).0 - 2);
    let World { sys, spaces } = &mut world;
    spaces[0].store(sys, edge, &[1, 2, 3, 4]).expect("writable");
    let mut back = [0; 4];
    spaces[0].load(sys, edge, &mut back).expect("readable");
    assert_eq!(back, [1, 2, 3, 4]);
    let last = VirtAddr(page(2).0 - 2);
    let refused = spaces[0].store(sys, last, &[9; 4]);
    assert_eq!(refused, Err(Fault { addr: page(2), signal: Signal::SegvMapErr }));
    assert_eq!(world.load(0, last), Ok(0));
}

#[test]
fn parent_and_child_each_see_their_own_writes() {
    let mut world = World::new();
    world.map(0, pages(0, 4), Prot::RW);
    for at in 0..3 {
        world.store(0, page(at), 10 + at as u8).expect("writable");
    }
    let child = world.fork(0);
    assert_eq!(world.sys.frames(), 3);
    assert_eq!(world.spaces[child].rss(), Rss { anon: 3, ..Rss::default() });
    world.store(0, page(0), 20).expect("writable");
    world.store(child, page(1), 21).expect("writable");
    assert_eq!([0, 1, 2].map(|at| world.load(0, page(at))), [Ok(20), Ok(11), Ok(12)]);
    assert_eq!([0, 1, 2].map(|at| world.load(child, page(at))), [Ok(10), Ok(21), Ok(12)]);
    assert_eq!(world.sys.frames(), 5);
    let shared = world.spaces[0].page(&world.sys, page(2));
    assert_eq!((shared.mapped, shared.exclusive, shared.writable), (2, false, Writable::AfterFault));
    // The other's copy left this frame to one alone: its next write takes it without a copy.
    let frames = world.sys.frames();
    world.store(0, page(1), 30).expect("writable");
    assert_eq!(world.sys.frames(), frames);
    assert!(world.spaces[0].page(&world.sys, page(1)).exclusive);
    world.exit(child);
    world.store(0, page(2), 31).expect("writable");
    assert_eq!(world.sys.frames(), 3);
    assert_eq!([0, 1, 2].map(|at| world.load(0, page(at))), [Ok(20), Ok(30), Ok(31)]);
}

#[test]
fn dropped_pages_are_zero_again() {
    let mut world = World::new();
    world.map(0, pages(0, 4), Prot::RW);
    for at in 0..4 {
        world.store(0, page(at), 1).expect("writable");
    }
    world.call(0, Call::Madvise { addr: page(1), len: 2 * PAGE_SIZE, advice: Advice::DONTNEED });
    assert_eq!([0, 1, 2, 3].map(|at| world.load(0, page(at))), [Ok(1), Ok(0), Ok(0), Ok(1)]);
    assert_eq!(world.spaces[0].rss().anon, 2);
    world.call(0, Call::Madvise { addr: page(0), len: PAGE_SIZE, advice: Advice::GUARD_INSTALL });
    assert_eq!(world.load(0, page(0)), Err(Fault { addr: page(0), signal: Signal::SegvMapErr }));
    assert_eq!(world.kind(0, 0), PageKind::Guard);
    world.call(0, Call::Madvise { addr: page(0), len: PAGE_SIZE, advice: Advice::GUARD_REMOVE });
    assert_eq!(world.load(0, page(0)), Ok(0));
}

#[test]
fn pages_move_with_their_mapping() {
    let mut world = World::new();
    world.map(0, pages(0, 2), Prot::RW);
    world.store(0, page(1), 5).expect("writable");
    let flags = RemapFlags::MAYMOVE | RemapFlags::FIXED;
    let len = 2 * PAGE_SIZE;
    world.call(0, Call::Mremap { addr: page(0), old_len: len, new_len: len, flags, new_addr: page(1000) });
    assert_eq!(world.load(0, page(1001)), Ok(5));
    assert_eq!(world.load(0, page(1)).map_err(|fault| fault.signal), Err(Signal::SegvMapErr));
    let minor = world.spaces[0].faults().minor;
    world.store(0, page(1001), 6).expect("writable");
    assert_eq!(world.spaces[0].faults().minor, minor, "the right to write moved along");
}

#[test]
fn protection_comes_and_goes_without_faults_where_a_page_is_exclusive() {
    let mut world = World::new();
    world.map(0, pages(0, 2), Prot::RW);
    world.store(0, page(0), 5).expect("writable");
    world.load(0, page(1)).expect("readable");
    let protect = |prot| Call::Mprotect { addr: page(0), len: 2 * PAGE_SIZE, prot };
    world.call(0, protect(Prot::READ));
    assert_eq!(world.store(0, page(0), 6).map_err(|fault| fault.signal), Err(Signal::SegvAccErr));
    world.call(0, protect(Prot::RW));
    let minor = world.spaces[0].faults().minor;
    world.store(0, page(0), 7).expect("writable");
    assert_eq!(world.spaces[0].faults().minor, minor);
    world.store(0, page(1), 8).expect("writable");
    assert_eq!(world.spaces[0].faults().minor, minor + 1, "the zero page had to be replaced");
}

#[cfg(feature = "mutants")]
mod mutants {
    use super::*;
    use crate::mutation::Mutation;
    use crate::profile::Profile;

    fn world(mutation: Mutation) -> World {
        World::with(Profile { mutation: Some(mutation), ..Profile::linux_6_18_x86_64() })
    }

    /// What the stories above find: zeroes elsewhere, and the child's own view.
    fn story(world: &mut World) -> [Option<u8>; 3] {
        let World { sys, spaces } = world;
        let flags = abi::MapFlags::PRIVATE | abi::MapFlags::ANONYMOUS | abi::MapFlags::FIXED;
        let (addr, len) = (page(0), 4 * PAGE_SIZE);
        let map = Call::Mmap { addr, len, prot: Prot::RW, flags, fd: abi::Fd(-1), offset: 0 };
        let input = crate::input::Input::default();
        spaces[0].call(sys, map, &input).result.expect("nothing refuses it");
        let mut parent = spaces.remove(0);
        let _zero = parent.load_word::<1>(sys, page(0));
        parent.store_word(sys, page(0), [1]).expect("writable");
        let other = parent.load_word::<1>(sys, page(1)).ok();
        parent.store_word(sys, page(2), [2]).expect("writable");
        let mut child = parent.fork(sys, &input).expect("nothing refuses it");
        parent.store_word(sys, page(2), [3]).expect("writable");
        let seen = child.load_word::<1>(sys, page(2)).ok();
        child.store_word(sys, page(2), [4]).expect("writable");
        let own = parent.load_word::<1>(sys, page(2)).ok();
        [other, seen, own].map(|word| word.map(|word| word[0]))
    }

    #[test]
    fn each_changed_rule_is_seen() {
        let right = [Some(0), Some(2), Some(3)];
        assert_eq!(story(&mut World::new()), right);
        for mutation in [Mutation::ZeroPageKept, Mutation::ForkKeepsWrite, Mutation::ReuseShared] {
            assert_ne!(story(&mut world(mutation)), right, "{mutation:?}");
        }
    }
}
