//! userfaultfd: a fault is handed out, a call answers it, the access is done again.

use abi::{Call, Errno, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};

use super::{World, page, pages};
use crate::access::{Access, Signal, UserfaultReason};
use crate::input::{Basis, Input, Uffd};
use crate::pages::{Fault, PageKind};

const REGISTER: u64 = 0xc020_aa00;
const COPY: u64 = 0xc028_aa03;
const ZEROPAGE: u64 = 0xc020_aa04;
const CONTINUE: u64 = 0xc020_aa07;
const POISON: u64 = 0xc020_aa08;
const WRITEPROTECT: u64 = 0xc018_aa06;
const UNREGISTER: u64 = 0x8010_aa01;
const MISSING: u64 = 1;
const WP: u64 = 2;
const MINOR: u64 = 4;
/// `UFFDIO_WRITEPROTECT_MODE_WP`.
const PROTECT: u64 = 1;

/// Pages 0 to 8 are the program's; those from 8 on are registered.
fn world(features: u64, mode: u64, flags: MapFlags) -> (World, Uffd) {
    let mut world = World::new();
    world.map(0, pages(0, 8), Prot::RW);
    let (addr, len) = (page(8), 8 * PAGE_SIZE);
    let flags = flags | MapFlags::ANONYMOUS | MapFlags::FIXED;
    world.call(0, Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 });
    let uffd = Uffd { id: 7, features, ready: true };
    assert_eq!(ask(&mut world, uffd, REGISTER, &[page(8).0, len, mode]), Ok(0));
    (world, uffd)
}

fn ask(world: &mut World, uffd: Uffd, request: u64, words: &[u64]) -> Result<u64, Errno> {
    let input = Input { uffd: Some(uffd), words: words.into(), ..Input::default() };
    let outcome = world.act(0, Call::UffdIoctl { fd: Fd(3), request, arg: page(0) }, &input);
    assert_eq!(outcome.basis, Basis::Predicted);
    outcome.result
}

/// What the kernel would have written behind the structure.
fn told(world: &mut World, read: u64) -> i64 {
    let mut word = [0; 8];
    let World { sys, spaces } = world;
    spaces[0].load(sys, VirtAddr(page(0).0 + read), &mut word).expect("readable");
    i64::from_le_bytes(word)
}

fn waits(at: u64, reason: UserfaultReason, access: Access) -> Fault {
    Fault { addr: page(at), signal: Signal::Userfault { id: 7, reason, access } }
}

#[test]
fn a_missing_page_waits_until_it_is_copied() {
    let (mut world, uffd) = world(0, MISSING, MapFlags::PRIVATE);
    let missing = |access| Err(waits(9, UserfaultReason::Missing, access));
    assert_eq!(world.load(0, page(9)).map(drop), missing(Access::Read));
    assert_eq!(world.store(0, page(9), 1), missing(Access::Write));
    assert_eq!(world.spaces[0].rss().anon, 1, "the structure's page only");
    // What is copied need not begin at a page.
    world.store(0, VirtAddr(page(1).0 + 8), 5).expect("writable");
    let from = page(1).0 + 8;
    assert_eq!(ask(&mut world, uffd, COPY, &[page(9).0, from, PAGE_SIZE, 0]), Ok(0));
    assert_eq!(told(&mut world, 32), PAGE_SIZE as i64);
    assert_eq!(world.load(0, page(9)), Ok(5));
    world.store(0, page(9), 6).expect("it is there");
    assert_eq!(ask(&mut world, uffd, COPY, &[page(9).0, from, PAGE_SIZE, 0]), Err(Errno::EEXIST));
    assert_eq!(told(&mut world, 32), -i64::from(Errno::EEXIST.0));
    // Up to what is there.
    assert_eq!(ask(&mut world, uffd, ZEROPAGE, &[page(8).0, 2 * PAGE_SIZE, 0]), Err(Errno::EAGAIN));
    assert_eq!(told(&mut world, 24), PAGE_SIZE as i64);
    assert_eq!((world.kind(0, 8), world.load(0, page(8))), (PageKind::Zero, Ok(0)));
}

#[test]
fn what_is_refused_is_refused_in_order() {
    let (mut world, uffd) = world(0, MISSING, MapFlags::PRIVATE);
    let from = page(1).0;
    for (words, errno) in [
        ([page(9).0 + 1, from, PAGE_SIZE, 0], Errno::EINVAL),
        ([page(9).0, from, 0, 0], Errno::EINVAL),
        ([page(9).0, from, PAGE_SIZE, 8], Errno::EINVAL),
        ([page(30).0, from, PAGE_SIZE, 0], Errno::ENOENT),
        ([page(2).0, from, PAGE_SIZE, 0], Errno::ENOENT),
        ([page(15).0, from, 2 * PAGE_SIZE, 0], Errno::ENOENT),
        ([page(9).0, page(40).0, PAGE_SIZE, 0], Errno::EFAULT),
    ] {
        assert_eq!(ask(&mut world, uffd, COPY, &words), Err(errno), "{words:x?}");
    }
    assert_eq!(ask(&mut world, uffd, CONTINUE, &[page(9).0, PAGE_SIZE, 0]), Err(Errno::EINVAL));
}

