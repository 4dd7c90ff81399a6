//! `/proc/PID/smaps` and `smaps_rollup`.

use abi::{AddrRange, VirtAddr};
use mm::{AddressSpace, Frames, Memory, Pages, System, Usage, VmFlags, Vma};
use proc_text::{SmapsFields, SmapsRow};

use crate::maps::{Mapping, Names};

/// One mapping of the twin as smaps shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Smaps {
    /// Its line as in maps.
    pub map: Mapping,
    /// What its pages add up to.
    pub usage: Usage,
    /// The size of its pages in bytes.
    pub page_size: u64,
    /// Whether huge pages may be used.
    pub thp_eligible: bool,
    /// The protection key, where the processor has keys.
    pub protection_key: Option<u64>,
    /// The letters of its flags: `rd wr mr mw me ac`.
    pub flags: Vec<u8>,
}

impl Smaps {
    /// Returns what smaps shows of a mapping.
    pub fn of<F: Frames>(
        space: &AddressSpace<Pages<F>>,
        sys: &System<Pages<F>>,
        vma: &Vma,
        names: &Names,
    ) -> Self {
        let page_size = vma.backing.file_kind().and_then(|kind| kind.huge_page_bytes());
        Self {
            map: Mapping::of(space, vma, names),
            usage: space.usage(sys, vma.range),
            page_size: page_size.unwrap_or(abi::PAGE_SIZE),
            thp_eligible: space.is_huge_eligible(sys, vma),
            protection_key: sys.profile.options.pkeys.then_some((vma.flags.0 & VmFlags::PKEY.0) >> 32),
            flags: letters(vma.flags),
        }
    }

    /// Returns it as a row of smaps.
    ///
    /// Linux: `fs/proc/task_mmu.c: show_smap`.
    pub fn row(&self) -> SmapsRow<'_> {
        let Self { map, usage, page_size, thp_eligible, protection_key, flags } = self;
        let fields = SmapsFields {
            size: Some(map.range.len()),
            kernel_page_size: Some(*page_size),
            mmu_page_size: Some(*page_size),
            thp_eligible: Some(u64::from(*thp_eligible)),
            protection_key: *protection_key,
            vm_flags: Some(proc_text::VmFlags(flags)),
            ..of_pages(usage)
        };
        SmapsRow { map: map.row(), fields }
    }
}

/// Appends the text of `/proc/PID/smaps`.
pub fn write_smaps<F: Frames>(
    space: &AddressSpace<Pages<F>>,
    sys: &System<Pages<F>>,
    names: &Names,
    out: &mut Vec<u8>,
) {
    for vma in space.vmas() {
        proc_text::write_smaps_row(&Smaps::of(space, sys, vma, names).row(), out);
    }
}

/// Appends the text of `/proc/PID/smaps_rollup`.
pub fn write_rollup<F: Frames>(space: &AddressSpace<Pages<F>>, sys: &System<Pages<F>>, out: &mut Vec<u8>) {
    let span = span(space);
    proc_text::write_rollup(span, &rollup(&space.usage(sys, span)), out);
}

/// Returns what the mappings of a memory reach over, holes included: what heads `smaps_rollup`.
pub fn span<M: Memory>(space: &AddressSpace<M>) -> AddrRange {
    let mut span = AddrRange { start: VirtAddr::NULL, end: VirtAddr::NULL };
    for vma in space.vmas() {
        if span.is_empty() {
            span.start = vma.range.start;
        }
        span.end = vma.range.end;
    }
    span
}

/// Returns the fields of `smaps_rollup` for what all pages add up to. Shares are added up before they are rounded down:
/// the rollup may have more than its mappings in smaps together.
///
/// Linux: `fs/proc/task_mmu.c: show_smaps_rollup`.
pub fn rollup(usage: &Usage) -> SmapsFields<'static> {
    SmapsFields {
        pss_anon: Some(usage.pss_anon.kib() << 10),
        pss_file: Some(usage.pss_file.kib() << 10),
        pss_shmem: Some(usage.pss_shmem.kib() << 10),
        ..of_pages(usage)
    }
}

/// The fields that smaps and its rollup share.
///
/// Linux: `fs/proc/task_mmu.c: __show_smap`.
fn of_pages<'a>(usage: &Usage) -> SmapsFields<'a> {
    SmapsFields {
        rss: Some(usage.resident),
        pss: Some(usage.pss.kib() << 10),
        pss_dirty: Some(usage.pss_dirty.kib() << 10),
        shared_clean: Some(usage.shared_clean),
        shared_dirty: Some(usage.shared_dirty),
        private_clean: Some(usage.private_clean),
        private_dirty: Some(usage.private_dirty),
        referenced: Some(usage.referenced),
        anonymous: Some(usage.anonymous),
        ksm: Some(0),
        lazy_free: Some(usage.lazy_free),
        anon_huge: Some(usage.anon_huge),
        shmem_pmd: Some(0),
        file_pmd: Some(0),
        shared_hugetlb: Some(0),
        private_hugetlb: Some(0),
        swap: Some(usage.swap),
        swap_pss: Some(usage.swap_pss.kib() << 10),
        locked: Some(usage.locked.kib() << 10),
        ..SmapsFields::default()
    }
}

/// Returns the flags of a mapping as smaps prints them: `rd wr mr mw me ac`.
///
/// Linux: `fs/proc/task_mmu.c: show_smap_vma_flags`.
pub fn letters(flags: VmFlags) -> Vec<u8> {
    let named =
        VmFlags::NAMED.iter().filter(|(flag, _, letters)| flags.contains(*flag) && !letters.is_empty());
    named.map(|(_, _, letters)| *letters).collect::<Vec<_>>().join(" ").into_bytes()
}
