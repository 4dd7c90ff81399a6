//! The ledger on mappings of its own.

use std::sync::Arc;

use abi::{
    AddrRange, Advice, Call, DevId, Errno, Fd, FileId, MapFlags, MsyncFlags, PAGE_SIZE, Prot, RemapFlags,
    Tid, VirtAddr,
};
use mm::{
    AddressSpace, DescriptionId, FileInput, FileKind, Input, Layout, Limits, MapFile, ObjectId, OpenMode,
    Profile, System, Thp,
};
use recording::{MmId, PageRun, PageState, StackId, TimeNs};

use super::{Access, Asked, Done, How, Huge, Ledger, May, Moving, Reason, Sight, Split, Table, Touch};

const STILL: Asked<'_> = Asked {
    sight: Sight::Whole,
    moving: Moving::Still,
    taken_over: &[],
    stacks: &[],
    raced: &[],
    touched: &[],
};
const THP: Thp = Thp::Madvise;
const BASE: u64 = 0x2_0000_0000;

/// A memory of its own with its ledger.
struct World {
    sys: System,
    space: AddressSpace,
    ledger: Ledger,
    now: u64,
}

fn page(at: u64) -> VirtAddr {
    VirtAddr(BASE + at * PAGE_SIZE)
}

fn range(from: u64, to: u64) -> AddrRange {
    AddrRange::new(page(from), page(to))
}

impl World {
    fn new() -> Self {
        let mut sys = System::new(Profile::linux_6_18_x86_64());
        let layout = Layout { mmap_base: VirtAddr(0x7000_0000_0000), ..Layout::default() };
        let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
        Self { sys, space, ledger: Ledger::default(), now: 0 }
    }

    fn touch(&mut self) -> Touch {
        self.now += 1;
        Touch { time: TimeNs(self.now), tid: Tid(7), stack: Some(StackId(3)) }
    }

    fn call(&mut self, call: Call) -> Result<u64, Errno> {
        let brk = self.space.layout().brk;
        let result = self.space.call(&mut self.sys, call, &Input::default()).result;
        let touch = self.touch();
        self.ledger.call(&self.space, touch, Done { call, result, brk, ranges: &[], thp: THP });
        result
    }

    fn map(&mut self, from: u64, to: u64, prot: Prot, flags: MapFlags) {
        let flags = flags.with(MapFlags::PRIVATE).with(MapFlags::ANONYMOUS).with(MapFlags::FIXED);
        let (addr, len) = (page(from), (to - from) * PAGE_SIZE);
        self.call(Call::Mmap { addr, len, prot, flags, fd: Fd(-1), offset: 0 }).expect("room");
    }

    /// Maps a file shared and writable; the ledger follows by faults only.
    fn map_shared(&mut self, from: u64, to: u64, kind: FileKind, file: FileId) {
        let (addr, len) = (page(from), (to - from) * PAGE_SIZE);
        let map = MapFile {
            object: ObjectId::File(file),
            description: DescriptionId::Known(file.ino),
            kind,
            mode: OpenMode { read: true, write: true, append_only: false },
            bytes: 64 * PAGE_SIZE,
            seals: 0,
            noexec: false,
        };
        let input = Input { file: FileInput::Open(Arc::new(map)), ..Input::default() };
        let flags = MapFlags::SHARED.with(MapFlags::FIXED);
        let call = Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(3), offset: 0 };
        self.space.call(&mut self.sys, call, &input).result.expect("room");
    }

    /// Maps `/dev/zero` privately.
    fn map_zeroes(&mut self, from: u64, to: u64) {
        let (addr, len) = (page(from), (to - from) * PAGE_SIZE);
        let file = FileId { ino: 5, ..FileId::default() };
        let map = MapFile {
            object: ObjectId::File(file),
            description: DescriptionId::Known(file.ino),
            kind: FileKind::ZeroDevice,
            mode: OpenMode { read: true, write: true, append_only: false },
            bytes: 0,
            seals: 0,
            noexec: false,
        };
        let input = Input { file: FileInput::Open(Arc::new(map)), ..Input::default() };
        let flags = MapFlags::PRIVATE.with(MapFlags::FIXED);
        let call = Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(3), offset: 0 };
        self.space.call(&mut self.sys, call, &input).result.expect("room");
    }

    fn fault(&mut self, at: u64, access: Access) {
        let touch = self.touch();
        let table = if self.space.has_table(page(at)) { Table::Yes } else { Table::No };
        self.space.note_table(page(at));
        self.ledger.fault(&self.space, touch, (page(at), access), Huge { thp: THP, table });
    }

    fn advise(&mut self, from: u64, to: u64, advice: Advice) {
        let (addr, len) = (page(from), (to - from) * PAGE_SIZE);
        self.call(Call::Madvise { addr, len, advice }).expect("it is mapped");
    }

    fn states(&self, from: u64, to: u64) -> String {
        let letter = |at| match self.ledger.at(page(at)).map_or(May::ABSENT, |stretch| stretch.may) {
            May::ABSENT => '.',
            May::ZERO => 'z',
            May::ANON => 'A',
            May::GUARD => 'g',
            may if may == May::ZERO.or(May::ANON) => '?',
            _ => '!',
        };
        (from..to).map(letter).collect()
    }
}

