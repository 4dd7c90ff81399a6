//! What a process told of its pages, as values.

use abi::{AddrRange, VirtAddr};
use proc_text::PagemapEntry;

use crate::error::LiveError;
use crate::session::Live;
use crate::ticket::Ticket;

/// Pages in the same state, as `PAGEMAP_SCAN` tells them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRun {
    /// Which.
    pub range: AddrRange,
    /// Their state: the bits of `PAGE_IS_*`.
    pub categories: u64,
}

impl Live {
    /// Returns the words of a [`crate::Step::Hash`].
    ///
    /// # Errors
    /// As [`Live::answer`].
    pub fn words(&mut self, ticket: Ticket) -> Result<Vec<u64>, LiveError> {
        let mut bytes = Vec::new();
        self.bytes(ticket, &mut bytes)?;
        Ok(bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// Returns the words of a [`crate::Step::Pagemap`].
    ///
    /// # Errors
    /// As [`Live::answer`].
    pub fn pagemap(&mut self, ticket: Ticket) -> Result<Vec<PagemapEntry>, LiveError> {
        Ok(self.words(ticket)?.into_iter().map(PagemapEntry).collect())
    }

    /// Returns the runs of a [`crate::Step::Scan`].
    ///
    /// # Errors
    /// As [`Live::answer`].
    pub fn runs(&mut self, ticket: Ticket) -> Result<Vec<PageRun>, LiveError> {
        let words = self.words(ticket)?;
        let run = |[start, end, categories]: &[u64; 3]| PageRun {
            range: AddrRange::new(VirtAddr(*start), VirtAddr(*end)),
            categories: *categories,
        };
        Ok(words.as_chunks().0.iter().map(run).collect())
    }
}
