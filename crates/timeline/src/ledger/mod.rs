//! The ledger of a memory's pages: what each may be, who touched it first, since when.
//!
//! Faults and calls are applied as they come; at a checkpoint the kernel's own word is held against it
//! ([`Ledger::hold`]). A fault event does not say whether it read or wrote, and which pages of a file lie ready beside
//! the one touched is known to the kernel only: so a page has a *set* of states ([`May`]), and it was predicted where
//! the set has one member.
//!
//! State is kept as runs, not one record a page: neighbours that may be the same and were touched first from the same
//! place by the same thread are one.

mod effects;
mod fault;
mod hold;
pub(crate) mod huge;
mod may;
pub(crate) mod reading;
pub(crate) mod runs;
mod split;
mod sums;
pub(crate) mod touchers;

#[cfg(test)]
mod tests;

use abi::{AddrRange, Tid, VirtAddr};
use mm::{AddressSpace, Backing, FileKind, VmFlags, Vma};
use recording::{MmId, PageRun, StackId, TimeNs};

pub use effects::Done;
pub use fault::Access;
pub use hold::{Asked, EVERYWHERE, Held, Moving, Reason, Sight};
pub use huge::{Huge, Table};
pub use may::May;
pub use runs::{Stretch, Written};
pub use split::Split;
pub use sums::{Beside, FirstToucher, PageSums, Totals};
pub use touchers::{How, Toucher, ToucherId};

use huge::Hoped;
use reading::Reading;
use runs::Runs;
pub(crate) use touchers::Touchers;

/// When something was touched, by whom, from where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Touch {
    /// When.
    pub time: TimeNs,
    /// By which thread.
    pub tid: Tid,
    /// From where.
    pub stack: Option<StackId>,
}

/// What is known of a memory's pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    pub(crate) runs: Runs,
    pub(crate) touchers: Touchers,
    pub(crate) reading: Reading,
    pub(crate) hoped: Hoped,
}

/// What decides how a mapping's pages come and go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Zeros until they are written.
    Anonymous,
    /// The file's until they are written.
    PrivateFile,
    /// The file's.
    Shared,
    /// The kernel's own mappings, devices, pages of hugetlbfs, memory under userfaultfd: other rules, which are not
    /// known here.
    Untold,
}

impl Kind {
    fn of(vma: &Vma) -> Self {
        if vma.uffd().is_some() || vma.flags.intersects(VmFlags::IO.with(VmFlags::PFNMAP)) {
            return Self::Untold;
        }
        let shared = vma.flags.contains(VmFlags::MAYSHARE);
        match (&vma.backing, vma.backing.file_kind()) {
            (Backing::Anonymous, _) => Self::Anonymous,
            (Backing::Kernel(_), _) => Self::Untold,
            (_, Some(FileKind::ZeroDevice)) if !shared => Self::Anonymous,
            (
                _,
                Some(
                    FileKind::Hugetlb
                    | FileKind::HugetlbGib
                    | FileKind::SysVHuge
                    | FileKind::AioRing
                    | FileKind::Special(_)
                    | FileKind::Unmappable
                    | FileKind::ZeroDevice,
                ),
            ) => Self::Untold,
            _ if shared => Self::Shared,
            _ => Self::PrivateFile,
        }
    }
}

impl Ledger {
    /// Begins with what the kernel says is there.
    pub fn adopt(kernel: &[PageRun], touch: Touch) -> Self {
        Self::adopt_among(Touchers::default(), kernel, touch)
    }

    /// The same with the list of touchers that other memories have too.
    pub(crate) fn adopt_among(touchers: Touchers, kernel: &[PageRun], touch: Touch) -> Self {
        let mut ledger = Self { touchers, ..Self::default() };
        let by = ledger.toucher(touch, How::Before);
        for run in kernel {
            let may = May::told(run.state);
            if may != May::ABSENT {
                let stretch = Stretch::new(may, by, touch.time);
                ledger.runs.update(run.range, |_| Some(stretch));
            }
        }
        ledger
    }

