//! What may be promised: `vm.overcommit_memory` 0, 1 and 2 (`mm/util.c: __vm_enough_memory`).

use abi::{Call, Errno, Fd, MapFlags, PAGE_SIZE, Prot, RemapFlags, VirtAddr};

use crate::flags::VmFlags;
use crate::input::{Caps, Input};
use crate::profile::{Overcommit, OvercommitMode, Profile};
use crate::space::{AddressSpace, Layout, Limits};
use crate::system::System;

const BASE: u64 = 0x10_0000_0000;
const HEAP: u64 = 0x20_0000_0000;
const PRIVATE: MapFlags = MapFlags(MapFlags::PRIVATE.0 | MapFlags::ANONYMOUS.0 | MapFlags::FIXED.0);
const SHARED: MapFlags = MapFlags(MapFlags::SHARED.0 | MapFlags::ANONYMOUS.0 | MapFlags::FIXED.0);

/// One process, and what it is told beside its calls.
struct World {
    sys: System,
    space: AddressSpace,
    input: Input,
}

fn page(at: u64) -> VirtAddr {
    VirtAddr(BASE + at * PAGE_SIZE)
}

fn world(mode: OvercommitMode, limit: u64) -> World {
    let overcommit = Overcommit { mode, limit, admin_reserve: 0, user_reserve: 0, ram_and_swap: 1000 };
    let mut sys = System::new(Profile { overcommit, ..Profile::linux_6_18_x86_64() });
    let layout = Layout {
        mmap_base: page(1 << 20),
        start_brk: VirtAddr(HEAP),
        brk: VirtAddr(HEAP),
        ..Layout::default()
    };
    let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
    World { sys, space, input: Input::default() }
}

impl World {
    fn call(&mut self, call: Call) -> Result<u64, Errno> {
        self.space.call(&mut self.sys, call, &self.input).result
    }

    fn map(&mut self, at: u64, pages: u64, prot: Prot, flags: MapFlags) -> Result<u64, Errno> {
        self.call(Call::Mmap { addr: page(at), len: pages * PAGE_SIZE, prot, flags, fd: Fd(-1), offset: 0 })
    }

    /// Private writable memory.
    fn promise(&mut self, at: u64, pages: u64) -> Result<u64, Errno> {
        self.map(at, pages, Prot::RW, PRIVATE)
    }

    fn protect(&mut self, at: u64, pages: u64, prot: Prot) -> Result<u64, Errno> {
        self.call(Call::Mprotect { addr: page(at), len: pages * PAGE_SIZE, prot })
    }

    fn set(&mut self, change: impl FnOnce(&mut Overcommit)) {
        change(&mut alloc::sync::Arc::make_mut(&mut self.sys.profile).overcommit);
    }
}

const NO: Result<u64, Errno> = Err(Errno::ENOMEM);

#[test]
fn mode_0_refuses_a_call_for_more_than_memory_and_swap_whatever_was_promised() {
    let mut world = world(OvercommitMode::Guess, 0);
    assert_eq!(world.promise(0, 1001), NO);
    for at in 0..4 {
        assert_eq!(world.promise(at * 1000, 1000), Ok(page(at * 1000).0));
    }
    assert_eq!(world.sys.committed_pages(), 4000);
    // What shared memory asks for is no mapping's.
    assert_eq!(world.map(5000, 1001, Prot::READ, SHARED), NO);
    assert!(world.map(5000, 1001, Prot::RW, PRIVATE | MapFlags::NORESERVE).is_ok());
    assert!(world.map(7000, 1001, Prot::READ, PRIVATE).is_ok());
    assert_eq!(world.protect(7000, 1001, Prot::RW), NO);
    assert!(world.protect(7000, 1000, Prot::RW).is_ok());
}

#[test]
fn mode_1_refuses_nothing() {
    let mut world = world(OvercommitMode::Always, 0);
    world.input.committed = Some(u64::MAX >> 1);
    assert!(world.promise(0, 1 << 24).is_ok());
    assert!(world.map(1 << 24, 1 << 24, Prot::RW, SHARED).is_ok());
    assert!(world.map(1 << 25, 8, Prot::RW, PRIVATE | MapFlags::NORESERVE).is_ok());
    // It is kept account of all the same, but for what asks not to be.
    assert_eq!(world.sys.committed_pages(), 1 << 24);
    let flags = world.space.find(page(1 << 25)).expect("just mapped").flags;
    assert!(flags.contains(VmFlags::NORESERVE) && !flags.contains(VmFlags::ACCOUNT));
    assert!(world.space.fork(&mut world.sys, &world.input).is_ok());
}

#[test]
fn mode_2_promises_less_than_the_limit() {
    let mut world = world(OvercommitMode::Never, 100);
    assert_eq!(world.promise(0, 100), NO);
    assert_eq!(world.sys.committed_pages(), 0);
    assert!(world.promise(0, 99).is_ok());
    assert_eq!(world.promise(200, 1), NO);
    // What can't be written to, and what others hold too, is not promised by the mapping.
    assert!(world.map(200, 50, Prot::READ, PRIVATE).is_ok());
    assert!(world.map(300, 50, Prot::NONE, PRIVATE).is_ok());
    assert_eq!(world.map(400, 1, Prot::READ, SHARED), NO);
    world.call(Call::Munmap { addr: page(0), len: 50 * PAGE_SIZE }).expect("it is there");
    assert!(world.map(400, 50, Prot::READ, SHARED).is_ok());
    assert!(world.promise(500, 50).is_ok());
}

