//! The value: one process at one moment.

use std::sync::Arc;
use std::time::Duration;

use abi::{AddrRange, FileId, FileOff, Prot, Tid, VirtAddr};

use crate::huge::HugeSample;
use crate::malloc::Malloc;
use crate::pages::PageRun;
use crate::sums::MappingSums;

/// One process at one moment.
///
/// Only `mappings` is always known. What is absent costs precision, never truth: each leaf's rule says what
/// it was told from.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Snapshot {
    /// When the mappings were as they are here.
    pub moment: Moment,
    /// The mappings, ascending and disjoint.
    pub mappings: Vec<Mapping>,
    /// The kernel's own sums, one for each mapping; empty where they were not read.
    pub sums: Vec<MappingSums>,
    /// When the pages were as they are here; may be earlier than `moment`.
    pub pages_moment: Moment,
    /// Which pages are there, ascending and disjoint; `None` where that was not read.
    pub pages: Option<Vec<PageRun>>,
    /// For a core file: the ranges whose contents it holds, ascending and disjoint; `None` for anything else.
    /// Pages of zeros that were never written count as not held.
    pub held: Option<Vec<AddrRange>>,
    /// The executables and libraries whose headers are known.
    pub objects: Vec<Object>,
    /// Which file is the program.
    pub program: Option<FileId>,
    /// Which file is the program's interpreter (the dynamic loader).
    pub interpreter: Option<FileId>,
    /// The heap: `start_brk..brk`.
    pub heap: Option<AddrRange>,
    /// Where exec left the stack pointer of the main thread.
    pub stack_start: Option<VirtAddr>,
    /// The threads.
    pub threads: Vec<Thread>,
    /// Ranges known to have been mapped as stacks.
    pub stack_areas: Vec<StackArea>,
    /// What glibc's allocator holds, where that was read.
    pub malloc: Option<Malloc>,
    /// What a look into its huge pages found; `None` where it has few, or they can't be read.
    pub huge: Option<HugeSample>,
}

/// A moment of a process's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Moment {
    /// Not known.
    #[default]
    Unknown,
    /// The present, when it was read.
    Now,
    /// So long after the recording began.
    At(Duration),
}

/// A mapping: a line of `/proc/PID/maps`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Where.
    pub range: AddrRange,
    /// The protection.
    pub prot: Prot,
    /// May be shared (`s` in the map).
    pub shared: bool,
    /// Offset into the file, in bytes.
    pub offset: FileOff,
    /// The file, zeros for none.
    pub file: FileId,
    /// The name column as the kernel prints it, empty for none.
    pub name: Arc<[u8]>,
}

/// An executable or library.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// The file.
    pub file: FileId,
    /// Its path.
    pub path: Arc<[u8]>,
    /// Its build id, empty if it has none or none is known.
    pub build_id: Arc<[u8]>,
    /// The name it gives itself (`DT_SONAME`), empty if it has none or none is known.
    pub soname: Arc<[u8]>,
    /// Its program headers; empty where they could not be read.
    pub segments: Vec<elf::Segment>,
}

/// A thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Its id.
    pub tid: Tid,
    /// Its name (`comm`).
    pub name: Arc<[u8]>,
    /// Its stack pointer, where it could be read.
    pub stack_pointer: Option<VirtAddr>,
}

/// A range known to have been mapped as a stack (`MAP_STACK`), guard included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackArea {
    /// The range as it was mapped.
    pub range: AddrRange,
    /// The thread that runs on it; `None` for one that is kept for a thread to come.
    pub thread: Option<Tid>,
}

impl Snapshot {
    /// How many bytes of a range the core file holds; `None` if the snapshot is not of a core file.
    pub fn held_within(&self, range: AddrRange) -> Option<u64> {
        Some(bytes_within(self.held.as_ref()?, range))
    }
}

/// How many bytes of a range lie in some ranges, which are ascending and disjoint.
pub(crate) fn bytes_within(ranges: &[AddrRange], range: AddrRange) -> u64 {
    let first = ranges.partition_point(|piece| piece.end <= range.start);
    let inside = ranges[first..].iter().map_while(|piece| piece.intersection(range));
    inside.map(AddrRange::len).sum()
}

impl Mapping {
    /// Tells whether it is private memory of no file.
    pub fn is_private_anonymous(&self) -> bool {
        !self.shared && self.file == FileId::default()
    }
}
