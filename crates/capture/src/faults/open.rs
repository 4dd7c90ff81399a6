//! Opening the events: one pair and one ring for each processor.

use std::fmt;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use abi::{Errno, Tid};
use recording::FaultSource;
use sys::perf::{Event, FaultTracepoints, KernelMode, Mappings, Ring, Settings, Start};
use sys::{OsError, OsResult};

use super::governor::{self, DEEP_PERIOD, Density, SPARSE_PERIOD, THIN_PERIOD};

/// Pages of records that a ring has where the user may lock so many, and at least; all rings together have so many at
/// most, but each those of `RING_PAGES`. 128 and the page of positions are the 516 KiB of `kernel.perf_event_mlock_kb`.
const RING_PAGES: usize = 512;
const RING_PAGES_MAX: usize = 2048;
const ALL_RINGS_PAGES_MAX: usize = 16 << 10;
const RING_PAGES_MIN: usize = 8;
const WAKEUP_BYTES_MAX: usize = 256 << 10;
/// Stack copied at each fault: of those that are to be joined to a whole stack; by the size of the ring; where only one in
/// many is recorded; and of one in many where stacks are deep.
pub(crate) const STACK_BYTES_BRIEF: u64 = 1 << 10;
const STACKS_IN_RING: u64 = 1024;
const STACK_BYTES_MIN: u64 = 1 << 10;
pub(crate) const STACK_BYTES_MAX: u64 = 4 << 10;
const STACK_BYTES_SPARSE: u64 = 16 << 10;
const STACK_BYTES_DEEP: u64 = 32 << 10;
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultsWanted {
    /// Frames of a call chain; 0: no call chains.
    pub chain_frames_max: u16,
    /// Whether registers and a piece of the stack are copied at each.
    pub stacks: FaultStacks,
    /// The kernel's mapping records too.
    pub mapped: Mappings,
    /// What it may cost.
    pub budget: Budget,
    /// How memory was accessed.
    pub access: AccessWanted,
}

impl FaultsWanted {
    /// Whether stacks may be taken of a part of the faults only.
    pub(super) fn may_be_thin(self) -> bool {
        self.stacks == FaultStacks::Copied && self.budget == Budget::Share
    }
}

/// Whether faults are to tell how memory was accessed: that needs `CAP_PERFMON` and tracefs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessWanted {
    /// They are, where that is possible.
    Yes,
    /// They are not.
    No,
}

/// What recording faults may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Budget {
    /// A small share of the program's time; beyond, one fault in so many is recorded.
    Share,
    /// Every fault, whatever it costs.
    Unlimited,
    /// One fault in so many.
    OneIn(u32),
}

/// Whether a fault's registers and a piece of its stack are copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultStacks {
    /// They are.
    Copied,
    /// They are not.
    NotCopied,
}

/// When watching begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// At the thread's next exec.
    AtExec,
    /// At once.
    Now,
}

/// Why faults can't be seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultsDenied {
    /// What the kernel said.
    pub error: OsError,
    /// The level of paranoia, where it was readable.
    pub paranoid: Option<i32>,
}

impl fmt::Display for FaultsDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error, paranoid } = self;
        match (error.errno, paranoid) {
            (Errno::EACCES | Errno::EPERM, Some(level)) if *level > 2 => write!(
                f,
                "page faults are not seen: kernel.perf_event_paranoid is {level} (set it to 2, or run with CAP_PERFMON)"
            ),
            (Errno::ENOSYS | Errno::ENOENT, _) => {
                f.write_str("page faults are not seen: this kernel has no perf events")
            }
            (Errno::EMFILE | Errno::ENFILE, _) => {
                f.write_str("page faults are not seen: too few file descriptors (ulimit -n)")
            }
            (Errno::EPERM, _) if error.call.starts_with("mmap") => {
                f.write_str("page faults are not seen: no ring may be locked (kernel.perf_event_mlock_kb)")
            }
            _ => write!(f, "page faults are not seen: {error}"),
        }
    }
}

impl std::error::Error for FaultsDenied {}

