//! The header: the facts that make a recording understood on another machine, on another day.

use abi::{Pid, Resource, Rlimit};

use crate::event::Bytes;

/// The facts about machine, run and recorder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The version of the vmatlas that recorded.
    pub vmatlas: String,
    /// The machine.
    pub machine: Machine,
    /// The run.
    pub run: Run,
    /// What the recorder could see.
    pub sources: Sources,
}

/// The machine as it was when the recording began.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub arch: String,
    /// The base page size in bytes.
    pub page_bytes: u64,
    /// Memory in bytes (`MemTotal`).
    pub memory_bytes: u64,
    /// Swap in bytes (`SwapTotal`).
    pub swap_bytes: u64,
    /// Processors online.
    pub cpus: u32,
    /// The gap kept below a stack, in pages (`stack_guard_gap=`, 256 unless it was set at boot).
    pub stack_guard_gap_pages: u64,
    /// Sysctls that matter to memory: name (`vm.max_map_count`) and value as read.
    pub sysctls: Vec<(String, String)>,
    /// Settings of transparent huge pages: the file's name under `/sys/kernel/mm/transparent_hugepage` and
    /// its text.
    pub thp: Vec<(String, String)>,
    /// Other facts by name, such as kernel options (`config.ANON_VMA_NAME`: `y`) and huge page pools.
    pub facts: Vec<(String, String)>,
}

/// The run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Run {
    /// When it began, in nanoseconds since 1970 (`CLOCK_REALTIME`).
    pub start_unix_ns: u64,
    /// The same moment in nanoseconds of `CLOCK_MONOTONIC`: the zero of all events' times.
    pub start_monotonic_ns: u64,
    /// The first process.
    pub pid: Pid,
    /// The command line, `None` if it is left out.
    pub command: Option<Vec<Bytes>>,
    /// The working directory, `None` if it is left out.
    pub directory: Option<Bytes>,
    /// The user.
    pub uid: u32,
    /// The user's group.
    pub gid: u32,
    /// Effective capabilities, as in `CapEff`.
    pub capabilities: u64,
    /// The limits in force.
    pub limits: Vec<(Resource, Rlimit)>,
    /// What the first process inherits that steers its memory, by the name of the `prctl` that tells it; since 1.3.
    pub settings: Vec<(String, String)>,
}

/// What the recorder could see, and why it could not see more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources {
    /// How memory calls were seen.
    pub calls: CallSource,
    /// How faults were seen.
    pub faults: FaultSource,
    /// Whether the kernel's own mapping records were had ([`crate::MappedEvent`]).
    pub mapped: bool,
    /// How pages were read at checkpoints.
    pub pages: PageSource,
    /// Call chains with events.
    pub stacks: bool,
    /// Plain remarks on what was not permitted and why, one a line.
    pub remarks: Vec<String>,
}

/// How memory calls were seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallSource {
    /// At entry only (seccomp user notification): results are predicted, later confirmed.
    Notify,
    /// At entry and at exit (two ptrace stops): results are seen.
    TwoStops,
}

/// How faults were seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultSource {
    /// Every fault, or one in so many where [`crate::Body::FaultPeriod`] says so; user and kernel mode.
    All,
    /// The same, faults in user mode only.
    UserOnly,
    /// None.
    Off,
}

/// How pages were read at checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageSource {
    /// `PAGEMAP_SCAN`.
    Scan,
    /// `/proc/PID/pagemap`.
    Pagemap,
    /// Not at all.
    Off,
}

/// A header of a machine that never was: for examples and tests.
pub fn example_header() -> Header {
    let text = str::to_owned;
    Header {
        vmatlas: text("0.1.0"),
        machine: Machine {
            kernel: text("6.18.44"),
            arch: text("x86_64"),
            page_bytes: abi::PAGE_SIZE,
            memory_bytes: 8 << 30,
            swap_bytes: 0,
            cpus: 2,
            stack_guard_gap_pages: 256,
            sysctls: vec![(text("vm.max_map_count"), text("65530"))],
            thp: vec![(text("enabled"), text("always [madvise] never"))],
            facts: vec![(text("config.ANON_VMA_NAME"), text("n"))],
        },
        run: Run {
            start_unix_ns: 1_700_000_000_000_000_000,
            start_monotonic_ns: 1_000_000,
            pid: Pid(4242),
            command: Some(vec![Bytes::from(b"true".as_slice())]),
            directory: None,
            uid: 1000,
            gid: 1000,
            capabilities: 0,
            limits: vec![(Resource::STACK, Rlimit { soft: 8 << 20, hard: Rlimit::INFINITY })],
            settings: vec![(text("PR_GET_MDWE"), text("1"))],
        },
        sources: Sources {
            calls: CallSource::Notify,
            faults: FaultSource::All,
            mapped: true,
            pages: PageSource::Scan,
            stacks: false,
            remarks: Vec::new(),
        },
    }
}
