//! Reading another process's memory, and writing a word of it.

use std::ptr;

use abi::{Errno, Tid, VirtAddr};

use crate::{OsError, OsResult, check};

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

/// Writes a word into another thread's memory, where the thread itself could write it.
///
/// # Errors
/// `EFAULT` where it could not, `ESRCH`, `EPERM`.
pub fn write_word(tid: Tid, addr: VirtAddr, word: u64) -> OsResult<()> {
    let bytes = word.to_ne_bytes();
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote =
        libc::iovec { iov_base: ptr::with_exposed_provenance_mut(addr.0 as usize), iov_len: bytes.len() };
    // SAFETY: `local` is the whole of `bytes`, which is only read; `remote` is looked up in the other process.
    let result = unsafe { libc::process_vm_writev(tid.0, &raw const local, 1, &raw const remote, 1, 0) };
    match check("process_vm_writev", result as i64)? {
        written if written == bytes.len() as i64 => Ok(()),
        _ => Err(OsError { call: "process_vm_writev", errno: Errno::EFAULT }),
    }
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
    fn a_word_of_our_own_memory_is_written_where_we_could_write_it() {
        let word = std::cell::Cell::new(7u64);
        write_word(own(), VirtAddr(word.as_ptr() as u64), 8).expect("it is writable");
        assert_eq!(word.get(), 8);
        let text = "of the program's file, which is mapped for reading";
        let refused = write_word(own(), VirtAddr(text.as_ptr() as u64), 8);
        assert_eq!(refused.map_err(|error| error.errno), Err(Errno::EFAULT));
    }

    #[test]
    fn what_is_not_there_is_no_text() {
        assert_eq!(read_text(own(), VirtAddr(8), 10), None);
        assert_eq!(read_words(own(), VirtAddr(u64::MAX - 7), 1), None);
    }
}