/// The events and the ring of one processor.
#[derive(Debug)]
pub(super) struct Lane {
    ring: Ring,
    /// Each with what it tells, the first owns the ring.
    events: Vec<(Part, Event)>,
}

/// What an event tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// Every fault, with a piece of its stack.
    Stacks,
    /// Every fault, with the top of its stack.
    Every,
    /// Every fault, and nothing of its stack.
    Bare,
    /// One fault in [`THIN_PERIOD`], with a large piece of its stack.
    Thin,
    /// One fault in [`SPARSE_PERIOD`].
    Sparse,
    /// One fault in [`DEEP_PERIOD`], with a very large piece of its stack.
    Deep,
}

impl Density {
    /// What is told: where it is two things, a fault may be told twice, in records that follow one another.
    pub(super) const fn parts(self) -> &'static [Part] {
        match self {
            Self::Stacks => &[Part::Stacks],
            Self::Deep => &[Part::Every, Part::Deep],
            Self::Every => &[Part::Every],
            Self::Thin => &[Part::Bare, Part::Thin],
            Self::Sparse => &[Part::Sparse],
        }
    }
}

impl Lane {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.events[0].1.as_fd()
    }

    pub(super) const fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    pub(super) const fn ring_bytes(&self) -> usize {
        self.ring.data_bytes()
    }

    /// Whether the ring is too small for large pieces of stacks at each fault.
    const fn is_small(&self) -> bool {
        (self.ring_bytes() as u64) / STACKS_IN_RING < STACK_BYTES_MAX
    }

    /// The numbers of the events for a density: for each part of it one, or one for each mode.
    pub(super) fn ids(&self, of: Density) -> [Option<u64>; 4] {
        let mut ids = self.events_of(of.parts()).map(Event::id);
        std::array::from_fn(|_| ids.next())
    }

    /// The numbers of the events that tell nothing of stacks.
    pub(super) fn bare_ids(&self) -> [Option<u64>; 2] {
        let mut ids = self.events_of(&[Part::Bare]).map(Event::id);
        std::array::from_fn(|_| ids.next())
    }

    pub(super) fn lost(&self) -> u64 {
        self.events.iter().filter_map(|(_, event)| event.lost()).sum()
    }

    pub(super) fn enable(&self, of: Density) -> OsResult<()> {
        self.events_of(of.parts()).try_for_each(Event::enable)
    }

    /// Switches off what is told of one density and not of the other.
    pub(super) fn disable(&self, of: Density, but_of: Density) -> OsResult<()> {
        let off: Vec<Part> =
            of.parts().iter().copied().filter(|part| !but_of.parts().contains(part)).collect();
        self.events_of(&off).try_for_each(Event::disable)
    }

    fn events_of(&self, parts: &[Part]) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |(part, _)| parts.contains(part)).map(|(_, event)| event)
    }
}

/// What was opened.
pub(super) struct Opened {
    pub(super) lanes: Vec<Lane>,
    pub(super) source: FaultSource,
    pub(super) remarks: Vec<String>,
    pub(super) start: governor::Start,
}

/// Closes the events of all processors, without waiting for it: the last one of each tracepoint takes long.
pub(super) fn close(lanes: Vec<Lane>) {
    let mut last: Vec<Event> = Vec::new();
    for Lane { ring, events } in lanes {
        drop(ring);
        for (_, event) in events {
            let tracepoint = event.settings().tracepoint;
            if tracepoint.is_some() && !last.iter().any(|one| one.settings().tracepoint == tracepoint) {
                last.push(event);
            }
        }
    }
    sys::left::close_behind(last.into_iter().map(OwnedFd::from).collect());
}

/// Opens the events of every processor. Where a ring is too small for a start with large pieces of stacks, all begin anew
/// without.
pub(super) fn open(thread: Tid, wanted: FaultsWanted, begin: Begin) -> Result<Opened, FaultsDenied> {
    let opened = open_all(thread, wanted, begin, governor::Start::Dense)?;
    if !wanted.may_be_thin() || !opened.lanes.iter().any(Lane::is_small) {
        return Ok(opened);
    }
    close(opened.lanes);
    open_all(thread, wanted, begin, governor::Start::Thin)
}