#[test]
fn a_fault_may_have_read_or_written_and_a_second_one_has_written() {
    let mut world = World::new();
    world.map(0, 6, Prot::RW, MapFlags::NONE);
    world.map(8, 10, Prot::READ, MapFlags::NONE);
    world.fault(1, Access::Unknown);
    world.fault(2, Access::Read);
    world.fault(3, Access::Write);
    world.fault(8, Access::Unknown);
    world.fault(7, Access::Unknown);
    assert_eq!(world.states(0, 10), ".?zA....z.");
    world.fault(1, Access::Unknown);
    world.fault(2, Access::Unknown);
    assert_eq!(world.states(0, 10), ".AAA....z.");
}

#[test]
fn two_threads_at_one_page_may_both_have_read() {
    let mut world = World::new();
    world.map(0, 2, Prot::RW, MapFlags::NONE);
    for at in 0..2 {
        world.fault(at, Access::Unknown);
    }
    for (at, time) in [(0, 10), (1, 10_000_000)] {
        let other = Touch { time: TimeNs(time), tid: Tid(8), stack: None };
        world.ledger.fault(&world.space, other, (page(at), Access::Unknown), Huge::NEVER);
    }
    assert_eq!(world.states(0, 2), "?A");
}

#[test]
fn calls_bring_pages_in_and_drop_them() {
    let mut world = World::new();
    world.map(0, 8, Prot::RW, MapFlags::POPULATE);
    world.map(8, 10, Prot::READ, MapFlags::POPULATE);
    assert_eq!(world.states(0, 11), "AAAAAAAAzz.");
    world.advise(1, 3, Advice::DONTNEED);
    world.advise(5, 6, Advice::GUARD_INSTALL);
    world.advise(4, 7, Advice::DONTNEED);
    assert_eq!(world.states(0, 10), "A..A.g.Azz");
    world.call(Call::Munmap { addr: page(7), len: 2 * PAGE_SIZE }).expect("it is mapped");
    assert_eq!(world.states(0, 10), "A..A.g...z");
    let touched = world.ledger.at(page(0)).expect("it is there");
    assert_eq!(world.ledger.who(touched.by).map(|who| who.how), Some(How::Call));
}

#[test]
fn pages_move_with_their_mapping() {
    let mut world = World::new();
    world.map(0, 4, Prot::RW, MapFlags::NONE);
    world.fault(1, Access::Write);
    world.fault(3, Access::Write);
    let flags = RemapFlags::MAYMOVE | RemapFlags::FIXED;
    let (old_len, new_len) = (4 * PAGE_SIZE, 2 * PAGE_SIZE);
    world.call(Call::Mremap { addr: page(0), old_len, new_len, flags, new_addr: page(10) }).expect("room");
    assert_eq!(world.states(0, 14), "...........A..");
}

#[test]
fn pages_of_the_device_of_zeroes_come_in_like_any() {
    let mut world = World::new();
    world.map_zeroes(0, 8);
    world.advise(1, 2, Advice::POPULATE_READ);
    world.advise(2, 3, Advice::POPULATE_WRITE);
    world.call(Call::Mlock { addr: page(4), len: PAGE_SIZE }).expect("it is mapped");
    assert_eq!(world.states(0, 8), ".zA.A...");
}

