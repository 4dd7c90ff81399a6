//! Watching ourselves.

use std::path::Path;
use std::process::Command;

use abi::{PAGE_SIZE, VirtAddr};
use recording::{Body, FaultAccess, FaultMode};
use sys::perf::Mappings;

use super::governor::SPARSE_PERIOD;
use super::*;

const PAGE: usize = PAGE_SIZE as usize;

fn this_thread() -> Tid {
    let link = std::fs::read_link("/proc/thread-self").expect("a Linux machine");
    let tid = link.file_name().and_then(|tid| tid.to_str()?.parse().ok());
    Tid(tid.expect("a link that ends in the thread's number"))
}

fn wanted(budget: Budget, access: AccessWanted) -> FaultsWanted {
    let (stacks, mapped) = (FaultStacks::NotCopied, Mappings::Told);
    FaultsWanted { chain_frames_max: 32, stacks, mapped, budget, access }
}

fn watch(test: &str, budget: Budget) -> Option<FaultWatch> {
    let wanted = wanted(budget, AccessWanted::No);
    match FaultWatch::open(this_thread(), wanted, Begin::Now, 0) {
        Ok(watch) => Some(watch),
        Err(why) => {
            println!("SKIPPED: {test}, {why}");
            None
        }
    }
}

/// More than any allocator keeps in an arena that others used before: always mapped afresh.
const BLOCK_BYTES: usize = 48 << 20;

/// Blocks of memory that were written to, kept to the end.
#[derive(Default)]
struct Blocks(Vec<Vec<u8>>);

impl Blocks {
    /// Writes to fresh pages of memory, one after the other; returns their addresses.
    fn touch(&mut self, pages: usize) -> Vec<VirtAddr> {
        let mut memory: Vec<u8> = Vec::with_capacity(BLOCK_BYTES);
        // The allocator has written its mark on the first page.
        let first = (memory.as_ptr() as u64 + 1).next_multiple_of(PAGE_SIZE);
        let before = (first - memory.as_ptr() as u64) as usize;
        for page in 0..pages {
            memory.spare_capacity_mut()[before + page * PAGE].write(std::hint::black_box(1));
        }
        self.0.push(memory);
        (0..pages as u64).map(|page| VirtAddr(first + page * PAGE_SIZE)).collect()
    }
}

fn faults(seen: &[Seen]) -> Vec<(Seen, recording::FaultEvent)> {
    let fault = |seen: &Seen| match seen.body {
        Body::Fault(fault) => Some((seen.clone(), fault)),
        _ => None,
    };
    seen.iter().filter_map(fault).collect()
}

#[test]
fn each_fault_is_told_in_its_order() {
    let Some(mut watch) = watch("each_fault_is_told_in_its_order", Budget::Unlimited) else { return };
    let (mut stacks, mut seen) = (StackTable::default(), Vec::new());
    let (mut blocks, mut touched) = (Blocks::default(), Vec::new());
    for _ in 0..5 {
        touched.extend(blocks.touch(300));
        watch.drain(&mut stacks, |event| seen.push(event));
    }
    watch.finish(&mut stacks, |event| seen.push(event));
    assert!(seen.is_sorted_by_key(|event| event.time));
    let faults = faults(&seen);
    let of_ours: Vec<_> =
        faults.iter().filter(|(_, fault)| touched.contains(&fault.addr.page_down())).collect();
    assert_eq!(of_ours.iter().map(|(_, fault)| fault.addr.page_down()).collect::<Vec<_>>(), touched);
    for (event, fault) in of_ours {
        assert_eq!((event.tid, fault.mode), (this_thread(), FaultMode::User));
        assert!(fault.stack.is_some());
    }
    let chains: Vec<_> = stacks.take_new().collect();
    assert!(chains.iter().all(|chain| !chain.is_empty() && chain.len() <= 32));
    let mapped = seen.iter().any(|event| match &event.body {
        Body::Mapped(mapped) => mapped.range.contains(touched[0]) && *mapped.name == *b"//anon",
        _ => false,
    });
    assert!(mapped, "the block's own mapping was told");
}

