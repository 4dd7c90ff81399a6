//! The ledger held against the kernel's own word on a memory's pages.

use std::collections::BTreeMap;
use std::fmt;

use abi::{AddrRange, VirtAddr};
use mm::{AddressSpace, VmFlags};
use recording::{PageRun, PageState, TimeNs};

use super::reading::{Within, cut, united};
use super::{How, Kind, Ledger, May, Touch};

/// What was found: every number counts pages that are there by the kernel or by the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Compared.
    pub compared: u64,
    /// Of these, known before and as the kernel has them.
    pub predicted: u64,
    /// Of these, where the kernel had to be asked, by why.
    pub resynced: BTreeMap<Reason, u64>,
    /// Of these, other than the ledger says, and nothing explains it.
    pub differing: u64,
    /// Anonymous pages compared: by the kernel or by the ledger.
    pub anon_compared: u64,
    /// Of these, known before and as the kernel has them.
    pub anon_predicted: u64,
    /// Of these, where the kernel had to be asked.
    pub anon_resynced: u64,
    /// Of these, other than the ledger says, and nothing explains it.
    pub anon_differing: u64,
    /// Not compared: in mappings of the kernel's own, of devices, of hugetlbfs, under userfaultfd.
    pub untold: u64,
    /// Not compared: they came or went while they were read.
    pub moving: u64,
    /// Where changes were under way, compared or not.
    pub changing: u64,
    /// The first pages that differ, with what the ledger and the kernel have.
    pub first: Option<(AddrRange, May, May)>,
}

/// Why the kernel had to be asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// A fault event does not say whether it read or wrote: the shared page of zeros, or one of its own.
    ReadOrWrite,
    /// What lies ready of a file beside the page touched is the kernel's to know.
    FileCache,
    /// The kernel takes pages of files, and those given up by `MADV_FREE`, back as it likes.
    Reclaim,
    /// Swap goes as the kernel likes.
    Swap,
    /// A huge page came, or came not, where one page was touched: free memory decides, or khugepaged.
    HugePage,
    /// Zeros that nobody touched: reading the stack for a call chain brings in what the program left out.
    Observed,
    /// Not every fault was seen.
    NotSeen,
    /// Something passed that is not modelled.
    Unmodelled,
    /// The map had to be taken over from the kernel there.
    Mapping,
    /// A call failed half way, or a userfaultfd was at work.
    Unsettled,
    /// Another thread's call changed it before the memory was copied by a fork, or after: what is here by the kernel tells
    /// which.
    Raced,
}

/// Whether every fault since the last look was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// They were.
    Whole,
    /// Some were not: sampled, lost, taken in kernel mode where that is not shown, or not recorded at all.
    Gaps,
    /// Something passed that is not modelled.
    Unmodelled,
}

/// Whether the memory stood still while it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moving<'a> {
    /// It did.
    Still,
    /// Its threads ran on: what they did since is in the kernel's word, in part, and will be told later; so is what calls
    /// under way change in these ranges.
    Since(TimeNs, &'a [AddrRange]),
    /// Its threads ran on, and what they did is told already: of what changed since [`Ledger::begin_reading`], and of these
    /// ranges, which calls under way change, the kernel's word may be older.
    Told(&'a [AddrRange]),
}

/// How the kernel was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked<'a> {
    /// Whether every fault since the last time was seen.
    pub sight: Sight,
    /// Whether the memory stood still.
    pub moving: Moving<'a>,
    /// Where the map was another, and is the kernel's now.
    pub taken_over: &'a [AddrRange],
    /// What is mapped as stacks of threads.
    pub stacks: &'a [AddrRange],
    /// What other threads' calls changed at the same time as a fork copied the memory.
    pub raced: &'a [AddrRange],
    /// What threads touched while a call that is over changed it: before that, or after. The kernel's word decides.
    pub touched: &'a [AddrRange],
}

impl Held {
    /// Adds what was found elsewhere.
    pub fn add(&mut self, other: &Self) {
        let Self {
            compared,
            predicted,
            resynced,
            differing,
            anon_compared,
            anon_predicted,
            anon_resynced,
            anon_differing,
            untold,
            moving,
            changing,
            first,
        } = other;
        self.compared += compared;
        self.predicted += predicted;
        resynced.iter().for_each(|(why, pages)| *self.resynced.entry(*why).or_default() += pages);
        self.differing += differing;
        self.anon_compared += anon_compared;
        self.anon_predicted += anon_predicted;
        self.anon_resynced += anon_resynced;
        self.anon_differing += anon_differing;
        self.untold += untold;
        self.moving += moving;
        self.changing += changing;
        self.first = self.first.or(*first);
    }

    /// Pages where the kernel had to be asked, whatever the reason.
    pub fn resynced_all(&self) -> u64 {
        self.resynced.values().sum()
    }

