//! The flag arguments of the smaller memory calls.

use crate::bits::bits;

bits! {
    /// `MREMAP_*`.
    RemapFlags: u64 {
        /// The mapping may move.
        MAYMOVE = 1 => "MREMAP_MAYMOVE",
        /// Move exactly to the address given.
        FIXED = 2 => "MREMAP_FIXED",
        /// Leave an empty mapping at the old place.
        DONTUNMAP = 4 => "MREMAP_DONTUNMAP",
    }
}

bits! {
    /// `MS_*` of `msync`.
    MsyncFlags: u64 {
        /// Only schedule the write.
        ASYNC = 1 => "MS_ASYNC",
        /// Fail on locked mappings.
        INVALIDATE = 2 => "MS_INVALIDATE",
        /// Write and wait.
        SYNC = 4 => "MS_SYNC",
    }
}

bits! {
    /// `MLOCK_*` of `mlock2`.
    MlockFlags: u64 {
        /// Lock pages when they are faulted in.
        ONFAULT = 1 => "MLOCK_ONFAULT",
    }
}

bits! {
    /// `MCL_*` of `mlockall`.
    MlockallFlags: u64 {
        /// Lock what is mapped now.
        CURRENT = 1 => "MCL_CURRENT",
        /// Lock what will be mapped.
        FUTURE = 2 => "MCL_FUTURE",
        /// Lock pages when they are faulted in.
        ONFAULT = 4 => "MCL_ONFAULT",
    }
}

bits! {
    /// `SHM_*` of `shmat`.
    ShmFlags: u64 {
        /// Attach for reading only.
        RDONLY = 0o10000 => "SHM_RDONLY",
        /// Round the address down to `SHMLBA`.
        RND = 0o20000 => "SHM_RND",
        /// Replace what is mapped there.
        REMAP = 0o40000 => "SHM_REMAP",
        /// Attach for execution.
        EXEC = 0o100000 => "SHM_EXEC",
    }
}
