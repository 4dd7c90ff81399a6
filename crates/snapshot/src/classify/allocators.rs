//! Memory of allocators that do not name it, by size and alignment: only where the process has that allocator, and
//! always as inferred.

use abi::{AddrRange, Prot};

use super::Verdict;
use super::claim::Claim;
use crate::kind::Kind;
use crate::rule::Rule;
use crate::value::{Mapping, Snapshot};

const MIB: u64 = 1 << 20;
/// Where Go puts its heap, so that its addresses are no text (`runtime/malloc.go`).
const GO_HEAP: AddrRange = AddrRange::new(abi::VirtAddr(0xc0_0000_0000), abi::VirtAddr(0xc8_0000_0000));

/// An allocator: its name, what a mapped file's path holds where the process has it, and the unit it takes memory in.
struct Allocator {
    name: &'static str,
    files: &'static [&'static str],
    unit: u64,
    alignment: u64,
}

const ALLOCATORS: &[Allocator] = &[
    Allocator { name: "jemalloc", files: &["libjemalloc"], unit: MIB, alignment: MIB },
    Allocator { name: "mimalloc", files: &["libmimalloc"], unit: 4 * MIB, alignment: 4 * MIB },
    Allocator { name: "tcmalloc", files: &["libtcmalloc"], unit: MIB, alignment: 8192 },
    Allocator { name: "V8", files: &["/node", "libnode", "libv8"], unit: 256 << 10, alignment: 256 << 10 },
    Allocator {
        name: "the Java virtual machine",
        files: &["libjvm.so"],
        unit: 64 << 10,
        alignment: 64 << 10,
    },
    Allocator { name: "CPython", files: &["libpython", "/bin/python"], unit: 256 << 10, alignment: 4096 },
];

/// Claims the heap of Go's runtime, before the stacks: those of goroutines lie in it.
pub(super) fn claim_go(snapshot: &Snapshot, claims: &mut Vec<Claim>) {
    let first = snapshot.mappings.partition_point(|mapping| mapping.range.start < GO_HEAP.start);
    let inside = snapshot.mappings[first..].iter().take_while(|mapping| mapping.range.end <= GO_HEAP.end);
    let is_heap = |mapping: &&Mapping| is_plain(mapping) && mapping.range.len().is_multiple_of(4 * MIB);
    claims.extend(inside.filter(is_heap).map(|mapping| of(mapping, "Go's runtime")));
}

/// Claims whole mappings, after everything that is known better.
pub(super) fn claim(snapshot: &Snapshot, claims: &mut Vec<Claim>) {
    let has = |allocator: &&Allocator| {
        let holds = |file: &&str| {
            let file = file.as_bytes();
            snapshot.objects.iter().any(|object| object.path.windows(file.len()).any(|part| part == file))
        };
        allocator.files.iter().any(holds)
    };
    let present: Vec<&Allocator> = ALLOCATORS.iter().filter(has).collect();
    for pair in snapshot.mappings.windows(2) {
        let [guard, stack] = pair else { continue };
        if is_signal_stack(guard, stack) {
            claims.push(Claim {
                range: guard.range,
                verdict: Verdict::new(Kind::StackGuard, Rule::SignalStackShape),
            });
            claims.push(Claim {
                range: stack.range,
                verdict: Verdict::new(Kind::SignalStack, Rule::SignalStackShape),
            });
        }
    }
    for mapping in snapshot.mappings.iter().filter(|mapping| is_plain(mapping)) {
        let fits = |allocator: &&&Allocator| {
            mapping.range.len().is_multiple_of(allocator.unit)
                && mapping.range.start.0.is_multiple_of(allocator.alignment)
        };
        if let Some(allocator) = present.iter().find(fits) {
            claims.push(of(mapping, allocator.name));
        }
    }
}

fn of(mapping: &Mapping, name: &'static str) -> Claim {
    Claim { range: mapping.range, verdict: Verdict::new(Kind::Arena, Rule::AllocatorShape(name)) }
}

fn is_plain(mapping: &Mapping) -> bool {
    mapping.prot == Prot::RW && mapping.is_private_anonymous() && mapping.name.is_empty()
}

/// Rust's runtime gives each thread a page without rights and two to five pages above it.
fn is_signal_stack(guard: &Mapping, stack: &Mapping) -> bool {
    guard.prot.is_empty()
        && is_plain(stack)
        && guard.is_private_anonymous()
        && guard.name.is_empty()
        && guard.range.end == stack.range.start
        && guard.range.len() == abi::PAGE_SIZE
        && (2 * abi::PAGE_SIZE..=5 * abi::PAGE_SIZE).contains(&stack.range.len())
}