#[test]
fn mode_2_takes_no_word_for_it_that_nothing_need_be_reserved() {
    let mut world = world(OvercommitMode::Never, 100);
    assert_eq!(world.map(0, 100, Prot::RW, PRIVATE | MapFlags::NORESERVE), NO);
    assert!(world.map(0, 10, Prot::RW, PRIVATE | MapFlags::NORESERVE).is_ok());
    let flags = world.space.find(page(0)).expect("just mapped").flags;
    assert!(flags.contains(VmFlags::ACCOUNT) && !flags.contains(VmFlags::NORESERVE));
    assert_eq!(world.map(200, 90, Prot::READ, SHARED | MapFlags::NORESERVE), NO);
    assert!(world.map(200, 89, Prot::READ, SHARED | MapFlags::NORESERVE).is_ok());
}

#[test]
fn mode_2_asks_at_every_call_that_promises_more() {
    let mut world = world(OvercommitMode::Never, 20);
    assert!(world.promise(0, 10).is_ok() && world.map(100, 10, Prot::READ, PRIVATE).is_ok());
    assert_eq!(world.protect(100, 10, Prot::RW), NO);
    assert!(world.protect(100, 9, Prot::RW).is_ok());
    // 19 of 20.
    let grow = |flags, new_addr| Call::Mremap {
        addr: page(0),
        old_len: 10 * PAGE_SIZE,
        new_len: 11 * PAGE_SIZE,
        flags,
        new_addr,
    };
    assert_eq!(world.call(grow(RemapFlags::NONE, VirtAddr::NULL)), NO);
    let moved = RemapFlags::MAYMOVE | RemapFlags::FIXED;
    assert_eq!(world.call(grow(moved, page(300))), NO);
    assert_eq!(world.call(Call::Brk { addr: VirtAddr(HEAP + PAGE_SIZE) }), Ok(HEAP));
    assert!(world.space.fork(&mut world.sys, &world.input).is_err());
    assert_eq!(world.sys.committed_pages(), 19, "what was refused is given back");
    world.set(|rules| rules.limit = 39);
    assert!(world.space.fork(&mut world.sys, &world.input).is_ok());
    assert_eq!(world.sys.committed_pages(), 38);
}

#[test]
fn mode_2_asks_nobody_where_nothing_more_is_promised() {
    let mut world = world(OvercommitMode::Never, 20);
    assert!(world.promise(0, 10).is_ok());
    world.set(|rules| rules.limit = 5);
    // The new mapping takes over what those it replaces were promised.
    assert!(world.promise(2, 4).is_ok());
    assert_eq!(world.promise(2, 9), NO);
    assert!(world.protect(0, 10, Prot::READ).is_ok() && world.protect(0, 10, Prot::RW).is_err());
}

#[test]
fn mode_2_keeps_a_reserve_for_root_and_one_for_the_user() {
    let mut world = world(OvercommitMode::Never, 100);
    world.set(|rules| rules.admin_reserve = 40);
    assert_eq!(world.promise(0, 60), NO);
    assert!(world.promise(0, 59).is_ok());
    world.input.caps = Caps { sys_admin: true, ..Caps::default() };
    assert_eq!(world.promise(100, 41), NO);
    assert!(world.promise(100, 40).is_ok());
    // 1/32 of what the process has mapped, at most the reserve.
    assert!(world.map(1000, 640 - 99, Prot::READ, PRIVATE).is_ok());
    world.set(|rules| (rules.limit, rules.user_reserve) = (200, 50));
    assert_eq!(world.promise(200, 200 - 20 - 99), NO);
    assert!(world.promise(200, 200 - 20 - 99 - 1).is_ok());
    world.set(|rules| (rules.limit, rules.user_reserve) = (300, 5));
    assert_eq!(world.promise(400, 300 - 5 - 179), NO);
    assert!(world.promise(400, 300 - 5 - 179 - 1).is_ok());
    // Reserves larger than the limit leave nothing.
    world.set(|rules| (rules.limit, rules.user_reserve) = (2, 50));
    assert_eq!(world.promise(800, 1), NO);
}

/// The sum of all processes is told before the call; what the call itself charges comes on top, piece by piece.
#[test]
fn mode_2_counts_what_others_were_promised_and_all_pieces_of_a_call() {
    let mut world = world(OvercommitMode::Never, 100);
    assert!(world.promise(0, 10).is_ok());
    world.input.committed = Some(90);
    assert_eq!(world.promise(100, 10), NO);
    assert!(world.promise(100, 9).is_ok());
    // A fork is for 10 pages and for 9: each alone would fit.
    world.input.committed = Some(81);
    assert_eq!(world.space.fork(&mut world.sys, &world.input).err(), Some(Errno::ENOMEM));
    world.input.committed = Some(80);
    assert!(world.space.fork(&mut world.sys, &world.input).is_ok());
    // As are pieces of 1, 1, 3 and 1: the first that is refused ends it.
    assert!(world.map(200, 5, Prot::READ, PRIVATE).is_ok());
    assert!(world.map(205, 1, Prot::NONE, PRIVATE).is_ok() && world.map(201, 1, Prot::NONE, PRIVATE).is_ok());
    world.input.committed = Some(95);
    assert_eq!(world.protect(200, 6, Prot::RW), NO);
    let promised = |at| world.space.find(page(at)).expect("mapped").flags.contains(VmFlags::ACCOUNT);
    assert_eq!([200, 201, 202, 205].map(promised), [true, true, false, false]);
}
