//! What in a map wants attention: each finding with its evidence and what to do.

use abi::Prot;
use serde::{Deserialize, Serialize};
use snapshot::{Kind, Leaf, Snapshot, Verdict};

use crate::words::{bytes, count, plural, printable};

/// Something that wants attention.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What sort of thing.
    pub kind: FindingKind,
    /// What was seen, and where.
    pub evidence: String,
    /// What it means and what to do.
    pub advice: String,
}

/// The sorts of findings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Memory that may be written and executed.
    WritableCode,
    /// A stack that may be executed.
    ExecutableStack,
    /// Files that are mapped and no longer there.
    DeletedFiles,
    /// The number of mappings is close to its limit.
    ManyMappings,
    /// The main stack is close to its limit.
    LargeStack,
    /// The virtual size is close to its limit.
    LargeSize,
    /// Much of malloc's memory is free and could be given back.
    RetainedByMalloc,
    /// Much of malloc's memory is free in small pieces.
    FragmentedHeap,
    /// A place in the program maps more and more, and hardly any of it goes.
    Growth,
    /// A place maps what is soon unmapped, again and again.
    Churn,
    /// Many faults at one place.
    FaultStorm,
    /// A place gives pages up again and again.
    PagesGivenUp,
    /// A place cuts mappings in pieces.
    SplitMappings,
    /// A place makes mappings that touch their neighbours and don't become one with them.
    MappingsKeptApart,
    /// Mappings large enough for a huge page, placed so that none fits.
    MissedHugePages,
    /// Much of what is resident in huge pages was never used.
    HugePageBloat,
}

/// The limits in force on a process; `None` for none, or not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Of the main stack in bytes.
    pub stack: Option<u64>,
    /// Of the virtual size in bytes.
    pub size: Option<u64>,
    /// Of the number of mappings.
    pub mappings: Option<u64>,
}

/// Looks for everything that wants attention.
pub(crate) fn find(snapshot: &Snapshot, leaves: &[Leaf], limits: &Limits) -> Vec<Finding> {
    let found = [
        writable_code(snapshot, leaves),
        executable_stack(snapshot, leaves),
        deleted_files(snapshot, leaves),
        many_mappings(snapshot, limits),
        large_stack(leaves, limits),
        large_size(snapshot, limits),
        idle_malloc(snapshot),
        bloat(snapshot),
    ];
    found.into_iter().flatten().collect()
}

/// Tells whether a value is past three quarters of its limit.
fn is_close(value: u64, limit: u64) -> bool {
    u128::from(value) * 4 > u128::from(limit) * 3
}

fn writable_code(snapshot: &Snapshot, leaves: &[Leaf]) -> Option<Finding> {
    let both = Prot::WRITE.with(Prot::EXEC);
    let is_stack = |leaf: &Leaf| matches!(leaf.kind, Kind::MainStack | Kind::ThreadStack);
    let mut hits = leaves
        .iter()
        .filter(|leaf| !is_stack(leaf) && snapshot.mappings[leaf.mapping].prot.contains(both))
        .peekable();
    let first = hits.peek()?.range;
    let size = hits.map(|leaf| leaf.range.len()).sum();
    Some(Finding {
        kind: FindingKind::WritableCode,
        evidence: format!("{} may be written and executed, first at {first}", bytes(size)),
        advice: "Whoever can write there can run code. A JIT can map its code twice, or switch rights with mprotect."
            .into(),
    })
}

fn executable_stack(snapshot: &Snapshot, leaves: &[Leaf]) -> Option<Finding> {
    let is_stack = |leaf: &&Leaf| matches!(leaf.kind, Kind::MainStack | Kind::ThreadStack);
    let is_executable = |leaf: &&Leaf| snapshot.mappings[leaf.mapping].prot.contains(Prot::EXEC);
    let stack = leaves.iter().filter(is_stack).find(is_executable)?;
    Some(Finding {
        kind: FindingKind::ExecutableStack,
        evidence: format!("the stack at {} may be executed", stack.range),
        advice: "An object of the program asks for it (PT_GNU_STACK); link it with -z noexecstack.".into(),
    })
}

