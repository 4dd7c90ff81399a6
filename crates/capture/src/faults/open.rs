//! Opening the events: one pair and one ring for each processor.

use std::fmt;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};

use abi::{Errno, Tid};
use recording::FaultSource;
use sys::perf::{Event, KernelMode, Mappings, Ring, Settings, Start};
use sys::{OsError, OsResult};

use super::governor::SPARSE_PERIOD;

/// Pages of records that a ring has where the user may lock so many, and at least. 128 and the page of positions are
/// the 516 KiB of `kernel.perf_event_mlock_kb`.
const RING_PAGES: usize = 512;
const RING_PAGES_MIN: usize = 8;
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultsWanted {
    /// Frames of a call chain; 0: no call chains.
    pub chain_frames_max: u16,
    /// The kernel's mapping records too.
    pub mapped: Mappings,
    /// What it may cost.
    pub budget: Budget,
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
    dense: Event,
    sparse: Option<Event>,
}

impl Lane {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.dense.as_fd()
    }

    pub(super) const fn ring(&mut self) -> &mut Ring {
        &mut self.ring
    }

    pub(super) const fn ring_bytes(&self) -> usize {
        self.ring.data_bytes()
    }

    pub(super) const fn dense_id(&self) -> u64 {
        self.dense.id()
    }

    pub(super) fn lost(&self) -> u64 {
        let events = std::iter::once(&self.dense).chain(&self.sparse);
        events.filter_map(Event::lost).sum()
    }

    pub(super) fn enable_dense(&self) -> OsResult<()> {
        self.dense.enable()
    }

    pub(super) fn disable_dense(&self) -> OsResult<()> {
        self.dense.disable()
    }

    pub(super) fn enable_sparse(&self) -> OsResult<()> {
        self.sparse.as_ref().map_or(Ok(()), Event::enable)
    }

    pub(super) fn disable_sparse(&self) -> OsResult<()> {
        self.sparse.as_ref().map_or(Ok(()), Event::disable)
    }
}

/// Opens the events of every processor.
pub(super) fn open(
    thread: Tid,
    wanted: FaultsWanted,
    begin: Begin,
) -> Result<(Vec<Lane>, FaultSource, Vec<String>), FaultsDenied> {
    let denied = |error| FaultsDenied { error, paranoid: paranoid() };
    let mut remarks = Vec::new();
    let mut kernel_mode = KernelMode::Included;
    let mut lanes: Vec<Lane> = Vec::new();
    for cpu in crate::machine::online_cpus() {
        let mut lane = open_lane(thread, wanted, begin, kernel_mode, cpu);
        if kernel_mode == KernelMode::Included
            && lane.as_ref().is_err_and(|error| matches!(error.errno, Errno::EACCES | Errno::EPERM))
        {
            kernel_mode = KernelMode::Excluded;
            lane = open_lane(thread, wanted, begin, kernel_mode, cpu);
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
    Ok((lanes, source, remarks))
}

fn user_only_remark() -> String {
    let level =
        paranoid().map_or_else(String::new, |level| format!(" (kernel.perf_event_paranoid is {level})"));
    format!("faults taken in kernel mode, such as read() into a fresh buffer, are not seen{level}")
}

fn paranoid() -> Option<i32> {
    fs::read_to_string(PARANOID).ok()?.trim().parse().ok()
}

fn open_lane(
    thread: Tid,
    wanted: FaultsWanted,
    begin: Begin,
    kernel_mode: KernelMode,
    cpu: u32,
) -> OsResult<Lane> {
    let mut settings = Settings {
        period: match wanted.budget {
            Budget::OneIn(period) => period.max(1).into(),
            Budget::Share | Budget::Unlimited => 1,
        },
        kernel_mode,
        chain_frames_max: wanted.chain_frames_max,
        mappings: wanted.mapped,
        start: match begin {
            Begin::AtExec => Start::AtExec,
            Begin::Now => Start::Now,
        },
        wakeup_bytes: (RING_PAGES_MIN * abi::PAGE_SIZE as usize / 2) as u32,
    };
    let mut pages = RING_PAGES;
    let (dense, ring) = loop {
        // Half the ring wakes the reader, so the event must know the ring's size before it has it.
        settings.wakeup_bytes = (pages * abi::PAGE_SIZE as usize / 2) as u32;
        let event = Event::open(settings, thread, cpu)?;
        match Ring::map(&event, pages) {
            Ok(ring) => break (event, ring),
            Err(_) if pages > RING_PAGES_MIN => pages /= 2,
            Err(error) => return Err(error),
        }
    };
    let sparse = match wanted.budget {
        Budget::Unlimited | Budget::OneIn(_) => None,
        Budget::Share => {
            let settings = Settings { period: SPARSE_PERIOD.into(), start: Start::WhenEnabled, ..settings };
            let event = Event::open(settings, thread, cpu)?;
            event.output_to(&dense)?;
            Some(event)
        }
    };
    Ok(Lane { ring, dense, sparse })
}
