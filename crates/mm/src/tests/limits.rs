//! E11, E12, E20: limits and what counts against them.

use abi::{Call, Errno, PAGE_SIZE, Prot, Resource, Rlimit, VirtAddr};

use super::story::story;
use crate::{
    AddressSpace, AdoptedVma, AnonPages, Backing, Basis, Input, Layout, Limits, Pointers, Profile, System,
    Target, VmFlags,
};

/// What `prlimit64` answers, and the soft limit on the address space after it.
fn limited(old_limit: u64, to: Rlimit, change: impl Fn(&mut Input)) -> (Result<u64, Errno>, Basis, u64) {
    let mut sys = System::new(Profile::linux_6_18_x86_64());
    let row = |page: u64, prot| AdoptedVma {
        range: abi::AddrRange::new(VirtAddr(page * PAGE_SIZE), VirtAddr((page + 1) * PAGE_SIZE)),
        flags: VmFlags::of_maps_line(prot, false),
        pgoff: None,
        backing: Backing::Anonymous,
        anon: AnonPages::None,
        name: None,
    };
    let rows = [row(16, Prot::RW), row(17, Prot::READ)];
    let limits = Limits { address_space: Rlimit { soft: 5, hard: 9 }, ..Limits::default() };
    let mut space = AddressSpace::adopt(&mut sys, Layout::default(), limits, rows);
    let mut input = Input { rlimit: Some(to), ..Input::default() };
    change(&mut input);
    let (resource, new_limit) = (Resource::AS, VirtAddr(16 * PAGE_SIZE));
    let call = Call::Prlimit64 { pid: 0, resource, new_limit, old_limit: VirtAddr(old_limit) };
    let outcome = space.call(&mut sys, call, &input);
    (outcome.result, outcome.basis, space.limits().address_space.soft)
}

#[test]
fn a_limit_is_set_though_the_old_one_cannot_be_written() {
    let to = Rlimit { soft: 6, hard: 9 };
    let (good, bad) = (16 * PAGE_SIZE, 17 * PAGE_SIZE);
    let set = |result| (result, Basis::Predicted, 6);
    assert_eq!(limited(0, to, |_| {}), set(Ok(0)));
    assert_eq!(limited(good, to, |_| {}), set(Ok(0)));
    for unwritable in [bad, bad - 8, PAGE_SIZE, u64::MAX - 4] {
        assert_eq!(limited(unwritable, to, |_| {}), set(Err(Errno::EFAULT)), "{unwritable:x}");
    }
}

#[test]
fn what_is_read_comes_before_the_process_and_that_before_the_limit() {
    let wrong = Rlimit { soft: 6, hard: 1 };
    let refused = |errno| (Err(errno), Basis::Predicted, 5);
    let to = |target| move |input: &mut Input| input.target = target;
    assert_eq!(limited(0, wrong, |_| {}), refused(Errno::EINVAL));
    assert_eq!(limited(0, Rlimit { soft: 6, hard: 10 }, |_| {}), refused(Errno::EPERM));
    assert_eq!(limited(0, wrong, to(Target::Refused(Errno::ESRCH))), refused(Errno::ESRCH));
    assert_eq!(limited(0, wrong, to(Target::Refused(Errno::EPERM))), refused(Errno::EPERM));
    let unread = |input: &mut Input| {
        input.target = Target::Refused(Errno::ESRCH);
        input.pointers = Pointers::Bad;
    };
    assert_eq!(limited(0, wrong, unread), refused(Errno::EFAULT));
    // Of a process that is not known, only the kernel knows.
    let other = |input: &mut Input| {
        input.target = Target::Other;
        input.observed = Some(Err(Errno::EPERM));
    };
    assert_eq!(limited(0, wrong, other), (Err(Errno::EPERM), Basis::TakenOver, 5));
}

#[test]
fn e11_data_is_private_writable_memory() {
    story(
        "
        limit DATA 4
        map W 0..4
        map W 4..5            = ENOMEM
        map R 4..6
        protect W 4..6        = ENOMEM | WWWWRR
        map S 6..10
        counts                = 10 data 4 stack 0 locked 0
        protect R 0..2
        counts                = 10 data 2 stack 0 locked 0
        map W 0..2
        counts                = 10 data 4 stack 0 locked 0
        ",
    );
}

#[test]
fn e11_replacing_needs_no_more_room() {
    story(
        "
        limit AS 4
        map W 0..4
        map R 2..4            | WWRR
        map R 4..5            = ENOMEM
        map R 3..5            = ENOMEM | WWR|R
        ",
    );
}

#[test]
fn e12_one_mapping_over_the_limit_then_none() {
    story(
        "
        limit mappings 3
        map W 0..3
        map R 4..5
        map W 6..7
        protect R 1..2        = ENOMEM | WWW.R.W
        unmap 1..2            = ENOMEM | WWW.R.W
        map R 8..9            | WWW.R.W.R
        map W 3..4            = ENOMEM
        unmap 0..1            | .WW.R.W.R
        unmap 4..5            | .WW...W.R
        ",
    );
}

#[test]
fn e12_the_first_of_two_splits_stays() {
    story(
        "
        limit mappings 2
        map W 0..3
        protect R 1..2        = ENOMEM | W|WW
        ",
    );
}

#[test]
fn e16_locked_memory_has_a_limit() {
    story(
        "
        limit MEMLOCK 2
        map W 0..2 locked
        map W 2..3 locked     = EAGAIN
        counts                = 2 data 2 stack 0 locked 2
        limit MEMLOCK 0
        map W 2..3 locked     = EPERM
        unmap 0..1
        counts                = 1 data 1 stack 0 locked 1
        ",
    );
}
