//! What a machine and a user let vmatlas see, what is lost without each part, and what to change.

use serde::Serialize;

/// A part of what the kernel may let vmatlas see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Facility {
    /// Following another process (`ptrace`).
    Tracing,
    /// Stopping only at memory calls (a seccomp filter).
    Filter,
    /// Hearing of a call with one wake-up (seccomp user notification).
    Notification,
    /// Page faults (`perf_event_open`).
    Faults,
    /// Room for them.
    FaultRings,
    /// Pages read as runs (`PAGEMAP_SCAN`).
    PageScan,
    /// One mapping asked for by its address (`PROCMAP_QUERY`).
    MapQuery,
    /// The frame behind a page.
    Frames,
    /// Which pages were written (soft-dirty bits).
    SoftDirty,
    /// Names of anonymous memory.
    AnonymousNames,
    /// Transparent huge pages.
    HugePages,
    /// The very file that is mapped, also when it was deleted.
    DeletedFiles,
    /// Files with the names of functions.
    DebugFiles,
}

/// How much of a part there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// All of it.
    Whole,
    /// A part of it.
    Partly,
    /// Nothing.
    Missing,
}

/// What the machine and the user let vmatlas see.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Doctor {
    /// The kernel's version.
    pub kernel: String,
    /// The architecture.
    pub arch: String,
    /// The user's number.
    pub uid: u32,
    /// Whether programs can be recorded at all.
    pub can_record: bool,
    /// Each part, tried.
    pub checks: Vec<Check>,
}

/// A part that was tried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Check {
    /// Which.
    pub facility: Facility,
    /// What it is, in words.
    pub title: String,
    /// How much of it there is.
    pub availability: Availability,
    /// What came of trying it.
    pub found: String,
    /// What can't be seen without it; `None` where all of it is there.
    pub lost: Option<String>,
    /// What would have to change; `None` where all of it is there.
    pub change: Option<String>,
}

impl Check {
    /// A part of which so much is there.
    pub fn new(facility: Facility, availability: Availability, found: impl Into<String>) -> Self {
        let advice = match availability {
            Availability::Whole => None,
            Availability::Partly => Some(facility.partly().unwrap_or_else(|| facility.missing())),
            Availability::Missing => Some(facility.missing()),
        };
        Self {
            facility,
            title: facility.title().to_owned(),
            availability,
            found: found.into(),
            lost: advice.map(|(lost, _)| lost.to_owned()),
            change: advice.map(|(_, change)| change.to_owned()),
        }
    }
}

impl Doctor {
    /// Puts the parts together.
    pub fn new(kernel: String, arch: String, uid: u32, checks: Vec<Check>) -> Self {
        let there = |facility| {
            let check = checks.iter().find(|check| check.facility == facility);
            check.is_some_and(|check| check.availability != Availability::Missing)
        };
        let can_record = there(Facility::Tracing) && there(Facility::Filter);
        Self { kernel, arch, uid, can_record, checks }
    }
}

impl Facility {
    /// What it is.
    const fn title(self) -> &'static str {
        match self {
            Self::Tracing => "following a program (ptrace)",
            Self::Filter => "stopping at memory calls only (seccomp)",
            Self::Notification => "hearing of a call cheaply (seccomp user notification)",
            Self::Faults => "page faults (perf_event_open)",
            Self::FaultRings => "room for page faults",
            Self::PageScan => "pages as runs (PAGEMAP_SCAN)",
            Self::MapQuery => "one mapping by its address (PROCMAP_QUERY)",
            Self::Frames => "the frame behind a page",
            Self::SoftDirty => "which pages were written (soft-dirty)",
            Self::AnonymousNames => "names of anonymous memory",
            Self::HugePages => "transparent huge pages",
            Self::DeletedFiles => "files that were deleted or replaced",
            Self::DebugFiles => "names of functions (debug files)",
        }
    }

    /// What is lost where it is missing, and what to change.
    const fn missing(self) -> (&'static str, &'static str) {
        match self {
            Self::Tracing => (
                "nothing can be recorded; processes can still be looked at (map, explain, diff)",
                "sysctl kernel.yama.ptrace_scope=1 (after 3: at the next start of the machine); in a container: add the \
                 capability SYS_PTRACE",
            ),
            Self::Filter => (
                "nothing can be recorded: without a filter each call of every kind would stop the program",
                "a kernel with CONFIG_SECCOMP_FILTER; in a container: a profile that allows seccomp()",
            ),
            Self::Notification => (
                "each memory call costs two stops: recording slows programs down more",
                "Linux 5.19 or later, and no listener of a container around this shell",
            ),
            Self::Faults => (
                "who touched a page, and when; which pages are there is still read at checkpoints",
                "sysctl kernel.perf_event_paranoid=2, or the capability PERFMON",
            ),
            Self::FaultRings => (
                "page faults, for want of memory to hold them",
                "sysctl kernel.perf_event_mlock_kb=516, or a higher ulimit -l",
            ),
            Self::PageScan => (
                "pages are read one word each, which takes longer; huge pages and the shared page of zeros look like \
                 any other; memory with more than 64 GiB mapped has no pages at checkpoints",
                "Linux 6.7 or later",
            ),
            Self::MapQuery => {
                ("the whole map is read to confirm what a call answered", "Linux 6.11 or later")
            }
            Self::Frames => {
                ("which processes share a frame; recordings do not need it", "the capability SYS_ADMIN")
            }
            Self::SoftDirty => (
                "pages that were written can't be told from pages that were read",
                "a kernel built with CONFIG_MEM_SOFT_DIRTY",
            ),
            Self::AnonymousNames => (
                "allocators can't name their memory: what it is for is inferred from size and shape",
                "a kernel built with CONFIG_ANON_VMA_NAME",
            ),
            Self::HugePages => (
                "programs here have no huge pages, so recordings show none",
                "/sys/kernel/mm/transparent_hugepage/enabled, if you want them",
            ),
            Self::DeletedFiles => (
                "the build id of an executable that was deleted or replaced while it ran",
                "the capability CHECKPOINT_RESTORE or SYS_ADMIN",
            ),
            Self::DebugFiles => (
                "call chains through the system's libraries show the functions these export, and no others",
                "install debug files under /usr/lib/debug (Debian: libc6-dbg)",
            ),
        }
    }

    /// The same where a part of it is there.
    const fn partly(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Faults => Some((
                "faults that the kernel takes for the program, such as read() into a fresh buffer: their pages are \
                 seen at checkpoints only",
                "sysctl kernel.perf_event_paranoid=1, or the capability PERFMON",
            )),
            Self::FaultRings => Some((
                "some faults of a burst may find no room; how many is counted and shown",
                "sysctl kernel.perf_event_mlock_kb=2052, or a higher ulimit -l",
            )),
            _ => None,
        }
    }
}
