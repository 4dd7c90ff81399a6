//! Random programs, weighted to edges: what a line does is chosen by looking at the twin's map.

mod address;
mod calls;
mod huge;
mod limits;
mod map;
mod rare;

use abi::{Call, Fd, MapFlags, Prot, VirtAddr};
use mm::{AddressSpace, Caps, Vma};

use super::course::Running;
use super::line::{Act, Line, Privilege};
use super::pool::{HUGE, Pool};
use super::rng::Rng;
use super::run::{Locks, Run, Stop};

/// A maker of random programs.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    taste: Taste,
    lines_left: u64,
    /// How many mappings that merge with nothing come next: they climb over the limit of their count.
    climbs: u64,
}

/// What a program is fond of: programs that do a little of everything meet few rules twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taste {
    /// The first address of the window that most addresses lie in.
    pub(crate) window: VirtAddr,
    /// Its pages.
    pub(crate) pages: u64,
    /// How many lines in a hundred touch memory.
    pub(crate) touches: u64,
    /// How many mappings in a hundred are of files.
    pub(crate) files: u64,
    /// How many lines in a thousand fork.
    pub(crate) forks: u64,
    /// How many lines in a thousand set a limit.
    pub(crate) limits: u64,
    /// How many lines in a hundred repeat the kind of call of the favourite list.
    pub(crate) favourite: Option<Kind>,
    /// What its mappings and edges are mostly made of.
    pub(crate) grain: Grain,
    /// How many mappings of huge pages in a hundred are not promised their pages.
    pub(crate) unpromised: u64,
}

/// What the edges of a program lie at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Grain {
    /// Pages.
    Page,
    /// Huge pages of the pool, and pages beside them.
    Huge,
}

/// The kinds of lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Mmap,
    Munmap,
    Mprotect,
    Mremap,
    Brk,
    Madvise,
    Mlock,
    Munlock,
    Mlockall,
    Munlockall,
    Msync,
    Mincore,
    Mseal,
    RemapFilePages,
    Bind,
    Name,
    Prctl,
    SetMm,
    ArchPrctl,
    Personality,
    Truncate,
    Pkey,
    Shmat,
    Shmdt,
    HomeNode,
    ShadowStack,
    Ring,
    Process,
    Uffd,
}

const KINDS: &[(u64, Kind)] = &[
    (240, Kind::Mmap),
    (110, Kind::Munmap),
    (150, Kind::Mprotect),
    (120, Kind::Mremap),
    (40, Kind::Brk),
    (110, Kind::Madvise),
    (40, Kind::Mlock),
    (25, Kind::Munlock),
    (6, Kind::Mlockall),
    (6, Kind::Munlockall),
    (15, Kind::Msync),
    (8, Kind::Mincore),
    (6, Kind::Mseal),
    (10, Kind::RemapFilePages),
    (12, Kind::Bind),
    (8, Kind::Name),
    (5, Kind::Prctl),
    (3, Kind::SetMm),
    (2, Kind::ArchPrctl),
    (2, Kind::Personality),
    (12, Kind::Truncate),
    (5, Kind::Pkey),
    (14, Kind::Shmat),
    (8, Kind::Shmdt),
    (3, Kind::HomeNode),
    (1, Kind::ShadowStack),
    (8, Kind::Ring),
    (8, Kind::Process),
    (10, Kind::Uffd),
];

/// Where windows lie: in the middle of nowhere across a huge page's edge, near the lowest and the highest address,
/// in the range of `MAP_32BIT`.
const WINDOWS: &[(u64, u64)] = &[
    (8, 0x2_0000_0000 - 0x6000),
    (2, 0x2_0000_0000),
    (1, 0x1_0000),
    (1, 0x4000_0000),
    (1, 0x7fff_fffe_0000),
];

/// The same for programs about huge pages: each begins at one.
const HUGE_WINDOWS: &[(u64, u64)] = &[(8, 0x2_0000_0000 - 2 * HUGE), (1, HUGE), (1, 0x4000_0000 - HUGE)];

impl Generator {
    /// Makes the generator of program number `index` under a seed. Where there is a pool of huge pages some programs are
    /// about it; all others are the same as where there is none.
    pub fn new(seed: u64, index: u64, pool: Pool) -> Self {
        let mut rng = Rng::new(seed, index);
        let favourite = rng.percent(30).then(|| rng.weighted(KINDS));
        let mut taste = Taste {
            window: VirtAddr(rng.weighted(WINDOWS)),
            pages: rng.pick(&[6, 12, 12, 24, 40]),
            touches: rng.pick(&[0, 10, 20, 40]),
            files: rng.pick(&[0, 15, 30, 70]),
            forks: rng.pick(&[0, 0, 0, 5, 25]),
            limits: rng.pick(&[0, 0, 10, 40]),
            favourite,
            grain: Grain::Page,
            unpromised: 25,
        };
        let lines_left = rng.pick(&[20, 60, 120, 120, 250]);
        if pool.is_meant(seed, index) {
            let window = VirtAddr(rng.weighted(HUGE_WINDOWS));
            let pages = rng.pick(&[2, 4, 4, 6]) * (HUGE / abi::PAGE_SIZE);
            taste = Taste { window, pages, grain: Grain::Huge, ..taste };
        }
        Self { rng, taste, lines_left, climbs: 0 }
    }

