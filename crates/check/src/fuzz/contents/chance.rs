//! What chance did to a program: free memory had no huge page, khugepaged joined some, reclaim or compaction looked at them,
//! which the kernel's own counters tell; DAMON looked, a page was written back, which only a repetition tells.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use abi::{AddrRange, Advice, Call, Fd};

use super::world::WIDE;
use crate::fuzz::divergence::{Divergence, What};
use crate::fuzz::line::{Act, Line};

/// The counters of the kernel's events that have a say: faults that every rule allowed a huge page and that got none; pages
/// that were looked at, and perhaps marked as accessed, because memory or large pieces of it were short.
const EVENTS: [&str; 5] =
    ["thp_fault_fallback", "pgscan_kswapd", "pgscan_direct", "pgrefill", "compact_migrate_scanned"];

/// How long khugepaged is given to come to its sleep.
const KHUGEPAGED_MAX: Duration = Duration::from_secs(2);

/// How often chance had its way: a program that differs while one of these grew proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Chance {
    events: [u64; EVENTS.len()],
    /// Huge pages that khugepaged made (`pages_collapsed`).
    joined: u64,
}

impl Chance {
    /// Reads the counters, for programs that are about huge pages.
    pub(super) fn now(window: AddrRange) -> Self {
        if window != WIDE {
            return Self::default();
        }
        let events = fs::read_to_string("/proc/vmstat").unwrap_or_default();
        let joined = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed");
        let mut lines = events.lines().filter_map(|line| line.split_once(' ')).collect::<Vec<_>>();
        lines.retain(|(name, _)| EVENTS.contains(name));
        let of = |name: &str| lines.iter().find(|(of, _)| *of == name).map_or(0, |(_, text)| number(text));
        Self { events: EVENTS.map(of), joined: number(&joined.unwrap_or_default()) }
    }

    /// Tells whether chance had its way in a program that began with these counters.
    pub(super) fn had_its_way(self, window: AddrRange) -> bool {
        if window == WIDE {
            await_khugepaged();
        }
        Self::now(window) != self
    }
}

/// Waits until khugepaged sleeps: it counts a huge page only after others see it, and it is of the lowest priority, so that
/// they may have seen it long before (`mm/khugepaged.c: khugepaged_scan_mm_slot`).
fn await_khugepaged() {
    static STAT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let Some(stat) = STAT.get_or_init(|| Some(kernel_thread(b"khugepaged")?.join("stat"))) else { return };
    let sleeps = || {
        let stat = fs::read(stat).unwrap_or_default();
        proc_text::stat(&stat).map_or(true, |stat| stat.state == b'S')
    };
    let since = Instant::now();
    while !sleeps() && since.elapsed() < KHUGEPAGED_MAX {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the kernel samples which pages are accessed (DAMON): it takes the mark from an entry of a page table and gives it
/// to the folio, which shows it on all pages that it has then and that are split from it later.
///
/// Linux: `mm/damon/ops-common.c: damon_ptep_mkold`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sampled {
    /// At any time.
    Chance,
    /// Never.
    Never,
}

impl Sampled {
    /// Looks for the kernel's thread that does it. In programs about huge pages its marks are seen at any time; in others
    /// only now and then, which [`looks_sampled`] leaves to repetitions.
    pub(super) fn now(window: AddrRange) -> Self {
        if window == WIDE && samples() { Self::Chance } else { Self::Never }
    }
}

fn samples() -> bool {
    static SAMPLES: OnceLock<bool> = OnceLock::new();
    *SAMPLES.get_or_init(|| kernel_thread(b"kdamond").is_some())
}

/// The directory of a thread of the kernel whose name begins so.
fn kernel_thread(name: &[u8]) -> Option<PathBuf> {
    let all = fs::read_dir("/proc").ok()?;
    let paths = all.flatten().map(|entry| entry.path());
    paths.into_iter().find(|path| fs::read(path.join("comm")).is_ok_and(|comm| comm.starts_with(name)))
}

/// Tells whether a divergence is such as sampling makes: a sampler runs, more is told as referenced, and nothing else is
/// different. One that a rule makes comes each time that the program is run.
pub(super) fn looks_sampled(divergence: &Divergence) -> bool {
    let is_referenced = |line: &str| line.starts_with("Referenced:");
    let lines = |text: &str| text.split("; ").skip(1).all(is_referenced);
    divergence.what == What::Usage && lines(&divergence.twin) && lines(&divergence.kernel) && samples()
}

/// Tells whether a divergence is such as writeback makes: what is in pages differs in a program that maps a file of a disk.
/// What is stored behind the end of such a file is zeroed when its last page is written back, which may be at any time
/// (`fs/ext4/page-io.c: ext4_bio_write_folio`). One that a rule makes comes each time.
pub(super) fn looks_written_back(divergence: &Divergence, is_of_disk: impl Fn(Fd) -> bool) -> bool {
    let maps_disk = |line: &Line| matches!(line.act, Act::Call(Call::Mmap { fd, .. }) if is_of_disk(fd));
    let loaded = |text: &str| text.starts_with("Loaded");
    let of_pages = match divergence.what {
        What::Contents => true,
        What::Answer => loaded(&divergence.twin) && loaded(&divergence.kernel),
        _ => false,
    };
    of_pages && divergence.lines.iter().any(maps_disk)
}

/// Tells whether a divergence is such as one page makes that somebody held at that moment: the kernel says that joining pages may
/// succeed if it is tried again (`mm/khugepaged.c: madvise_collapse_errno`). One that a rule makes comes each time.
pub(super) fn looks_held(divergence: &Divergence) -> bool {
    let joins = |line: &Line| matches!(line.act, Act::Call(Call::Madvise { advice: Advice::COLLAPSE, .. }));
    divergence.what == What::Answer
        && divergence.kernel.contains("EAGAIN")
        && divergence.lines.get(divergence.at).is_some_and(joins)
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}
