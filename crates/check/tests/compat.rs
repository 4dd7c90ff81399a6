//! What `COMPAT.md` says was tried, was: the fuzzer's programs make every such call.

use std::collections::BTreeSet;

use abi::Call;
use check::fuzz::{self, Act};
use mm::compat::{self, State};

/// Cells that no program tries, each with its reason; no case: all of the call.
const APART: &[(&str, &str, &str)] = &[
    ("arch_prctl", "", "a process without its vdso is not to be had back"),
    ("madvise", "MADV_HWPOISON", "a kernel that knows it takes memory out of use"),
    ("madvise", "MADV_SOFT_OFFLINE", "a kernel that knows it takes memory out of use"),
];

fn stands_apart(call: &str, case: &str) -> bool {
    APART.iter().any(|(apart, only, _)| *apart == call && (only.is_empty() || *only == case))
}

#[test]
fn every_verified_cell_is_met_by_the_fuzzer() {
    let mut met: BTreeSet<(&str, &str)> = BTreeSet::new();
    for index in 0..600 {
        let program = fuzz::program_text(11, index).expect("a world");
        for call in program.lines.iter().filter_map(|line| call_of(&line.act)) {
            met.extend(compat::cells().filter(|cell| cell.holds(call)).map(|cell| (cell.call, cell.case)));
        }
    }
    let missed: Vec<_> = compat::cells()
        .filter(|cell| matches!(cell.state, State::Verified | State::Refused))
        .map(|cell| (cell.call, cell.case))
        .filter(|cell| !met.contains(cell) && !stands_apart(cell.0, cell.1))
        .collect();
    assert!(missed.is_empty(), "never tried: {missed:?}");
}

fn call_of(act: &Act) -> Option<Call> {
    Some(match act {
        Act::Call(call) | Act::Pointed { call, .. } => *call,
        Act::Limit(resource, _) => Call::Prlimit64 {
            pid: 0,
            resource: *resource,
            new_limit: abi::VirtAddr(1),
            old_limit: abi::VirtAddr::NULL,
        },
        Act::Name { addr, len, .. } => {
            Call::Prctl { op: abi::PrctlOp::SET_VMA, arg2: 0, arg3: addr.0, arg4: *len, arg5: 0 }
        }
        Act::Attach { segment, addr, flags } => {
            Call::Shmat { id: *segment as i32, addr: *addr, flags: *flags }
        }
        Act::Bind { addr, len, mode, flags, .. } => Call::Mbind {
            addr: *addr,
            len: *len,
            mode: *mode,
            nodemask: abi::VirtAddr::NULL,
            maxnode: 65,
            flags: *flags,
        },
        _ => return None,
    })
}