#[test]
fn with_the_feature_a_signal_comes() {
    let (mut world, _) = world(Uffd::SIGBUS, MISSING, MapFlags::PRIVATE);
    let bus = Err(Fault { addr: page(9), signal: Signal::BusAdrErr });
    assert_eq!(world.load(0, page(9)).map(drop), bus);
    assert_eq!(world.store(0, page(9), 1), bus);
}

#[test]
fn a_page_that_the_file_has_is_continued() {
    let (mut world, uffd) = world(0, MISSING | MINOR, MapFlags::SHARED);
    let shared = waits(8, UserfaultReason::Missing, Access::Write);
    assert_eq!(world.store(0, page(8), 1), Err(shared));
    assert_eq!(ask(&mut world, uffd, CONTINUE, &[page(8).0, PAGE_SIZE, 0]), Err(Errno::EFAULT));
    world.store(0, page(1), 9).expect("writable");
    assert_eq!(ask(&mut world, uffd, COPY, &[page(8).0, page(1).0, PAGE_SIZE, 0]), Ok(0));
    assert_eq!(world.load(0, page(8)), Ok(9));
    world.call(0, Call::Madvise { addr: page(8), len: PAGE_SIZE, advice: abi::Advice::DONTNEED });
    assert_eq!(world.load(0, page(8)).map(drop), Err(waits(8, UserfaultReason::Minor, Access::Read)));
    assert_eq!(ask(&mut world, uffd, COPY, &[page(8).0, page(1).0, PAGE_SIZE, 0]), Err(Errno::EEXIST));
    assert_eq!(ask(&mut world, uffd, CONTINUE, &[page(8).0, PAGE_SIZE, 0]), Ok(0));
    assert_eq!(world.load(0, page(8)), Ok(9));
}

#[test]
fn a_broken_page_raises_a_signal_here_and_in_a_child() {
    let (mut world, uffd) = world(Uffd::SIGBUS, MISSING, MapFlags::PRIVATE);
    let broken = |at| Err(Fault { addr: page(at), signal: Signal::BusBroken });
    let range = |at: u64, pages: u64| [page(at).0, pages * PAGE_SIZE, 0];
    assert_eq!(ask(&mut world, uffd, POISON, &range(9, 2)), Ok(0));
    assert_eq!(told(&mut world, 24), 2 * PAGE_SIZE as i64);
    assert_eq!((world.kind(0, 9), world.spaces[0].rss().anon), (PageKind::Poisoned, 1));
    assert_eq!((world.load(0, page(9)).map(drop), world.store(0, page(10), 1)), (broken(9), broken(10)));
    assert_eq!(
        ask(&mut world, uffd, POISON, &range(8, 2)),
        Err(Errno::EAGAIN),
        "the second is marked already"
    );
    // What is no page is in the way of the page of zeroes, but not of a copy.
    assert_eq!(ask(&mut world, uffd, ZEROPAGE, &range(9, 1)), Err(Errno::EEXIST));
    assert_eq!(ask(&mut world, uffd, COPY, &[page(9).0, page(0).0, PAGE_SIZE, 0]), Ok(0));
    let populate = Call::Madvise { addr: page(10), len: PAGE_SIZE, advice: abi::Advice::POPULATE_READ };
    assert_eq!(world.act(0, populate, &Input::default()).result, Err(Errno::EHWPOISON));
    world.fork(0);
    assert_eq!(world.load(1, page(10)).map(drop), broken(10));
    world.call(0, Call::Madvise { addr: page(10), len: PAGE_SIZE, advice: abi::Advice::DONTNEED });
    let missing = Err(Fault { addr: page(10), signal: Signal::BusAdrErr });
    assert_eq!((world.kind(0, 10), world.load(0, page(10)).map(drop)), (PageKind::None, missing));
    assert_eq!(world.kind(1, 10), PageKind::Poisoned);
}

fn is_protected(world: &World, who: usize, at: u64) -> bool {
    world.spaces[who].page(&world.sys, page(at)).uffd_protected
}

