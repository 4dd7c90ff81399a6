//! What calls do to pages.

use abi::{
    AddrRange, Advice, Call, Errno, MapFlags, MlockallFlags, MsyncFlags, PAGE_SIZE, RemapFlags, VirtAddr,
};
use mm::{AddressSpace, FileKind, Thp, VmFlags, Vma};

use super::huge::{HUGE_BYTES, inside};
use super::reading::{Within, cut};
use super::{How, Huge, Kind, Ledger, May, Table, Touch, Written};

/// A call that was done.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Done<'a> {
    /// The call.
    pub call: Call,
    /// What it answered.
    pub result: Result<u64, Errno>,
    /// The heap's end before it.
    pub brk: VirtAddr,
    /// The ranges that it reads of, where it is about several.
    pub ranges: &'a [AddrRange],
    /// Where huge pages may be, by the system's setting.
    pub thp: Thp,
}

/// How pages are brought in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bring {
    /// As locking and `MAP_POPULATE` do: written to where the mapping is private and writable.
    ByMapping,
    /// Read.
    Read,
    /// Written.
    Write,
}

/// What a move leaves behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    /// A mapping without pages (`MREMAP_DONTUNMAP`).
    Mapped,
}

impl Left {
    fn by(flags: RemapFlags) -> Self {
        if flags.contains(RemapFlags::DONTUNMAP) { Self::Mapped } else { Self::Nothing }
    }
}

/// Whether an effect is known to have come about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sure {
    Yes,
    No,
}

impl Ledger {
    /// A call was done; `space` are the mappings after it.
    pub fn call(&mut self, space: &AddressSpace, touch: Touch, done: Done<'_>) {
        let at = At { space, touch, thp: done.thp };
        match (done.call, done.result) {
            (Call::Mmap { len, flags, .. }, Ok(start)) => {
                let Some(range) = whole(VirtAddr(start), len) else { return };
                self.clear(range);
                let asked = flags.contains(MapFlags::POPULATE) && !flags.contains(MapFlags::NONBLOCK);
                if asked {
                    self.bring(at, range, Bring::ByMapping, Sure::Yes);
                } else {
                    self.bring_locked(at, range);
                }
            }
            (Call::Brk { .. }, Ok(new)) => {
                let (old, new) = (done.brk.page_up_wrapping(), VirtAddr(new).page_up_wrapping());
                let range = AddrRange { start: old.min(new), end: old.max(new) };
                self.clear(range);
                self.bring_locked(at, range);
            }
            (Call::Munmap { addr, len }, Ok(_)) => {
                whole(addr, len).into_iter().for_each(|range| self.clear(range));
            }
            (Call::Mremap { addr, old_len, new_len, .. }, Ok(new)) => {
                self.move_pages(at, (addr, old_len), (VirtAddr(new), new_len));
            }
            (Call::Mremap { addr, old_len, new_len, flags, new_addr }, Err(_))
                if flags.contains(RemapFlags::FIXED) && whole(addr, old_len) == whole(addr, new_len) =>
            {
                self.move_some(at, (addr, new_addr, new_len), Left::by(flags));
            }
            (Call::Madvise { addr, len, advice }, result) => {
                let ranges = whole(addr, len);
                self.advise(at, ranges.as_slice(), advice, result);
            }
            (Call::ProcessMadvise { advice, .. }, result) => self.advise(at, done.ranges, advice, result),
            (Call::Mlock { addr, len } | Call::Mlock2 { addr, len, .. }, result) => {
                let range = whole(addr, len).filter(|range| result.is_ok() || at.is_mapped(*range));
                range.into_iter().for_each(|range| self.bring_locked(at, range));
            }
            (Call::Mlockall { flags }, Ok(_)) if flags.contains(MlockallFlags::CURRENT) => {
                self.bring_locked(at, AddrRange::new(VirtAddr(0), VirtAddr(u64::MAX)));
            }
            // What becomes writable while it is locked is written to (mm/mprotect.c: mprotect_fixup).
            (Call::Mprotect { addr, len, .. } | Call::PkeyMprotect { addr, len, .. }, Ok(_)) => {
                whole(addr, len).into_iter().for_each(|range| self.bring_writable(at, range));
            }
            (Call::RemapFilePages { addr, size, .. }, Ok(_)) => {
                let Some(range) = whole(addr, size) else { return };
                self.clear(range);
                self.bring_locked(at, range);
            }
            (Call::Shmat { .. } | Call::MapShadowStack { .. }, Ok(start)) => {
                if let Some(vma) = space.find(VirtAddr(start)) {
                    self.clear(vma.range);
                }
            }
            (Call::Shmdt { .. } | Call::IoSetup { .. } | Call::IoDestroy { .. }, Ok(_)) => {
                self.keep_mapped(space)
            }
            (Call::UffdIoctl { .. }, Ok(_)) => self.unsettle_uffd(at),
            // Files on disks only: of shared memory nothing is ever written back so.
            (Call::Msync { addr, len, flags }, Ok(_)) if flags.contains(MsyncFlags::SYNC) => {
                let range = whole(addr, len).unwrap_or(AddrRange::new(addr, addr));
                for (part, _) in at.parts(range).into_iter().filter(|(_, vma)| tells_writes(vma)) {
                    self.mark_clean(part);
                }
            }
            _ => {}
        }
    }