    /// Returns the ledger of a child that a fork makes, from its mappings and the parent's.
    ///
    /// Pages are copied where the mapping has an `anon_vma`, or such pages as can't be faulted in again; those of files
    /// the child faults in itself (`mm/memory.c: vma_needs_copy`).
    #[must_use]
    pub fn fork(&self, child: &AddressSpace) -> Self {
        const COPIED: VmFlags =
            VmFlags(VmFlags::PFNMAP.0 | VmFlags::MIXEDMAP.0 | VmFlags::UFFD_WP.0 | VmFlags::MAYBE_GUARD.0);
        let mut runs = Runs::default();
        let copies = |vma: &&Vma| {
            !vma.flags.contains(VmFlags::WIPEONFORK) && (vma.anon.is_some() || vma.flags.intersects(COPIED))
        };
        for vma in child.vmas().filter(copies) {
            for (range, stretch) in self.runs.within(vma.range) {
                runs.update(range, |_| Some(stretch));
            }
        }
        let (touchers, hoped) = (self.touchers.clone(), self.hoped.clone());
        Self { runs, touchers, reading: Reading::default(), hoped }
    }

    /// Notes on both sides which anonymous pages a forked child has in common with its maker, until one of them writes;
    /// returns their bytes.
    pub(crate) fn share(&mut self, child: &mut Self, mappings: &AddressSpace, id: MmId) -> u64 {
        let mut bytes = 0;
        for vma in mappings.vmas().filter(|vma| !vma.flags.contains(VmFlags::MAYSHARE)) {
            for (range, stretch) in child.runs.within(vma.range) {
                if stretch.may == May::ANON {
                    let both = Stretch { forked: Some(id), copied: None, ..stretch };
                    self.runs.update(range, |_| Some(both));
                    child.runs.update(range, |_| Some(both));
                    bytes += range.len();
                }
            }
        }
        bytes
    }

    /// The run that a page is in; `None` where nothing is there.
    pub fn at(&self, addr: VirtAddr) -> Option<&Stretch> {
        self.runs.at(addr)
    }

    /// Every run, ascending.
    pub fn runs(&self) -> impl Iterator<Item = (AddrRange, &Stretch)> {
        self.runs.iter()
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Tells whether no page is there.
    pub fn is_empty(&self) -> bool {
        self.runs.len() == 0
    }

    /// Who touched the pages of a run first.
    pub fn who(&self, by: ToucherId) -> Option<Toucher> {
        self.touchers.get(by)
    }

    fn toucher(&self, touch: Touch, how: How) -> ToucherId {
        let Touch { time: _, tid, stack } = touch;
        self.touchers.id(Toucher { tid, stack, how })
    }

    /// From here on the kernel's word on the memory is read, while its threads run on; until the next [`Ledger::hold`].
    pub fn begin_reading(&mut self) {
        self.reading.begin();
    }

    /// Tells whether its reading is under way.
    pub fn is_being_read(&self) -> bool {
        self.reading.changed.is_some()
    }

    /// What the last fault of a thread brings in.
    pub fn faulting_of(&self, tid: Tid) -> Option<AddrRange> {
        self.reading.faulting.get(&tid).copied()
    }

    /// The kernel was not asked after all.
    pub fn end_reading(&mut self) {
        self.reading.changed = None;
    }

    /// What the last fault of each thread brings in: told before its page comes.
    pub fn faulting(&self) -> impl Iterator<Item = (Tid, AddrRange)> {
        self.reading.faulting.iter().map(|(tid, range)| (*tid, *range))
    }

    /// A thread has ended, or stands where its last fault is over.
    pub fn forget_thread(&mut self, tid: Tid) {
        self.reading.faulting.remove(&tid);
    }

    /// Makes a range absent.
    fn clear(&mut self, range: AddrRange) {
        self.reading.note(range);
        self.drop_hopes(range);
        self.runs.clear(range);
    }

    /// Changes what the pages of a range may be. Those that were not there were touched first by `by`.
    fn become_(&mut self, range: AddrRange, by: ToucherId, time: TimeNs, mut into: impl FnMut(May) -> May) {
        self.reading.note(range);
        self.runs.update(range, |old| {
            let was = old.map_or(May::ABSENT, |old| old.may);
            let may = into(was);
            if may == May::ABSENT || may == May(0) {
                return None;
            }
            let written = |old: Stretch| if may.contains(May::FILE) { old.written } else { Written::No };
            Some(match old {
                Some(old) if !was.contains(May::ABSENT) || was.contains(may) => {
                    Stretch { may, written: written(old), ..old }
                }
                _ => Stretch::new(may, by, time),
            })
        });
    }
}
