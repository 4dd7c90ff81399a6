//! The heap, by its bounds.

use abi::AddrRange;

use super::Verdict;
use super::claim::Claim;
use crate::kind::Kind;
use crate::rule::Rule;
use crate::value::Snapshot;

/// Claims `start_brk..brk`, whole pages, where private memory of no file is mapped there.
pub(super) fn claim(snapshot: &Snapshot, claims: &mut Vec<Claim>) {
    let Some(heap) = snapshot.heap.filter(|heap| !heap.is_empty()) else { return };
    let pages = AddrRange { start: heap.start, end: heap.end.page_up_wrapping() };
    let rule = if snapshot.held.is_some() { Rule::HeapAfterProgram } else { Rule::BrkBounds };
    let verdict = Verdict::new(Kind::Heap, rule);
    let first = snapshot.mappings.partition_point(|mapping| mapping.range.end <= pages.start);
    for mapping in &snapshot.mappings[first..] {
        let Some(range) = mapping.range.intersection(pages) else { break };
        if mapping.is_private_anonymous() {
            claims.push(Claim { range, verdict });
        }
    }
}
