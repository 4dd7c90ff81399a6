//! The memory shared with the kernel in which it leaves its records.

use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use super::event::Event;
use super::record::{self, Parts, Record};
use crate::os_error::{OsError, OsResult};

const PAGE: usize = abi::PAGE_SIZE as usize;
/// Where the kernel's and the reader's position stand in the first page (`struct perf_event_mmap_page`).
const HEAD_AT: usize = 1024;
const TAIL_AT: usize = 1032;
const HEADER_BYTES: usize = 8;

/// The ring of an event: one page of positions, then a power of two of pages of records.
#[derive(Debug)]
pub struct Ring {
    base: NonNull<u8>,
    data_bytes: usize,
    /// What the samples of each event carry.
    parts: Vec<(u64, Parts)>,
    /// A record that goes over the end of the ring, put together.
    whole: Vec<u8>,
}

// SAFETY: the mapping belongs to this value alone and is not tied to the thread that made it.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps the ring of an event, with `data_pages` pages for records.
    ///
    /// # Preconditions
    /// `data_pages` is a power of two.
    ///
    /// # Errors
    /// `EPERM` where it is more than the user may lock (`kernel.perf_event_mlock_kb` for each processor).
    pub fn map(event: &Event, data_pages: usize) -> OsResult<Self> {
        debug_assert!(data_pages.is_power_of_two());
        let fd = event.as_fd().as_raw_fd();
        let bytes = PAGE * (1 + data_pages);
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory of ours.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, prot, libc::MAP_SHARED, fd, 0) };
        let base = if base == libc::MAP_FAILED { None } else { NonNull::new(base.cast::<u8>()) };
        let base = base.ok_or_else(|| OsError::last("mmap(the ring of a perf event)"))?;
        let parts = vec![(event.id(), Parts::of(event.settings()))];
        Ok(Self { base, data_bytes: PAGE * data_pages, parts, whole: Vec::new() })
    }

    /// Lets another event of the same processor leave its records here too.
    ///
    /// # Errors
    /// As [`Event::output_to`].
    pub fn take_in(&mut self, event: &Event, owner: &Event) -> OsResult<()> {
        event.output_to(owner)?;
        self.parts.push((event.id(), Parts::of(event.settings())));
        Ok(())
    }

    /// The bytes of records that it can hold.
    pub const fn data_bytes(&self) -> usize {
        self.data_bytes
    }

    /// The bytes of records waiting.
    pub fn waiting_bytes(&self) -> u64 {
        self.head().load(Ordering::Acquire).wrapping_sub(self.tail().load(Ordering::Relaxed))
    }

    /// Hands every record that is there now to `each`, in the ring's order, and gives its room back.
    pub fn drain(&mut self, mut each: impl FnMut(Record<'_>)) {
        let head = self.head().load(Ordering::Acquire);
        let start = self.tail().load(Ordering::Relaxed);
        let mut at = start;
        while head.wrapping_sub(at) >= HEADER_BYTES as u64 {
            let Some(bytes) = self.read_record(at, head.wrapping_sub(at), &mut each) else {
                // Never seen: a record without a size. What follows can't be read, so it is given up.
                at = head;
                break;
            };
            at = at.wrapping_add(bytes as u64);
            // Room is given back as soon as an eighth is read, so that a long batch loses nothing.
            if at.wrapping_sub(self.tail().load(Ordering::Relaxed)) >= (self.data_bytes / 8) as u64 {
                self.tail().store(at, Ordering::Release);
            }
        }
        self.tail().store(at, Ordering::Release);
    }

    /// Reads the record at a position; returns its length.
    fn read_record(&mut self, at: u64, waiting: u64, each: &mut impl FnMut(Record<'_>)) -> Option<usize> {
        let offset = (at as usize) & (self.data_bytes - 1);
        // Records are multiples of 8 bytes, so a header never goes over the end.
        let header: [u8; HEADER_BYTES] = *self.data(offset, HEADER_BYTES).first_chunk()?;
        let [k0, k1, k2, k3, m0, m1, s0, s1] = header;
        let (kind, misc) = (u32::from_ne_bytes([k0, k1, k2, k3]), u16::from_ne_bytes([m0, m1]));
        let bytes = usize::from(u16::from_ne_bytes([s0, s1]));
        if bytes < HEADER_BYTES || bytes as u64 > waiting {
            return None;
        }
        let before_end = (self.data_bytes - offset).min(bytes);
        let record = if before_end == bytes {
            record::read(kind, misc, &self.data(offset, bytes)[HEADER_BYTES..], &self.parts)
        } else {
            let mut whole = std::mem::take(&mut self.whole);
            whole.clear();
            whole.extend_from_slice(self.data(offset, before_end));
            whole.extend_from_slice(self.data(0, bytes - before_end));
            self.whole = whole;
            record::read(kind, misc, &self.whole[HEADER_BYTES..], &self.parts)
        };
        if let Some(record) = record {
            each(record);
        }
        Some(bytes)
    }

    /// A part of the records' memory.
    ///
    /// # Preconditions
    /// It lies inside the ring, and between the reader's position and the kernel's.
    fn data(&self, offset: usize, bytes: usize) -> &[u8] {
        assert!(offset + bytes <= self.data_bytes, "a record lies inside its ring");
        // SAFETY: the range was just found inside the mapping; the kernel does not write what lies between the
        // reader's position and its own, and the reader's is moved only when the slice is gone.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(PAGE + offset), bytes) }
    }

    fn head(&self) -> &AtomicU64 {
        self.position(HEAD_AT)
    }

    fn tail(&self) -> &AtomicU64 {
        self.position(TAIL_AT)
    }

    fn position(&self, at: usize) -> &AtomicU64 {
        // SAFETY: both positions are aligned words of the first page, which is mapped as long as `self` lives,
        // and both sides touch them atomically only.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length and no slice of it outlives `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), PAGE + self.data_bytes) };
    }
}
