//! What `/proc/PID/smaps` says of a mapping, as sums that add up.

use proc_text::{SmapsFields, VmFlags};

/// Declares the sums once: the fields, their addition, their share.
macro_rules! sums {
    ($( $(#[$meta:meta])* $field:ident ),* $(,)?) => {
        /// The kernel's own sums for a mapping or several, in bytes. `None`: that kernel does not say.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct MappingSums {
            $( $(#[$meta])* pub $field: Option<u64>, )*
        }

        impl MappingSums {
            /// Adds other sums. A sum is known only where both are.
            pub fn add(&mut self, other: &Self) {
                $( self.$field = self.$field.zip(other.$field).map(|(a, b)| a.saturating_add(b)); )*
            }

            /// All sums zero and known: what to begin an addition with.
            pub const ZERO: Self = Self { $( $field: Some(0), )* };

            /// The share `part` of `whole`, rounded so that the shares of parts up to `whole` add up: give
            /// the parts before this one as `before`.
            pub fn share(self, before: u64, part: u64, whole: u64) -> Self {
                let up_to = |value: u64, end: u64| {
                    (u128::from(value) * u128::from(end) / u128::from(whole.max(1))) as u64
                };
                Self { $( $field: self.$field.map(|v| up_to(v, before + part) - up_to(v, before)), )* }
            }
        }
    };
}

sums! {
    /// Resident.
    rss,
    /// Resident, each page divided by the number of its users.
    pss,
    /// Resident in this memory alone.
    uss,
    /// Resident and written to.
    dirty,
    /// Resident and of no file.
    anonymous,
    /// In swap.
    swap,
    /// In swap, each page divided by the number of its users.
    swap_pss,
    /// In huge pages of any sort.
    huge,
    /// Locked.
    locked,
    /// Resident in small pages where huge ones are allowed.
    huge_possible,
    /// Virtual size that counts against the commit limit.
    charged,
}

impl MappingSums {
    /// Takes the sums out of a smaps block or of `smaps_rollup`.
    pub fn from_smaps(fields: &SmapsFields<'_>) -> Self {
        let sum = |parts: &[Option<u64>]| parts.iter().copied().sum::<Option<u64>>();
        let huge = sum(&[fields.anon_huge, fields.shmem_pmd, fields.file_pmd]);
        let small = fields.rss.zip(huge).map(|(rss, huge)| rss.saturating_sub(huge));
        let charged = |flags: VmFlags<'_>| if flags.has(b"ac") { fields.size } else { Some(0) };
        Self {
            rss: fields.rss,
            pss: fields.pss,
            uss: sum(&[fields.private_clean, fields.private_dirty]),
            dirty: sum(&[fields.shared_dirty, fields.private_dirty]),
            anonymous: fields.anonymous,
            swap: fields.swap,
            swap_pss: fields.swap_pss,
            huge,
            locked: fields.locked,
            huge_possible: fields
                .thp_eligible
                .and_then(|eligible| if eligible == 1 { small } else { Some(0) }),
            charged: fields.vm_flags.and_then(charged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let whole = MappingSums { rss: Some(10_001), ..MappingSums::default() };
        let mut sum = whole.share(0, 3, 7);
        sum.add(&whole.share(3, 3, 7));
        sum.add(&whole.share(6, 1, 7));
        assert_eq!(sum, whole);
        assert_eq!(whole.share(0, 0, 0).rss, Some(0));
    }
}
