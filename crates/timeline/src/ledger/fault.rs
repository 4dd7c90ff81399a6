//! Page faults.

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use mm::{AddressSpace, VmFlags, Vma};
use recording::{FaultAccess, MmId};

use super::{How, Huge, Kind, Ledger, May, Stretch, Touch, Written};

/// How memory was accessed, where that is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// Nobody said.
    Unknown,
    /// Read or executed.
    Read,
    /// Written.
    Write,
}

impl From<FaultAccess> for Access {
    fn from(told: FaultAccess) -> Self {
        match told {
            FaultAccess::Unknown => Self::Unknown,
            FaultAccess::Read | FaultAccess::Exec => Self::Read,
            FaultAccess::Write => Self::Write,
        }
    }
}

/// A fault of a file's page maps what lies ready around it, at most so much (`mm/memory.c: do_fault_around`;
/// `fault_around_bytes` of debugfs, 64 KiB by default).
const AROUND_BYTES: u64 = 16 * PAGE_SIZE;
/// What one page of the lowest page table reaches over: nothing beyond is mapped around.
const TABLE_BYTES: u64 = 512 * PAGE_SIZE;

impl Ledger {
    /// A fault that the program survived. Returns the fork that had left the page in two memories, if it was a write that
    /// ended that.
    pub fn fault(
        &mut self,
        space: &AddressSpace,
        touch: Touch,
        (addr, access): (VirtAddr, Access),
        huge: Huge,
    ) -> Option<MmId> {
        let page = addr.page_down();
        let here = AddrRange::new(page, VirtAddr(page.0 + PAGE_SIZE));
        let Some(vma) = touched(space, page) else {
            // The mapping may be gone by now, or closed, and the page have come before.
            self.reading.fault(touch.tid, here);
            return None;
        };
        let writable = vma.flags.contains(VmFlags::WRITE);
        let access = if writable || access == Access::Write { access } else { Access::Read };
        let kind = Kind::of(vma);
        let asked =
            if kind == Kind::Anonymous { self.huge_at(space, touch, (page, access), huge) } else { None };
        let before = self.at(page).copied();
        let was = before.map_or(May::ABSENT, |stretch| stretch.may);
        let races = access == Access::Unknown && before.is_some_and(|before| self.races(&before, touch));
        let around = matches!(kind, Kind::PrivateFile | Kind::Shared)
            && access != Access::Write
            && was.contains(May::ABSENT)
            && !races;
        let comes = if around { window(vma, page) } else { asked.unwrap_or(here) };
        self.reading.fault(touch.tid, comes);
        let into = after(kind, access);
        if !around
            && !races
            && kind != Kind::Shared
            && before.is_some_and(|before| is_as_before(&before, &into))
        {
            return None;
        }
        if around {
            let by = self.toucher(touch, How::Around);
            let window = window(vma, page);
            self.become_(window, by, touch.time, |may| {
                if may.contains(May::ABSENT) { may.or(May::FILE) } else { may }
            });
        }
        asked.into_iter().for_each(|place| self.come_huge(place, touch, &into));
        let by = self.toucher(touch, How::Fault);
        if around || asked.is_some() && was.contains(May::ABSENT) {
            // It came by itself, not beside another.
            self.reading.note(here);
            self.runs.clear(here);
        }
        self.become_(here, by, touch.time, |may| {
            let may = if around || asked.is_some() { was } else { may };
            let then = may.each(&into);
            if races { may.or(then) } else { then }
        });
        if kind == Kind::Shared {
            self.mark_written(here, written(access, was, races));
        }
        // Where a page is there already, only a write can have raised the fault.
        let is_shared = |before: &Stretch| before.is_shared_by_fork() && before.may == May::ANON && !races;
        let shared = before.filter(is_shared);
        if shared.is_some() && access != Access::Read {
            self.runs.update(here, |old| old.map(|old| Stretch { copied: Some(by), ..old }));
        }
        shared.filter(|_| access != Access::Read)?.forked
    }
}