    /// Chooses the privileges that the program runs with.
    pub fn privilege(&mut self) -> Privilege {
        if self.rng.percent(40) { Privilege::Dropped } else { Privilege::Kept }
    }

    /// Chooses how many mappings to make for a program that runs near the limit of their count.
    pub(crate) fn crowd(&mut self, run: &Run<'_>) -> Line {
        self.lines_left = 150;
        self.climbs = 8;
        self.taste.favourite = Some(self.rng.pick(&[Kind::Mmap, Kind::Munmap, Kind::Mprotect, Kind::Mremap]));
        self.taste.touches = 0;
        let limit = run.system.profile.max_map_count;
        Line { who: 0, act: Act::Crowd(limit.saturating_sub(self.rng.below(6))) }
    }

    /// Chooses how much of the pool the first mapping of a program takes that uses it up: a few pages are left.
    pub(crate) fn hog(&mut self, available: i64) -> Line {
        self.taste.unpromised = 60;
        self.taste.touches = self.rng.pick(&[20, 40]);
        self.taste.forks = self.rng.pick(&[5, 25, 50]);
        let pages = available.cast_unsigned().saturating_sub(self.rng.below(5));
        let flags = MapFlags::SHARED | MapFlags::ANONYMOUS | MapFlags::FIXED | MapFlags::HUGETLB;
        let (addr, len) = (VirtAddr(CLIMB), pages * HUGE);
        let call = Call::Mmap { addr, len, prot: Prot::NONE, flags, fd: Fd(-1), offset: 0 };
        Line { who: 0, act: Act::Call(call) }
    }

    /// Does all lines of the program.
    ///
    /// # Errors
    /// What stopped it.
    pub(crate) fn drive(&mut self, run: &mut Run<'_>) -> Result<(), Stop> {
        while self.lines_left > 0 {
            self.lines_left -= 1;
            if let Some(line) = self.line(run) {
                run.line(line)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, run: &Run<'_>) -> Option<Line> {
        if self.climbs > 0 {
            self.climbs -= 1;
            let addr = VirtAddr(CLIMB + 2 * self.climbs * abi::PAGE_SIZE);
            let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
            let (len, prot, fd) = (abi::PAGE_SIZE, Prot::RW, Fd(-1));
            return Some(Line {
                who: 0,
                act: Act::Call(Call::Mmap { addr, len, prot, flags, fd, offset: 0 }),
            });
        }
        let living: Vec<usize> = run.course.living().map(|(who, _)| who).collect();
        // Runs of lines by one process are cheaper than turns, and as good.
        let who = if self.rng.percent(80) { run.course.pending_of } else { self.rng.pick(&living) };
        let who = if living.contains(&who) { who } else { 0 };
        let (_, actor) = run.course.living().find(|(number, _)| *number == who)?;
        let mut choice = Choice {
            rng: &mut self.rng,
            taste: self.taste,
            space: &actor.space,
            locks: actor.locks,
            caps: run.caps,
            uffds: actor.uffds.len(),
            processes: living.len(),
            files: run.file_count(),
            huge_files: run.huge_file_count(),
            vital: live::Live::vital(),
        };
        let act = if choice.rng.below(1000) < self.taste.forks {
            let full = living.len() >= PROCESSES_MAX;
            if who != 0 && (full || choice.rng.percent(50)) {
                (!run.course.has_children(who)).then_some(Act::Exit)
            } else {
                (!full).then_some(Act::Fork)
            }
        } else if choice.rng.below(1000) < self.taste.limits {
            Some(choice.limit())
        } else if choice.rng.percent(self.taste.touches) {
            choice.touch()
        } else {
            choice.any_call()
        };
        act.map(|act| Line { who, act })
    }
}

/// Where nothing else is mapped.
const CLIMB: u64 = 0x20_0000_0000;
/// How many processes a program has at one time.
const PROCESSES_MAX: usize = 5;

/// What one line is chosen by.
pub(crate) struct Choice<'a> {
    pub(crate) rng: &'a mut Rng,
    pub(crate) taste: Taste,
    pub(crate) space: &'a AddressSpace,
    pub(crate) locks: Locks,
    pub(crate) caps: Caps,
    /// How many userfaultfds the process has.
    pub(crate) uffds: usize,
    /// How many processes live.
    pub(crate) processes: usize,
    pub(crate) files: usize,
    /// How many files of huge pages follow them.
    pub(crate) huge_files: usize,
    pub(crate) vital: [abi::AddrRange; 2],
}

impl Choice<'_> {
    /// Picks a mapping, those that keep the process alive excepted; rather one of the window's.
    pub(crate) fn vma(&mut self) -> Option<&Vma> {
        let window = self.window();
        let near = self.rng.percent(75);
        let vital = self.vital;
        let wanted = |vma: &&Vma| {
            !vital.iter().any(|range| range.overlaps(vma.range)) && (!near || window.overlaps(vma.range))
        };
        let count = self.space.vmas().filter(|vma| wanted(vma)).count() as u64;
        let at = self.rng.below(count) as usize;
        self.space.vmas().filter(wanted).nth(at)
    }

    /// Returns the window that most addresses lie in.
    pub(crate) fn window(&self) -> abi::AddrRange {
        let start = self.taste.window;
        abi::AddrRange { start, end: VirtAddr(start.0 + self.taste.pages * abi::PAGE_SIZE) }
    }
}
