//! What maps calls the files that the kernel makes itself, which nobody can open.

use mm::FileKind;

/// Shared memory.
pub const NAMELESS: &[u8] = b"/dev/zero (deleted)";
/// Memory of huge pages of a pool, shared or private.
pub const NAMELESS_HUGE: &[u8] = b"/anon_hugepage (deleted)";
/// The ring of `io_setup`.
pub const NAMELESS_RING: &[u8] = b"/[aio] (deleted)";

/// Returns the name of such a file, by what it is of.
pub const fn nameless(kind: FileKind) -> &'static [u8] {
    match kind {
        FileKind::Hugetlb | FileKind::HugetlbGib => NAMELESS_HUGE,
        FileKind::AioRing => NAMELESS_RING,
        _ => NAMELESS,
    }
}
