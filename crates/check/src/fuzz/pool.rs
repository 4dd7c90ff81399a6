//! The machine's pool of huge pages, of which each thread of a campaign has its part.

use std::fs;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::rng::Rng;

/// The bytes of a page of the pool.
pub(crate) const HUGE: u64 = 2 << 20;

/// How many pages of 2 MiB programs may have. Who sets `vm.nr_hugepages` is not the fuzzer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pool {
    /// As many pages as one program may have at one time: the kernel has them for it, whatever others do.
    share: u64,
    /// As many as there can be at all: more are refused to everybody.
    total: u64,
}

/// The pages of the segment of huge pages that each world has,
pub(crate) const HUGE_SEGMENT_PAGES: u64 = 1;
/// and those of a thread's two worlds.
const SEGMENTS_PAGES: u64 = 2 * HUGE_SEGMENT_PAGES;
/// As many pages as a program may have at one time: the same on every machine and with any number of threads, as what is left
/// out depends on it.
const SHARE: u64 = 24;
/// How many programs in a hundred are about huge pages where there is a pool.
const PERCENT: u64 = 40;
/// How many of these in a hundred use it up.
const SCARCE_PERCENT: u64 = 15;

/// How much of the pool a program may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Greed {
    /// Its thread's share: pages are never wanting.
    #[default]
    Share,
    /// All of it, and no other program has any meanwhile: what is wanting then is an input.
    All,
}

/// Keeps programs that use the pool up apart from all others.
static POOL: RwLock<()> = RwLock::new(());

/// A program's hold on the pool.
pub(crate) enum Hold {
    /// With others.
    Share { _guard: RwLockReadGuard<'static, ()> },
    /// Alone.
    All { _guard: RwLockWriteGuard<'static, ()> },
}

impl Pool {
    /// As many pages as each thread must have for its programs and worlds.
    pub const EACH: u64 = SHARE + SEGMENTS_PAGES;

    /// Reads what is free now; where that is not enough for so many threads, programs have none of it.
    pub fn of_machine(threads: usize) -> Self {
        let state = State::read();
        let part = state.available() / i64::try_from(threads.max(1)).unwrap_or(i64::MAX);
        let share = if part < Self::EACH.cast_signed() { 0 } else { SHARE };
        Self { share, total: state.most }
    }

    /// Returns how many pages a program may have at one time; none where there is no pool.
    pub fn share(self) -> u64 {
        self.share
    }

    /// Tells whether a mapping of so many pages is refused whatever else is mapped.
    pub(crate) fn never_has(self, pages: u64) -> bool {
        pages > self.total
    }

    /// Tells whether a program is about huge pages. Where there is no pool none is.
    pub(crate) fn is_meant(self, seed: u64, index: u64) -> bool {
        self.share > 0 && Rng::new(seed ^ 0x4855_4745, index).percent(PERCENT)
    }

    /// Returns how much of the pool the program of a number may have.
    pub(crate) fn greed(self, seed: u64, index: u64) -> Greed {
        let uses_up = Rng::new(seed ^ 0x5343_4152, index).percent(SCARCE_PERCENT);
        if self.is_meant(seed, index) && uses_up { Greed::All } else { Greed::Share }
    }

    /// Waits until a program may have that much; where there is no pool it need not.
    pub(crate) fn hold(self, greed: Greed) -> Option<Hold> {
        // What another thread's panic left behind is no matter of the pool.
        (self.share > 0).then(|| match greed {
            Greed::Share => Hold::Share { _guard: POOL.read().unwrap_or_else(PoisonError::into_inner) },
            Greed::All => Hold::All { _guard: POOL.write().unwrap_or_else(PoisonError::into_inner) },
        })
    }
}

/// The pool at one moment, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Pages that no mapping has.
    pub free: u64,
    /// Pages of these that are promised to a mapping.
    pub reserved: u64,
    /// How many pages there are, and how many more the kernel may add by itself.
    pub most: u64,
}

impl State {
    /// Returns how many pages are free and promised to nobody. The kernel's count of promises may be below 0 for a while: where
    /// a page was given back that a child still has, its promise is taken again before it is counted.
    pub fn available(self) -> i64 {
        self.free.wrapping_sub(self.reserved).cast_signed()
    }

    /// Reads it; without huge pages all is 0.
    pub fn read() -> Self {
        let number = |name: &str| {
            let text = fs::read_to_string(format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{name}"));
            text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
        };
        Self {
            free: number("free_hugepages"),
            reserved: number("resv_hugepages"),
            most: number("nr_hugepages") + number("nr_overcommit_hugepages"),
        }
    }
}
