//! The fields of one mapping in `/proc/PID/smaps`.

use std::fmt;

use crate::cursor::Cursor;
use crate::error::TextError;
use crate::status::bytes;

/// Key, colon and blanks of a line with a size.
const HEAD_BYTES: usize = 16;
/// Such a line with its newline, as long as the number has no more than eight digits: `Rss:                   4 kB`.
pub(crate) const LINE_BYTES: usize = HEAD_BYTES + 12;

/// How the line of a key begins (`fs/proc/task_mmu.c: SEQ_PUT_DEC`).
const fn head(key: &[u8]) -> [u8; HEAD_BYTES] {
    let mut head = [b' '; HEAD_BYTES];
    let mut at = 0;
    while at < key.len() {
        head[at] = key[at];
        at += 1;
    }
    head[at] = b':';
    head
}

/// Declares the sizes of a smaps block that are kept, each optional: kernels differ.
macro_rules! smaps_fields {
    ($( $(#[$meta:meta])* $field:ident = $key:literal ),* $(,)?) => {
        /// What `/proc/PID/smaps` says of a mapping (or `smaps_rollup` of all), in bytes.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct SmapsFields<'a> {
            $( $(#[$meta])* pub $field: Option<u64>, )*
            /// Whether huge pages may be used: 1 or 0 (a count, not bytes).
            pub thp_eligible: Option<u64>,
            /// The protection key.
            pub protection_key: Option<u64>,
            /// The kernel's flags as two-letter words.
            pub vm_flags: Option<VmFlags<'a>>,
        }

        /// A size of a smaps block.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[expect(non_camel_case_types, reason = "named as the fields are")]
        pub(crate) enum Size {
            $( $field, )*
        }

        impl Size {
            /// Every size, in the order of the newest kernels.
            pub(crate) const ALL: [Self; SIZES] = [$( Self::$field, )*];
            const KEYS: [&'static [u8]; SIZES] = [$( $key, )*];
            const HEADS: [[u8; HEAD_BYTES]; SIZES] = [$( head($key), )*];
        }

        /// How many sizes there are.
        pub(crate) const SIZES: usize = [$( stringify!($field), )*].len();

        impl<'a> SmapsFields<'a> {
            const fn set(&mut self, which: Size, value: u64) {
                match which {
                    $( Size::$field => self.$field = Some(value), )*
                }
            }

            /// Reads a field of any sort; returns the size that it is, if it is one.
            pub(crate) fn read_field(
                &mut self,
                key: &[u8],
                line: &mut Cursor<'a>,
            ) -> Result<Option<Size>, TextError> {
                match key {
                    b"THPeligible" => self.thp_eligible = Some(line.decimal()?),
                    b"ProtectionKey" => self.protection_key = Some(line.decimal()?),
                    b"VmFlags" => self.vm_flags = Some(VmFlags(line.rest())),
                    _ => {
                        let at = Size::KEYS.iter().position(|known| *known == key);
                        let which = at.and_then(|at| Size::ALL.get(at).copied());
                        if let Some(which) = which {
                            self.set(which, bytes(line)?);
                        }
                        return Ok(which);
                    }
                }
                Ok(None)
            }

            /// Returns the sizes that are known, in the kernel's order, with their keys.
            pub(crate) fn sizes(&self) -> impl Iterator<Item = (&'static [u8], u64)> {
                let all: [(&'static [u8], Option<u64>); _] = [$( ($key, self.$field), )*];
                all.into_iter().filter_map(|(key, size)| Some((key, size?)))
            }
        }
    };
}

smaps_fields! {
    /// Virtual size.
    size = b"Size",
    /// The kernel's page size for it.
    kernel_page_size = b"KernelPageSize",
    /// The page size the processor uses for it.
    mmu_page_size = b"MMUPageSize",
    /// Resident.
    rss = b"Rss",
    /// Resident, each page divided by the number of its users.
    pss = b"Pss",
    /// The dirty part of `pss`.
    pss_dirty = b"Pss_Dirty",
    /// The anonymous part of `pss` (`smaps_rollup` only).
    pss_anon = b"Pss_Anon",
    /// The file part of `pss` (`smaps_rollup` only).
    pss_file = b"Pss_File",
    /// The shared-memory part of `pss` (`smaps_rollup` only).
    pss_shmem = b"Pss_Shmem",
    /// Shared by several memories and clean.
    shared_clean = b"Shared_Clean",
    /// Shared by several memories and dirty.
    shared_dirty = b"Shared_Dirty",
    /// In this memory alone and clean.
    private_clean = b"Private_Clean",
    /// In this memory alone and dirty.
    private_dirty = b"Private_Dirty",
    /// Touched since the marks were cleared.
    referenced = b"Referenced",
    /// Belonging to no file.
    anonymous = b"Anonymous",
    /// Merged by KSM.
    ksm = b"KSM",
    /// Freed lazily (`MADV_FREE`).
    lazy_free = b"LazyFree",
    /// Anonymous huge pages.
    anon_huge = b"AnonHugePages",
    /// Shared memory mapped by huge entries.
    shmem_pmd = b"ShmemPmdMapped",
    /// File pages mapped by huge entries.
    file_pmd = b"FilePmdMapped",
    /// hugetlbfs pages shared.
    shared_hugetlb = b"Shared_Hugetlb",
    /// hugetlbfs pages in this memory alone.
    private_hugetlb = b"Private_Hugetlb",
    /// Swapped out.
    swap = b"Swap",
    /// Swapped out, each page divided by the number of its users.
    swap_pss = b"SwapPss",
    /// Locked.
    locked = b"Locked",
}

impl SmapsFields<'_> {
    /// Reads a whole line if it is this size's and has the kernel's own form; tells whether it was.
    pub(crate) fn read_line(&mut self, line: &[u8; LINE_BYTES], which: Size) -> bool {
        let Some((head, rest)) = line.split_first_chunk::<HEAD_BYTES>() else { return false };
        let Some((number, unit)) = rest.split_first_chunk::<8>() else { return false };
        if *head != Size::HEADS[which as usize] || unit != b" kB\n" {
            return false;
        }
        let kib = padded(number);
        if let Some(kib) = kib {
            self.set(which, kib * 1024);
        }
        kib.is_some()
    }
}

/// A number of eight columns, filled up with blanks in front.
fn padded(number: &[u8; 8]) -> Option<u64> {
    if number == b"       0" {
        return Some(0);
    }
    let digits = number.trim_ascii_start();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

/// The kernel's flags of a mapping as two-letter words: `rd wr mr mw me ac`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VmFlags<'a>(pub &'a [u8]);

impl<'a> VmFlags<'a> {
    /// The words in their order.
    pub fn words(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|b| *b == b' ').filter(|word| !word.is_empty())
    }

    /// Tells whether the word occurs.
    pub fn has(self, word: &[u8; 2]) -> bool {
        self.words().any(|w| w == word)
    }
}

impl fmt::Debug for VmFlags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0))
    }
}
