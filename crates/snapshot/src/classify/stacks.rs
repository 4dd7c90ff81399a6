//! The stacks, by the calls that mapped them, by stack pointers and by the kernel's name.

use abi::{AddrRange, Prot, Tid};

use super::claim::Claim;
use super::{Owner, Verdict};
use crate::kind::Kind;
use crate::rule::Rule;
use crate::value::{Mapping, Snapshot};

/// The largest forbidden range that is still taken for a guard: larger ones are reservations.
const GUARD_BYTES_MAX: u64 = 1 << 20;

/// Claims the stacks: the main thread's first, then the ranges mapped for threads, then what stack pointers
/// point into.
pub(super) fn claim(snapshot: &Snapshot, claims: &mut Vec<Claim>) {
    for mapping in &snapshot.mappings {
        if let Some(rule) = main_stack_rule(snapshot, mapping) {
            claims.push(Claim { range: mapping.range, verdict: Verdict::new(Kind::MainStack, rule) });
        }
    }
    for area in &snapshot.stack_areas {
        let rule = if area.thread.is_some() { Rule::StackCall } else { Rule::StackKept };
        claim_area(snapshot, area.range, area.thread, rule, claims);
    }
    for thread in &snapshot.threads {
        let Some(pointer) = thread.stack_pointer else { continue };
        let at = snapshot.mappings.partition_point(|m| m.range.end <= pointer);
        let Some(mapping) = snapshot.mappings.get(at).filter(|m| m.range.contains(pointer)) else { continue };
        if mapping.is_private_anonymous() && !matches!(&*mapping.name, b"[heap]" | b"[stack]") {
            let guard = at.checked_sub(1).and_then(|below| guard_of(mapping, &snapshot.mappings[below]));
            let range = AddrRange { start: guard.unwrap_or(mapping.range.start), end: mapping.range.end };
            claim_area(snapshot, range, Some(thread.tid), Rule::StackPointer, claims);
        }
    }
}

fn main_stack_rule(snapshot: &Snapshot, mapping: &Mapping) -> Option<Rule> {
    if *mapping.name == *b"[stack]" {
        return Some(Rule::StackName);
    }
    let holds_start = snapshot.stack_start.is_some_and(|start| mapping.range.contains(start));
    (holds_start && mapping.is_private_anonymous()).then_some(Rule::StackStart)
}

/// Claims a thread's area: what has no rights is its guard.
fn claim_area(
    snapshot: &Snapshot,
    area: AddrRange,
    thread: Option<Tid>,
    rule: Rule,
    claims: &mut Vec<Claim>,
) {
    let first = snapshot.mappings.partition_point(|m| m.range.end <= area.start);
    for mapping in &snapshot.mappings[first..] {
        let Some(range) = mapping.range.intersection(area) else { break };
        if !mapping.is_private_anonymous() {
            continue;
        }
        let verdict = if mapping.prot.is_empty() {
            Verdict::new(Kind::StackGuard, Rule::GuardBelowStack)
        } else {
            Verdict::new(Kind::ThreadStack, rule)
        };
        claims.push(Claim { range, verdict: Verdict { owner: thread.map(Owner::Thread), ..verdict } });
    }
}

/// The start of the guard below a stack, if the mapping below is one.
fn guard_of(stack: &Mapping, below: &Mapping) -> Option<abi::VirtAddr> {
    let is_guard = below.range.end == stack.range.start
        && below.prot == Prot::NONE
        && below.is_private_anonymous()
        && below.range.len() <= GUARD_BYTES_MAX;
    is_guard.then_some(below.range.start)
}
