//! `mremap` to a larger size without a given place.

use abi::{AddrRange, MapFlags, PAGE_SHIFT, RemapFlags, VirtAddr};

use super::Remap;
use crate::file::{FileKind, MapFile};
use crate::flags::VmFlags;
use crate::input::Basis;
use crate::merge::{Expansion, Proposal};
use crate::op::Op;
use crate::pages::Memory;
use crate::space::Placing;
use crate::vma::Vma;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Grows in place where the mapping ends with the source and free space follows, else moves.
    ///
    /// Linux: `mm/mremap.c: expand_vma`.
    pub(super) fn grow(&mut self, remap: &mut Remap) -> Result<VirtAddr, Refusal> {
        let vma = self.space.vmas.find(remap.addr).cloned().ok_or(Refusal::RemapHole)?;
        let at_end = vma.range.end.0 - remap.addr.0 == remap.old_len;
        if at_end && self.has_room(&vma, remap.delta()) {
            self.grow_in_place(&vma, remap.delta())?;
            return Ok(remap.addr);
        }
        if !remap.flags.contains(RemapFlags::MAYMOVE) {
            return Err(Refusal::RemapMustMove);
        }
        remap.new_addr = self.new_place(&vma, remap)?;
        self.relocate(remap)
    }

    /// Tells whether nothing is mapped in the `delta` bytes after a mapping; guard gaps do not count.
    ///
    /// Linux: `mm/mremap.c: vma_expandable`.
    fn has_room(&self, vma: &Vma, delta: u64) -> bool {
        let Some(end) = vma.range.end.checked_add(delta) else { return false };
        let free = self.space.vmas.is_free(AddrRange { start: vma.range.end, end });
        free && end <= self.sys.profile.task_size && self.check_min_addr(vma.range.start).is_ok()
    }

    /// ```text
    /// AAA***      ->  AAAAAA
    /// AAA***BBB   ->  AAAAAAAAA     where the extension makes the two fit
    /// ```
    ///
    /// Linux: `mm/mremap.c: expand_vma_in_place`, `mm/vma.c: vma_merge_extend`.
    fn grow_in_place(&mut self, vma: &Vma, delta: u64) -> Result<(), Refusal> {
        let pages = delta >> PAGE_SHIFT;
        let charged = vma.flags.contains(VmFlags::ACCOUNT);
        if charged {
            self.charge(pages)?;
        }
        let range = AddrRange { start: vma.range.end, end: VirtAddr(vma.range.end.0 + delta) };
        let proposal = Proposal {
            range,
            pgoff: vma.pgoff_at(range.start),
            flags: vma.flags,
            backing: &vma.backing,
            anon: vma.anon.as_ref(),
            forked: None,
            extra: vma.extra.as_ref(),
        };
        if self.merge_new(&proposal, Expansion::Both, None).is_none() {
            if charged {
                self.sys.uncharge(pages);
            }
            return Err(Refusal::RemapMayNotMerge);
        }
        self.count_new(vma.flags, pages);
        Ok(())
    }

    /// Linux: `mm/mremap.c: vrm_stat_account`.
    pub(super) fn count_new(&mut self, flags: VmFlags, pages: u64) {
        let counters = &mut self.space.counters;
        counters.add(flags, pages);
        if flags.contains(VmFlags::LOCKED) {
            counters.locked_vm += pages;
        }
    }

    /// Finds where the mapping moves to.
    ///
    /// Linux: `mm/mremap.c: vrm_set_new_addr`.
    pub(super) fn new_place(&mut self, vma: &Vma, remap: &Remap) -> Result<VirtAddr, Refusal> {
        let fixed = remap.flags.contains(RemapFlags::FIXED);
        let shared = vma.flags.contains(VmFlags::MAYSHARE);
        let mut flags = if fixed { MapFlags::FIXED } else { MapFlags::NONE };
        if shared {
            flags = flags | MapFlags::SHARED;
        }
        let file = vma.backing.file().map(AsRef::as_ref);
        let overlay = file.filter(|file| file.kind == FileKind::Overlay && !fixed);
        let addr = if remap.implies_new_addr() { remap.new_addr } else { VirtAddr::NULL };
        let pgoff = vma.pgoff_at(remap.addr).0;
        let len = remap.new_len;
        let placing = Placing { file, addr, len, pgoff, flags, vm_flags: VmFlags::NONE };
        match overlay {
            Some(overlay) => self.place_by_file_behind(placing, overlay),
            None => self.place(placing),
        }
    }

    /// Finds the place of a mapping of overlayfs, for which the file behind it is asked. On which file system that is
    /// nobody tells: where the rules that there are lead to different places, the kernel's is taken over, if it is one of
    /// them. Without its word it is the one by the rule of disks.
    fn place_by_file_behind(&mut self, placing: Placing<'_>, overlay: &MapFile) -> Result<VirtAddr, Refusal> {
        let told = self.placed.or(self.observed.and_then(Result::ok).map(VirtAddr));
        let places = [FileKind::Regular, FileKind::RegularOther, FileKind::Shmem].map(|kind| {
            let behind = MapFile { kind, ..overlay.clone() };
            self.place(Placing { file: Some(&behind), ..placing })
        });
        let [disk, others @ ..] = places;
        if others.iter().all(|other| *other == disk) {
            return disk;
        }
        self.basis = Basis::TakenOver;
        let as_told = |place: &Result<VirtAddr, Refusal>| place.is_ok_and(|place| Some(place) == told);
        places.into_iter().find(as_told).unwrap_or(disk)
    }
}
