//! How far the twin and the kernel agree: what was compared, confirmed, corrected, taken over.

use std::collections::BTreeMap;
use std::fmt;

use abi::{AddrRange, Call, PAGE_SIZE, Tid, VirtAddr};
use recording::{MmId, Reason, TimeNs};

use crate::compare::{Comparison, Difference};
use crate::ledger::{Beside, Held, May, Totals};
use crate::place::Place;

/// Corrections and resyncs listed one by one; beyond, they are only counted.
pub const LISTED_MAX: usize = 64;

/// The input that [`crate::arguments`] tells of.
pub(crate) const ARGUMENTS: &str = "arguments of a program about to be executed";

/// The proof of a replay: every number counts something that was really compared.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Proof {
    /// Checkpoints whose map was compared with the twin's.
    pub checkpoints: u64,
    /// Of these, where no line differed (lines of calls under way apart).
    pub checkpoints_matched: u64,
    /// Lines of the kernel's maps compared.
    pub mappings: u64,
    /// Of these, the lines that the twin held exactly.
    pub mappings_matched: u64,
    /// Lines not compared because a call under way may have changed them.
    pub mappings_in_flight: u64,
    /// Lines matched by device and inode whose path has changed since.
    pub mappings_renamed: u64,
    /// Lines that only the twin had.
    pub mappings_extra: u64,
    /// Calls replayed through the twin.
    pub calls: u64,
    /// Of these, calls whose result or address the kernel itself told, and it was the twin's.
    pub calls_confirmed: u64,
    /// Of these, calls where the kernel told another: the kernel's was taken.
    pub calls_corrected: u64,
    /// Calls that the twin does not model; the map is taken over at the next checkpoint.
    pub calls_unmodelled: u64,
    /// Calls in memories whose map is not known (foreign architectures, before the first checkpoint).
    pub calls_unknown: u64,
    /// Facts that were read from the kernel where no rule decides them, by name.
    pub inputs: BTreeMap<&'static str, u64>,
    /// The first corrections.
    pub corrections: Vec<Correction>,
    /// Checkpoints where the kernel's lines replaced the twin's.
    pub resyncs: u64,
    /// The first of them.
    pub resynced: Vec<Resync>,
    /// Pages at every checkpoint that read them.
    pub pages: Held,
    /// Pages at the checkpoints of memories about to end.
    pub pages_at_exit: Held,
    /// Checkpoints whose pages were compared.
    pub page_checkpoints: u64,
    /// Of these, where the twin's pages, as taken over, come to the kernel's `RssAnon` and `RssFile + RssShmem`; where pages
    /// came and went meanwhile, those that were read.
    pub page_totals_matched: u64,
    /// Of these, where they do not, by less than what came and went while they were read.
    pub page_totals_moving: u64,
    /// The first checkpoints where pages differ.
    pub pages_differed: Vec<PagesDiffered>,
    /// The first checkpoints whose totals are neither equal nor explained by what came and went.
    pub totals_differed: Vec<TotalsDiffered>,
}

/// What a checkpoint's totals came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TotalsSeen {
    /// They are the kernel's.
    Equal,
    /// They are off by less than what came and went meanwhile.
    Moving,
    /// They are not.
    Unequal,
}

/// A checkpoint where the pages do not come to the kernel's counters.
#[derive(Clone, PartialEq, Debug)]
pub struct TotalsDiffered {
    /// The number of the checkpoint's event.
    pub event: u64,
    /// When.
    pub time: TimeNs,
    /// Whose memory.
    pub mm: MmId,
    /// What the twin's pages come to.
    pub twin: Totals,
    /// `RssAnon` by the kernel.
    pub anonymous: u64,
    /// `RssFile + RssShmem` by the kernel.
    pub file: u64,
}

/// A checkpoint where pages differ and nothing explains it.
#[derive(Clone, PartialEq, Debug)]
pub struct PagesDiffered {
    /// The number of the checkpoint's event.
    pub event: u64,
    /// When.
    pub time: TimeNs,
    /// Whose memory.
    pub mm: MmId,
    /// How many pages.
    pub pages: u64,
    /// The first of them.
    pub first: AddrRange,
    /// What they may have been, by the events.
    pub twin: May,
    /// What they are.
    pub kernel: May,
}

/// A call that the kernel answered otherwise.
#[derive(Clone, PartialEq, Debug)]
pub struct Correction {
    /// The number of the call's event.
    pub event: u64,
    /// When.
    pub time: TimeNs,
    /// Whose memory.
    pub mm: MmId,
    /// Which thread.
    pub tid: Tid,
    /// The call.
    pub call: Call,
    /// The twin's answer (negative: an errno).
    pub twin: i64,
    /// The kernel's.
    pub kernel: i64,
    /// Why they may differ.
    pub reason: CorrectionReason,
}

/// Why the kernel answered otherwise, as far as that can be told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CorrectionReason {
    /// Other threads made calls at the same time: their order under the kernel's lock is not known.
    OrderUncertain,
    /// None of the kind: the twin is wrong, or something it can't see happened.
    Other,
}

