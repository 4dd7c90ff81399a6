//! The real system calls, in this very process: what the whole twin is to be held against.

use std::ffi::c_void;
use std::ptr;

use abi::{AddrRange, VirtAddr};
use anyhow::{Result, ensure};

use super::table::Table;
use super::world::World;
use crate::clock::{Contender, medians_ns};

/// The most mappings that a process may be given here; the kernel's limit is 65,530 by default.
pub const MOST: u64 = 60_000;
const ROUNDS: usize = 9;
const MANY: usize = 20_000;
const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;

/// Measures map+unmap and protect+restore with `mappings` mappings in this process.
pub fn measure(table: &mut Table, mappings: u64) -> Result<()> {
    let base = reserve(mappings)?;
    let world = World { base, mappings };
    for range in world.ranges() {
        ensure!(map(range), "mapping {range}: {}", std::io::Error::last_os_error());
    }
    let slots = world.choices(MANY, mappings);
    let map_unmap = Contender::new(|count| {
        for slot in &slots[..count] {
            let page = world.pages(*slot, 5..6);
            assert!(map(page) && unmap(page), "{page} is free");
        }
    });
    let medians = medians_ns(ROUNDS, MANY, &mut [map_unmap]);
    table.add("calls: map+unmap", mappings, &["kernel"], &medians);
    let protect_restore = Contender::new(|count| {
        for slot in &slots[..count] {
            let page = world.pages(*slot, 1..2);
            assert!(protect(page, libc::PROT_READ) && protect(page, READ_WRITE), "{page} is mapped");
        }
    });
    let medians = medians_ns(ROUNDS, MANY, &mut [protect_restore]);
    table.add("calls: protect+restore", mappings, &["kernel"], &medians);
    ensure!(unmap(world.bounds()), "unmapping everything: {}", std::io::Error::last_os_error());
    Ok(())
}

/// Finds a free place for all slots.
fn reserve(mappings: u64) -> Result<VirtAddr> {
    let bytes = (mappings + 1) * super::world::SLOT;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: no address is given: the kernel takes a free one.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes as usize, libc::PROT_NONE, flags, -1, 0) };
    ensure!(start != libc::MAP_FAILED, "reserving {bytes} bytes: {}", std::io::Error::last_os_error());
    let start = VirtAddr(start as u64);
    ensure!(unmap(AddrRange::new(start, VirtAddr(start.0 + bytes))), "giving the reservation back");
    Ok(start)
}

fn map(range: AddrRange) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    // SAFETY: NOREPLACE never touches a mapping that is there.
    let got = unsafe { libc::mmap(at(range), range.len() as usize, READ_WRITE, flags, -1, 0) };
    got == at(range)
}

fn unmap(range: AddrRange) -> bool {
    // SAFETY: the ranges given are within the reserved world, where nothing else lives: what the allocator maps
    // while the world is up (lists of 160 KB) is longer than any hole between two mappings.
    unsafe { libc::munmap(at(range), range.len() as usize) == 0 }
}

fn protect(range: AddrRange, protection: i32) -> bool {
    // SAFETY: a page of the world, which nothing reads or writes.
    unsafe { libc::mprotect(at(range), range.len() as usize, protection) == 0 }
}

fn at(range: AddrRange) -> *mut c_void {
    ptr::without_provenance_mut(range.start.0 as usize)
}
