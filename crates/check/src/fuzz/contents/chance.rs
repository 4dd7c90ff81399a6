//! What chance did to huge pages: free memory had none, khugepaged joined some, reclaim or compaction looked at them. The
//! kernel's own counters tell it.

use std::fs;
use std::sync::OnceLock;

use abi::AddrRange;

use super::world::WIDE;
use crate::fuzz::divergence::{Divergence, What};

/// The counters of the kernel's events that have a say: faults that every rule allowed a huge page and that got none; pages
/// that were looked at, and perhaps marked as accessed, because memory or large pieces of it were short.
const EVENTS: [&str; 5] =
    ["thp_fault_fallback", "pgscan_kswapd", "pgscan_direct", "pgrefill", "compact_migrate_scanned"];

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
    /// only now and then, which [`may_be_sampled`] leaves to repetitions.
    pub(super) fn now(window: AddrRange) -> Self {
        if window == WIDE && samples() { Self::Chance } else { Self::Never }
    }
}

fn samples() -> bool {
    static SAMPLES: OnceLock<bool> = OnceLock::new();
    let has_name = |entry: fs::DirEntry| {
        fs::read(entry.path().join("comm")).is_ok_and(|name| name.starts_with(b"kdamond"))
    };
    *SAMPLES.get_or_init(|| fs::read_dir("/proc").is_ok_and(|all| all.flatten().any(has_name)))
}

/// Tells whether a divergence is such as sampling makes: more is told as referenced, nothing else is different. One that a
/// rule makes comes each time that the program is run. So it is with a rollup: what lies outside the window is told by
/// smaps, which is read a moment before.
pub(super) fn may_be_sampled(divergence: &Divergence) -> bool {
    let is_referenced = |line: &str| line.starts_with("Referenced:");
    let lines = |text: &str| text.split("; ").skip(1).all(is_referenced);
    let is_sampled = lines(&divergence.twin) && lines(&divergence.kernel) && samples();
    divergence.what == What::Usage && (is_sampled || divergence.twin.contains("[rollup]"))
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}