    /// Brings the pages of a range in.
    fn bring(&mut self, at: At<'_>, range: AddrRange, how: Bring, sure: Sure) {
        for (part, vma) in at.parts(range) {
            if !vma.flags.intersects(VmFlags::ACCESS) {
                continue;
            }
            let shared = vma.flags.contains(VmFlags::SHARED);
            let written = match how {
                Bring::ByMapping => vma.flags.contains(VmFlags::WRITE) && !shared,
                Bring::Read => false,
                Bring::Write => true,
            };
            let (kind, part) = (Kind::of(vma), in_file(vma, part));
            if kind == Kind::Anonymous {
                self.bring_huge(at, part, written);
            }
            self.settle(at, part, sure, |state| brought(kind, state, written));
            if kind == Kind::Shared && written {
                self.mark_written(part, if sure == Sure::Yes { Written::Yes } else { Written::Maybe });
            }
        }
    }

    /// What is brought in as huge pages comes with all of them. Whether an empty block has a page table is not known here: then
    /// none comes.
    fn bring_huge(&mut self, at: At<'_>, part: AddrRange, written: bool) {
        let huge = Huge { thp: at.thp, table: Table::No };
        let mut next = part.start;
        while huge.thp != Thp::Never && next < part.end {
            if let Some(place) = self.asks_huge(at.space, huge, next, written) {
                let asked = place.intersection(part).unwrap_or(place);
                for beside in [
                    AddrRange { start: place.start, end: asked.start },
                    AddrRange { start: asked.end, end: place.end },
                ] {
                    if !beside.is_empty() {
                        self.come_huge(beside, at.touch, |state| brought(Kind::Anonymous, state, written));
                    }
                }
                self.hope(place);
            }
            next = VirtAddr((next.0 / HUGE_BYTES + 1) * HUGE_BYTES);
        }
    }

    /// Whole blocks were made huge pages; a refusal may have come after some.
    fn collapse(&mut self, at: At<'_>, part: AddrRange, result: Result<u64, Errno>) {
        let Some(whole) = inside(part) else { return };
        let by = self.toucher(at.touch, How::Huge);
        self.become_(whole, by, at.touch.time, |may| {
            let after = may.each(|state| match state {
                May::ABSENT | May::ZERO => May::ANON,
                state => state,
            });
            if result.is_ok() { after } else { may.or(after) }
        });
        if result.is_err() {
            self.hope(whole);
        }
    }

    /// Brings in what a range has of locked mappings.
    fn bring_locked(&mut self, at: At<'_>, range: AddrRange) {
        for (part, vma) in at.parts(range) {
            if vma.flags.contains(VmFlags::LOCKED) && !vma.flags.contains(VmFlags::LOCKONFAULT) {
                self.bring(at, part, Bring::ByMapping, Sure::Yes);
            }
        }
    }

    fn bring_writable(&mut self, at: At<'_>, range: AddrRange) {
        for (part, vma) in at.parts(range) {
            if vma.flags.contains(VmFlags::LOCKED.with(VmFlags::WRITE))
                && !vma.flags.intersects(VmFlags::LOCKONFAULT.with(VmFlags::SHARED))
            {
                self.bring(at, part, Bring::ByMapping, Sure::No);
            }
        }
    }

    fn advise(&mut self, at: At<'_>, ranges: &[AddrRange], advice: Advice, result: Result<u64, Errno>) {
        // A hole stops nothing but is told at the end; any other refusal may have come after a part was done.
        let sure = match result {
            Ok(_) | Err(Errno::ENOMEM) => Sure::Yes,
            Err(_) => Sure::No,
        };
        for range in ranges {
            let range = AddrRange { start: range.start.page_down(), end: range.end.page_up_wrapping() };
            match advice {
                Advice::POPULATE_READ if result.is_ok() => self.bring(at, range, Bring::Read, Sure::Yes),
                Advice::POPULATE_WRITE if result.is_ok() => self.bring(at, range, Bring::Write, Sure::Yes),
                Advice::POPULATE_READ => self.bring(at, range, Bring::Read, Sure::No),
                Advice::POPULATE_WRITE => self.bring(at, range, Bring::Write, Sure::No),
                _ => {
                    for (part, vma) in at.parts(range) {
                        let kind = Kind::of(vma);
                        let locked = vma.flags.contains(VmFlags::LOCKED);
                        if (advice, kind) == (Advice::COLLAPSE, Kind::Anonymous) {
                            self.collapse(at, part, result);
                            continue;
                        }
                        self.settle(at, part, sure, |state| advised(advice, kind, locked, state));
                    }
                }
            }
        }
    }

