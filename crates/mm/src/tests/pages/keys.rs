//! Protection keys: what a thread may do with memory that has one.

use abi::{Advice, Call, Errno, PAGE_SIZE, VirtAddr};

use super::{page, pages};
use crate::access::Signal;
use crate::file::Backing;
use crate::flags::VmFlags;
use crate::input::Input;
use crate::pages::Fault;
use crate::profile::Profile;
use crate::space::{AddressSpace, AdoptedVma, AnonPages, Layout, Limits};
use crate::system::System;

/// No access, and no writing, with key 3.
const NO_ACCESS: u32 = 1 << 6;
const NO_WRITE: u32 = 1 << 7;

#[test]
fn rights_to_a_key_come_before_the_protection_and_after_the_map() {
    let mut sys = System::with_contents(Profile::linux_6_18_x86_64());
    let key = VmFlags(3 << 32);
    let vma = |range, flags: VmFlags| AdoptedVma {
        range,
        flags: flags.with(key),
        pgoff: None,
        backing: Backing::Anonymous,
        anon: AnonPages::None,
        name: None,
    };
    let code = VmFlags::READ | VmFlags::EXEC | VmFlags::MAY_ALL;
    let rows = [vma(pages(0, 1), VmFlags::DATA_DEFAULT), vma(pages(1, 2), code)];
    let mut space = AddressSpace::adopt(&mut sys, Layout::default(), Limits::default(), rows);
    space.store(&mut sys, page(0), &[7]).expect("all rights");
    let refused = |addr: VirtAddr| Err(Fault { addr, signal: Signal::SegvPkuErr { key: 3 } });
    let mut byte = [0];

    // What the translation cache remembers is forgotten with the rights.
    space.set_key_rights(NO_WRITE);
    assert_eq!(space.store_word(&mut sys, page(0), [8]), refused(page(0)));
    assert_eq!(space.load_word::<1>(&mut sys, page(0)), Ok([7]));
    assert_eq!(space.store(&mut sys, page(1), &[8]), refused(page(1)), "not SEGV_ACCERR");

    space.set_key_rights(NO_ACCESS);
    assert_eq!(space.load(&mut sys, VirtAddr(page(0).0 + 5), &mut byte), refused(VirtAddr(page(0).0 + 5)));
    assert_eq!(space.fetch(&mut sys, page(1), &mut byte), Ok(()), "instructions are always fetched");
    let nothing = VirtAddr(page(2).0 + PAGE_SIZE);
    assert_eq!(
        space.load(&mut sys, nothing, &mut byte),
        Err(Fault { addr: nothing, signal: Signal::SegvMapErr })
    );
    assert_eq!((Signal::SegvPkuErr { key: 3 }.number(), Signal::SegvPkuErr { key: 3 }.code()), (11, 4));

    let advice = Advice::POPULATE_READ;
    let call = Call::Madvise { addr: page(0), len: PAGE_SIZE, advice };
    assert_eq!(space.call(&mut sys, call, &Input::default()).result, Err(Errno::EFAULT));

    space.set_key_rights(0);
    assert_eq!(space.store(&mut sys, page(0), &[9]), Ok(()));
}
