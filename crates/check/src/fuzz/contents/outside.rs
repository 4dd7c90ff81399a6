//! What a process has outside the window, which is not the program's: the kernel's texts tell it, and where they round,
//! `/proc/kpagecount` where it may be read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use mm::{Share, Usage};
use proc_text::{PagemapEntry, SmapsRow};

use super::texts::Bounds;
use super::world::Space;

/// What a share that was rounded down to whole KiB is less than, beyond what is told.
const ROUNDED: u64 = 1024;

/// What is there, added up.
pub(super) struct Outside {
    /// The shares of each mapping, by its first address, where they could be counted.
    counted: BTreeMap<VirtAddr, Shares>,
    /// What the pages add up to.
    pub(super) bounds: Bounds,
    /// Resident: anonymous, of files, of shared memory, in pages.
    pub(super) pages: [u64; 3],
}

/// The share of anonymous pages, and that of all others.
type Shares = [Share; 2];
/// What a share is at least and at most.
type Between = (Share, Share);

impl Outside {
    /// Counts who holds the pages of a process that has just read its texts: before anyone looks at them, who shares the
    /// memory that they come through.
    pub(super) fn count(pid: u64, space: &Space, window: AddrRange) -> Self {
        let counts = Counts::open(pid).ok();
        let ranges = space.vmas().map(|vma| vma.range).filter(|range| !window.overlaps(*range));
        let shares = |range: AddrRange| Some((range.start, counts.as_ref()?.shares(range).ok()?));
        Self { counted: ranges.filter_map(shares).collect(), bounds: Bounds::default(), pages: [0; 3] }
    }

    /// Whether the same pages are shared with as many others as at another moment.
    pub(super) fn is_held_as(&self, other: &Self) -> bool {
        self.counted == other.counted
    }

    /// Adds a mapping.
    pub(super) fn add(&mut self, row: &SmapsRow<'_>) {
        let of = |field: Option<u64>| field.unwrap_or(0);
        let fields = &row.fields;
        let (resident, anonymous) = (of(fields.rss), of(fields.anonymous));
        let is_shared_memory = [&b"/memfd:"[..], b"/dev/zero", b"/SYSV"];
        let is_shared_memory = is_shared_memory.iter().any(|name| row.map.name.starts_with(name));
        self.pages[0] += anonymous / PAGE_SIZE;
        self.pages[1 + usize::from(is_shared_memory)] += (resident - anonymous) / PAGE_SIZE;
        let [pss, anon, others] = self.shares(row);
        let dirty = of(fields.shared_dirty) + of(fields.private_dirty);
        let pss_dirty = if dirty == resident { pss } else { rounded(of(fields.pss_dirty), dirty) };
        let nothing = Between::default();
        let (file, shmem) = if is_shared_memory { (nothing, others) } else { (others, nothing) };
        let usage = |which: fn(Between) -> Share| Usage {
            resident,
            pss: which(pss),
            pss_dirty: which(pss_dirty),
            pss_anon: which(anon),
            pss_file: which(file),
            pss_shmem: which(shmem),
            shared_clean: of(fields.shared_clean),
            shared_dirty: of(fields.shared_dirty),
            private_clean: of(fields.private_clean),
            private_dirty: of(fields.private_dirty),
            referenced: of(fields.referenced),
            referenced_most: of(fields.referenced),
            anonymous,
            lazy_free: of(fields.lazy_free),
            anon_huge: of(fields.anon_huge),
            swap: of(fields.swap),
            swap_pss: Share::of(of(fields.swap_pss), 1),
            locked: Share::of(of(fields.locked), 1),
        };
        self.bounds.add(Bounds { least: usage(|(least, _)| least), most: usage(|(_, most)| most) });
    }

    /// The share of all pages, of the anonymous ones, and of the others.
    fn shares(&self, row: &SmapsRow<'_>) -> [Between; 3] {
        let of = |field: Option<u64>| field.unwrap_or(0);
        let (told, resident, anonymous) = (of(row.fields.pss), of(row.fields.rss), of(row.fields.anonymous));
        // The vdso is in every process of the machine.
        if row.map.name != b"[vdso]"
            && let Some([anon, others]) = self.counted.get(&row.map.range.start).copied()
        {
            let mut all = anon;
            all += others;
            return [all, anon, others].map(|share| (share, share));
        }
        let is_shared = of(row.fields.shared_clean) + of(row.fields.shared_dirty) > 0;
        let all = if is_shared {
            rounded(told, resident)
        } else {
            (Share::of(resident, 1), Share::of(resident, 1))
        };
        let nothing = Between::default();
        match anonymous {
            0 => [all, nothing, all],
            _ if anonymous == resident => [all, all, nothing],
            _ => [all, (Share::default(), all.1), (Share::default(), all.1)],
        }
    }
}

/// The share of some bytes that was rounded down to whole KiB.
fn rounded(told: u64, bytes: u64) -> Between {
    let most = if bytes == 0 { told } else { told + ROUNDED };
    (Share::of(told, 1), Share::of(most, 1))
}

/// How many page tables hold a page each: only the privileged are told.
struct Counts {
    pagemap: File,
    counts: File,
}

impl Counts {
    fn open(pid: u64) -> io::Result<Self> {
        let pagemap = File::open(format!("/proc/{pid}/pagemap"))?;
        Ok(Self { pagemap, counts: File::open("/proc/kpagecount")? })
    }

    /// The share of the pages of a mapping that are of no file, and of those that are of one.
    fn shares(&self, range: AddrRange) -> io::Result<Shares> {
        let mut words = vec![0; range.pages() as usize * 8];
        self.pagemap.read_exact_at(&mut words, range.start.0 / PAGE_SIZE * 8)?;
        let mut shares = Shares::default();
        for word in words.as_chunks().0 {
            let entry = PagemapEntry(u64::from_ne_bytes(*word));
            let Some(frame) = entry.frame() else { continue };
            let holders = if entry.is_exclusive() { 1 } else { self.holders(frame)? };
            shares[usize::from(entry.is_file())] += Share::of(PAGE_SIZE, holders);
        }
        Ok(shares)
    }

    fn holders(&self, frame: u64) -> io::Result<u32> {
        let mut count = [0; 8];
        self.counts.read_exact_at(&mut count, frame * 8)?;
        Ok(u32::try_from(u64::from_ne_bytes(count)).unwrap_or(u32::MAX))
    }
}
