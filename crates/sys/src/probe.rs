//! Trying on ourselves what this kernel offers.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;

use abi::VirtAddr;

use crate::os_error::{OsError, OsResult};
use crate::pagemap::{Categories, Scanner};

const PAGE: usize = abi::PAGE_SIZE as usize;

/// A page of memory of our own to try things on.
struct Page(NonNull<u8>);

impl Page {
    fn new() -> OsResult<Self> {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory of ours.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, prot, flags, -1, 0) };
        let page = if page == libc::MAP_FAILED { None } else { NonNull::new(page.cast::<u8>()) };
        let page = page.ok_or_else(|| OsError::last("mmap"))?;
        // SAFETY: the page was just mapped for writing and is ours alone.
        unsafe { page.as_ptr().write_volatile(1) };
        Ok(Self(page))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: `new` mapped this page and nothing refers to it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), PAGE) };
    }
}

/// Tells whether anonymous memory can be named (`CONFIG_ANON_VMA_NAME`).
pub fn names_anonymous_memory() -> bool {
    let Ok(page) = Page::new() else { return false };
    let name = c"vmatlas probe";
    let (vma, anon_name) = (libc::c_ulong::from(0x5356_4d41u32), libc::c_ulong::from(0u8));
    // SAFETY: the range is our own page, the name a C string; naming changes neither.
    let result = unsafe { libc::prctl(vma as libc::c_int, anon_name, page.0.as_ptr(), PAGE, name.as_ptr()) };
    result == 0
}

/// Tells whether pages remember that they were written (`CONFIG_MEM_SOFT_DIRTY`).
pub fn tracks_soft_dirty() -> bool {
    page_word().is_some_and(|word| word >> 55 & 1 == 1)
}

/// Tells whether we may see which frame of memory a page has (`CAP_SYS_ADMIN`).
pub fn sees_frames() -> bool {
    page_word().is_some_and(|word| word & ((1 << 55) - 1) != 0)
}

/// Tries whether the pages of a memory can be asked for as runs (`PAGEMAP_SCAN`, since Linux 6.7).
///
/// # Errors
/// Why not.
pub fn scans_pages() -> io::Result<()> {
    Ok(Scanner::default().scan(&File::open("/proc/self/pagemap")?, |_| {})?)
}

/// Tells whether memory that asks for a huge page gets one.
pub fn gives_huge_pages() -> bool {
    const HUGE: usize = 2 << 20;
    let bytes = 2 * HUGE;
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at a place of the kernel's choice touches no memory of ours.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, prot, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return false;
    }
    let inside = start.align_offset(HUGE);
    // SAFETY: advice about our own mapping, which holds nothing yet.
    unsafe { libc::madvise(start, bytes, libc::MADV_HUGEPAGE) };
    // SAFETY: the first multiple of a huge page lies in the mapping, which is twice as long and writable.
    unsafe { start.byte_add(inside).cast::<u8>().write_volatile(1) };
    let touched = VirtAddr(start as u64 + inside as u64);
    let mut is_huge = false;
    let scanned = File::open("/proc/self/pagemap").map(|pagemap| {
        Scanner::default().scan(&pagemap, |run| {
            is_huge |= run.range().contains(touched) && run.categories().contains(Categories::HUGE);
        })
    });
    // SAFETY: mapped above, and nothing refers to it any more.
    unsafe { libc::munmap(start, bytes) };
    matches!(scanned, Ok(Ok(()))) && is_huge
}

/// The word of a freshly written page in our own `/proc/self/pagemap`.
fn page_word() -> Option<u64> {
    let page = Page::new().ok()?;
    let mut word = [0u8; 8];
    let at = page.0.as_ptr() as u64 / PAGE as u64 * 8;
    File::open("/proc/self/pagemap").ok()?.read_exact_at(&mut word, at).ok()?;
    Some(u64::from_ne_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_ours_is_there() {
        assert!(page_word().expect("our own pagemap") >> 63 == 1);
        // What they answer is this kernel's affair; a second try must not differ.
        assert_eq!(names_anonymous_memory(), names_anonymous_memory());
        assert_eq!(sees_frames(), sees_frames());
    }
}
