//! What `mremap` checks before anything changes.

use abi::{PAGE_SHIFT, RemapFlags};

use super::Remap;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::pages::Memory;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Checks the registers.
    ///
    /// Linux: `mm/mremap.c: check_mremap_params`.
    pub(super) fn check_params(&self, remap: &Remap) -> Result<(), Refusal> {
        let task_size = self.sys.profile.task_size.0;
        let known = RemapFlags::MAYMOVE | RemapFlags::FIXED | RemapFlags::DONTUNMAP;
        if !remap.flags.without(known).is_empty() {
            return Err(Refusal::RemapFlags);
        }
        if !remap.addr.is_page_aligned() {
            return Err(Refusal::RemapUnaligned);
        }
        if remap.new_len == 0 || remap.new_len > task_size {
            return Err(Refusal::RemapNewLength);
        }
        if !remap.implies_new_addr() {
            return Ok(());
        }
        if remap.new_addr.0 > task_size - remap.new_len {
            return Err(Refusal::RemapTarget);
        }
        if !remap.new_addr.is_page_aligned() {
            return Err(Refusal::RemapUnaligned);
        }
        if !remap.flags.contains(RemapFlags::MAYMOVE) {
            return Err(Refusal::RemapFlags);
        }
        if remap.keeps_source() && remap.old_len != remap.new_len {
            return Err(Refusal::RemapResize);
        }
        let source_end = remap.addr.0.wrapping_add(remap.old_len);
        let target_end = remap.new_addr.0 + remap.new_len;
        if source_end > remap.new_addr.0 && target_end > remap.addr.0 {
            return Err(Refusal::RemapOverlap);
        }
        self.check_headroom(2, Refusal::RemapHeadroom)
    }

    /// Checks that the worst splits stay below the limit of mappings, `extra` of them counted on top.
    pub(super) fn check_headroom(&self, extra: u64, refusal: Refusal) -> Result<(), Refusal> {
        let most = self.sys.profile.max_map_count as i64 - 3;
        let count = (self.space.map_count() + extra) as i64;
        if count >= most { Err(refusal) } else { Ok(()) }
    }

    /// Checks the mapping at the source's start against what is asked.
    ///
    /// Linux: `mm/mremap.c: check_prep_vma`.
    pub(super) fn check_mapping(&self, remap: &mut Remap) -> Result<(), Refusal> {
        let vma = self.space.vmas.find(remap.addr).ok_or(Refusal::RemapHole)?;
        if vma.flags.contains(VmFlags::SEALED) {
            return Err(Refusal::RemapSealed);
        }
        if let Some(bytes) = vma.huge_page_bytes() {
            align_huge(remap, bytes)?;
        }
        if !remap.implies_new_addr() {
            remap.new_addr = remap.addr;
            if remap.new_len <= remap.old_len {
                return Ok(());
            }
        }
        let shared = vma.flags.intersects(VmFlags::SHARED.with(VmFlags::MAYSHARE));
        if remap.old_len == 0 && !shared {
            return Err(Refusal::RemapDuplicate);
        }
        let fixed_size = vma.flags.intersects(VmFlags::DONTEXPAND.with(VmFlags::PFNMAP));
        if remap.keeps_source() && fixed_size {
            return Err(Refusal::RemapSpecial);
        }
        let old_len = remap.old_len.min(remap.new_len);
        if old_len > vma.range.end.0 - remap.addr.0 {
            return Err(Refusal::RemapBeyond);
        }
        if remap.new_len == old_len {
            return Ok(());
        }
        let pgoff = vma.pgoff_at(remap.addr).0;
        if pgoff.checked_add(remap.new_len >> PAGE_SHIFT).is_none() {
            return Err(Refusal::RemapOffset);
        }
        if fixed_size {
            return Err(Refusal::RemapNoExpand);
        }
        self.space.lock_future(vma.flags, remap.delta(), self.caps)?;
        self.may_expand(vma.flags, remap.delta() >> PAGE_SHIFT)
    }
}

/// Rounds the lengths up to huge pages; growing is not possible.
///
/// Linux: `mm/mremap.c: align_hugetlb`.
fn align_huge(remap: &mut Remap, bytes: u64) -> Result<(), Refusal> {
    let mask = bytes - 1;
    remap.old_len = remap.old_len.wrapping_add(mask) & !mask;
    remap.new_len = remap.new_len.wrapping_add(mask) & !mask;
    if remap.addr.0 & mask != 0 || remap.new_addr.0 & mask != 0 || remap.new_len > remap.old_len {
        return Err(Refusal::RemapHuge);
    }
    Ok(())
}