#[test]
fn a_tracepoint_tells_reads_from_writes() {
    let wanted = wanted(Budget::Unlimited, AccessWanted::Yes);
    let watch = FaultWatch::open(this_thread(), wanted, Begin::Now, 0);
    let (Ok(mut watch), Ok(_)) = (watch, sys::perf::FaultTracepoints::find()) else {
        println!("SKIPPED: a_tracepoint_tells_reads_from_writes, it may not be read");
        return;
    };
    let mut blocks = Blocks::default();
    let written = blocks.touch(100);
    // Zeros that are fresh from the kernel.
    let memory = vec![0u8; BLOCK_BYTES];
    let first = (memory.as_ptr() as u64 + 1).next_multiple_of(PAGE_SIZE);
    let before = (first - memory.as_ptr() as u64) as usize;
    (0..100).for_each(|page| {
        std::hint::black_box(memory[before + page * PAGE]);
    });
    let (mut stacks, mut seen) = (StackTable::default(), Vec::new());
    watch.finish(&mut stacks, |event| seen.push(event));
    let faults = faults(&seen);
    let access_at = |addr: VirtAddr| {
        let fault = faults.iter().find(|(_, fault)| fault.addr.page_down() == addr);
        fault.map(|(event, fault)| (event.tid, fault.access, fault.stack.is_some()))
    };
    if access_at(written[0]).is_some_and(|(_, access, _)| access == FaultAccess::Unknown) {
        println!("SKIPPED: a_tracepoint_tells_reads_from_writes, it may not be opened");
        return;
    }
    for addr in written {
        assert_eq!(access_at(addr), Some((this_thread(), FaultAccess::Write, true)));
    }
    for page in 0..100 {
        let addr = VirtAddr(first + page * PAGE_SIZE);
        assert_eq!(access_at(addr), Some((this_thread(), FaultAccess::Read, true)));
    }
}

#[test]
fn children_are_seen_too() {
    let Some(mut watch) = watch("children_are_seen_too", Budget::Share) else { return };
    let mut child = Command::new("true").spawn().expect("every system has it");
    let pid = child.id().cast_signed();
    assert!(child.wait().expect("our child").success());
    let (mut stacks, mut seen) = (StackTable::default(), Vec::new());
    watch.finish(&mut stacks, |event| seen.push(event));
    let of_child = seen.iter().filter(|event| event.pid.0 == pid);
    assert!(of_child.clone().filter(|event| matches!(event.body, Body::Fault(_))).count() > 20);
    let program = |event: &&Seen| match &event.body {
        Body::Mapped(mapped) => {
            Path::new(&*String::from_utf8_lossy(&mapped.name)).ends_with("ld-linux-x86-64.so.2")
        }
        _ => false,
    };
    assert!(of_child.filter(program).count() > 0, "its interpreter was mapped");
}

#[test]
fn a_storm_is_thinned_and_said_so() {
    let Some(mut watch) = watch("a_storm_is_thinned_and_said_so", Budget::Share) else { return };
    let (mut stacks, mut seen) = (StackTable::default(), Vec::new());
    let mut storm = |watch: &mut FaultWatch| {
        let pages = Blocks::default().touch(1000).len();
        watch.drain(&mut stacks, |event| seen.push(event));
        pages
    };
    // On a busy machine this thread runs only now and then: its faults are a storm when it gets to make them.
    let mut dense_touched = 0;
    while watch.density == Density::Every {
        assert!(dense_touched < 5_000_000, "so many faults and never too many");
        dense_touched += storm(&mut watch);
    }
    let mut sparse_touched = 0;
    while watch.density == Density::Sparse && sparse_touched < 40_000 {
        sparse_touched += storm(&mut watch);
    }
    watch.finish(&mut stacks, |event| seen.push(event));
    let period = |event: &Seen| match event.body {
        Body::FaultPeriod { period } => Some((event.time, period)),
        _ => None,
    };
    let periods: Vec<_> = seen.iter().filter_map(period).collect();
    let &[(since, SPARSE_PERIOD), ..] = &periods[..] else { panic!("{periods:?}") };
    let until = periods.get(1).map_or(TimeNs(u64::MAX), |(time, _)| *time);
    let faults = faults(&seen);
    let between = |from, to| faults.iter().filter(|(event, _)| (from..to).contains(&event.time)).count();
    let (dense, sparse) = (between(TimeNs(0), since), between(since, until));
    let lost: u64 =
        seen.iter().map(|event| if let Body::Lost { count, .. } = event.body { count } else { 0 }).sum();
    assert!(dense as u64 + lost >= dense_touched as u64, "{dense} of {dense_touched}, {lost} lost");
    let expected = sparse_touched / SPARSE_PERIOD as usize;
    assert!(
        sparse > expected / 2 && sparse < expected * 2 + 100,
        "{sparse} after it, about {expected} expected"
    );
}