#[test]
fn a_write_to_a_protected_page_waits_until_it_is_open() {
    let (mut world, uffd) = world(0, WP, MapFlags::PRIVATE);
    let range = |mode| [page(8).0, 4 * PAGE_SIZE, mode];
    world.store(0, page(8), 5).expect("writable");
    assert_eq!(world.load(0, page(9)), Ok(0), "the page of zeroes");
    assert_eq!(ask(&mut world, uffd, WRITEPROTECT, &range(PROTECT)), Ok(0));
    let protected = |at| Err(waits(at, UserfaultReason::WriteProtected, Access::Write));
    assert_eq!((world.store(0, page(8), 6), world.store(0, page(9), 6)), (protected(8), protected(9)));
    world.store(0, page(10), 6).expect("missing pages have no marks without WP_UNPOPULATED");
    assert_eq!(world.load(0, page(8)), Ok(5));
    let child = world.fork(0);
    assert!(is_protected(&world, 0, 8) && !is_protected(&world, child, 8));
    world.store(child, page(8), 7).expect("the child is not registered");
    assert_eq!(ask(&mut world, uffd, WRITEPROTECT, &range(0)), Ok(0));
    world.store(0, page(8), 6).expect("open");
    assert_eq!((world.load(0, page(8)), world.load(child, page(8))), (Ok(6), Ok(7)));
    for (words, errno) in [
        ([page(8).0, PAGE_SIZE, 3], Errno::EINVAL),
        ([page(8).0, PAGE_SIZE, 4], Errno::EINVAL),
        ([page(2).0, PAGE_SIZE, PROTECT], Errno::ENOENT),
        ([page(40).0, PAGE_SIZE, PROTECT], Errno::ENOENT),
    ] {
        assert_eq!(ask(&mut world, uffd, WRITEPROTECT, &words), Err(errno), "{words:x?}");
    }
}

#[test]
fn marks_protect_what_comes_and_stay_where_pages_of_a_file_go() {
    let (mut world, uffd) = world(Uffd::SIGBUS, WP, MapFlags::SHARED);
    let bus = |at| Err(Fault { addr: page(at), signal: Signal::BusAdrErr });
    assert_eq!(ask(&mut world, uffd, WRITEPROTECT, &[page(8).0, 2 * PAGE_SIZE, PROTECT]), Ok(0));
    assert_eq!((world.kind(0, 8), world.kind(0, 10)), (PageKind::Protected, PageKind::None));
    assert_eq!((world.load(0, page(8)), world.store(0, page(9), 1)), (Ok(0), bus(9)));
    assert!(is_protected(&world, 0, 8) && is_protected(&world, 0, 9));
    world.call(0, Call::Madvise { addr: page(8), len: PAGE_SIZE, advice: abi::Advice::DONTNEED });
    assert_eq!((world.kind(0, 8), world.store(0, page(8), 1)), (PageKind::Protected, bus(8)));
    assert_eq!(ask(&mut world, uffd, UNREGISTER, &[page(8).0, 8 * PAGE_SIZE]), Ok(0));
    world.store(0, page(8), 1).expect("nobody protects it");
}

#[test]
fn a_page_is_copied_protected_and_moves_without_its_protection() {
    let (mut world, uffd) = world(Uffd::SIGBUS | Uffd::WP_UNPOPULATED, WP | MISSING, MapFlags::PRIVATE);
    assert_eq!(ask(&mut world, uffd, COPY, &[page(8).0, page(0).0, PAGE_SIZE, 2]), Ok(0));
    assert_eq!(ask(&mut world, uffd, WRITEPROTECT, &[page(9).0, PAGE_SIZE, PROTECT]), Ok(0));
    assert_eq!((is_protected(&world, 0, 8), world.kind(0, 9)), (true, PageKind::Protected));
    let flags = abi::RemapFlags::MAYMOVE | abi::RemapFlags::FIXED;
    let len = 2 * PAGE_SIZE;
    world.call(0, Call::Mremap { addr: page(8), old_len: len, new_len: len, flags, new_addr: page(20) });
    assert_eq!((is_protected(&world, 0, 20), world.kind(0, 21)), (false, PageKind::None));
    world.store(0, page(20), 1).expect("no longer protected");
}

#[test]
fn asynchronous_protection_ends_with_the_first_write() {
    let (mut world, uffd) = world(Uffd::WP_ASYNC, WP, MapFlags::PRIVATE);
    world.store(0, page(8), 5).expect("writable");
    assert_eq!(ask(&mut world, uffd, WRITEPROTECT, &[page(8).0, 2 * PAGE_SIZE, PROTECT]), Ok(0));
    assert!(is_protected(&world, 0, 8) && is_protected(&world, 0, 9));
    world.store(0, page(8), 6).expect("nobody is asked");
    world.store(0, page(9), 6).expect("nobody is asked");
    assert!(!is_protected(&world, 0, 8) && !is_protected(&world, 0, 9));
}

#[test]
fn whether_a_call_can_fault_it_in_is_its_own_answer() {
    let (mut world, _) = world(0, MISSING, MapFlags::PRIVATE);
    let lock = Call::Mlock { addr: page(8), len: PAGE_SIZE };
    let input = Input { observed: Some(Err(Errno::ENOMEM)), ..Input::default() };
    let outcome = world.act(0, lock, &input);
    assert_eq!((outcome.result, outcome.basis), (Err(Errno::ENOMEM), Basis::TakenOver));
}