    /// Pages move with the mapping: their tables are moved, not copied (`mm/mremap.c: move_page_tables`).
    fn move_pages(&mut self, at: At<'_>, (old, old_len): (VirtAddr, u64), (new, new_len): (VirtAddr, u64)) {
        let (Some(target), old_range) = (whole(new, new_len), whole(old, old_len)) else { return };
        // Of length 0: a second mapping of the same shared memory, without pages.
        let Some(source) = old_range else { return self.clear(target) };
        if new == old {
            if target.end < source.end {
                self.clear(AddrRange::new(target.end, source.end));
            } else {
                self.bring_locked(at, AddrRange::new(source.end, target.end));
            }
            return;
        }
        let moved = AddrRange::new(source.start, VirtAddr(source.end.0.min(source.start.0 + target.len())));
        let runs = self.runs.within(moved);
        let hoped: Vec<AddrRange> = self.hoped_ranges().filter(|place| moved.covers(*place)).collect();
        self.clear(target);
        self.clear(source);
        for (range, stretch) in runs {
            let shift = |addr: VirtAddr| VirtAddr(addr.0 - source.start.0 + target.start.0);
            let range = AddrRange::new(shift(range.start), shift(range.end));
            self.reading.note(range);
            self.runs.update(range, |_| Some(stretch));
        }
        for place in hoped {
            let start = place.start.0 - source.start.0 + target.start.0;
            if start.is_multiple_of(HUGE_BYTES) {
                self.hope(AddrRange::new(VirtAddr(start), VirtAddr(start + HUGE_BYTES)));
            }
        }
        if source.len() < target.len() {
            let grown = AddrRange::new(VirtAddr(target.start.0 + source.len()), target.end);
            self.bring_locked(at, grown);
        }
    }

    /// Of several mappings those before the one that was refused have moved (`mm/mremap.c: remap_move`). Which ones, shows
    /// where nothing is mapped any more; what they left mapped may have moved or not.
    fn move_some(&mut self, at: At<'_>, (old, new, len): (VirtAddr, VirtAddr, u64), left: Left) {
        let (Some(source), Some(target)) = (whole(old, len), whole(new, len)) else { return };
        let there: Vec<AddrRange> = at.parts(source).into_iter().map(|(part, _)| part).collect();
        let with_pages = self.runs.within(source);
        // What was there until now, or what has come in its place.
        self.settle(at, target, Sure::No, |_| May::ABSENT);
        if left == Left::Mapped {
            self.settle(at, source, Sure::No, |_| May::ABSENT);
        }
        for (range, stretch) in with_pages {
            let shift = |addr: VirtAddr| VirtAddr(addr.0 - source.start.0 + target.start.0);
            if left == Left::Mapped {
                let to = AddrRange::new(shift(range.start), shift(range.end));
                self.settle(at, to, Sure::No, |_| stretch.may);
                continue;
            }
            for (part, _) in cut(range, &there).into_iter().filter(|(_, within)| *within == Within::No) {
                self.move_pages(at, (part.start, part.len()), (shift(part.start), part.len()));
            }
        }
        self.keep_mapped(at.space);
    }

    /// Forgets what is no longer mapped.
    pub(super) fn keep_mapped(&mut self, space: &AddressSpace) {
        let gone: Vec<AddrRange> = {
            let mut gone = Vec::new();
            for (range, _) in self.runs.iter() {
                let mut free = range.start;
                for vma in space.vmas_in(range) {
                    if vma.range.start > free {
                        gone.push(AddrRange::new(free, vma.range.start));
                    }
                    free = vma.range.end;
                }
                if free < range.end {
                    gone.push(AddrRange::new(free, range.end));
                }
            }
            gone
        };
        gone.into_iter().for_each(|range| self.clear(range));
    }

    /// A handler filled pages in, moved or took them away: which ones, its structures say, which are not read here.
    fn unsettle_uffd(&mut self, at: At<'_>) {
        for vma in at.space.vmas().filter(|vma| vma.uffd().is_some()) {
            let by = self.toucher(at.touch, How::Call);
            self.become_(vma.range, by, at.touch.time, |may| {
                may.or(May::ABSENT).or(May::ZERO).or(May::ANON).or(May::FILE)
            });
        }
    }

