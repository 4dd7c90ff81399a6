//! The sizes that bound every block, so that neither a reader nor a writer ever needs more memory than this.

/// A block of events is ended when it holds this many.
pub(crate) const EVENTS_PER_BLOCK: u32 = 4096;
/// A block of events is ended when its columns hold this many bytes before compression.
pub(crate) const BYTES_PER_BLOCK: usize = 64 << 10;
/// No block holds more bytes than this before compression: one huge checkpoint must fit.
pub(crate) const BLOCK_BYTES_MAX: usize = 64 << 20;
/// Lines of one checkpoint's map: sixteen times the kernel's default limit of mappings.
pub(crate) const MAP_ROWS_MAX: usize = 1 << 20;
/// Runs of one checkpoint's pages: 32 GiB of memory of which every second page is there.
pub(crate) const PAGE_RUNS_MAX: usize = 4 << 20;
/// Full checkpoints a reader keeps, one for each memory; older ones are read again when they are needed.
pub(crate) const BASES_MAX: usize = 64;