#[test]
fn a_move_that_is_refused_has_moved_what_came_first() {
    for (dontunmap, source, target) in
        [(RemapFlags::NONE, "......", "A.z!.."), (RemapFlags::DONTUNMAP, "!.!...", "!.!!..")]
    {
        let mut world = World::new();
        world.map(0, 4, Prot::RW, MapFlags::NONE);
        world.map_zeroes(4, 6);
        world.map(10, 16, Prot::RW, MapFlags::NONE);
        world.fault(0, Access::Write);
        world.fault(2, Access::Read);
        world.fault(13, Access::Write);
        let flags = RemapFlags::MAYMOVE | RemapFlags::FIXED | dontunmap;
        let (addr, old_len, new_len, new_addr) = (page(0), 6 * PAGE_SIZE, 6 * PAGE_SIZE, page(10));
        let moved = world.call(Call::Mremap { addr, old_len, new_len, flags, new_addr });
        assert_eq!(moved, Err(Errno::EFAULT));
        assert_eq!((&*world.states(0, 6), &*world.states(10, 16)), (source, target), "{flags:?}");
    }
}

#[test]
fn a_child_has_what_has_an_anon_vma() {
    let mut world = World::new();
    world.map(0, 2, Prot::RW, MapFlags::NONE);
    world.map(4, 6, Prot::READ, MapFlags::NONE);
    world.fault(0, Access::Write);
    world.fault(4, Access::Read);
    world
        .space
        .touch(&mut world.sys, page(0), mm::Access::Write, &Input::default())
        .expect("it may be written");
    let child = world.space.fork(&mut world.sys, &Input::default()).expect("room");
    world.ledger = world.ledger.fork(&child);
    assert_eq!(world.states(0, 6), "A.....");
}

#[test]
fn a_write_ends_what_a_fork_shared() {
    let mut world = World::new();
    world.map(0, 4, Prot::RW, MapFlags::NONE);
    for at in 0..3 {
        world.fault(at, Access::Write);
    }
    world
        .space
        .touch(&mut world.sys, page(0), mm::Access::Write, &Input::default())
        .expect("it may be written");
    let child = world.space.fork(&mut world.sys, &Input::default()).expect("room");
    let mut of_child = world.ledger.fork(&child);
    assert_eq!(world.ledger.share(&mut of_child, &child, MmId(9)), 3 * PAGE_SIZE);
    let touch = world.touch();
    let fault =
        |ledger: &mut Ledger, at, access| ledger.fault(&child, touch, (page(at), access), Huge::NEVER);
    assert_eq!(fault(&mut of_child, 1, Access::Unknown), Some(MmId(9)));
    assert_eq!(fault(&mut of_child, 1, Access::Unknown), None, "it is the child's own by now");
    assert_eq!(fault(&mut of_child, 2, Access::Read), None);
    assert_eq!(fault(&mut of_child, 3, Access::Write), None, "nobody had it");
    assert_eq!(fault(&mut world.ledger, 1, Access::Write), Some(MmId(9)), "the parent's is still shared");
    let states = |ledger: &Ledger| -> Vec<bool> {
        (0..4).filter_map(|at| ledger.at(page(at))).map(|stretch| stretch.is_shared_by_fork()).collect()
    };
    assert_eq!(states(&of_child), [true, false, true, false]);
    assert_eq!(states(&world.ledger), [true, false, true]);
}

#[test]
fn what_the_kernel_says_is_taken_over_and_told_apart() {
    let mut world = World::new();
    world.map(0, 8, Prot::RW, MapFlags::NONE);
    world.fault(0, Access::Unknown);
    world.fault(1, Access::Write);
    world.fault(2, Access::Write);
    let run = |from, to, state| PageRun { range: range(from, to), state };
    let kernel = [
        run(0, 2, PageState::PRESENT),
        run(4, 5, PageState::PRESENT),
        run(5, 6, PageState::PRESENT.with(PageState::HUGE)),
    ];
    let touch = world.touch();
    let all = (range(0, 8), &kernel[..]);
    let held = world.ledger.hold(&world.space, all, touch, STILL);
    assert_eq!((held.compared, held.predicted, held.differing), (5, 1, 2));
    assert_eq!(
        held.resynced.into_iter().collect::<Vec<_>>(),
        [(Reason::ReadOrWrite, 1), (Reason::HugePage, 1)]
    );
    assert_eq!(held.first, Some((range(2, 3), May::ANON, May::ABSENT)));
    assert_eq!(world.states(0, 8), "AA..AA..");
    let again = world.ledger.hold(&world.space, all, touch, STILL);
    assert_eq!((again.compared, again.predicted), (4, 4));
}