fn deleted_files(snapshot: &Snapshot, leaves: &[Leaf]) -> Option<Finding> {
    // Shared memory and rings are named as deleted from the start.
    let may_be =
        |kind| !matches!(kind, Kind::SysvShm | Kind::MemoryFile | Kind::SharedAnonymous | Kind::Device);
    let mut hits = leaves
        .iter()
        .filter(|leaf| may_be(leaf.kind) && proc_text::is_deleted(&snapshot.mappings[leaf.mapping].name))
        .peekable();
    let first = printable(&snapshot.mappings[hits.peek()?.mapping].name);
    let size = hits.map(|leaf| leaf.range.len()).sum();
    Some(Finding {
        kind: FindingKind::DeletedFiles,
        evidence: format!("{} of files that are deleted or replaced, first {first}", bytes(size)),
        advice: "Their disk space is held, and an updated library is not in use: restart the process.".into(),
    })
}

fn many_mappings(snapshot: &Snapshot, limits: &Limits) -> Option<Finding> {
    let mappings = snapshot.mappings.len() as u64;
    let limit = limits.mappings.filter(|limit| is_close(mappings, *limit))?;
    Some(Finding {
        kind: FindingKind::ManyMappings,
        evidence: format!("{} of {} allowed", plural(mappings, "mapping"), count(limit)),
        advice: "At the limit mmap, mprotect and munmap fail with ENOMEM: raise vm.max_map_count.".into(),
    })
}

fn large_stack(leaves: &[Leaf], limits: &Limits) -> Option<Finding> {
    let size = leaves.iter().filter(|leaf| leaf.kind == Kind::MainStack).map(|leaf| leaf.range.len()).sum();
    let limit = limits.stack.filter(|limit| is_close(size, *limit))?;
    Some(Finding {
        kind: FindingKind::LargeStack,
        evidence: format!("the main stack has grown to {} of {} allowed", bytes(size), bytes(limit)),
        advice: "Beyond it the process is killed (SIGSEGV): raise ulimit -s, or recurse less deeply.".into(),
    })
}

fn large_size(snapshot: &Snapshot, limits: &Limits) -> Option<Finding> {
    let size = snapshot.mappings.iter().map(|mapping| mapping.range.len()).sum();
    let limit = limits.size.filter(|limit| is_close(size, *limit))?;
    Some(Finding {
        kind: FindingKind::LargeSize,
        evidence: format!("the virtual size is {} of {} allowed", bytes(size), bytes(limit)),
        advice: "RLIMIT_AS counts reservations and untouched memory as well: raise ulimit -v.".into(),
    })
}

/// Less than this is not worth a remark.
const IDLE_BYTES_MIN: u64 = 8 << 20;

/// Malloc's memory that is resident and not in use: the arenas that are not live, together.
fn idle_malloc(snapshot: &Snapshot) -> Option<Finding> {
    let sums = snapshot.malloc.iter().flat_map(|malloc| &malloc.arenas).filter_map(|arena| arena.sums);
    let idle: Vec<_> = sums.filter(|sums| sums.verdict() != Verdict::Live).collect();
    let resident: u64 = idle.iter().map(|sums| sums.resident).sum();
    let free = idle.iter().map(|sums| sums.resident.saturating_sub(sums.in_use.bytes)).sum();
    let returnable: u64 = idle.iter().map(|sums| sums.returnable).sum();
    if free < IDLE_BYTES_MIN {
        return None;
    }
    let [free_text, resident] = [free, resident].map(bytes);
    Some(if returnable >= free / 2 {
        Finding {
            kind: FindingKind::RetainedByMalloc,
            evidence: format!(
                "{free_text} of {resident} in malloc's arenas are free, {} of it in whole pages",
                bytes(returnable)
            ),
            advice: "malloc keeps them for later: malloc_trim(0) gives them back, as do a lower M_TRIM_THRESHOLD and \
                     fewer arenas (MALLOC_ARENA_MAX)."
                .into(),
        }
    } else {
        Finding {
            kind: FindingKind::FragmentedHeap,
            evidence: format!("{free_text} of {resident} in malloc's arenas are free, but in pieces between what is in use"),
            advice: "Nothing can be given back while what lies between lives on: free what was allocated together \
                     together, or use an allocator with size classes."
                .into(),
        }
    })
}

