//! What a memory's pages are beyond what page tables tell: whose they are besides, and whether they were written to.

use abi::AddrRange;
use mm::{AddressSpace, VmFlags, Vma};
use recording::MmId;

use super::effects::tells_writes;
use super::{Kind, Ledger, May, Written};

/// What a run of pages is besides resident. Pages in no run are the memory's own if anonymous, and clean if of a file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Split {
    /// Anonymous, and in a relative's memory too: a fork left them in both, and neither has written since.
    SharedByFork,
    /// Of a file or of shared memory, and written to here. Since then the kernel may have written it back.
    Written,
    /// The same, but whether it was written to is not told.
    MaybeWritten,
}

impl Ledger {
    /// Splits a memory's pages. `relative` gives the ledger of the other memory that a fork left pages in, if it lives.
    pub(crate) fn split<'a>(
        &self,
        space: &AddressSpace,
        relative: impl Fn(MmId) -> Option<&'a Self>,
    ) -> Vec<(AddrRange, Split)> {
        let mut all: Vec<(AddrRange, Split)> = Vec::new();
        let mut push = |range: AddrRange, split| match all.last_mut() {
            Some((last, of)) if last.end == range.start && *of == split => last.end = range.end,
            _ => all.push((range, split)),
        };
        for vma in space.vmas() {
            let is_shared = Kind::of(vma) == Kind::Shared;
            for (range, stretch) in self.runs.within(vma.range) {
                if is_shared && stretch.may == May::FILE {
                    written(vma, stretch.written).into_iter().for_each(|split| push(range, split));
                } else if stretch.may == May::ANON
                    && let Some(fork) = stretch.forked.filter(|_| stretch.is_shared_by_fork())
                    && let Some(other) = relative(fork)
                {
                    let both = other.runs.within(range).into_iter();
                    let both = both.filter(|(_, other)| {
                        other.may == May::ANON && other.forked == Some(fork) && other.is_shared_by_fork()
                    });
                    both.for_each(|(range, _)| push(range, Split::SharedByFork));
                }
            }
        }
        all
    }
}

/// What is known of writes to pages of a shared mapping. Where no fault tells of them, those that may write may have.
fn written(vma: &Vma, written: Written) -> Option<Split> {
    match written {
        Written::Yes => Some(Split::Written),
        Written::Maybe => Some(Split::MaybeWritten),
        Written::No if tells_writes(vma) || !vma.flags.contains(VmFlags::WRITE) => None,
        Written::No => Some(Split::MaybeWritten),
    }
}
