//! Sums over parts of a map, and how they add up.

use serde::{Deserialize, Serialize};
use snapshot::{Amounts, MappingSums, PageSums};

/// Declares the sums once: the fields, how they are taken over, their addition.
macro_rules! sums {
    ($( $(#[$meta:meta])* $field:ident ),* $(,)?) => {
        /// Sums over a part of the map, in bytes; `None` where the target does not tell.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
        pub struct MapSums {
            /// Virtual size.
            pub size: u64,
            /// Whose contents the core file holds; `None` for any other target.
            pub in_core: Option<u64>,
            /// For several processes: resident, each page that more than one maps counted once.
            pub once: Option<u64>,
            $( $(#[$meta])* pub $field: Option<u64>, )*
            /// Mappings; one of several kinds counts for the kind of its first byte.
            pub mappings: u64,
        }

        impl MapSums {
            pub(super) fn from_kernel(size: u64, mappings: u64, sums: MappingSums) -> Self {
                Self { size, in_core: None, once: None, $( $field: sums.$field, )* mappings }
            }

            /// Adds other sums; what is not known of both is not known of the sum. A saved map may hold any numbers.
            fn add(&mut self, other: Self) {
                let plus = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a.saturating_add(b));
                *self = Self {
                    size: self.size.saturating_add(other.size),
                    in_core: plus(self.in_core, other.in_core),
                    once: plus(self.once, other.once),
                    $( $field: plus(self.$field, other.$field), )*
                    mappings: self.mappings.saturating_add(other.mappings),
                };
            }
        }
    };
}

sums! {
    /// Resident.
    rss,
    /// Resident, each page divided by the number of its users.
    pss,
    /// Resident in this process alone.
    uss,
    /// Resident and written to.
    dirty,
    /// Resident and of no file.
    anonymous,
    /// In swap.
    swap,
    /// In huge pages.
    huge,
    /// Locked.
    locked,
    /// Resident in small pages where huge ones are allowed.
    huge_possible,
    /// Virtual size that counts against the commit limit.
    charged,
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