fn open_all(
    thread: Tid,
    wanted: FaultsWanted,
    begin: Begin,
    start: governor::Start,
) -> Result<Opened, FaultsDenied> {
    let denied = |error| FaultsDenied { error, paranoid: paranoid() };
    let mut remarks = Vec::new();
    let mut kernel_mode = KernelMode::Included;
    let mut lanes: Vec<Lane> = Vec::new();
    let cpus = crate::machine::online_cpus();
    let ring_pages = (ALL_RINGS_PAGES_MAX / cpus.len().max(1)).clamp(RING_PAGES, RING_PAGES_MAX);
    // Rings are powers of two.
    let ring_pages = 1 << ring_pages.ilog2();
    if wanted.access == AccessWanted::Yes
        && let Ok(points) = FaultTracepoints::find()
        && let Ok(lanes) = cpus
            .iter()
            .map(|cpu| open_lane(thread, wanted, (begin, start), Seen::Traced(points), *cpu, ring_pages))
            .collect()
    {
        return Ok(Opened { lanes, source: FaultSource::All, remarks, start });
    }
    for cpu in cpus {
        let mut lane = open_lane(thread, wanted, (begin, start), Seen::Counted(kernel_mode), cpu, ring_pages);
        if kernel_mode == KernelMode::Included
            && lane.as_ref().is_err_and(|error| matches!(error.errno, Errno::EACCES | Errno::EPERM))
        {
            kernel_mode = KernelMode::Excluded;
            lane = open_lane(thread, wanted, (begin, start), Seen::Counted(kernel_mode), cpu, ring_pages);
        }
        match lane {
            Ok(lane) => lanes.push(lane),
            // A processor that was switched off in between.
            Err(error) if error.errno == Errno::ENODEV => {}
            Err(error) => return Err(denied(error)),
        }
    }
    if lanes.is_empty() {
        return Err(denied(OsError { call: "perf_event_open", errno: Errno::ENODEV }));
    }
    let source = match kernel_mode {
        KernelMode::Included => FaultSource::All,
        KernelMode::Excluded => {
            remarks.push(user_only_remark());
            FaultSource::UserOnly
        }
    };
    Ok(Opened { lanes, source, remarks, start })
}

fn user_only_remark() -> String {
    let level =
        paranoid().map_or_else(String::new, |level| format!(" (kernel.perf_event_paranoid is {level})"));
    format!("faults taken in kernel mode, such as read() into a fresh buffer, are not seen{level}")
}

fn paranoid() -> Option<i32> {
    fs::read_to_string(PARANOID).ok()?.trim().parse().ok()
}

/// How faults are seen.
#[derive(Clone, Copy)]
enum Seen {
    /// By the software event.
    Counted(KernelMode),
    /// By a tracepoint for each mode.
    Traced(FaultTracepoints),
}

/// What is opened: the first is on at the start, and so is the next where a start is thin.
fn parts(wanted: FaultsWanted, start: governor::Start) -> (Part, &'static [Part]) {
    match (wanted.budget, wanted.stacks) {
        (Budget::Share, FaultStacks::Copied) => match start {
            governor::Start::Dense => {
                (Part::Stacks, &[Part::Every, Part::Bare, Part::Thin, Part::Sparse, Part::Deep])
            }
            governor::Start::Thin => {
                (Part::Bare, &[Part::Thin, Part::Every, Part::Stacks, Part::Sparse, Part::Deep])
            }
        },
        (Budget::Share, FaultStacks::NotCopied) => (Part::Every, &[Part::Sparse]),
        (Budget::Unlimited, FaultStacks::Copied) => (Part::Stacks, &[Part::Every, Part::Deep]),
        (Budget::OneIn(_), FaultStacks::Copied) => (Part::Stacks, &[Part::Every]),
        (Budget::Unlimited | Budget::OneIn(_), FaultStacks::NotCopied) => (Part::Every, &[]),
    }
}

