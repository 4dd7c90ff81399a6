//! Pages: what is behind the mappings. Frames, page tables, faults, copy-on-write.
//!
//! A [`System`](crate::System) and its address spaces have a type parameter that says what they keep:
//!
//! | parameter | kept | a touch |
//! |---|---|---|
//! | [`NoPages`] | mappings only | may grow a stack, gives an anon_vma |
//! | [`Pages<States>`](Pages) | for each page: its frame, written, accessed, shared with whom | faults the page in |
//! | [`Pages<Contents>`](Pages) | also the bytes | the same, and loads and stores work |
//!
//! All three run the same code: the operations on mappings tell the parameter what happens ([`Memory`]), and with
//! [`NoPages`] that is next to nothing: where there are page tables.
//!
//! ```text
//! AddressSpace: Table                              System: Pool
//!   page table  page -> Pte ---------- frame ------> Meta   mapped how often, anonymous, exclusive, dirty
//!   translation cache                                bytes  the frame's 4 KiB
//!   RSS, fault counts                                files  page cache: (file, page) -> frame
//! ```

mod access;
mod blocks;
mod cache;
mod collapse;
mod fault;
mod files;
mod folio;
mod fork;
mod frames;
mod hooks;
mod huge;
mod large;
mod lock;
mod protect;
mod pte;
mod reclaim;
mod relocate;
mod table;
mod tlb;
mod usage;
mod userfault;
mod validate;
mod view;
mod zap;

use core::fmt;
use core::marker::PhantomData;

pub use self::access::Fault;
pub use self::cache::{FileStore, IoError};
use self::folio::MmId;
pub use self::frames::{Contents, Frames, States};
pub(crate) use self::hooks::Hooks;
pub use self::huge::HugeSupply;
pub(crate) use self::lock::Keeps;
pub(crate) use self::table::PageTable;
pub use self::usage::{Share, Usage};
pub(crate) use self::userfault::{Answered, Then};
pub use self::validate::PageInconsistency;
pub use self::view::{PageKind, PageSize, PageView, Writable};

use self::tlb::Tlb;

/// What a system and its address spaces keep of pages: [`NoPages`] or [`Pages`].
#[expect(private_bounds, reason = "the trait is sealed: what it asks for is the twin's own")]
pub trait Memory: Hooks {}

/// Nothing is kept of pages.
#[derive(Clone, Copy, Debug)]
pub struct NoPages;

/// Pages are kept: their states ([`States`]), or also their bytes ([`Contents`]).
#[derive(Clone, Copy, Debug)]
pub struct Pages<F>(PhantomData<F>);

impl Memory for NoPages {}

impl<F: Frames> Memory for Pages<F> {}

/// What an address space keeps of its pages. A clone shares the page tables until one of the two changes them.
#[derive(Clone, Default)]
pub(crate) struct Table {
    /// Linux: `pgd`.
    pub(crate) tree: PageTable,
    /// Linux: `rss_stat`. Invariant: the sums over the page table.
    pub(crate) rss: Rss,
    /// Linux: `min_flt`, `maj_flt`, of all threads.
    pub(crate) faults: Faults,
    /// Pages that became writable where they are without a fault at each.
    pub(crate) upgraded: u64,
    pub(crate) tlb: Tlb,
    /// The rights to protection keys of the thread that runs: the register PKRU.
    pub(crate) key_rights: u32,
    /// How many changes of files' pages it has followed.
    pub(crate) seen: usize,
    /// The entries that map huge pages. Invariant: those of the page table.
    pub(crate) huge: u64,
    /// Its number among those that map large folios.
    pub(crate) mm: MmId,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tree: _, rss, faults, upgraded: _, tlb: _, key_rights: _, seen: _, huge: _, mm: _ } = self;
        f.debug_struct("Table").field("rss", rss).field("faults", faults).finish_non_exhaustive()
    }
}

/// Resident and swapped pages by the kernel's names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rss {
    /// `RssAnon`. Linux: `MM_ANONPAGES`.
    pub anon: u64,
    /// `RssFile`. Linux: `MM_FILEPAGES`.
    pub file: u64,
    /// `RssShmem`. Linux: `MM_SHMEMPAGES`.
    pub shmem: u64,
    /// `VmSwap`. Linux: `MM_SWAPENTS`.
    pub swap: u64,
}

impl Rss {
    /// Returns the resident pages of all kinds (`VmRSS`).
    pub const fn resident(self) -> u64 {
        self.anon + self.file + self.shmem
    }
}

/// Page faults counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Those that needed no reading (`min_flt`).
    pub minor: u64,
    /// Those that waited for a file or swap (`maj_flt`).
    pub major: u64,
}