/// Huge pages of which a quarter and more holds only zeros: they are resident because they came in one piece.
fn bloat(snapshot: &Snapshot) -> Option<Finding> {
    let huge = snapshot.huge?;
    let zeros = huge.zeros_of_all();
    if zeros < IDLE_BYTES_MIN || zeros < huge.huge / 4 {
        return None;
    }
    let [zeros, all, looked_at] = [zeros, huge.huge, huge.looked_at].map(bytes);
    Some(Finding {
        kind: FindingKind::HugePageBloat,
        evidence: format!(
            "about {zeros} of {all} in huge pages hold only zeros (judged by {looked_at} of them)"
        ),
        advice:
            "They are resident because the kernel gives 2 MiB at once: MADV_NOHUGEPAGE for sparse data, or \
                 PR_SET_THP_DISABLE, or transparent_hugepage/enabled=madvise."
                .into(),
    })
}

#[cfg(test)]
mod tests {
    use snapshot::classify;

    use super::*;

    fn kinds(text: &str, limits: Limits) -> Vec<FindingKind> {
        let snapshot = Snapshot::from_maps_text(text.as_bytes()).expect("good text");
        find(&snapshot, &classify(&snapshot), &limits).iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn idle_memory_of_malloc_is_told_by_what_could_be_given_back() {
        let found = |returnable, in_use| {
            let sums = snapshot::ChunkSums {
                in_use: snapshot::Count { chunks: 1, bytes: in_use },
                resident: 100 << 20,
                returnable,
                ..snapshot::ChunkSums::default()
            };
            let arena = snapshot::Arena {
                state: abi::VirtAddr(0),
                role: snapshot::ArenaRole::Main,
                heaps: Vec::new(),
                threads: 1,
                system_bytes: 0,
                sums: Some(sums),
                unfinished: None,
            };
            let malloc = snapshot::Malloc { arenas: vec![arena], blocks: Vec::new() };
            idle_malloc(&Snapshot { malloc: Some(malloc), ..Snapshot::default() }).map(|finding| finding.kind)
        };
        assert_eq!(found(80 << 20, 10 << 20), Some(FindingKind::RetainedByMalloc));
        assert_eq!(found(1 << 20, 10 << 20), Some(FindingKind::FragmentedHeap));
        assert_eq!(found(10 << 20, 90 << 20), None);
    }

    #[test]
    fn huge_pages_of_zeros_are_bloat() {
        let found = |zeros| {
            let huge = snapshot::HugeSample { huge: 100 << 20, looked_at: 10 << 20, zeros };
            bloat(&Snapshot { huge: Some(huge), ..Snapshot::default() }).map(|finding| finding.evidence)
        };
        assert_eq!(found(2 << 20), None);
        let evidence = found(4 << 20).expect("two fifths");
        assert_eq!(
            evidence,
            "about 40.0 MiB of 100 MiB in huge pages hold only zeros (judged by 10.0 MiB of them)"
        );
    }

    #[test]
    fn each_is_found_where_it_is_and_not_where_it_is_not() {
        use FindingKind::*;
        let none = Limits::default();
        let tight = Limits { stack: Some(0x2000), size: Some(0x2000), mappings: Some(1) };
        let heap = "1000-2000 rw-p 0 0:0 0 [heap]\n";
        assert_eq!(kinds(heap, none), []);
        assert_eq!(kinds(heap, Limits { size: Some(0x2000), ..none }), []);
        assert_eq!(kinds("1000-2000 rwxp 0 0:0 0\n", none), [WritableCode]);
        assert_eq!(kinds("1000-3000 rwxp 0 0:0 0 [stack]\n", none), [ExecutableStack]);
        assert_eq!(kinds("1000-3000 rw-p 0 0:0 0 [stack]\n", tight), [ManyMappings, LargeStack, LargeSize]);
        assert_eq!(kinds("1000-2000 r-xp 0 8:1 7 /lib/l.so (deleted)\n", none), [DeletedFiles]);
        assert_eq!(kinds("1000-2000 rw-s 0 0:1 7 /memfd:x (deleted)\n", none), []);
    }
}
