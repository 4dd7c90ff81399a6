//! The advice argument of `madvise` and `process_madvise`.

use crate::prctl::numbered;

numbered! {
    /// `MADV_*`.
    Advice {
        /// No advice: undoes RANDOM and SEQUENTIAL.
        NORMAL = 0 => "MADV_NORMAL",
        /// Expect reads in random order.
        RANDOM = 1 => "MADV_RANDOM",
        /// Expect reads in sequence.
        SEQUENTIAL = 2 => "MADV_SEQUENTIAL",
        /// Expect use soon.
        WILLNEED = 3 => "MADV_WILLNEED",
        /// Drop the pages.
        DONTNEED = 4 => "MADV_DONTNEED",
        /// Let the kernel free the pages when it needs memory.
        FREE = 8 => "MADV_FREE",
        /// Punch a hole into the file.
        REMOVE = 9 => "MADV_REMOVE",
        /// Leave the range out of children.
        DONTFORK = 10 => "MADV_DONTFORK",
        /// Undoes DONTFORK.
        DOFORK = 11 => "MADV_DOFORK",
        /// Let the kernel merge equal pages.
        MERGEABLE = 12 => "MADV_MERGEABLE",
        /// Undoes MERGEABLE.
        UNMERGEABLE = 13 => "MADV_UNMERGEABLE",
        /// Prefer huge pages.
        HUGEPAGE = 14 => "MADV_HUGEPAGE",
        /// Avoid huge pages.
        NOHUGEPAGE = 15 => "MADV_NOHUGEPAGE",
        /// Leave the range out of core dumps.
        DONTDUMP = 16 => "MADV_DONTDUMP",
        /// Undoes DONTDUMP.
        DODUMP = 17 => "MADV_DODUMP",
        /// Give children zero pages.
        WIPEONFORK = 18 => "MADV_WIPEONFORK",
        /// Undoes WIPEONFORK.
        KEEPONFORK = 19 => "MADV_KEEPONFORK",
        /// Reclaim these first.
        COLD = 20 => "MADV_COLD",
        /// Reclaim these now.
        PAGEOUT = 21 => "MADV_PAGEOUT",
        /// Fault the pages in for reading.
        POPULATE_READ = 22 => "MADV_POPULATE_READ",
        /// Fault the pages in for writing.
        POPULATE_WRITE = 23 => "MADV_POPULATE_WRITE",
        /// As DONTNEED, also where locked.
        DONTNEED_LOCKED = 24 => "MADV_DONTNEED_LOCKED",
        /// Make huge pages now.
        COLLAPSE = 25 => "MADV_COLLAPSE",
        /// Poison a page (test).
        HWPOISON = 100 => "MADV_HWPOISON",
        /// Take a page offline (test).
        SOFT_OFFLINE = 101 => "MADV_SOFT_OFFLINE",
        /// Make pages fault without splitting the mapping.
        GUARD_INSTALL = 102 => "MADV_GUARD_INSTALL",
        /// Undoes GUARD_INSTALL.
        GUARD_REMOVE = 103 => "MADV_GUARD_REMOVE",
    }
}