fn open_lane(
    thread: Tid,
    wanted: FaultsWanted,
    (begin, start): (Begin, governor::Start),
    seen: Seen,
    cpu: u32,
    ring_pages: usize,
) -> OsResult<Lane> {
    let (first, others) = parts(wanted, start);
    let (kernel_mode, tracepoint) = match seen {
        Seen::Counted(kernel_mode) => (kernel_mode, None),
        Seen::Traced(points) => (KernelMode::Included, Some(points.user)),
    };
    let mut settings = Settings {
        period: 1,
        kernel_mode,
        chain_frames_max: wanted.chain_frames_max,
        stack_bytes: 0,
        mappings: wanted.mapped,
        start: match begin {
            Begin::AtExec => Start::AtExec,
            Begin::Now => Start::Now,
        },
        wakeup_bytes: 0,
        tracepoint,
    };
    if let Budget::OneIn(period) = wanted.budget {
        settings.period = period.max(1).into();
    }
    let mut pages = ring_pages;
    let (event, mut ring) = loop {
        // A quarter of the ring wakes the reader, so the event must know the ring's size before it has it; or so much that
        // what comes of it is known soon.
        settings.wakeup_bytes = (pages * abi::PAGE_SIZE as usize / 4).min(WAKEUP_BYTES_MAX) as u32;
        settings.stack_bytes = stack_bytes(first, pages, settings.period);
        let event = Event::open(settings, thread, cpu)?;
        match Ring::map(&event, pages) {
            Ok(ring) => break (event, ring),
            Err(_) if pages > RING_PAGES_MIN => pages /= 2,
            Err(error) => return Err(error),
        }
    };
    let mut events = vec![(first, event)];
    for part in others {
        let period = match part {
            Part::Thin => THIN_PERIOD.into(),
            Part::Sparse => SPARSE_PERIOD.into(),
            Part::Deep => DEEP_PERIOD.into(),
            Part::Stacks | Part::Every | Part::Bare => settings.period,
        };
        let stack_bytes = match wanted.stacks {
            FaultStacks::Copied => stack_bytes(*part, pages, period),
            FaultStacks::NotCopied => 0,
        };
        let is_on = start.density().parts().contains(part);
        let start = if is_on { settings.start } else { Start::WhenEnabled };
        // What is on beside it tells of mappings.
        let mappings = if *part == Part::Thin { Mappings::NotTold } else { settings.mappings };
        let event = Event::open(Settings { period, stack_bytes, start, mappings, ..settings }, thread, cpu)?;
        ring.take_in(&event, &events[0].1)?;
        events.push((*part, event));
    }
    if let Seen::Traced(points) = seen {
        add_kernel_mode(&mut events, &mut ring, points, thread, cpu)?;
    }
    Ok(Lane { ring, events })
}

/// A tracepoint of its own tells faults in kernel mode: one beside each event.
fn add_kernel_mode(
    events: &mut Vec<(Part, Event)>,
    ring: &mut Ring,
    points: FaultTracepoints,
    thread: Tid,
    cpu: u32,
) -> OsResult<()> {
    for at in 0..events.len() {
        let (part, of_user) = &events[at];
        let settings =
            Settings { tracepoint: Some(points.kernel), mappings: Mappings::NotTold, ..of_user.settings() };
        let (part, event) = (*part, Event::open(settings, thread, cpu)?);
        ring.take_in(&event, &events[0].1)?;
        events.push((part, event));
    }
    Ok(())
}

/// How much of its stack a fault's record carries: so little that a ring holds hundreds of records, and more where only
/// one fault in many makes one.
fn stack_bytes(part: Part, ring_pages: usize, period: u64) -> u32 {
    let ring_bytes = ring_pages as u64 * abi::PAGE_SIZE;
    let bytes = match part {
        Part::Every => STACK_BYTES_BRIEF,
        // One ring has records of one form: the least that is a piece.
        Part::Bare => size_of::<u64>() as u64,
        Part::Stacks if period < SPARSE_PERIOD.into() => {
            (ring_bytes / STACKS_IN_RING).clamp(STACK_BYTES_MIN, STACK_BYTES_MAX)
        }
        Part::Stacks | Part::Sparse => (ring_bytes / 64).min(STACK_BYTES_SPARSE),
        Part::Thin | Part::Deep => (ring_bytes / 32).min(STACK_BYTES_DEEP),
    };
    bytes as u32
}
