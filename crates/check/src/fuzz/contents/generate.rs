//! Random programs with contents, weighted to borders: of pages, of mappings, of files, of the page table.

use abi::{
    AddrRange, Advice, Call, Fd, MapFlags, MlockFlags, MsyncFlags, PAGE_SIZE, Prot, RemapFlags, VirtAddr,
};
use live::Setup;
use mm::{FileKind, VmFlags};

use super::run::Run;
use super::uffd;
use super::world::{HARMLESS, HUGE_MAX, HUGE_PAGES, HUGE_START, WIDE, WINDOW};
use crate::fuzz::course::Running;
use crate::fuzz::line::{Act, Line};
use crate::fuzz::rng::Rng;
use crate::fuzz::run::Stop;

/// Processes that live at the same time.
const LIVING_MAX: usize = 4;
/// One program in so many is about huge pages.
const WIDE_EVERY: u64 = 8;
/// One program in so many has a userfaultfd.
const UFFD_EVERY: u64 = 4;
/// Pages that files have at most.
const FILE_PAGES_MAX: u64 = 8;

/// A maker of programs.
pub(super) struct Generator {
    rng: Rng,
    lines_left: u64,
    /// How many accesses in a hundred lines.
    touches: u64,
    /// How many mappings in a hundred are of files.
    files: u64,
    /// How many lines in a hundred read, write or truncate files.
    io: u64,
    /// How many lines in a hundred fork.
    forks: u64,
    /// How many calls in a hundred are a userfaultfd's.
    uffd: u64,
    /// What programs about huge pages begin with.
    first: Vec<Call>,
    /// Where everything happens: [`WIDE`] for programs about huge pages.
    pub(super) window: AddrRange,
}

#[derive(Clone, Copy)]
enum Kind {
    Mmap,
    Munmap,
    Mprotect,
    Mremap,
    Madvise,
    Msync,
    Mlock,
    Munlock,
    Mincore,
}

const KINDS: &[(u64, Kind)] = &[
    (34, Kind::Mmap),
    (8, Kind::Munmap),
    (18, Kind::Mprotect),
    (14, Kind::Mremap),
    (28, Kind::Madvise),
    (4, Kind::Msync),
    (3, Kind::Mlock),
    (2, Kind::Munlock),
    (6, Kind::Mincore),
];

const ADVICE: &[(u64, Advice)] = &[
    (24, Advice::DONTNEED),
    (4, Advice::DONTNEED_LOCKED),
    (6, Advice::FREE),
    (6, Advice::REMOVE),
    (8, Advice::POPULATE_READ),
    (10, Advice::POPULATE_WRITE),
    (8, Advice::GUARD_INSTALL),
    (5, Advice::GUARD_REMOVE),
    (5, Advice::WIPEONFORK),
    (2, Advice::KEEPONFORK),
    (4, Advice::DONTFORK),
    (2, Advice::DOFORK),
    (3, Advice::COLD),
    (3, Advice::PAGEOUT),
    (2, Advice::WILLNEED),
];

/// The advice of programs about huge pages.
const HUGE_ADVICE: &[(u64, Advice)] = &[
    (46, Advice::HUGEPAGE),
    (5, Advice::NOHUGEPAGE),
    (14, Advice::DONTNEED),
    (2, Advice::DONTNEED_LOCKED),
    (9, Advice::FREE),
    (6, Advice::POPULATE_READ),
    (8, Advice::POPULATE_WRITE),
    (4, Advice::GUARD_INSTALL),
    (2, Advice::GUARD_REMOVE),
    (2, Advice::WIPEONFORK),
    (2, Advice::DONTFORK),
    (6, Advice::COLD),
    (5, Advice::PAGEOUT),
    (7, Advice::COLLAPSE),
];

/// A mapping with room for huge pages, which are asked for; sometimes one that loses its first page and is joined again.
fn beginning(rng: &mut Rng) -> Vec<Call> {
    let huge = HUGE_PAGES * PAGE_SIZE;
    let range = rng.pick(&[
        WIDE,
        AddrRange::new(HUGE_START, VirtAddr(HUGE_START.0 + huge)),
        AddrRange::new(HUGE_START, VirtAddr(HUGE_START.0 + 2 * huge)),
        AddrRange::new(VirtAddr(HUGE_START.0 + PAGE_SIZE), WIDE.end),
    ]);
    let (addr, len) = (range.start, range.len());
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::ANONYMOUS;
    let map = Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 };
    let advise = |addr, len, advice| Call::Madvise { addr, len, advice };
    let mut first = vec![map, advise(addr, len, Advice::HUGEPAGE)];
    if rng.percent(10) {
        first.extend([
            advise(HUGE_START, huge, Advice::POPULATE_WRITE),
            advise(HUGE_START, PAGE_SIZE, Advice::DONTNEED),
            advise(HUGE_START, huge, Advice::COLLAPSE),
        ]);
    }
    first
}

