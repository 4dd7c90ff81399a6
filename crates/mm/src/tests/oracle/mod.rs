//! The twin's map against an oracle without any shortcut: one entry a page, every answer by walking over pages.
//!
//! ```text
//! steps ──┬── calls ── the twin ── its mappings ──┬── compare, after each step
//!         └── the oracle ── mappings, by walking ─┘
//! ```
//!
//! They have no code in common: of the crate, the oracle knows the names of the flags. Its world is small and has all
//! edges near by: 48 pages, above and below which nothing may be mapped, a guard gap of 3 pages, huge pages of 4, and 14
//! pages that may be promised at once.

mod calls;
mod change;
mod compare;
mod fork;
mod heap;
mod lock;
mod map;
mod merge;
mod model;
#[cfg(feature = "mutants")]
mod mutants;
mod place;
mod programs;
mod remap;
mod steps;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::{PAGE_SIZE, Resource, Rlimit, VirtAddr};
use proptest::prelude::*;

use self::lock::Touched;
use self::map::address;
use self::model::{Answer, GAP, HEAP, HUGE, LOW, Memory, Oracle, PAGES, PROMISED, TOP, UNLIMITED};
use self::steps::{Bound, Step};
use crate::access::{Access, Signal, Touch};
use crate::flags::VmFlags;
use crate::input::{Basis, Input};
use crate::profile::{Profile, Thp};
use crate::space::{AddressSpace, Counters, Layout, Limits};
use crate::system::System;

proptest! {
    #[test]
    fn every_page_is_what_the_oracle_says(steps in programs::programs()) {
        agree(profile(), &steps)?;
    }
}

/// A kernel with names for anonymous memory, in a small world.
fn profile() -> Profile {
    let mut profile = Profile::linux_6_18_x86_64();
    profile.options.anon_vma_name = true;
    profile.mmap_min_addr = VirtAddr(address(0));
    profile.task_size = VirtAddr(address(PAGES));
    profile.stack_guard_gap = GAP as u64;
    profile.overcommit.ram_and_swap = PROMISED as u64;
    profile.thp = Thp::Never;
    profile.pmd_size = HUGE as u64 * PAGE_SIZE;
    profile
}

/// The twin's side: a process each.
struct Twin {
    sys: System,
    spaces: Vec<AddressSpace>,
}

impl Twin {
    fn new(profile: Profile) -> Self {
        let mut sys = System::new(profile);
        let heap = VirtAddr(address(HEAP));
        let layout = Layout {
            mmap_base: VirtAddr(address(TOP)),
            mmap_legacy_base: VirtAddr(address(LOW)),
            start_brk: heap,
            brk: heap,
            ..Layout::default()
        };
        let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
        Self { sys, spaces: vec![space] }
    }
}

/// Does the steps on both and compares after each.
fn agree(profile: Profile, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut twin = Twin::new(profile);
    let mut oracle = Oracle::new();
    for step in steps.iter().copied() {
        do_step(&mut twin, &mut oracle, step)?;
        prop_assert_eq!(compare::twin_rows(&twin.spaces), compare::oracle_rows(&oracle), "{:?}", step);
        prop_assert_eq!(twin.sys.committed_pages(), oracle.committed() as u64, "{:?}", step);
        for (space, memory) in twin.spaces.iter().zip(&oracle.memories) {
            prop_assert_eq!(space.counters(), counters(memory), "{:?}", step);
            prop_assert_eq!(space.layout().brk, VirtAddr(address(memory.brk)), "{:?}", step);
        }
    }
    Ok(())
}

fn counters(memory: &Memory) -> Counters {
    Counters {
        total_vm: memory.total_vm() as u64,
        data_vm: memory.data_vm() as u64,
        exec_vm: memory.exec_vm() as u64,
        stack_vm: memory.stack_vm() as u64,
        locked_vm: memory.locked_vm() as u64,
    }
}

