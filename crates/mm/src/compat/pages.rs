//! What the twin does behind the mappings, where it keeps pages.

use super::State;

/// One rule of pages, or what there is none for.
#[derive(Clone, Copy, Debug)]
pub struct PageRule {
    /// What it is about.
    pub what: &'static str,
    /// How true the twin is.
    pub state: State,
    /// What more there is to say; where the twin has no rule, what it does instead.
    pub note: &'static str,
}

/// Makes the table: `"what" State "note",`.
macro_rules! rules {
    ($( $what:literal $state:ident $note:literal, )*) => {
        /// Every rule of pages.
        pub const PAGE_RULES: &[PageRule] =
            &[ $( PageRule { what: $what, state: State::$state, note: $note }, )* ];
    };
}

rules! {
    "anonymous memory" Verified "the shared page of zeroes, a frame at the first write, copies of what others hold",
    "fork" Verified "copy-on-write on both sides, reuse of what is held alone, WIPEONFORK, DONTFORK",
    "private mappings of files" Verified "",
    "shared mappings of files" Verified "coherent with read, write, truncate, other mappings; tails; SIGBUS past the end",
    "shared anonymous memory" Verified "",
    "fault-around" Verified "of what the page cache has, in the profile's window",
    "MAP_POPULATE, mlock, MADV_POPULATE_*" Verified "",
    "MADV_DONTNEED, FREE, REMOVE, COLD, guard markers" Verified "",
    "MADV_PAGEOUT" Verified "of pages held once; with swap: exact by reading",
    "MAP_DROPPABLE" Verified "",
    "mremap, mprotect" Verified "entries move; the right to write comes and goes",
    "mincore's vector" Verified "of files that the caller may write",
    "Rss*, and the fields of smaps" Verified "Referenced: between what entries show and what the queues may add",
    "smaps, smaps_rollup and pagemap as bytes" Verified "printed by crates/proc-twin; frames, places in swap and names are inputs",
    "SIGSEGV, SIGBUS with code and address" Verified "",
    "protection keys" Reading "SEGV_PKUERR with the key, by the rights of the thread (AddressSpace::set_key_rights)",
    "the arguments that exec writes to the stack" Reading "their pages are there, from the first stack pointer up; their bytes are the caller's to store",
    "VmPTE" Verified "page tables of four levels",
    "min_flt, maj_flt" Verified "",
    "what is in the page cache of a disk's file" Input "what was read is there; what else is depends on memory",
    "when dirty pages are written" Input "msync, fsync and sync write; the kernel also does when it likes",
    "reclaim, khugepaged, KSM, compaction" Input "nothing goes, moves or is joined by itself",
    "huge pages by fault" Verified "2 MiB by settings, advice and place; split, copied, moved, freed as there",
    "whether free memory has a huge page" Input "System::set_huge_supply; where no rule forbids one",
    "MADV_COLLAPSE of anonymous memory" Verified "",
    "MADV_COLLAPSE of files and shared memory" Input "what comes of it; a recording is resynced there",
    "larger folios of the page cache" NotModelled "each page is mapped by itself",
    "pages of hugetlbfs" NotModelled "they count nowhere and have no bytes: a load or store raises SIGBUS, as with an empty pool",
    "faults of a userfaultfd's range: missing, minor" Verified "Signal::Userfault, or SIGBUS with that feature; answered by UFFDIO_COPY, ZEROPAGE, CONTINUE",
    "UFFDIO_POISON" Verified "a mark at which accesses raise SIGBUS: forked, moved, dropped, overwritten by UFFDIO_COPY and CONTINUE",
    "faults of the kernel's there" Input "the call's own answer; without one, as if it was answered with zeroes. By rule with UFFD_FEATURE_SIGBUS",
    "UFFDIO_WRITEPROTECT" Verified "protected pages and marks of missing ones: forked, moved, dropped, mapped again; the fault, told or SIGBUS",
    "UFFDIO_WRITEPROTECT of huge pages, of swapped ones; UFFD_FEATURE_WP_ASYNC" Reading "",
    "marks of a range registered again without write protection" Reading "",
    "UFFDIO_MOVE" NotModelled "it changes no page",
    "huge pages of shared memory" NotModelled "all are of 4 KiB, as with shmem_enabled at never",
    "large folios of anonymous memory below 2 MiB" Verified "by Profile::large_folios; whether free memory has one is an input",
    "pages of devices, vdso and vvar" NotModelled "zeroes; a recording takes over what is there",
}