/// Tells whether a range reaches into a mapping of some kind.
fn reaches(run: &Run<'_>, who: usize, (addr, len): (VirtAddr, u64), is: impl Fn(&mm::Vma) -> bool) -> bool {
    let Some(range) = AddrRange::from_len(addr, len) else { return false };
    let space = run.course.actors.get(who).and_then(Option::as_ref).map(|actor| &actor.space);
    space.is_some_and(|space| space.vmas_in(range).any(is))
}

fn reaches_disk(run: &Run<'_>, who: usize, addr: VirtAddr, len: u64) -> bool {
    reaches(run, who, (addr, len), |vma| vma.backing.file_kind() == Some(FileKind::Regular))
}

impl Generator {
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x0c04_7e47, index);
        let lines_left = 12 + rng.below(70);
        let touches = 30 + rng.below(40);
        let files = rng.pick(&[0, 30, 60, 90]);
        let io = if files == 0 { 0 } else { rng.pick(&[0, 5, 15]) };
        let forks = rng.pick(&[0, 0, 2, 6]);
        let uffd = if index % UFFD_EVERY == 1 { rng.pick(&[20, 40, 60]) } else { 0 };
        if index.is_multiple_of(WIDE_EVERY) {
            let (lines_left, files) = (8 + rng.below(36), rng.pick(&[0, 0, 20]));
            let first = beginning(&mut rng);
            return Self { rng, lines_left, touches, files, io: 0, forks, uffd: 0, first, window: WIDE };
        }
        Self { rng, lines_left, touches, files, io, forks, uffd, first: Vec::new(), window: WINDOW }
    }

    /// Runs a program line by line: what a line does is chosen by what there is.
    pub(super) fn drive(&mut self, run: &mut Run<'_>) -> Result<(), Stop> {
        for call in std::mem::take(&mut self.first) {
            run.line(Line { who: 0, act: Act::Call(call) })?;
        }
        while self.lines_left > 0 {
            self.lines_left -= 1;
            let line = self.line(run);
            run.line(line)?;
        }
        Ok(())
    }

    fn line(&mut self, run: &Run<'_>) -> Line {
        let living: Vec<usize> = run.course.living().map(|(who, _)| who).collect();
        let stays = self.rng.percent(80) && living.contains(&run.course.pending_of);
        let who = if stays { run.course.pending_of } else { self.rng.pick(&living) };
        let roll = self.rng.below(100);
        let act = if roll < self.forks {
            if living.len() < LIVING_MAX && self.rng.percent(70) { Act::Fork } else { Act::Exit }
        } else if roll < self.forks + self.io {
            self.file_act(run)
        } else if roll < self.forks + self.io + self.touches {
            self.touch()
        } else {
            self.other(run, who)
        };
        // Clean pages of a disk's file leave the page cache; what is read again comes as the kernel likes.
        if let Act::Call(Call::Madvise {
            addr,
            len,
            advice: Advice::PAGEOUT | Advice::COLD | Advice::WILLNEED | Advice::REMOVE,
        }) = act
            && reaches_disk(run, who, addr, len)
        {
            return Line { who, act: Act::Load(addr) };
        }
        // What comes of joining pages of shared memory is the kernel's.
        if let Act::Call(Call::Madvise { addr, len, advice: Advice::COLLAPSE }) = act
            && reaches(run, who, (addr, len), |vma| !vma.is_anonymous())
        {
            return Line { who, act: Act::Load(addr) };
        }
        Line { who, act }
    }

    /// A call, or one of a userfaultfd's.
    fn other(&mut self, run: &Run<'_>, who: usize) -> Act {
        let actor = run.course.actors.get(who).and_then(Option::as_ref);
        let by_uffd = self.rng.percent(self.uffd);
        match actor.filter(|_| by_uffd).and_then(|actor| uffd::act(&mut self.rng, actor, self.window)) {
            Some(act) => act,
            None => Act::Call(self.call(run, who)),
        }
    }

    fn page(&mut self) -> VirtAddr {
        if self.window == WINDOW {
            return VirtAddr(WINDOW.start.0 + self.rng.below(WINDOW.pages()) * PAGE_SIZE);
        }
        // At the edges of huge pages mostly.
        let edge = HUGE_START.0 / PAGE_SIZE + self.rng.below(HUGE_MAX + 1) * HUGE_PAGES;
        let page = match self.rng.below(10) {
            0..3 => edge,
            3..5 => edge + self.rng.below(4),
            5..7 => edge - 1 - self.rng.below(4),
            _ => WIDE.start.0 / PAGE_SIZE + self.rng.below(WIDE.pages()),
        };
        VirtAddr((page * PAGE_SIZE).clamp(WIDE.start.0, WIDE.end.0 - PAGE_SIZE))
    }

    /// A range inside the window.
    fn range(&mut self) -> (VirtAddr, u64) {
        let addr = self.page();
        if self.window == WIDE && self.rng.percent(55) {
            let start = VirtAddr(HUGE_START.0 + self.rng.below(HUGE_MAX) * HUGE_PAGES * PAGE_SIZE);
            let len = HUGE_PAGES * PAGE_SIZE * self.rng.pick(&[1, 1, 2]);
            return (start, len.min(WIDE.end.0 - start.0));
        }
        let pages = if self.rng.percent(15) {
            1 + self.rng.below(self.window.pages())
        } else {
            1 + self.rng.below(6)
        };
        (addr, (pages * PAGE_SIZE).min(self.window.end.0 - addr.0))
    }

    fn touch(&mut self) -> Act {
        let page = self.page();
        let inside = VirtAddr(page.0 + 8 * self.rng.below(PAGE_SIZE / 8));
        let fill = self.rng.pick(&HARMLESS);
        let word = u64::from_le_bytes([fill; 8]);
        // Words across a page's edge: half of it here, half there.
        let across = VirtAddr(page.0.saturating_sub(4).max(self.window.start.0));
        match self.rng.below(100) {
            0..24 => Act::Load(inside),
            24..32 => Act::Get(inside),
            32..36 => Act::Get(across),
            36..50 => Act::Store(page),
            50..88 => Act::Put(inside, word),
            88..94 => Act::Put(across, word),
            _ => Act::Fetch(inside),
        }
    }

    fn file_act(&mut self, run: &Run<'_>) -> Act {
        let file = self.rng.below(3) as usize;
        let page = self.rng.below(FILE_PAGES_MAX);
        match self.rng.below(10) {
            0..3 => {
                let bytes = 1 + self.rng.below(2 * PAGE_SIZE - 1);
                Act::FileRead { file, offset: page * PAGE_SIZE + 8 * self.rng.below(512), bytes }
            }
            3..8 => {
                // Within one page: larger writes make larger folios, which map more at once.
                let mut offset = page * PAGE_SIZE + 8 * self.rng.below(511);
                if run.is_of_disk(file) {
                    // A hole of a disk's file is read with as much around it as the kernel likes.
                    offset = offset.min(run.system.size_of(run.world.files[file].map.object) / 8 * 8);
                }
                let bytes = 8 * (1 + self.rng.below((PAGE_SIZE - offset % PAGE_SIZE) / 8));
                let fill = self.rng.pick(&HARMLESS);
                Act::FileWrite { file, offset, bytes, fill }
            }
            _ => {
                let bytes = (page * PAGE_SIZE + self.rng.pick(&[0, 0, 1, 96, 4088])) / 8 * 8;
                let map = &run.world.files[file].map;
                // What lies between its old end and its new one the kernel reads as it likes.
                let now = run.system.size_of(map.object);
                let bytes = if run.is_of_disk(file) { bytes.min(now) } else { bytes };
                Act::Truncate { file, bytes }
            }
        }
    }

    fn prot(&mut self) -> Prot {
        self.rng.weighted(&[
            (60, Prot::RW),
            (14, Prot::READ),
            (8, Prot::NONE),
            (8, Prot::RW | Prot::EXEC),
            (6, Prot::READ | Prot::EXEC),
            (4, Prot::WRITE),
        ])
    }

    fn call(&mut self, run: &Run<'_>, who: usize) -> Call {
        let (addr, len) = self.range();
        match self.rng.weighted(KINDS) {
            Kind::Mmap => self.mmap(addr, len),
            Kind::Munmap => Call::Munmap { addr, len },
            Kind::Mprotect => Call::Mprotect { addr, len, prot: self.prot() },
            Kind::Mremap => self.mremap(addr, len),
            Kind::Madvise => {
                let advice = self.rng.weighted(if self.window == WIDE { HUGE_ADVICE } else { ADVICE });
                Call::Madvise { addr, len, advice }
            }
            Kind::Msync => {
                let flags = self.rng.pick(&[MsyncFlags::SYNC, MsyncFlags::ASYNC, MsyncFlags::INVALIDATE]);
                Call::Msync { addr, len, flags }
            }
            Kind::Mlock if self.rng.percent(40) => Call::Mlock2 { addr, len, flags: MlockFlags::ONFAULT },
            Kind::Mlock => Call::Mlock { addr, len },
            Kind::Munlock => Call::Munlock { addr, len },
            Kind::Mincore => self.mincore(run, who, addr, len),
        }
    }

    /// The vector goes into the window: mostly where it may be written, as what it says is compared there.
    fn mincore(&mut self, run: &Run<'_>, who: usize, addr: VirtAddr, len: u64) -> Call {
        let inside = self.rng.below(PAGE_SIZE);
        let space = run.course.actors.get(who).and_then(Option::as_ref).map(|actor| &actor.space);
        let places: Vec<_> = space.map_or_else(Vec::new, |space| {
            let open = VmFlags::READ.with(VmFlags::WRITE);
            // Its bytes are no instructions that a fetch may execute.
            let is_open = |vma: &&mm::Vma| vma.flags.contains(open) && !vma.flags.contains(VmFlags::EXEC);
            space.vmas_in(self.window).filter(is_open).map(|vma| vma.range).collect()
        });
        let any = self.page();
        let is_code =
            space.and_then(|space| space.find(any)).is_some_and(|vma| vma.flags.contains(VmFlags::EXEC));
        let page = if places.is_empty() || !is_code && self.rng.percent(10) {
            any
        } else {
            let place = self.rng.pick(&places);
            VirtAddr(place.start.0.max(self.window.start.0) + self.rng.below(place.pages()) * PAGE_SIZE)
        };
        // Of mapped memory only: the first hole ends it.
        let mapped = space.and_then(|space| space.find(addr)).map(|vma| vma.range.end.0 - addr.0);
        let len = if self.rng.percent(90) { len.min(mapped.unwrap_or(len)) } else { len };
        Call::Mincore { addr, len, vec: VirtAddr(page.0 + inside) }
    }

    fn mmap(&mut self, addr: VirtAddr, len: u64) -> Call {
        let of_file = self.rng.percent(self.files);
        let private = if self.window == WIDE { 88 } else { 50 };
        let mut flags = if self.rng.percent(private) { MapFlags::PRIVATE } else { MapFlags::SHARED };
        if !of_file && self.rng.percent(4) {
            flags = MapFlags::DROPPABLE;
        }
        flags = flags | MapFlags::FIXED;
        if self.rng.percent(10) {
            flags = flags | MapFlags::POPULATE;
        }
        if self.rng.percent(2) && !of_file {
            flags = flags | MapFlags::GROWSDOWN;
        }
        let (fd, offset) = if of_file {
            (Setup::fd(self.rng.below(3) as usize), self.rng.below(FILE_PAGES_MAX) * PAGE_SIZE)
        } else {
            flags = flags | MapFlags::ANONYMOUS;
            (Fd(-1), 0)
        };
        Call::Mmap { addr, len, prot: self.prot(), flags, fd, offset }
    }

    fn mremap(&mut self, addr: VirtAddr, old_len: u64) -> Call {
        let mut new_addr = self.page();
        if self.window == WIDE && self.rng.percent(60) {
            // As far from a huge page's edge as where it comes from.
            let inside = addr.0 % (HUGE_PAGES * PAGE_SIZE);
            new_addr = VirtAddr(HUGE_START.0 + self.rng.below(HUGE_MAX) * HUGE_PAGES * PAGE_SIZE + inside);
        }
        let room = self.window.end.0.saturating_sub(new_addr.0);
        let (flags, new_len) = match self.rng.below(10) {
            0..6 => {
                let new_len =
                    if self.rng.percent(60) { old_len } else { PAGE_SIZE * (1 + self.rng.below(8)) };
                (RemapFlags::MAYMOVE | RemapFlags::FIXED, new_len)
            }
            6..8 => (RemapFlags::MAYMOVE | RemapFlags::FIXED | RemapFlags::DONTUNMAP, old_len),
            _ => (RemapFlags::NONE, PAGE_SIZE * (1 + self.rng.below(8))),
        };
        let room = if flags == RemapFlags::NONE { self.window.end.0 - addr.0 } else { room };
        Call::Mremap { addr, old_len, new_len: new_len.min(room), flags, new_addr }
    }
}
