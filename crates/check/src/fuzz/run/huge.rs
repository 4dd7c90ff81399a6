//! What a program takes from the pool of huge pages. It never has more than its thread's share: so whether a page is there is
//! no matter of chance, and every answer is the twin's to predict.

use abi::{Call, MapFlags, MapType, PAGE_SIZE, RemapFlags, VirtAddr};
use mm::{FileInput, FileKind, HugePool, Input, VmFlags, Vma};

use super::Run;
use crate::fuzz::pool::HUGE;

/// What a call takes if it succeeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Claim {
    /// Whether it maps pages of the pool.
    mappings: u64,
    /// Pages that stay with the file that is mapped.
    shared: u64,
}

/// A mapping of pages of the pool that a call asks for.
#[derive(Clone, Copy)]
struct Wanted {
    pages: u64,
    is_shared: bool,
    is_reserved: bool,
}

impl Run<'_> {
    /// Returns what is known of the pool.
    pub(super) fn huge_pool(&self) -> HugePool {
        if self.world.pool.share() > 0 { HugePool::Stocked } else { HugePool::Observed }
    }

    /// Returns what a call may take, and tells the twin whether the pool has it; `None` where the call is left out.
    pub(super) fn claim(&mut self, who: usize, call: Call, input: &mut Input) -> Option<Claim> {
        input.huge_pool = self.huge_pool();
        if self.loses_reservation(who, call) {
            return None;
        }
        let Some(wanted) = self.wanted(who, call, input) else { return Some(Claim::default()) };
        if self.fits(wanted.pages) {
            let shared = if wanted.is_shared { wanted.pages } else { 0 };
            return Some(Claim { mappings: 1, shared });
        }
        // Where there are no pages at all, they may still be mapped without being promised.
        let is_never = self.world.pool.never_has(wanted.pages);
        let has_none = self.world.pool.never_has(1);
        input.huge_pool = HugePool::Observed;
        (is_never && (wanted.is_reserved || has_none)).then(Claim::default)
    }

    /// Counts what a call that succeeded took.
    pub(super) fn take(&mut self, claim: Claim) {
        let Claim { mappings, shared } = claim;
        self.shared_huge += shared;
        self.course.counted.huge += mappings;
        if mappings > 0 {
            // A writable mapping makes its file longer.
            self.world.sizes_changed = true;
        }
    }

    /// Tells whether a child may have pages of its own in place of all that it shares with its parent.
    pub(super) fn may_fork(&self, who: usize) -> bool {
        let private = self.course.actors[who].as_ref().map_or(0, |actor| private(actor.space.vmas()));
        private == 0 || self.fits(private)
    }

    fn fits(&self, pages: u64) -> bool {
        let private: u64 = self.course.living().map(|(_, actor)| private(actor.space.vmas())).sum();
        pages.saturating_add(private + self.shared_huge) <= self.world.pool.share()
    }

    fn wanted(&self, who: usize, call: Call, input: &Input) -> Option<Wanted> {
        match call {
            Call::Mmap { len, flags, .. } => {
                let is_huge = match &input.file {
                    _ if flags.contains(MapFlags::ANONYMOUS) => {
                        flags.contains(MapFlags::HUGETLB) && matches!(flags.huge_size_log2(), 0 | 21)
                    }
                    FileInput::Open(file) => file.kind == FileKind::Hugetlb,
                    FileInput::Bad => false,
                };
                let is_shared = matches!(flags.map_type(), MapType::Shared | MapType::SharedValidate);
                let is_reserved = !flags.contains(MapFlags::NORESERVE);
                is_huge.then_some(Wanted { pages: len.div_ceil(HUGE), is_shared, is_reserved })
            }
            Call::RemapFilePages { addr, size, .. } => {
                let actor = self.course.actors[who].as_ref()?;
                let vma = actor.space.find(addr.page_down()).filter(|vma| is_of_pool(vma))?;
                let is_reserved = !vma.flags.contains(VmFlags::NORESERVE);
                Some(Wanted { pages: size.div_ceil(HUGE), is_shared: true, is_reserved })
            }
            _ => None,
        }
    }

    /// Tells whether the kernel would lose pages of the pool for good: a part of a private mapping that moves takes the whole
    /// record of what is reserved with it, and what stays behind never gives its part back (`mm/mremap.c:
    /// copy_vma_and_data`, `mm/hugetlb.c: clear_vma_resv_huge_pages`).
    fn loses_reservation(&self, who: usize, call: Call) -> bool {
        let Call::Mremap { addr, old_len, flags, .. } = call else { return false };
        if self.world.pool.never_has(1) || !flags.contains(RemapFlags::FIXED) {
            return false;
        }
        let Some(actor) = &self.course.actors[who] else { return false };
        let bytes = old_len.checked_next_multiple_of(HUGE).unwrap_or(u64::MAX);
        let end = VirtAddr(addr.0.saturating_add(bytes));
        let keeps = |vma: &Vma| {
            is_of_pool(vma)
                && !vma.flags.intersects(VmFlags::MAYSHARE.with(VmFlags::NORESERVE))
                && vma.range.start < end
                && vma.range.end > addr
                && (vma.range.start < addr || vma.range.end > end)
        };
        actor.space.vmas().any(keeps)
    }
}

/// Tells whether a mapping is of pages of the pool.
fn is_of_pool(vma: &Vma) -> bool {
    vma.backing.file_kind() == Some(FileKind::Hugetlb)
}

/// Returns how many pages of the pool private mappings can have.
fn private<'a>(vmas: impl Iterator<Item = &'a Vma>) -> u64 {
    let own = vmas.filter(|vma| is_of_pool(vma) && !vma.flags.contains(VmFlags::MAYSHARE));
    own.map(|vma| vma.pages() / (HUGE / PAGE_SIZE)).sum()
}