/// The mapping in which a page can be touched.
fn touched(space: &AddressSpace, page: VirtAddr) -> Option<&Vma> {
    // A stack that grows to reach the page may not be told to have grown yet.
    let growing = || {
        let above = space.first_ending_after(page);
        above.filter(|vma| vma.flags.contains(VmFlags::GROWSDOWN))
    };
    space.find(page).or_else(growing).filter(|vma| vma.flags.intersects(VmFlags::ACCESS))
}

/// Two threads that touch a page at the same time both fault: within so much time the second need not have written,
/// and may have.
pub(super) const RACE_NS: u64 = 1_000_000;

/// Whether a fault leaves what is known of a page as it is.
fn is_as_before(before: &Stretch, into: impl Fn(May) -> May) -> bool {
    let may = before.may;
    may.each(into) == may
        && !before.is_shared_by_fork()
        && (before.written == Written::No || may.contains(May::FILE))
}

/// What a fault at a page of a shared mapping says of writes to it.
fn written(access: Access, was: May, races: bool) -> Written {
    match access {
        Access::Write => Written::Yes,
        Access::Unknown if was == May::FILE && !races => Written::Yes,
        Access::Unknown => Written::Maybe,
        Access::Read => Written::No,
    }
}

impl Ledger {
    /// Pages of a shared mapping were written to, or may have been; what is known of them already stays.
    pub(super) fn mark_written(&mut self, range: AddrRange, written: Written) {
        if written != Written::No {
            self.runs
                .update(range, |old| old.map(|old| Stretch { written: old.written.max(written), ..old }));
        }
    }

    /// Pages were written back: they are as clean as if nobody had written to them.
    pub(super) fn mark_clean(&mut self, range: AddrRange) {
        self.runs.update(range, |old| old.map(|old| Stretch { written: Written::No, ..old }));
    }

    fn races(&self, before: &Stretch, touch: Touch) -> bool {
        touch.time.0.saturating_sub(before.last.0) < RACE_NS
            && self.who(before.by).is_some_and(|who| who.how == How::Fault && who.tid != touch.tid)
    }
}

/// What a page in one state becomes by a fault (`mm/memory.c: handle_pte_fault`).
///
/// Where a page is there already, only a write can have raised the fault.
fn after(kind: Kind, access: Access) -> impl Fn(May) -> May {
    move |state| match (kind, state, access) {
        (Kind::Anonymous, May::ABSENT, Access::Read) => May::ZERO,
        (Kind::Anonymous, May::ABSENT, Access::Unknown) => May::ZERO.or(May::ANON),
        (Kind::Anonymous, May::ABSENT, Access::Write) => May::ANON,
        (Kind::Anonymous, May::ZERO, Access::Unknown | Access::Write) => May::ANON,
        (Kind::PrivateFile, May::ABSENT, Access::Read) => May::FILE,
        (Kind::PrivateFile, May::ABSENT, Access::Unknown) => May::FILE.or(May::ANON),
        (Kind::PrivateFile, May::ABSENT, Access::Write) => May::ANON,
        (Kind::PrivateFile, May::FILE, Access::Unknown | Access::Write) => May::ANON,
        (Kind::Anonymous | Kind::PrivateFile, May::SWAP, _) => May::ANON,
        (Kind::Shared, May::ABSENT | May::SWAP, _) => May::FILE,
        (Kind::Untold, ..) => state.or(May::ANON).or(May::FILE),
        _ => state,
    }
}

/// The pages that a fault may map around the one touched: from a border of 64 KiB or the mapping's start on.
fn window(vma: &Vma, page: VirtAddr) -> AddrRange {
    let aligned = |bytes: u64| page.0 / bytes * bytes;
    let start = aligned(AROUND_BYTES).max(vma.range.start.0);
    let end = (start + AROUND_BYTES).min(vma.range.end.0).min(aligned(TABLE_BYTES) + TABLE_BYTES);
    AddrRange::new(VirtAddr(start), VirtAddr(end))
}