    fn note(&mut self, pages: u64, anonymous: bool, verdict: Verdict) {
        self.compared += pages;
        self.anon_compared += if anonymous { pages } else { 0 };
        let (all, anon) = match verdict {
            Verdict::Predicted => (&mut self.predicted, &mut self.anon_predicted),
            Verdict::Resynced(why) => (self.resynced.entry(why).or_default(), &mut self.anon_resynced),
            Verdict::Differs => (&mut self.differing, &mut self.anon_differing),
        };
        *all += pages;
        *anon += if anonymous { pages } else { 0 };
    }
}

enum Verdict {
    Predicted,
    Resynced(Reason),
    Differs,
}

/// Pages that are alike on both sides.
struct Piece {
    range: AddrRange,
    ours: May,
    last: TimeNs,
    kernel: PageState,
    /// Whether it is of a mapping with a stack.
    in_stack: bool,
}

impl Ledger {
    /// Holds the ledger against the kernel's runs of a range and takes them over where they say more or else.
    pub fn hold(
        &mut self,
        space: &AddressSpace,
        (range, kernel): (AddrRange, &[PageRun]),
        touch: Touch,
        how: Asked<'_>,
    ) -> Held {
        let moving = how.moving;
        let mut held = Held::default();
        self.keep_mapped(space);
        let changed = match moving {
            Moving::Still => Vec::new(),
            Moving::Since(_, flying) | Moving::Told(flying) => self.reading.end(flying),
        };
        self.reading.end(&[]);
        held.changing = unmapped(space, kernel, &changed);
        let touched = united(how.touched.to_vec());
        let mut taken: Vec<(AddrRange, May)> = Vec::new();
        for vma in space.vmas_in(range) {
            let Some(part) = vma.range.intersection(range) else { continue };
            let kind = Kind::of(vma);
            let in_stack = vma.flags.contains(VmFlags::GROWSDOWN)
                || how.stacks.iter().any(|stack| stack.overlaps(vma.range));
            for (piece, is_changed, is_touched) in
                parts(part, &changed, &touched).flat_map(|(part, changed, touched)| {
                    self.pieces(part, kernel, in_stack)
                        .into_iter()
                        .map(move |piece| (piece, changed, touched))
                })
            {
                let told = May::told(piece.kernel);
                let pages = piece.range.pages();
                held.changing += if is_changed == Within::Yes { pages } else { 0 };
                if kind == Kind::Untold {
                    held.untold += pages;
                } else if piece.ours != told && is_changed == Within::Yes {
                    held.moving += pages;
                    if let Moving::Told(_) = moving {
                        // The kernel's word may be the older one.
                        continue;
                    }
                } else if piece.ours != told && (is_touched == Within::Yes || is_moving(&piece, told, moving))
                {
                    held.moving += pages;
                } else {
                    let verdict = verdict(&piece, told, kind, how, self.is_hoped(piece.range));
                    if matches!(verdict, Verdict::Differs) {
                        held.first.get_or_insert((piece.range, piece.ours, told));
                    }
                    let anonymous = told == May::ANON || piece.ours == May::ANON;
                    held.note(pages, anonymous, verdict);
                }
                if piece.ours != told {
                    taken.push((piece.range, told));
                }
            }
        }
        self.end_hopes(&changed);
        let by = self.toucher(touch, How::Found);
        for (range, told) in taken {
            self.become_(range, by, touch.time, |_| told);
        }
        held
    }

    /// The pages of a range that are there on either side, in pieces that are alike on both.
    fn pieces(&self, range: AddrRange, kernel: &[PageRun], in_stack: bool) -> Vec<Piece> {
        let ours = self.runs.within(range);
        let first = kernel.partition_point(|run| run.range.end <= range.start);
        let mut theirs = kernel[first..].iter().take_while(|run| run.range.start < range.end).peekable();
        let mut ours = ours.into_iter().peekable();
        let mut pieces = Vec::new();
        let mut at = range.start;
        loop {
            while ours.next_if(|(run, _)| run.end <= at).is_some() {}
            while theirs.next_if(|run| run.range.end <= at).is_some() {}
            let (our, their) = (ours.peek(), theirs.peek());
            let starts = our.map(|(run, _)| run.start).into_iter().chain(their.map(|run| run.range.start));
            let Some(next) = starts.min() else { break };
            let start = at.max(next);
            if start >= range.end {
                break;
            }
            // Up to where either side begins or ends.
            let border = |run: AddrRange| if run.start > start { run.start } else { run.end };
            let ends = our.map(|(run, _)| border(*run)).into_iter().chain(their.map(|run| border(run.range)));
            let end = ends.min().unwrap_or(range.end).min(range.end);
            let here = |run: AddrRange| run.contains(start);
            let stretch = our.filter(|(run, _)| here(*run)).map(|(_, stretch)| *stretch);
            let state = their.filter(|run| here(run.range)).map(|run| run.state);
            pieces.push(Piece {
                range: AddrRange::new(start, end),
                ours: stretch.map_or(May::ABSENT, |stretch| stretch.may),
                last: stretch.map_or(TimeNs(0), |stretch| stretch.last),
                kernel: state.unwrap_or_default(),
                in_stack,
            });
            at = end;
        }
        pieces
    }
}

