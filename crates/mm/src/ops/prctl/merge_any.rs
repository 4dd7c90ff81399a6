//! `PR_SET_MEMORY_MERGE`: equal pages of the whole process may be merged. The flag goes to each mapping where it
//! lies: none are joined, although some might be now.

use alloc::vec::Vec;

use abi::VirtAddr;

use super::Args;
use crate::flags::VmFlags;
use crate::op::Op;
use crate::ops::Answer;
use crate::ops::mmap::NO_KSM;
use crate::pages::Memory;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Linux: `mm/ksm.c: ksm_enable_merge_any`, `ksm_disable_merge_any`.
    pub(super) fn set_memory_merge(&mut self, [enable, a, b, c]: Args) -> Answer {
        if !self.sys.profile.options.ksm || a != 0 || b != 0 || c != 0 {
            return Err(Refusal::PrctlArguments);
        }
        let enable = enable != 0;
        if self.space.settings.merge_any == enable {
            return Ok(0);
        }
        self.space.settings.merge_any = enable;
        let wrong = |flags: VmFlags| match enable {
            true => !flags.contains(VmFlags::MERGEABLE) && !flags.intersects(NO_KSM),
            false => flags.contains(VmFlags::MERGEABLE),
        };
        let starts: Vec<VirtAddr> =
            self.space.vmas().filter(|vma| wrong(vma.flags)).map(|vma| vma.range.start).collect();
        for start in starts {
            self.space.vmas.update(start, |vma| vma.flags.0 ^= VmFlags::MERGEABLE.0);
        }
        Ok(0)
    }
}
