//! A file in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mm::{FileStore, IoError};

/// The bytes of a page.
const PAGE: usize = 4096;

/// A file in memory.
#[derive(Debug, Default)]
pub struct MemoryFile {
    bytes: Mutex<Vec<u8>>,
}

impl MemoryFile {
    /// Makes a file with these contents.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: Mutex::new(bytes.into()) }
    }

    /// Returns what is in it: what was written back, not what is only in the page cache.
    pub fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done.
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns where a page begins, if memory reaches so far.
fn offset(page: u64) -> Result<usize, IoError> {
    usize::try_from(page).ok().and_then(|page| page.checked_mul(PAGE)).ok_or(IoError)
}

impl FileStore for MemoryFile {
    fn size(&self) -> u64 {
        self.lock().len() as u64
    }

    fn set_size(&self, bytes: u64) -> Result<(), IoError> {
        let len = usize::try_from(bytes).map_err(|_| IoError)?;
        let mut all = self.lock();
        let more = len.saturating_sub(all.len());
        all.try_reserve(more).map_err(|_| IoError)?;
        all.resize(len, 0);
        Ok(())
    }

    fn read_page(&self, page: u64, into: &mut [u8; PAGE]) -> Result<(), IoError> {
        let all = self.lock();
        let from = all.get(offset(page)?..).unwrap_or_default();
        let len = from.len().min(PAGE);
        into[..len].copy_from_slice(&from[..len]);
        into[len..].fill(0);
        Ok(())
    }

    fn write_page(&self, page: u64, bytes: &[u8]) -> Result<(), IoError> {
        let start = offset(page)?;
        let end = start.checked_add(bytes.len()).ok_or(IoError)?;
        let mut all = self.lock();
        if all.len() < end {
            let more = end - all.len();
            all.try_reserve(more).map_err(|_| IoError)?;
            all.resize(end, 0);
        }
        all[start..end].copy_from_slice(bytes);
        Ok(())
    }
}