/// Cuts a range at the borders of what changed and of what was touched meanwhile.
fn parts(
    range: AddrRange,
    changed: &[AddrRange],
    touched: &[AddrRange],
) -> impl Iterator<Item = (AddrRange, Within, Within)> {
    cut(range, changed).into_iter().flat_map(move |(part, is_changed)| {
        cut(part, touched).into_iter().map(move |(part, is_touched)| (part, is_changed, is_touched))
    })
}

/// Counts the pages that the kernel still had of ranges which were unmapped while they were read.
fn unmapped(space: &AddressSpace, kernel: &[PageRun], changed: &[AddrRange]) -> u64 {
    let mut pages = 0;
    for range in changed {
        let first = kernel.partition_point(|run| run.range.end <= range.start);
        let inside = kernel[first..].iter().take_while(|run| run.range.start < range.end);
        for run in inside.filter_map(|run| run.range.intersection(*range)) {
            let mapped = space.vmas_in(run).filter_map(|vma| vma.range.intersection(run));
            pages += run.pages() - mapped.map(AddrRange::pages).sum::<u64>();
        }
    }
    pages
}

/// Tells whether pages may have come or gone while they were read.
fn is_moving(piece: &Piece, told: May, moving: Moving<'_>) -> bool {
    match moving {
        Moving::Still | Moving::Told(_) => false,
        // What is there by the kernel alone may have been dropped by a call since; what is there by the ledger alone
        // may have come after it was read.
        Moving::Since(since, _) => piece.ours == May::ABSENT && told != May::ABSENT || piece.last >= since,
    }
}

fn verdict(piece: &Piece, told: May, kind: Kind, how: Asked<'_>, is_hoped: bool) -> Verdict {
    let sight = how.sight;
    let Piece { ours, kernel, .. } = piece;
    if *ours == told {
        return Verdict::Predicted;
    }
    let of_file = matches!(kind, Kind::PrivateFile | Kind::Shared);
    let may_be_huge = is_hoped || kernel.contains(PageState::HUGE);
    let reason = if ours.contains(told) {
        match (*ours, told) {
            (ours, May::ZERO | May::ANON) if ours == May::ZERO.or(May::ANON) => Reason::ReadOrWrite,
            (ours, May::FILE | May::ANON) if ours == May::FILE.or(May::ANON) => Reason::ReadOrWrite,
            (ours, May::FILE | May::ABSENT) if ours == May::FILE.or(May::ABSENT) => Reason::FileCache,
            (ours, _) if ours.contains(May::SWAP) => Reason::Swap,
            (ours, May::ANON | May::ABSENT) if ours == May::ANON.or(May::ABSENT) => {
                if may_be_huge {
                    Reason::HugePage
                } else {
                    Reason::Reclaim
                }
            }
            _ => Reason::Unsettled,
        }
    } else if how.taken_over.iter().any(|range| range.overlaps(piece.range)) {
        Reason::Mapping
    } else if how.raced.iter().any(|range| range.covers(piece.range)) {
        Reason::Raced
    } else if sight == Sight::Unmodelled {
        Reason::Unmodelled
    } else if told == May::SWAP || *ours == May::SWAP {
        Reason::Swap
    } else if of_file && told == May::FILE {
        Reason::FileCache
    } else if of_file && ours.contains(May::FILE) && told == May::ABSENT {
        Reason::Reclaim
    } else if may_be_huge {
        Reason::HugePage
    } else if piece.in_stack && *ours == May::ABSENT && told == May::ZERO {
        Reason::Observed
    } else if sight == Sight::Gaps {
        Reason::NotSeen
    } else {
        return Verdict::Differs;
    };
    Verdict::Resynced(reason)
}

/// Every address of a program.
pub const EVERYWHERE: AddrRange = AddrRange { start: VirtAddr(0), end: VirtAddr(1 << 63) };

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOrWrite => "read or written was not told",
            Self::FileCache => "ready in the page cache",
            Self::Reclaim => "taken back by the kernel",
            Self::Swap => "swapped in or out",
            Self::HugePage => "a huge page",
            Self::Observed => "brought in by reading the stack",
            Self::NotSeen => "faults not seen",
            Self::Mapping => "in mappings taken over from the kernel",
            Self::Unmodelled => "after something not modelled",
            Self::Unsettled => "by a call that failed half way or a userfaultfd",
            Self::Raced => "changed by another thread while a fork copied it",
        })
    }
}
