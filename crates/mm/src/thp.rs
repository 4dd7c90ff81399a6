//! Where transparent huge pages may be: by settings, by advice, by place.

use abi::PAGE_SHIFT;

use crate::flags::VmFlags;
use crate::profile::{FolioOrders, Thp};
use crate::space::Settings;
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
