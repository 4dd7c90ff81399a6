//! Sums over parts of a map, and how they add up.

use serde::{Deserialize, Serialize};
use snapshot::{Amounts, MappingSums, PageSums};

/// Sums over a part of the map, in bytes; `None` where the target does not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MapSums {
    /// Virtual size.
    pub size: u64,
    /// Whose contents the core file holds; `None` for any other target.
    pub in_core: Option<u64>,
    /// Resident.
    pub rss: Option<u64>,
    /// For several processes: resident, each page that more than one maps counted once.
    pub once: Option<u64>,
    /// Resident, each page divided by the number of its users.
    pub pss: Option<u64>,
    /// Resident in this process alone.
    pub uss: Option<u64>,
    /// Resident and written to.
    pub dirty: Option<u64>,
    /// Resident and of no file.
    pub anonymous: Option<u64>,
    /// In swap.
    pub swap: Option<u64>,
    /// In huge pages.
    pub huge: Option<u64>,
    /// Locked.
    pub locked: Option<u64>,
    /// Resident in small pages where huge ones are allowed.
    pub huge_possible: Option<u64>,
    /// Virtual size that counts against the commit limit.
    pub charged: Option<u64>,
    /// Mappings; one of several kinds counts for the kind of its first byte.
    pub mappings: u64,
}

/// What `/proc/PID/status` says of a process, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StatusSums {
    /// Virtual size (`VmSize`).
    pub vm_size: Option<u64>,
    /// Resident (`VmRSS`).
    pub vm_rss: Option<u64>,
    /// In swap (`VmSwap`).
    pub vm_swap: Option<u64>,
}

impl MapSums {
    pub(super) fn of(amounts: &Amounts) -> Self {
        let sums = amounts.sums.or(amounts.pages.map(from_pages)).unwrap_or_default();
        Self { in_core: amounts.held, ..Self::from_kernel(amounts.size, amounts.mappings as u64, sums) }
    }

    pub(super) fn from_kernel(size: u64, mappings: u64, sums: MappingSums) -> Self {
        let MappingSums {
            rss,
            pss,
            uss,
            dirty,
            anonymous,
            swap,
            swap_pss: _,
            huge,
            locked,
            huge_possible,
            charged,
        } = sums;
        Self {
            size,
            in_core: None,
            once: None,
            rss,
            pss,
            uss,
            dirty,
            anonymous,
            swap,
            huge,
            locked,
            huge_possible,
            charged,
            mappings,
        }
    }

    /// What its bar shows: what is resident, or in the core, or the size where neither is known.
    pub fn weight(&self) -> u64 {
        self.in_core.or(self.once).or(self.rss).unwrap_or(self.size)
    }

    /// Adds sums up; `None` if there are none.
    pub fn sum(sums: impl IntoIterator<Item = Self>) -> Option<Self> {
        sums.into_iter().reduce(|mut all, more| {
            all.add(more);
            all
        })
    }

    /// Adds other sums; what is not known of both is not known of the sum. A saved map may hold any numbers.
    fn add(&mut self, other: Self) {
        let plus = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a.saturating_add(b));
        let Self {
            size,
            in_core,
            once,
            rss,
            pss,
            uss,
            dirty,
            anonymous,
            swap,
            huge,
            locked,
            huge_possible,
            charged,
            mappings,
        } = other;
        *self = Self {
            size: self.size.saturating_add(size),
            in_core: plus(self.in_core, in_core),
            once: plus(self.once, once),
            rss: plus(self.rss, rss),
            pss: plus(self.pss, pss),
            uss: plus(self.uss, uss),
            dirty: plus(self.dirty, dirty),
            anonymous: plus(self.anonymous, anonymous),
            swap: plus(self.swap, swap),
            huge: plus(self.huge, huge),
            locked: plus(self.locked, locked),
            huge_possible: plus(self.huge_possible, huge_possible),
            charged: plus(self.charged, charged),
            mappings: self.mappings.saturating_add(mappings),
        };
    }
}

/// What pages alone tell.
pub(super) fn from_pages(pages: PageSums) -> MappingSums {
    let PageSums { resident, anonymous, huge, swapped, .. } = pages;
    MappingSums {
        rss: Some(resident),
        anonymous: Some(anonymous),
        huge: Some(huge),
        swap: Some(swapped),
        ..MappingSums::default()
    }
}