/// Does one step on both and compares the answers.
fn do_step(twin: &mut Twin, oracle: &mut Oracle, step: Step) -> Result<(), TestCaseError> {
    let Twin { sys, spaces } = twin;
    let processes = spaces.len();
    let space = &mut spaces[oracle.at];
    if let Some(call) = calls::call(step) {
        let outcome = space.call(sys, call, &calls::input(step));
        let expected = answer(oracle, step);
        prop_assert_eq!(outcome.result, expected, "{:?}: {}", step, outcome.why);
        prop_assert_eq!(outcome.basis, Basis::Predicted, "{:?}: {}", step, outcome.why);
        return Ok(());
    }
    match step {
        Step::Touch { at, write } => {
            let access = if write { Access::Write } else { Access::Read };
            let touched = match space.touch(sys, VirtAddr(address(at) + 8), access, &Input::default()) {
                Ok(Touch::Present) => Touched::Page,
                Ok(Touch::Grew) => Touched::Grew,
                Err(Signal::SegvMapErr) => Touched::Unmapped,
                Err(Signal::SegvAccErr) => Touched::Refused,
                Err(Signal::BusAdrErr) => Touched::PastEnd,
                Err(signal) => return Err(TestCaseError::fail(alloc::format!("{step:?}: {signal:?}"))),
            };
            prop_assert_eq!(touched, oracle.touch(at, write), "{:?}", step);
        }
        Step::Fork { follow } if oracle.may_fork() => {
            let child = space.fork(sys, &Input::default());
            prop_assert_eq!(child.as_ref().map(|_| 0).map_err(|errno| *errno), oracle.fork(), "{:?}", step);
            spaces.extend(child);
            oracle.at = if follow { spaces.len() - 1 } else { oracle.at };
        }
        Step::Process(at) => oracle.at = at % processes,
        Step::Exit if processes > 1 => {
            spaces.remove(oracle.at).exit(sys);
            oracle.memories.remove(oracle.at);
            oracle.at = 0;
        }
        Step::Limit { resource, bound } => {
            let memory = oracle.now_mut();
            let pages = bounded(bound, used(memory, resource), UNLIMITED);
            *limit(memory, resource) = pages;
            let soft = if pages == UNLIMITED { Rlimit::INFINITY } else { pages as u64 * PAGE_SIZE };
            space.set_limit(resource, Rlimit { soft, hard: Rlimit::INFINITY });
        }
        Step::Mappings(bound) => {
            oracle.max_map_count = bounded(bound, oracle.map_count(), 65_530);
            Arc::make_mut(&mut sys.profile).max_map_count = oracle.max_map_count as u64;
        }
        _ => {}
    }
    Ok(())
}

/// Returns the oracle's answer to a call.
fn answer(oracle: &mut Oracle, step: Step) -> Answer {
    match step {
        Step::Map(ask) => oracle.map(ask),
        Step::Unmap(span) => oracle.unmap(span.range()),
        Step::Protect { span, prot, down } => oracle.protect(span, prot, down),
        Step::Name { span, name } => oracle.name(span, name),
        Step::Advise { span, advice } => oracle.advise(span, advice),
        Step::Lock { span, on_fault } => oracle.lock(span, on_fault),
        Step::Unlock(span) => oracle.set_locks(span.range(), VmFlags::NONE),
        Step::LockAll(flags) => oracle.lock_all(flags),
        Step::UnlockAll => oracle.unlock_all(),
        Step::Seal(span) => oracle.seal(span),
        Step::Brk(pages) => oracle.brk(pages),
        Step::Remap(remap) => oracle.remap(remap),
        other => unreachable!("{other:?} is no call"),
    }
}

const fn bounded(bound: Bound, used: usize, none: usize) -> usize {
    match bound {
        Bound::None => none,
        Bound::Zero => 0,
        Bound::Spare(more) => used + more,
    }
}

/// Returns how much of what is limited is used.
fn used(memory: &Memory, resource: Resource) -> usize {
    match resource {
        Resource::AS => memory.total_vm(),
        Resource::DATA => memory.data_vm(),
        Resource::STACK => memory.stack_vm(),
        _ => memory.locked_vm(),
    }
}

fn limit(memory: &mut Memory, resource: Resource) -> &mut usize {
    match resource {
        Resource::AS => &mut memory.limits.address_space,
        Resource::DATA => &mut memory.limits.data,
        Resource::STACK => &mut memory.limits.stack,
        _ => &mut memory.limits.memlock,
    }
}
