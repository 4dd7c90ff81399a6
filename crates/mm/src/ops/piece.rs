//! The walk over the mappings of a range, piece by piece.
//!
//! ```text
//! range      [-----------------)
//! mappings  AAAA   BBB   CCCCCCC
//! pieces     ***   ***   *****
//! ```

use abi::{AddrRange, VirtAddr};

use crate::op::Op;
use crate::pages::Memory;
use crate::vma::Vma;

/// The part of a mapping that lies in a range.
pub(crate) struct Piece {
    /// The whole mapping, as it is before the operation comes to it.
    pub(crate) vma: Vma,
    /// The part.
    pub(crate) range: AddrRange,
}

impl<M: Memory> Op<'_, M> {
    /// Returns the lowest piece of a range.
    ///
    /// An operation that goes on at the piece's end passes over nothing it would have changed: what merged
    /// with the piece has the attributes that it was given.
    pub(crate) fn piece(&self, rest: AddrRange) -> Option<Piece> {
        let vma = self.space.vmas.range(rest).next()?;
        Some(Piece { range: vma.range.intersection(rest)?, vma: vma.clone() })
    }
}

/// Returns the pages from an aligned address over a length rounded up to pages; `None` if the address is
/// unaligned or the range wraps.
pub(crate) fn rounded(addr: VirtAddr, len: u64) -> Option<AddrRange> {
    let pages = VirtAddr(len).page_up_wrapping().0;
    if !addr.is_page_aligned() || (len != 0 && pages == 0) {
        return None;
    }
    AddrRange::from_len(addr, pages)
}
