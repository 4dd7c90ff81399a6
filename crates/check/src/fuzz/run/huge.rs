//! What a program takes from the pool of huge pages. Most never have more than their thread's share: so whether a page is there
//! is no matter of chance, and every answer is the twin's to predict. Others use the pool up, each alone with it: that a page
//! was wanting is an input there, but only where the pool shows that it had none.

use abi::{AddrRange, Advice, Call, Errno, MapFlags, MapType, PAGE_SIZE, RemapFlags, VirtAddr};
use live::{Answer, Fault, Step};
use mm::{Access, FileInput, FileKind, HugePool, Input, VmFlags, Vma, Why};

use super::{Expected, Run, Stop};
use crate::fuzz::course::Running;
use crate::fuzz::pool::{Greed, HUGE, HUGE_SEGMENT_PAGES, State};

const SIGBUS: i32 = 7;

/// What a call takes if it succeeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Claim {
    /// Whether it maps pages of the pool.
    mappings: u64,
    /// Pages that stay with the file that is mapped.
    shared: u64,
    /// What of the answer the pool decides.
    pool_says: PoolSays,
}

/// What of a call's answer the pool decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum PoolSays {
    /// Nothing: it has what is wanted.
    #[default]
    Nothing,
    /// Whether more pages are promised than are free.
    Promise,
    /// Whether the pages wanted come, and with which errno they are refused.
    Pages(Errno),
}

impl Claim {
    /// Tells whether the kernel's answer shows what the pool had.
    pub(super) fn asks(self) -> bool {
        self.pool_says != PoolSays::Nothing
    }
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

    /// Lets the program have so much of the pool.
    pub(crate) fn with_greed(self, greed: Greed) -> Self {
        Self { greed, ..self }
    }

    /// Returns what a call may take, and tells the twin whether the pool has it; `None` where the call is left out.
    pub(super) fn claim(&mut self, who: usize, call: Call, input: &mut Input) -> Result<Option<Claim>, Stop> {
        input.huge_pool = self.huge_pool();
        if self.loses_reservation(who, call) || self.loops(who, call) || self.lengthens_segment(who, call) {
            return Ok(None);
        }
        let wanted = self.wanted(who, call, input);
        if self.greed == Greed::All && self.world.pool.share() > 0 {
            return match wanted {
                Some(wanted) => self.claim_of_all(wanted).map(Some),
                None => Ok(self.filled(who, call)),
            };
        }
        let Some(wanted) = wanted else { return Ok(Some(Claim::default())) };
        if self.fits(wanted.pages) {
            let shared = if wanted.is_shared { wanted.pages } else { 0 };
            return Ok(Some(Claim { mappings: 1, shared, ..Claim::default() }));
        }
        // Where there are no pages at all, they may still be mapped without being promised.
        let is_never = self.world.pool.never_has(wanted.pages);
        let has_none = self.world.pool.never_has(1);
        input.huge_pool = HugePool::Observed;
        Ok((is_never && (wanted.is_reserved || has_none)).then(Claim::default))
    }

    /// The claim of a program that is alone with the pool: what is free is surely promised, more only if something else is
    /// given back by the call itself.
    fn claim_of_all(&mut self, wanted: Wanted) -> Result<Claim, Stop> {
        self.flush()?;
        let is_there = i64::try_from(wanted.pages).is_ok_and(|pages| pages <= State::read().available());
        let is_sure = is_there || !wanted.is_reserved;
        let pool_says = if is_sure { PoolSays::Nothing } else { PoolSays::Promise };
        Ok(Claim { mappings: 1, shared: 0, pool_says })
    }

    /// The claim of a call that faults pages in and tells where that failed; `None` where it is about more than one mapping:
    /// how far it came would not be known.
    fn filled(&self, who: usize, call: Call) -> Option<Claim> {
        let (addr, len, refused) = match call {
            Call::Madvise { addr, len, advice: Advice::POPULATE_READ | Advice::POPULATE_WRITE } => {
                (addr, len, Errno::EFAULT)
            }
            // It answers how much it did.
            Call::ProcessMadvise { advice: Advice::POPULATE_READ | Advice::POPULATE_WRITE, .. } => {
                return None;
            }
            Call::Mlock { addr, len } | Call::Mlock2 { addr, len, .. } => (addr, len, Errno::ENOMEM),
            _ => return Some(Claim::default()),
        };
        let end = VirtAddr(addr.0.saturating_add(len).saturating_add(PAGE_SIZE));
        let range = AddrRange { start: addr.page_down(), end };
        let space = &self.course.actors[who].as_ref()?.space;
        let there = || space.vmas().filter(|vma| vma.range.overlaps(range));
        match there().any(is_of_pool) {
            false => Some(Claim::default()),
            true if there().count() > 1 => None,
            true => Some(Claim { pool_says: PoolSays::Pages(refused), ..Claim::default() }),
        }
    }

