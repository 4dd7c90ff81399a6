//! Advice.

use abi::{Advice, Call};

use super::{Cell, State, table};

table! {
    "madvise" {
        "MADV_NORMAL" Verified "": Call::Madvise { advice: Advice::NORMAL, .. },
        "MADV_RANDOM" Verified "": Call::Madvise { advice: Advice::RANDOM, .. },
        "MADV_SEQUENTIAL" Verified "": Call::Madvise { advice: Advice::SEQUENTIAL, .. },
        "MADV_WILLNEED" Verified "": Call::Madvise { advice: Advice::WILLNEED, .. },
        "MADV_DONTNEED" Verified "": Call::Madvise { advice: Advice::DONTNEED, .. },
        "MADV_DONTNEED_LOCKED" Verified "": Call::Madvise { advice: Advice::DONTNEED_LOCKED, .. },
        "MADV_FREE" Verified "": Call::Madvise { advice: Advice::FREE, .. },
        "MADV_REMOVE" Verified "whether a file system other than tmpfs, ext4, xfs, btrfs has holes is an input":
            Call::Madvise { advice: Advice::REMOVE, .. },
        "MADV_DONTFORK" Verified "": Call::Madvise { advice: Advice::DONTFORK, .. },
        "MADV_DOFORK" Verified "": Call::Madvise { advice: Advice::DOFORK, .. },
        "MADV_MERGEABLE" Verified "": Call::Madvise { advice: Advice::MERGEABLE, .. },
        "MADV_UNMERGEABLE" Verified "": Call::Madvise { advice: Advice::UNMERGEABLE, .. },
        "MADV_HUGEPAGE" Verified "": Call::Madvise { advice: Advice::HUGEPAGE, .. },
        "MADV_NOHUGEPAGE" Verified "": Call::Madvise { advice: Advice::NOHUGEPAGE, .. },
        "MADV_COLLAPSE" Input "which pages are there; refusals by the map are exact":
            Call::Madvise { advice: Advice::COLLAPSE, .. },
        "MADV_DONTDUMP" Verified "": Call::Madvise { advice: Advice::DONTDUMP, .. },
        "MADV_DODUMP" Verified "": Call::Madvise { advice: Advice::DODUMP, .. },
        "MADV_WIPEONFORK" Verified "": Call::Madvise { advice: Advice::WIPEONFORK, .. },
        "MADV_KEEPONFORK" Verified "": Call::Madvise { advice: Advice::KEEPONFORK, .. },
        "MADV_COLD" Verified "": Call::Madvise { advice: Advice::COLD, .. },
        "MADV_PAGEOUT" Verified "": Call::Madvise { advice: Advice::PAGEOUT, .. },
        "MADV_POPULATE_READ" Verified "": Call::Madvise { advice: Advice::POPULATE_READ, .. },
        "MADV_POPULATE_WRITE" Verified "": Call::Madvise { advice: Advice::POPULATE_WRITE, .. },
        "MADV_GUARD_INSTALL" Verified "": Call::Madvise { advice: Advice::GUARD_INSTALL, .. },
        "MADV_GUARD_REMOVE" Verified "": Call::Madvise { advice: Advice::GUARD_REMOVE, .. },
        "MADV_HWPOISON" Refused "a kernel without CONFIG_MEMORY_FAILURE":
            Call::Madvise { advice: Advice::HWPOISON, .. },
        "MADV_SOFT_OFFLINE" Refused "a kernel without CONFIG_MEMORY_FAILURE":
            Call::Madvise { advice: Advice::SOFT_OFFLINE, .. },
        "unknown advice" Verified "": Call::Madvise { advice, .. } if advice.name().is_none(),
    }
    "process_madvise" {
        "the caller itself" Verified "the ranges are an input": Call::ProcessMadvise { .. },
        "another process" Input "its map; nothing of the caller changes": Call::ProcessMadvise { .. },
    }
    "process_mrelease" {
        "the caller itself" Verified "": Call::ProcessMrelease { .. },
        "another process" Input "whether it is dying; it frees pages, no mapping": Call::ProcessMrelease { .. },
    }
}
