//! The twin against an oracle without any shortcut: one entry a page, every answer by walking over pages.

use alloc::vec;
use alloc::vec::Vec;

use abi::{Call, Errno, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};
use proptest::prelude::*;

use crate::input::Input;
use crate::profile::Profile;
use crate::space::{AddressSpace, Layout, Limits};
use crate::system::System;

const BASE: u64 = 0x10_0000_0000;
const PAGES: usize = 40;

/// What is done to both.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Maps at a page.
    Map {
        at: usize,
        pages: usize,
        prot: u64,
    },
    /// Maps wherever there is room.
    Place {
        hint: Option<usize>,
        pages: usize,
        prot: u64,
    },
    Unmap {
        at: usize,
        pages: usize,
    },
    Protect {
        at: usize,
        pages: usize,
        prot: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = 0..PAGES - 6;
    let pages = 1..6_usize;
    let prot = prop_oneof![Just(0), Just(1), Just(3), Just(5)];
    let step = prop_oneof![
        (at.clone(), pages.clone(), prot.clone()).prop_map(|(at, pages, prot)| Step::Map { at, pages, prot }),
        (proptest::option::of(at.clone()), pages.clone(), prot.clone())
            .prop_map(|(hint, pages, prot)| Step::Place { hint, pages, prot }),
        (at.clone(), pages.clone()).prop_map(|(at, pages)| Step::Unmap { at, pages }),
        (at, pages, prot).prop_map(|(at, pages, prot)| Step::Protect { at, pages, prot }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// One entry a page: its protection.
#[derive(Clone, Debug, PartialEq)]
struct Oracle {
    pages: Vec<Option<u64>>,
}

impl Oracle {
    fn free(&self, at: usize, pages: usize) -> bool {
        at + pages <= PAGES && self.pages[at..at + pages].iter().all(Option::is_none)
    }

    /// Answers with the page, or not at all where the search leaves the world.
    fn step(&mut self, step: Step) -> Option<Result<u64, Errno>> {
        match step {
            Step::Map { at, pages, prot } => {
                self.pages[at..at + pages].fill(Some(prot));
                Some(Ok(BASE + at as u64 * PAGE_SIZE))
            }
            Step::Place { hint, pages, prot } => {
                let hinted = hint.filter(|at| self.free(*at, pages));
                let at = hinted.or_else(|| (0..PAGES).rev().find(|at| self.free(*at, pages)))?;
                self.step(Step::Map { at, pages, prot })
            }
            Step::Unmap { at, pages } => {
                self.pages[at..at + pages].fill(None);
                Some(Ok(0))
            }
            Step::Protect { at, pages, prot } => {
                for page in &mut self.pages[at..at + pages] {
                    let Some(page) = page else { return Some(Err(Errno::ENOMEM)) };
                    *page = prot;
                }
                Some(Ok(0))
            }
        }
    }
}

fn call(step: Step) -> Call {
    let addr = |at: usize| VirtAddr(BASE + at as u64 * PAGE_SIZE);
    let len = |pages: usize| pages as u64 * PAGE_SIZE;
    let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    let map = |addr, pages, prot, flags| Call::Mmap {
        addr,
        len: len(pages),
        prot: Prot(prot),
        flags,
        fd: Fd(-1),
        offset: 0,
    };
    match step {
        Step::Map { at, pages, prot } => map(addr(at), pages, prot, flags | MapFlags::FIXED),
        Step::Place { hint, pages, prot } => map(hint.map_or(VirtAddr::NULL, addr), pages, prot, flags),
        Step::Unmap { at, pages } => Call::Munmap { addr: addr(at), len: len(pages) },
        Step::Protect { at, pages, prot } => {
            Call::Mprotect { addr: addr(at), len: len(pages), prot: Prot(prot) }
        }
    }
}

/// The twin's map, one entry a page.
fn pages_of(space: &AddressSpace) -> Vec<Option<u64>> {
    (0..PAGES)
        .map(|at| space.find(VirtAddr(BASE + at as u64 * PAGE_SIZE)).map(|vma| vma.flags.prot().0))
        .collect()
}

proptest! {
    #[test]
    fn every_page_is_what_the_oracle_says(steps in steps()) {
        let mut sys = System::new(Profile::linux_6_18_x86_64());
        let top = VirtAddr(BASE + PAGES as u64 * PAGE_SIZE);
        let layout = Layout { mmap_base: top, ..Layout::default() };
        let mut space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
        let mut oracle = Oracle { pages: vec![None; PAGES] };
        for step in steps {
            let Some(expected) = oracle.step(step) else { break };
            let outcome = space.call(&mut sys, call(step), &Input::default());
            prop_assert_eq!(outcome.result, expected, "{:?}: {}", step, outcome.why);
            prop_assert_eq!(pages_of(&space), oracle.pages.clone(), "{:?}: {}", step, outcome.why);
            let mapped = oracle.pages.iter().flatten().count() as u64;
            let writable = oracle.pages.iter().flatten().filter(|prot| **prot == 3).count() as u64;
            prop_assert_eq!(space.counters().total_vm, mapped);
            prop_assert_eq!(space.counters().data_vm, writable);
        }
    }
}