/// A checkpoint where the maps differed.
#[derive(Clone, PartialEq, Debug)]
pub struct Resync {
    /// The number of the checkpoint's event.
    pub event: u64,
    /// When.
    pub time: TimeNs,
    /// Whose memory.
    pub mm: MmId,
    /// Stretches that differed.
    pub stretches: usize,
    /// The first of them.
    pub first: Difference,
    /// The call that last touched the first of them.
    pub last_call: Option<LastCall>,
    /// Why that may be.
    pub reason: ResyncReason,
}

/// A call as it is cited.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LastCall {
    /// Its event's number.
    pub event: u64,
    /// Its thread.
    pub tid: Tid,
    /// The call.
    pub call: Call,
}

/// Why the maps differed, as far as that can be told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ResyncReason {
    /// A call that is not modelled has passed since the last checkpoint.
    Unmodelled,
    /// Events were lost since the last checkpoint.
    Lost,
    /// Threads made calls at the same time: their order under the kernel's lock is not known.
    OrderUncertain,
    /// None of the kind: the twin is wrong, or something it can't see happened.
    Divergence,
}

impl Proof {
    /// Takes in a comparison; returns whether the kernel's lines must be taken over.
    pub(crate) fn add(&mut self, found: &Comparison) {
        self.checkpoints += 1;
        self.checkpoints_matched += u64::from(found.differences.is_empty());
        self.mappings += found.compared;
        self.mappings_matched += found.matched;
        self.mappings_in_flight += found.in_flight;
        self.mappings_renamed += found.renamed;
        self.mappings_extra += found
            .differences
            .iter()
            .map(|stretch| stretch.twin.len().saturating_sub(stretch.kernel.len()) as u64)
            .sum::<u64>();
    }

    pub(crate) fn correct(&mut self, correction: Correction) {
        self.calls_corrected += 1;
        if self.corrections.len() < LISTED_MAX {
            self.corrections.push(correction);
        }
    }

    pub(crate) fn resync(&mut self, resync: Resync) {
        self.resyncs += 1;
        if self.resynced.len() < LISTED_MAX {
            self.resynced.push(resync);
        }
    }

    /// Takes in what a comparison of pages found.
    pub(crate) fn see_pages(
        &mut self,
        place: Place,
        reason: Reason,
        held: &Held,
        totals: (Beside, TotalsDiffered),
    ) -> TotalsSeen {
        self.pages.add(held);
        if reason == Reason::Exit {
            self.pages_at_exit.add(held);
        }
        self.page_checkpoints += 1;
        let seen = match totals.0 {
            Beside::Same => TotalsSeen::Equal,
            Beside::Off(bytes) if bytes <= held.changing * PAGE_SIZE => TotalsSeen::Moving,
            Beside::Off(_) => TotalsSeen::Unequal,
        };
        match seen {
            TotalsSeen::Equal => self.page_totals_matched += 1,
            TotalsSeen::Moving => self.page_totals_moving += 1,
            TotalsSeen::Unequal if self.totals_differed.len() < LISTED_MAX => {
                self.totals_differed.push(totals.1);
            }
            TotalsSeen::Unequal => {}
        }
        if let (Some((first, twin, kernel)), true) = (held.first, self.pages_differed.len() < LISTED_MAX) {
            let Place { event, time, mm, .. } = place;
            let pages = held.differing;
            self.pages_differed.push(PagesDiffered { event, time, mm, pages, first, twin, kernel });
        }
        seen
    }

    /// Totals counted as unequal were equal but for the arguments of a program about to be executed.
    pub(crate) fn explain_totals(&mut self, checkpoint: u64) {
        self.totals_differed.retain(|differed| differed.event != checkpoint);
        self.page_totals_matched += 1;
        *self.inputs.entry(ARGUMENTS).or_default() += 1;
    }

    /// Tells whether something was compared and nothing differed anywhere.
    pub fn is_whole(&self) -> bool {
        self.checkpoints > 0
            && self.checkpoints == self.checkpoints_matched
            && self.calls_corrected == 0
            && self.calls_unmodelled == 0
            && self.pages.differing == 0
    }
}

impl fmt::Display for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, time, mm: _, tid, call, twin, kernel, reason } = self;
        let answer =
            |value: i64| if value < 0 { format!("{value}") } else { VirtAddr(value as u64).to_string() };
        write!(f, "#{event} {:.6}s thread {tid} {call}: ", time.0 as f64 / 1e9)?;
        write!(f, "the twin says {}, the kernel {} ({reason})", answer(*twin), answer(*kernel))
    }
}

impl fmt::Display for CorrectionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OrderUncertain => "threads raced, their order is not known",
            Self::Other => "not explained",
        })
    }
}

impl fmt::Display for ResyncReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unmodelled => "a call that is not modelled had passed",
            Self::Lost => "events were lost",
            Self::OrderUncertain => "threads raced, their order is not known",
            Self::Divergence => "not explained",
        })
    }
}
