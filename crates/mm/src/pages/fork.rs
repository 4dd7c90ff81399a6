//! Fork: parent and child hold the same frames, and neither may write them without a copy.
//!
//! ```text
//! parent   AAAA rw        AAAA r   ---- frame: mapped twice, not exclusive
//!                    ->                 |
//! child                   AAAA r   -----
//! ```

use super::Table;
use super::frames::{Frames, Pool};
use super::pte::Pte;
use super::table::{PageTable, pages_of};
use crate::flags::VmFlags;
use crate::input::Uffd;
use crate::mutation::Mutation;
use crate::profile::Profile;
use crate::vma::Vma;

/// Tells whether a child's copy of a mapping stays write-protected by userfaultfd where the parent's is.
///
/// Linux: `mm/memory.c: copy_pte_marker`, `__copy_present_ptes`.
pub(super) fn keeps_protection(vma: &Vma) -> bool {
    let uffd = vma.extra.as_ref().and_then(|extra| extra.uffd);
    vma.flags.contains(VmFlags::UFFD_WP) && uffd.is_some_and(|uffd| uffd.has(Uffd::EVENT_FORK))
}

/// Copies the page tables of a mapping for a child.
///
/// Linux: `mm/memory.c: copy_pte_range`, `copy_present_ptes`.
pub(super) fn copy<F: Frames>(
    parent: &mut Table,
    child: &mut Table,
    pool: &mut Pool<F>,
    vma: &Vma,
    profile: &Profile,
) {
    let shared = vma.flags.contains(VmFlags::SHARED);
    let write_stays = shared || profile.mutated(Mutation::ForkKeepsWrite);
    let keeps_protection = keeps_protection(vma) || profile.mutated(Mutation::ProtectionForks);
    parent.tlb.flush();
    let Table { tree, .. } = parent;
    child.tree.reach_as(tree, pages_of(vma.range));
    tree.walk_mut(pages_of(vma.range), |first, ptes| {
        let is_huge = ptes[0].is_huge();
        if is_huge {
            child.huge += 1;
        }
        let copies = child.tree.leaf(first);
        let offset = (first % PageTable::LEAF_PAGES) as usize;
        for (pte, copy) in ptes.iter_mut().zip(&mut copies[offset..]) {
            if pte.is_none() || pte.is_mark() {
                *copy = if keeps_protection || pte.is_poisoned() { *pte } else { Pte::NONE };
                continue;
            }
            if pte.is_swapped() {
                let meta = pool.meta_mut(pte.frame());
                meta.swaps += 1;
                meta.exclusive = false;
                child.rss.swap += 1;
            } else if !pte.is_zero_page() {
                let meta = pool.meta_mut(pte.frame());
                meta.maps += 1;
                meta.exclusive = false;
                child.rss.add(meta.holds);
                let folio = meta.folio;
                if folio.is_large() && (!is_huge || pte.frame() == pool.folio(folio).frames[0]) {
                    let mm = pool.number(&mut child.mm);
                    pool.folio_mapped(folio, mm, 1);
                }
                if !write_stays {
                    *pte = pte.protected();
                }
            }
            // The child's entry of a shared page begins clean.
            let dirty = if shared { false } else { pte.is_dirty() };
            let copied = pte.clean().old();
            let copied = if dirty { copied.dirty() } else { copied };
            *copy = if keeps_protection { copied } else { copied.without_uffd_wp() };
        }
    });
}
