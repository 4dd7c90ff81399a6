//! Accesses to memory, and what one that is refused raises.

/// A memory access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Exec,
}

/// What an allowed access did to the map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    /// Nothing but, perhaps, a page.
    Present,
    /// A stack grew down to the page of the access.
    Grew,
}

/// The signal that a refused access raises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// `SIGSEGV`, `SEGV_MAPERR`: nothing is mapped there.
    SegvMapErr,
    /// `SIGSEGV`, `SEGV_ACCERR`: the protection does not allow it.
    SegvAccErr,
    /// `SIGSEGV`, `SEGV_PKUERR`: the thread's rights to the mapping's protection key do not allow it (`si_pkey`).
    SegvPkuErr {
        /// The key.
        key: u8,
    },
    /// `SIGBUS`, `BUS_ADRERR`: past the end of the file.
    BusAdrErr,
    /// `SIGBUS`, `BUS_ADRERR`: the page is marked as broken (`UFFDIO_POISON`). Kernels built with `CONFIG_MEMORY_FAILURE`,
    /// which is off in this profile, say `BUS_MCEERR_AR`.
    BusBroken,
    /// None: the access waits until a userfaultfd is answered. Whoever embeds the twin answers it (`UFFDIO_COPY` and the like)
    /// and does the access again.
    Userfault {
        /// Which userfaultfd.
        id: u64,
        /// Why.
        reason: UserfaultReason,
        /// What was tried.
        access: Access,
    },
}

/// Why a userfaultfd is told of a fault. Linux: `UFFD_PAGEFAULT_FLAG_*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserfaultReason {
    /// The page is missing.
    Missing,
    /// The file has the page, but it is not mapped (`UFFD_PAGEFAULT_FLAG_MINOR`).
    Minor,
    /// The page is there, but write-protected (`UFFD_PAGEFAULT_FLAG_WP`).
    WriteProtected,
}

impl Signal {
    /// Returns the signal's number; 0: none is raised.
    pub const fn number(self) -> i32 {
        match self {
            Self::Userfault { .. } => 0,
            Self::SegvMapErr | Self::SegvAccErr | Self::SegvPkuErr { .. } => 11,
            Self::BusAdrErr | Self::BusBroken => 7,
        }
    }

    /// Returns its `si_code`.
    pub const fn code(self) -> i32 {
        match self {
            Self::Userfault { .. } => 0,
            Self::SegvMapErr => 1,
            Self::SegvAccErr | Self::BusAdrErr | Self::BusBroken => 2,
            Self::SegvPkuErr { .. } => 4,
        }
    }
}
