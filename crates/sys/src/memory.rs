//! Reading another process's memory.

use std::ptr;

use abi::{Tid, VirtAddr};

use crate::{OsResult, check};

/// Reads bytes of another thread's memory; as many as there are before the first that can't be read.
///
/// # Errors
/// `EFAULT` where the first byte can't be read, `ESRCH`, `EPERM`.
pub fn read(tid: Tid, addr: VirtAddr, buffer: &mut [u8]) -> OsResult<usize> {
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let remote =
        libc::iovec { iov_base: ptr::with_exposed_provenance_mut(addr.0 as usize), iov_len: buffer.len() };
    // SAFETY: `local` is the whole of `buffer`; `remote` is looked up in the other process.
    let result = unsafe { libc::process_vm_readv(tid.0, &raw const local, 1, &raw const remote, 1, 0) };
    check("process_vm_readv", result as i64).map(|bytes| bytes as usize)
}

/// Reads `count` words; `None` where not all of them can be read.
pub fn read_words(tid: Tid, addr: VirtAddr, count: usize) -> Option<Vec<u64>> {
    let mut bytes = vec![0; count * 8];
    let read = read(tid, addr, &mut bytes).ok()?;
    let (words, _) = bytes.as_chunks::<8>();
    (read == bytes.len()).then(|| words.iter().map(|word| u64::from_ne_bytes(*word)).collect())
}

/// Reads a text up to its zero byte, at most `max` bytes of it; `None` where it can't be read that far.
pub fn read_text(tid: Tid, addr: VirtAddr, max: usize) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    while text.len() < max {
        let at = addr.checked_add(text.len() as u64)?;
        // Up to the page's end: the next may not be there.
        let bytes = (abi::PAGE_SIZE - at.0 % abi::PAGE_SIZE).min((max - text.len()) as u64);
        let mut buffer = vec![0; bytes as usize];
        let read = read(tid, at, &mut buffer).ok()?;
        let end = buffer[..read].iter().position(|byte| *byte == 0);
        text.extend_from_slice(&buffer[..end.unwrap_or(read)]);
        if end.is_some() {
            return Some(text);
        }
        if read < buffer.len() {
            return None;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Tid {
        Tid(std::process::id() as i32)
    }

    #[test]
    fn our_own_memory_is_read() {
        let text = b"a text\0and more";
        let addr = VirtAddr(text.as_ptr() as u64);
        assert_eq!(read_text(own(), addr, 100).as_deref(), Some(&b"a text"[..]));
        assert_eq!(read_text(own(), addr, 3).as_deref(), Some(&b"a t"[..]));
        let words = [7u64, 8];
        assert_eq!(read_words(own(), VirtAddr(words.as_ptr() as u64), 2), Some(vec![7, 8]));
    }

    #[test]
    fn what_is_not_there_is_no_text() {
        assert_eq!(read_text(own(), VirtAddr(8), 10), None);
        assert_eq!(read_words(own(), VirtAddr(u64::MAX - 7), 1), None);
    }
}
