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
    /// Names, or takes the name.
    Name {
        at: usize,
        pages: usize,
        name: Option<char>,
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
        (at.clone(), pages.clone(), prot).prop_map(|(at, pages, prot)| Step::Protect { at, pages, prot }),
        (at, pages, proptest::option::of(prop_oneof![Just('a'), Just('b')]))
            .prop_map(|(at, pages, name)| Step::Name { at, pages, name }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A page that is mapped: its protection, its name.
type Page = (u64, Option<char>);

/// One entry a page.
#[derive(Clone, Debug, PartialEq)]
struct Oracle {
    pages: Vec<Option<Page>>,
}

impl Oracle {
    fn free(&self, at: usize, pages: usize) -> bool {
        at + pages <= PAGES && self.pages[at..at + pages].iter().all(Option::is_none)
    }

    /// Answers with the page, or not at all where the search leaves the world.
    fn step(&mut self, step: Step) -> Option<Result<u64, Errno>> {
        match step {
            Step::Map { at, pages, prot } => {
                self.pages[at..at + pages].fill(Some((prot, None)));
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
                    page.0 = prot;
                }
                Some(Ok(0))
            }
            Step::Name { at, pages, name } => {
                let range = &mut self.pages[at..at + pages];
                range.iter_mut().flatten().for_each(|page| page.1 = name);
                Some(if range.iter().all(Option::is_some) { Ok(0) } else { Err(Errno::ENOMEM) })
            }
        }
    }
}

impl Oracle {
    /// Where a mapping must end and another begin: nothing was touched, so equal neighbours are one.
    fn mappings(&self) -> usize {
        let before = core::iter::once(&None).chain(&self.pages);
        self.pages.iter().zip(before).filter(|(page, before)| page.is_some() && page != before).count()
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
        Step::Name { at, pages, name } => Call::Prctl {
            op: abi::PrctlOp::SET_VMA,
            arg2: 0,
            arg3: addr(at).0,
            arg4: len(pages),
            arg5: u64::from(name.is_some()),
        },
    }
}

/// What the kernel reads behind pointers.
fn input(step: Step) -> Input {
    let name = match step {
        Step::Name { name: Some(name), .. } => Some([name as u8].as_slice().into()),
        _ => None,
    };
    Input { name, ..Input::default() }
}

/// The twin's map, one entry a page.
fn pages_of(space: &AddressSpace) -> Vec<Option<Page>> {
    let page = |vma: &crate::vma::Vma| (vma.flags.prot().0, vma.name().map(|name| char::from(name[0])));
    (0..PAGES).map(|at| space.find(VirtAddr(BASE + at as u64 * PAGE_SIZE)).map(page)).collect()
}

/// A kernel with names for anonymous memory.
fn profile() -> Profile {
    let mut profile = Profile::linux_6_18_x86_64();
    profile.options.anon_vma_name = true;
    profile
}

/// Does the steps on both, up to the first that leaves the world.
fn agree(profile: Profile, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut sys = System::new(profile);
    let top = VirtAddr(BASE + PAGES as u64 * PAGE_SIZE);
    let layout = Layout { mmap_base: top, ..Layout::default() };
    let mut space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
    let mut oracle = Oracle { pages: vec![None; PAGES] };
    for step in steps.iter().copied() {
        let Some(expected) = oracle.step(step) else { break };
        let outcome = space.call(&mut sys, call(step), &input(step));
        prop_assert_eq!(outcome.result, expected, "{:?}: {}", step, outcome.why);
        prop_assert_eq!(pages_of(&space), oracle.pages.clone(), "{:?}: {}", step, outcome.why);
        prop_assert_eq!(space.map_count(), oracle.mappings() as u64, "{:?}: {}", step, outcome.why);
        let mapped = oracle.pages.iter().flatten().count() as u64;
        let writable = oracle.pages.iter().flatten().filter(|page| page.0 == 3).count() as u64;
        prop_assert_eq!(space.counters().total_vm, mapped);
        prop_assert_eq!(space.counters().data_vm, writable);
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_page_is_what_the_oracle_says(steps in steps()) {
        agree(profile(), &steps)?;
    }
}

/// No kernel here has names: that the rule is looked at, only the oracle can show.
#[cfg(feature = "mutants")]
#[test]
fn a_mutant_that_ignores_names_is_caught() {
    use crate::mutation::Mutation;
    let steps = [
        Step::Map { at: 2, pages: 4, prot: 3 },
        Step::Name { at: 2, pages: 2, name: Some('a') },
        Step::Name { at: 4, pages: 2, name: Some('b') },
    ];
    let with = |mutation| agree(Profile { mutation, ..profile() }, &steps);
    assert!(with(None).is_ok());
    assert!(with(Some(Mutation::NameIgnored)).is_err());
}
