//! The nodes of the page table.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Range;

use super::super::pte::Pte;

/// One table at some level.
pub(super) trait Node: Clone + Default + Sized {
    /// The pages below it, as a power of two.
    const PAGES_LOG2: u32;

    fn get(&self, page: u64) -> Pte;

    /// Returns the place of the leaf of a page below a `place` for such a node; what is missing on the way is made and
    /// counted.
    fn leaf_place<'a>(
        place: &'a mut Option<Arc<Self>>,
        page: u64,
        tables: &mut u64,
    ) -> &'a mut Option<Arc<Leaf>>;

    /// Tells whether the table is there that the leaf of a page belongs into.
    fn reaches(&self, page: u64) -> bool;

    fn walk_mut(&mut self, pages: Range<u64>, each: &mut impl FnMut(u64, &mut [Pte]));

    fn walk(&self, pages: Range<u64>, each: &mut impl FnMut(u64, &[Pte]));

    /// Frees tables below this one, whose first page is `base`.
    fn prune(
        &mut self,
        base: u64,
        pages: Range<u64>,
        used: &mut impl FnMut(Range<u64>) -> bool,
        tables: &mut u64,
    );
}

/// A table of entries.
#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) ptes: Box<[Pte; 512]>,
}

impl Default for Leaf {
    fn default() -> Self {
        Self { ptes: Box::new([Pte::NONE; 512]) }
    }
}

impl Leaf {
    /// Returns the entry of a page to change it.
    #[inline]
    pub(super) fn entry(&mut self, page: u64) -> &mut Pte {
        &mut self.ptes[(page % 512) as usize]
    }
}

/// Cuts a range of pages down to the indices in a leaf.
fn indices(pages: &Range<u64>) -> Range<usize> {
    let start = (pages.start % 512) as usize;
    start..start + (pages.end - pages.start) as usize
}

impl Node for Leaf {
    const PAGES_LOG2: u32 = 9;

    fn get(&self, page: u64) -> Pte {
        self.ptes[(page % 512) as usize]
    }

    fn leaf_place<'a>(place: &'a mut Option<Arc<Self>>, _: u64, _: &mut u64) -> &'a mut Option<Arc<Self>> {
        place
    }

    fn reaches(&self, _: u64) -> bool {
        true
    }

    fn walk_mut(&mut self, pages: Range<u64>, each: &mut impl FnMut(u64, &mut [Pte])) {
        each(pages.start, &mut self.ptes[indices(&pages)]);
    }

    fn walk(&self, pages: Range<u64>, each: &mut impl FnMut(u64, &[Pte])) {
        each(pages.start, &self.ptes[indices(&pages)]);
    }

    fn prune(&mut self, _: u64, _: Range<u64>, _: &mut impl FnMut(Range<u64>) -> bool, _: &mut u64) {}
}

/// A table of tables.
#[derive(Clone)]
pub(super) struct Level<C> {
    kids: [Option<Arc<C>>; 512],
}

impl<C> Default for Level<C> {
    fn default() -> Self {
        Self { kids: [const { None }; 512] }
    }
}

impl<C: Node> Level<C> {
    fn index(page: u64) -> usize {
        ((page >> C::PAGES_LOG2) % 512) as usize
    }

    /// Returns the kids that a range of pages reaches into, and each one's part.
    fn parts(pages: Range<u64>) -> impl Iterator<Item = (usize, Range<u64>)> {
        let span = 1 << C::PAGES_LOG2;
        let mut at = pages.start;
        core::iter::from_fn(move || {
            let start = at;
            if start >= pages.end {
                return None;
            }
            at = ((start | (span - 1)) + 1).min(pages.end);
            Some((Self::index(start), start..at))
        })
    }
}

impl<C: Node> Node for Level<C> {
    const PAGES_LOG2: u32 = C::PAGES_LOG2 + 9;

    fn get(&self, page: u64) -> Pte {
        self.kids[Self::index(page)].as_ref().map_or(Pte::NONE, |kid| kid.get(page))
    }

    fn leaf_place<'a>(
        place: &'a mut Option<Arc<Self>>,
        page: u64,
        tables: &mut u64,
    ) -> &'a mut Option<Arc<Leaf>> {
        let node = place.get_or_insert_with(|| {
            *tables += 1;
            Arc::default()
        });
        C::leaf_place(&mut Arc::make_mut(node).kids[Self::index(page)], page, tables)
    }

    fn reaches(&self, page: u64) -> bool {
        // The last level of these holds the leaves.
        C::PAGES_LOG2 == Leaf::PAGES_LOG2
            || self.kids[Self::index(page)].as_ref().is_some_and(|kid| kid.reaches(page))
    }

    fn walk_mut(&mut self, pages: Range<u64>, each: &mut impl FnMut(u64, &mut [Pte])) {
        for (index, part) in Self::parts(pages) {
            if let Some(kid) = &mut self.kids[index] {
                Arc::make_mut(kid).walk_mut(part, each);
            }
        }
    }

    fn walk(&self, pages: Range<u64>, each: &mut impl FnMut(u64, &[Pte])) {
        for (index, part) in Self::parts(pages) {
            if let Some(kid) = &self.kids[index] {
                kid.walk(part, each);
            }
        }
    }

    fn prune(
        &mut self,
        base: u64,
        pages: Range<u64>,
        used: &mut impl FnMut(Range<u64>) -> bool,
        tables: &mut u64,
    ) {
        for (index, part) in Self::parts(pages) {
            let slot = &mut self.kids[index];
            let Some(kid) = slot else { continue };
            let first = base + ((index as u64) << C::PAGES_LOG2);
            Arc::make_mut(kid).prune(first, part, used, tables);
            if !used(first..first + (1 << C::PAGES_LOG2)) {
                *slot = None;
                *tables -= 1;
            }
        }
    }
}
