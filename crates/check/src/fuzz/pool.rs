//! The machine's pool of huge pages, of which each thread of a campaign has its part.

use std::fs;

use super::rng::Rng;

/// The bytes of a page of the pool.
pub(crate) const HUGE: u64 = 2 << 20;

/// How many pages of 2 MiB programs may have. Who sets `vm.nr_hugepages` is not the fuzzer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pool {
    /// As many pages as one program may have at one time: the kernel has them for it, whatever others do.
    share: u64,
    /// As many as no program can have, all others gone.
    total: u64,
}

/// With fewer pages programs about them would be left out line by line.
const SHARE_MIN: u64 = 12;
/// How many programs in a hundred are about huge pages where there is a pool.
const PERCENT: u64 = 40;

impl Pool {
    /// Reads what is free now and gives each thread its part.
    pub fn of_machine(threads: usize) -> Self {
        let State { free, reserved, most } = State::read();
        let share = free.saturating_sub(reserved) / threads.max(1) as u64;
        if share < SHARE_MIN { Self { share: 0, total: most } } else { Self { share, total: most } }
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