#[test]
fn twenty_million_pages_in_any_order_are_few_runs() {
    let mut world = World::new();
    let pages = 20_000_000;
    world.map(0, 26_214_400, Prot::RW, MapFlags::NORESERVE);
    // Blocks in an order that is none: each of 4096 pages, touched page by page at its borders only.
    let blocks = pages / 4096;
    for step in 0..blocks {
        let block = step * 2_654_435_761 % blocks;
        let touch = world.touch();
        let by = world.ledger.toucher(touch, How::Fault);
        let whole = range(block * 4096, (block + 1) * 4096);
        world.ledger.become_(whole, by, touch.time, |_| May::ANON);
        world.fault(block * 4096, Access::Write);
    }
    assert_eq!(world.ledger.len(), 1);
    let touchers = world.ledger.first_touchers();
    assert_eq!(touchers[0].bytes, blocks * 4096 * PAGE_SIZE);
}

#[test]
fn what_changed_while_it_was_read_is_not_taken_over() {
    let mut world = World::new();
    world.map(0, 8, Prot::RW, MapFlags::NONE);
    for at in [0, 1, 4] {
        world.fault(at, Access::Write);
    }
    world.ledger.begin_reading();
    world.fault(2, Access::Write);
    world.advise(1, 2, Advice::DONTNEED);
    // The kernel was asked before both; it has a page 6 that nobody told, and not the page 0 that was told long ago.
    let run = |from, to| PageRun { range: range(from, to), state: PageState::PRESENT };
    let kernel = [run(1, 2), run(4, 5), run(6, 7)];
    let touch = world.touch();
    let asked = Asked {
        sight: Sight::Whole,
        moving: Moving::Told(&[]),
        taken_over: &[],
        stacks: &[],
        raced: &[],
        touched: &[],
    };
    let held = world.ledger.hold(&world.space, (range(0, 8), &kernel), touch, asked);
    assert_eq!((held.compared, held.predicted, held.differing, held.moving), (3, 1, 2, 2));
    assert_eq!(world.states(0, 8), "..A.A.A.");
    // Where the map was another, pages that come with it are no difference.
    let over = [range(3, 4)];
    let asked = Asked {
        sight: Sight::Whole,
        moving: Moving::Still,
        taken_over: &over,
        stacks: &[],
        raced: &[],
        touched: &[],
    };
    let kernel = [run(2, 5), run(6, 7)];
    let held = world.ledger.hold(&world.space, (range(0, 8), &kernel), touch, asked);
    assert_eq!((held.compared, held.predicted, held.resynced[&Reason::Mapping]), (4, 3, 1));
    assert_eq!(world.ledger.totals().anonymous, 4 * PAGE_SIZE);
}

#[test]
fn what_another_thread_changed_while_a_fork_copied_is_asked() {
    let mut world = World::new();
    world.map(0, 8, Prot::RW, MapFlags::NONE);
    for at in 0..4 {
        world.fault(at, Access::Write);
    }
    world.advise(1, 3, Advice::DONTNEED);
    // The fork had copied them before.
    let run = |from, to| PageRun { range: range(from, to), state: PageState::PRESENT };
    let kernel = [run(0, 4), run(6, 7)];
    let raced = [range(1, 3)];
    let touch = world.touch();
    let held =
        world.ledger.hold(&world.space, (range(0, 8), &kernel), touch, Asked { raced: &raced, ..STILL });
    assert_eq!((held.predicted, held.resynced[&Reason::Raced], held.differing), (2, 2, 1));
    assert_eq!(world.states(0, 8), "AAAA..A.");
}

