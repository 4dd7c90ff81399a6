//! What was read of a target.

use std::path::PathBuf;

use recording::MmId;
use snapshot::{Malloc, Memory, Snapshot};
use view::MapFacts;

/// A target as it was read.
pub(crate) struct Found {
    /// Its memory.
    pub(crate) snapshot: Snapshot,
    /// The contents of its memory, where they can be read.
    pub(crate) contents: Option<Box<dyn Memory>>,
    /// The threads of a core file with their registers.
    pub(crate) core_threads: Vec<elf::CoreThread>,
    /// What else is known of it.
    pub(crate) facts: MapFacts,
    /// Of a recording: its file and which memory this is.
    pub(crate) recorded: Option<(PathBuf, MmId)>,
}

impl Found {
    /// Reads what glibc's allocator holds, where the contents of memory can be read.
    pub(crate) fn read_heap(&mut self, bytes_max: u64) {
        if let Some(contents) = &self.contents {
            self.snapshot.malloc = Malloc::read(&self.snapshot, contents.as_ref(), bytes_max);
        }
    }
}