    /// Takes what the kernel answered for what the pool had: pages are wanting only where it has none left.
    pub(super) fn learn_of_pool(&mut self, claim: Claim, input: &mut Input) {
        let is_refused = |errno| input.observed == Some(Err(errno));
        match claim.pool_says {
            PoolSays::Nothing => {}
            PoolSays::Promise => {
                let is_wanting = is_refused(Errno::ENOMEM);
                input.huge_pool = if is_wanting { HugePool::Observed } else { HugePool::Stocked };
                self.course.counted.used_up += u64::from(is_wanting);
            }
            PoolSays::Pages(errno) => self.learn_of_pages(is_refused(errno), input),
        }
    }

    fn learn_of_pages(&mut self, is_refused: bool, input: &mut Input) {
        // Where a parent took a page from its child, that child's is wanting for ever.
        self.used_up |= State::read().available() <= 0;
        let is_wanting = is_refused && self.used_up;
        input.huge_pool = if is_wanting { HugePool::Observed } else { HugePool::Stocked };
        self.course.counted.used_up += u64::from(is_wanting);
    }

    /// Does an access to a page of the pool that may be wanting: the kernel goes ahead of the twin.
    pub(super) fn access_after_kernel(
        &mut self,
        who: usize,
        addr: VirtAddr,
        access: Access,
        step: Step,
    ) -> Result<(), Stop> {
        let Some(process) = self.course.actors[who].as_ref().map(|actor| actor.process) else {
            return Ok(());
        };
        let ticket = self.world.live.push(process, step)?;
        self.flush()?;
        self.world.live.run(process)?;
        let answer = self.world.live.answer(ticket)?;
        let is_refused = matches!(answer, Answer::Fault(Fault { signal: SIGBUS, .. }));
        let mut input = Input { caps: self.caps, ..Input::default() };
        self.learn_of_pages(is_refused, &mut input);
        input.observed = is_refused.then_some(Err(Errno::ENOMEM));
        let Some(actor) = &mut self.course.actors[who] else { return Ok(()) };
        let touched = actor.space.touch(&mut self.system, addr, access, &input).map(drop);
        self.course.counted.accesses += 1;
        self.push_reads(who, ticket, Expected::Access(addr, touched), Why::default())
    }

    /// Counts what a call that succeeded took.
    pub(super) fn take(&mut self, claim: Claim) {
        let Claim { mappings, shared, pool_says: _ } = claim;
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
        self.greed == Greed::All || private == 0 || self.fits(private)
    }

    /// Tells whether the kernel may loop for ever after the call: a parent that finds no page for its copy takes it from its
    /// children, but looks for it where it itself has it; a child's that has moved, or stayed where the parent's moved away, is not found
    /// (`mm/hugetlb.c: hugetlb_wp`, `unmap_ref_private`).
    fn loops(&self, who: usize, call: Call) -> bool {
        let Call::Mremap { addr, old_len, flags, .. } = call else { return false };
        if self.greed == Greed::Share
            || !flags.contains(RemapFlags::FIXED)
            || self.course.living().count() == 1
        {
            return false;
        }
        let end = VirtAddr(addr.0.saturating_add(old_len));
        let is_private =
            |vma: &Vma| is_of_pool(vma) && !vma.flags.contains(VmFlags::MAYSHARE) && vma.range.start < end;
        let Some(actor) = &self.course.actors[who] else { return false };
        actor.space.vmas().any(|vma| is_private(vma) && vma.range.end > addr)
    }

    /// Tells whether a call would make the segment longer, for all programs that follow: where its file is mapped past its end
    /// it is made longer, and what is touched there stays.
    fn lengthens_segment(&self, who: usize, call: Call) -> bool {
        let Call::RemapFilePages { addr, size, pgoff, .. } = call else { return false };
        let vma = self.course.actors[who].as_ref().and_then(|actor| actor.space.find(addr.page_down()));
        let is_segment = vma.is_some_and(|vma| vma.backing.file_kind() == Some(FileKind::SysVHuge));
        let end = pgoff.saturating_mul(PAGE_SIZE).saturating_add(size);
        is_segment && end > HUGE_SEGMENT_PAGES * HUGE
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
                // It does not ask whether the mapping there was promised its pages.
                let is_reserved = vma.backing.file_kind() != Some(FileKind::SysVHuge);
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
    vma.backing.file_kind().is_some_and(is_of_pool_kind)
}

/// Tells whether a file is of pages of the pool.
pub(super) fn is_of_pool_kind(kind: FileKind) -> bool {
    matches!(kind, FileKind::Hugetlb | FileKind::SysVHuge)
}

/// Returns how many pages of the pool private mappings can have.
fn private<'a>(vmas: impl Iterator<Item = &'a Vma>) -> u64 {
    let own = vmas.filter(|vma| is_of_pool(vma) && !vma.flags.contains(VmFlags::MAYSHARE));
    own.map(|vma| vma.pages() / (HUGE / PAGE_SIZE)).sum()
}
