//! A word of memory that processes forked later share.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{OsError, OsResult};

/// A word that this process and all that it forks see.
#[derive(Debug)]
pub struct SharedWord(NonNull<AtomicU64>);

impl SharedWord {
    /// Makes one; it begins as 0 and is never given back.
    pub fn new() -> OsResult<Self> {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let page = unsafe { libc::mmap(ptr::null_mut(), abi::PAGE_SIZE as usize, prot, flags, -1, 0) };
        match NonNull::new(page.cast()).filter(|_| page != libc::MAP_FAILED) {
            Some(word) => Ok(Self(word)),
            None => Err(OsError::last("mmap")),
        }
    }

    /// Reads it.
    pub fn get(&self) -> u64 {
        self.word().load(Ordering::Acquire)
    }

    /// Writes it.
    pub fn set(&self, value: u64) {
        self.word().store(value, Ordering::Release);
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: the page is aligned, holds zeros at first, is only used as an atomic word, and is never unmapped.
        unsafe { self.0.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept() {
        let word = SharedWord::new().expect("a page");
        assert_eq!(word.get(), 0);
        word.set(u64::MAX);
        assert_eq!(word.get(), u64::MAX);
    }
}