/// One thread gives up pages 1 to 3 while another touches 2 and 3: 2 before that, 3 after.
#[test]
fn what_is_touched_while_a_call_changes_it_is_as_the_kernel_says() {
    let mut world = World::new();
    world.map(0, 8, Prot::RW, MapFlags::NONE);
    for at in [0, 1, 2, 3, 5] {
        world.fault(at, Access::Write);
    }
    world.advise(1, 4, Advice::DONTNEED);
    let run = |from, to| PageRun { range: range(from, to), state: PageState::PRESENT };
    let kernel = [run(0, 2), run(3, 4), run(5, 6)];
    let touched = [range(3, 4), range(2, 3)];
    let touch = world.touch();
    let asked = Asked { touched: &touched, ..STILL };
    let held = world.ledger.hold(&world.space, (range(0, 8), &kernel), touch, asked);
    assert_eq!((held.predicted, held.moving, held.differing), (2, 1, 1));
    assert_eq!(world.states(0, 8), "AA.A.A..");
}

#[test]
fn what_is_there_now_is_told_as_a_checkpoint_would() {
    let mut world = World::new();
    world.map(0, 8, Prot::RW, MapFlags::NONE);
    world.fault(1, Access::Read);
    for at in 2..5 {
        world.fault(at, Access::Write);
    }
    world.advise(6, 7, Advice::GUARD_INSTALL);
    let runs = world.ledger.page_runs(&[range(3, 4)]);
    let of = |from, to, state| PageRun { range: range(from, to), state };
    let own = PageState::PRESENT;
    let expected = [
        of(1, 2, own.with(PageState::ZERO)),
        of(2, 3, own),
        of(3, 4, own.with(PageState::HUGE)),
        of(4, 5, own),
        of(6, 7, PageState::GUARD),
    ];
    assert_eq!(runs, expected);
}

#[test]
fn what_a_fork_left_in_both_is_shared_until_either_writes() {
    let mut world = World::new();
    world.map(0, 6, Prot::RW, MapFlags::NONE);
    (0..6).for_each(|at| world.fault(at, Access::Write));
    world.space.learn_anon_vma(&mut world.sys, range(0, 6));
    let mut child = world.ledger.fork(&world.space);
    world.ledger.share(&mut child, &world.space, MmId(9));
    world.fault(1, Access::Write);
    let touch = world.touch();
    child.fault(&world.space, touch, (page(4), Access::Write), Huge::NEVER);
    let shared = [(range(0, 1), Split::SharedByFork), (range(2, 4), Split::SharedByFork)];
    let rest = (range(5, 6), Split::SharedByFork);
    let both = world.ledger.split(&world.space, |fork| (fork == MmId(9)).then_some(&child));
    assert_eq!(both, [shared[0], shared[1], rest]);
    assert_eq!(child.split(&world.space, |_| Some(&world.ledger)), both);
    // The relative has ended.
    assert_eq!(world.ledger.split(&world.space, |_| None), []);
}

#[test]
fn writes_to_shared_pages_are_known_by_their_faults() {
    let mut world = World::new();
    let shared = FileId { dev: DevId { major: 8, minor: 1 }, ino: 77 };
    world.map_shared(0, 8, FileKind::Regular, shared);
    world.map_shared(16, 20, FileKind::Shmem, FileId { ino: 78, ..shared });
    for (at, access) in [
        (0, Access::Write),
        (2, Access::Read),
        (4, Access::Unknown),
        (2, Access::Unknown),
        (16, Access::Read),
        (17, Access::Write),
    ] {
        world.fault(at, access);
    }
    let known = |world: &World| {
        let split = world.ledger.split(&world.space, |_| None);
        let at = |no: u64| split.iter().find(|(range, _)| range.contains(page(no))).map(|(_, split)| *split);
        [0, 2, 4, 16, 17].map(at)
    };
    let (yes, maybe) = (Some(Split::Written), Some(Split::MaybeWritten));
    // Read first, page 2 was written to later: nothing else makes a page fault that is there.
    assert_eq!(known(&world), [yes, yes, maybe, maybe, yes]);
    let (addr, len) = (page(0), 20 * PAGE_SIZE);
    let _ = world.call(Call::Msync { addr, len: len - 12 * PAGE_SIZE, flags: MsyncFlags::SYNC });
    assert_eq!(known(&world), [None, None, None, maybe, yes]);
}

/// Two blocks that are advised for huge pages, and one page beyond.
fn advised_blocks() -> World {
    let mut world = World::new();
    world.map(0, 1025, Prot::RW, MapFlags::default());
    world.advise(0, 1025, Advice::HUGEPAGE);
    world
}

fn held(world: &mut World, kernel: &[PageRun]) -> super::Held {
    let touch = world.touch();
    world.ledger.hold(&world.space, (range(0, 2000), kernel), touch, STILL)
}

