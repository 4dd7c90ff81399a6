//! Where transparent huge pages may be: by settings, by advice, by place.

use abi::{AddrRange, PAGE_SHIFT, VirtAddr};

use crate::flags::VmFlags;
use crate::pages::Memory;
use crate::profile::{FolioOrders, Thp};
use crate::space::{AddressSpace, Settings};
use crate::vma::Vma;

/// Pages of 4 KiB in a huge page.
pub(crate) const HUGE_PAGES: u64 = 512;

/// Tells whether settings and advice let a fault in a mapping map a huge page, wherever it is.
///
/// Linux: `mm/huge_memory.c: __thp_vma_allowable_orders`, `include/linux/huge_mm.h: vma_thp_disabled`.
#[inline]
pub(crate) fn is_allowed(mode: Thp, settings: Settings, flags: VmFlags) -> bool {
    let advised = flags.contains(VmFlags::HUGEPAGE);
    let by_mode = match mode {
        Thp::Always => true,
        Thp::Madvise => advised,
        Thp::Never => false,
    };
    by_mode
        && !flags.contains(VmFlags::NOHUGEPAGE)
        && !settings.thp_disabled
        && (advised || !settings.thp_disabled_except_advised)
}

/// Returns the orders of large folios below a huge page that settings and advice let a write to a mapping map.
///
/// Linux: `include/linux/huge_mm.h: thp_vma_allowable_orders`.
#[inline]
pub(crate) fn allowed_orders(sizes: FolioOrders, settings: Settings, flags: VmFlags) -> u16 {
    let advised = flags.contains(VmFlags::HUGEPAGE);
    let orders = if advised { sizes.always | sizes.madvise } else { sizes.always };
    let disabled = settings.thp_disabled || settings.thp_disabled_except_advised && !advised;
    if disabled || flags.contains(VmFlags::NOHUGEPAGE) { 0 } else { orders }
}

/// Returns the first page of the huge page that one would be a part of, if a mapping has room for it.
///
/// Linux: `include/linux/huge_mm.h: thp_vma_suitable_order`.
pub(crate) fn place_in(vma: &Vma, page: u64) -> Option<u64> {
    let first = page & !(HUGE_PAGES - 1);
    let mapped = vma.range.start.0 >> PAGE_SHIFT..vma.range.end.0 >> PAGE_SHIFT;
    // The sums wrap, as in the kernel.
    (mapped.start <= first && first.wrapping_add(HUGE_PAGES) <= mapped.end).then_some(first)
}

impl<M: Memory> AddressSpace<M> {
    /// Returns the 2 MiB that a huge page at an address would take, if a setting, the mapping's advice and its place allow
    /// one there to be made by a fault.
    pub fn huge_place(&self, mode: Thp, addr: VirtAddr) -> Option<AddrRange> {
        let vma = self.find(addr).filter(|vma| self.allows_huge_in(mode, vma))?;
        let first = place_in(vma, addr.0 >> PAGE_SHIFT)?;
        let [start, end] = [first, first + HUGE_PAGES].map(|page| VirtAddr(page << PAGE_SHIFT));
        Some(AddrRange { start, end })
    }

    /// Tells whether a setting and the advice of the mapping at an address let a fault make a huge page, if there is room.
    pub fn allows_huge(&self, mode: Thp, addr: VirtAddr) -> bool {
        self.find(addr).is_some_and(|vma| self.allows_huge_in(mode, vma))
    }

    fn allows_huge_in(&self, mode: Thp, vma: &Vma) -> bool {
        vma.is_anonymous() && is_allowed(mode, self.settings, vma.flags)
    }
}