    fn settle(&mut self, at: At<'_>, range: AddrRange, sure: Sure, into: impl Fn(May) -> May) {
        if range.is_empty() {
            return;
        }
        let by = self.toucher(at.touch, How::Call);
        self.become_(range, by, at.touch.time, |may| {
            let after = may.each(&into);
            if sure == Sure::Yes { after } else { may.or(after) }
        });
    }
}

/// Where a call is applied, and in whose name.
#[derive(Clone, Copy)]
struct At<'a> {
    space: &'a AddressSpace,
    touch: Touch,
    thp: Thp,
}

impl<'a> At<'a> {
    /// Whether all of a range is mapped: where it is not, `mlock` brings nothing in (`mm/mlock.c: do_mlock`).
    fn is_mapped(self, range: AddrRange) -> bool {
        self.parts(range).iter().map(|(part, _)| part.len()).sum::<u64>() == range.len()
    }

    /// The mappings of a range, cut at its borders.
    fn parts(self, range: AddrRange) -> Vec<(AddrRange, &'a Vma)> {
        let parts = self.space.vmas_in(range);
        parts.filter_map(|vma| Some((vma.range.intersection(range)?, vma))).collect()
    }
}

/// What a page becomes when it is brought in.
fn brought(kind: Kind, state: May, written: bool) -> May {
    match (kind, state) {
        (Kind::Anonymous, May::ABSENT) if !written => May::ZERO,
        (Kind::Anonymous, May::ABSENT | May::ZERO) if written => May::ANON,
        (Kind::PrivateFile, May::ABSENT) if !written => May::FILE,
        (Kind::PrivateFile, May::ABSENT | May::FILE) if written => May::ANON,
        (Kind::Anonymous | Kind::PrivateFile, May::SWAP) => May::ANON,
        (Kind::Shared, May::ABSENT | May::SWAP) => May::FILE,
        (Kind::Untold, _) => state.or(May::ANON).or(May::FILE),
        _ => state,
    }
}

/// What a page becomes by an advice on its mapping.
fn advised(advice: Advice, kind: Kind, locked: bool, state: May) -> May {
    match (advice, kind, state) {
        // Guards outlive it (mm/memory.c: zap_nonpresent_ptes).
        (Advice::DONTNEED | Advice::DONTNEED_LOCKED, _, May::GUARD) => May::GUARD,
        (Advice::DONTNEED, _, _) if !locked => May::ABSENT,
        (Advice::DONTNEED_LOCKED, ..) => May::ABSENT,
        // They stay until memory is short.
        (Advice::FREE, Kind::Anonymous, May::ANON) => May::ANON.or(May::ABSENT),
        (Advice::FREE, Kind::Anonymous, May::SWAP) => May::ABSENT,
        (Advice::REMOVE, Kind::Shared, May::FILE) => May::ABSENT,
        (Advice::PAGEOUT, Kind::Shared | Kind::PrivateFile, May::FILE) => May::FILE.or(May::ABSENT),
        (Advice::PAGEOUT, Kind::Anonymous | Kind::PrivateFile, May::ANON) => May::ANON.or(May::SWAP),
        (Advice::COLLAPSE, _, May::ABSENT) => May::ABSENT.or(May::FILE),
        (Advice::GUARD_INSTALL, ..) => May::GUARD,
        (Advice::GUARD_REMOVE, _, May::GUARD) => May::ABSENT,
        _ => state,
    }
}

/// Whether the first write to each clean page of a mapping raises a fault: so it is with files whose pages are written back
/// (`mm/mmap.c: vma_wants_writenotify`).
pub(super) fn tells_writes(vma: &Vma) -> bool {
    matches!(
        vma.backing.file_kind(),
        Some(
            FileKind::Regular
                | FileKind::RegularHuge
                | FileKind::Fuse
                | FileKind::RegularOther
                | FileKind::Overlay
        )
    )
}

/// The part of a mapping's part that lies before the end of its file. `/dev/zero` has none.
fn in_file(vma: &Vma, part: AddrRange) -> AddrRange {
    let file = vma.backing.file().filter(|file| file.kind != FileKind::ZeroDevice);
    let Some(file) = file else { return part };
    let pages = file.bytes.div_ceil(PAGE_SIZE).saturating_sub(vma.pgoff.0);
    let end = vma.range.start.0.saturating_add(pages.saturating_mul(PAGE_SIZE));
    AddrRange { start: part.start, end: VirtAddr(end.clamp(part.start.0, part.end.0)) }
}

/// Whole pages; `None` where there is none or it reaches beyond all addresses.
fn whole(addr: VirtAddr, len: u64) -> Option<AddrRange> {
    let end = addr.checked_add(len)?.page_up_wrapping();
    let start = addr.page_down();
    (start < end).then_some(AddrRange { start, end })
}