#[test]
fn one_page_touched_brings_in_a_huge_page_where_one_has_room() {
    let mut world = advised_blocks();
    world.fault(3, Access::Write);
    world.fault(600, Access::Read);
    world.fault(1024, Access::Write);
    assert_eq!(world.states(510, 514), "AAzz");
    assert_eq!(world.states(1022, 1026), "zzA.");
    let by =
        |world: &World, at| world.ledger.who(world.ledger.at(page(at)).expect("there").by).map(|by| by.how);
    assert_eq!((by(&world, 3), by(&world, 4)), (Some(How::Fault), Some(How::Huge)));
    // The huge page of zeros is replaced as a whole.
    world.fault(700, Access::Write);
    assert_eq!(world.states(510, 514), "AAAA");
    let whole = PageState::PRESENT.with(PageState::HUGE);
    let small = PageRun { range: range(1024, 1025), state: PageState::PRESENT };
    let found = held(&mut world, &[PageRun { range: range(0, 1024), state: whole }, small]);
    assert_eq!((found.predicted, found.compared), (1025, 1025));
    // A part is given up: the rest stays; what is touched there again is a small page.
    world.advise(8, 16, Advice::DONTNEED);
    world.fault(9, Access::Write);
    assert_eq!(world.states(6, 18), "AA.A......AA");
    world.advise(0, 512, Advice::DONTNEED);
    world.fault(9, Access::Read);
    assert_eq!(world.states(6, 18), "zzzzzzzzzzzz");
}

#[test]
fn a_huge_page_that_did_not_come_is_asked_of_the_kernel_and_no_difference() {
    let mut world = advised_blocks();
    let small = |at| PageRun { range: range(at, at + 1), state: PageState::PRESENT };
    world.fault(3, Access::Write);
    let found = held(&mut world, &[small(3)]);
    assert_eq!(found.resynced, [(Reason::HugePage, 511)].into());
    assert_eq!((found.differing, world.states(1, 6).as_str()), (0, "..A.."));
    // A second fault tells so too.
    world.fault(514, Access::Write);
    assert_eq!(world.states(512, 518), "AAAAAA");
    world.fault(516, Access::Write);
    assert_eq!(world.states(512, 518), "..A.A.");
    let found = held(&mut world, &[small(3), small(514), small(516)]);
    assert_eq!((found.predicted, found.compared), (3, 3));
    // Confirmed once, a page that is gone is a difference.
    let mut world = advised_blocks();
    world.fault(3, Access::Write);
    let state = PageState::PRESENT.with(PageState::HUGE);
    assert_eq!(held(&mut world, &[PageRun { range: range(0, 512), state }]).predicted, 512);
    assert_eq!(held(&mut world, &[small(3)]).differing, 511);
}

#[test]
fn calls_bring_in_huge_pages_and_make_them() {
    let mut world = advised_blocks();
    world.advise(510, 513, Advice::POPULATE_WRITE);
    assert_eq!((world.states(0, 2), world.states(1023, 1025)), ("AA".into(), "A.".into()));
    let mut world = World::new();
    world.map(0, 1025, Prot::RW, MapFlags::default());
    world.fault(5, Access::Write);
    world.fault(1000, Access::Write);
    let call = Call::Madvise { addr: page(0), len: 1025 * PAGE_SIZE, advice: Advice::COLLAPSE };
    let (brk, touch) = (world.space.layout().brk, world.touch());
    // That there were such pages is the kernel's to say: the twin has none.
    let done = Done { call, result: Ok(0), brk, ranges: &[], thp: THP };
    world.ledger.call(&world.space, touch, done);
    assert_eq!((world.states(0, 2), world.states(1023, 1025)), ("AA".into(), "A.".into()));
}

#[test]
fn a_lock_over_a_hole_brings_nothing_in() {
    let mut world = World::new();
    world.map(0, 2, Prot::RW, MapFlags::default());
    let lock = |len| Call::Mlock { addr: page(0), len: len * PAGE_SIZE };
    assert_eq!(world.call(lock(3)), Err(Errno::ENOMEM));
    assert_eq!(world.states(0, 3), "...");
    world.call(lock(2)).expect("mapped");
    assert_eq!(world.states(0, 3), "AA.");
}
