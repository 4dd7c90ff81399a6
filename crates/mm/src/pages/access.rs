//! Loads, stores and instruction fetches through an address space.

use core::fmt;

use abi::{PAGE_SHIFT, PAGE_SIZE, VirtAddr};

use super::Pages;
use super::frames::{Contents, FrameId, Frames, PAGE};
use crate::access::{Access, Signal};
use crate::op::Op;
use crate::space::AddressSpace;
use crate::system::System;
use crate::why::Why;

/// An access that was refused: the signal and its address (`si_addr`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The lowest address that could not be accessed.
    pub addr: VirtAddr,
    /// The signal that it raises.
    pub signal: Signal,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}", self.signal, self.addr)
    }
}

impl core::error::Error for Fault {}

/// Cuts `len` bytes from an address on into the parts that lie in one page each: where, and which bytes.
pub(super) fn parts(addr: VirtAddr, len: usize) -> impl Iterator<Item = (VirtAddr, core::ops::Range<usize>)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        let at = VirtAddr(addr.0.wrapping_add(done as u64));
        let room = (PAGE_SIZE - at.0 % PAGE_SIZE) as usize;
        let part = done..len.min(done + room);
        done = part.end;
        (!part.is_empty()).then_some((at, part))
    })
}

fn inside(addr: VirtAddr) -> usize {
    (addr.0 % PAGE_SIZE) as usize
}

impl<F: Frames> AddressSpace<Pages<F>> {
    /// Sets the rights to protection keys of the thread that runs from now on: its register PKRU, two bits a key, no
    /// access and no writing. All are 0 at first.
    pub fn set_key_rights(&mut self, pkru: u32) {
        if self.pages.key_rights != pkru {
            self.pages.key_rights = pkru;
            self.pages.tlb.flush();
        }
    }
}

impl AddressSpace<Pages<Contents>> {
    /// Loads bytes.
    ///
    /// # Errors
    /// The fault; `into` may be filled up to it.
    pub fn load(
        &mut self,
        sys: &mut System<Pages<Contents>>,
        addr: VirtAddr,
        into: &mut [u8],
    ) -> Result<(), Fault> {
        self.read(sys, addr, into, Access::Read)
    }

    /// Fetches instruction bytes.
    ///
    /// # Errors
    /// The fault; `into` may be filled up to it.
    pub fn fetch(
        &mut self,
        sys: &mut System<Pages<Contents>>,
        addr: VirtAddr,
        into: &mut [u8],
    ) -> Result<(), Fault> {
        self.read(sys, addr, into, Access::Exec)
    }

    fn read(
        &mut self,
        sys: &mut System<Pages<Contents>>,
        addr: VirtAddr,
        into: &mut [u8],
        access: Access,
    ) -> Result<(), Fault> {
        for (at, part) in parts(addr, into.len()) {
            let frame = self.frame_of(sys, at, access)?;
            let len = part.len();
            into[part].copy_from_slice(&sys.pool.bytes.frame(frame)[inside(at)..][..len]);
        }
        Ok(())
    }

    /// Stores bytes: all of them, or on a fault none.
    ///
    /// # Errors
    /// The fault; pages before it may have been faulted in.
    pub fn store(
        &mut self,
        sys: &mut System<Pages<Contents>>,
        addr: VirtAddr,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let room = PAGE - inside(addr);
        if bytes.len() > room {
            for (at, _) in parts(addr, bytes.len()) {
                self.frame_of(sys, at, Access::Write)?;
            }
        }
        for (at, part) in parts(addr, bytes.len()) {
            let frame = self.frame_of(sys, at, Access::Write)?;
            let len = part.len();
            sys.pool.bytes.frame_mut(frame)[inside(at)..][..len].copy_from_slice(&bytes[part]);
        }
        Ok(())
    }

    /// Loads a word of `N` bytes: the fast way where the page is present.
    ///
    /// # Errors
    /// The fault.
    #[inline]
    pub fn load_word<const N: usize>(
        &mut self,
        sys: &mut System<Pages<Contents>>,
        addr: VirtAddr,
    ) -> Result<[u8; N], Fault> {
        if let Some(frame) = self.pages.tlb.read(addr.0 >> PAGE_SHIFT)
            && self.pages.seen == sys.pool.files.now()
            && let Some(word) = sys.pool.bytes.frame(frame)[inside(addr)..].first_chunk()
        {
            return Ok(*word);
        }
        let mut word = [0; N];
        self.load(sys, addr, &mut word)?;
        Ok(word)
    }

    /// Stores a word of `N` bytes: the fast way where the page is present.
    ///
    /// # Errors
    /// The fault.
    #[inline]
    pub fn store_word<const N: usize>(
        &mut self,
        sys: &mut System<Pages<Contents>>,
        addr: VirtAddr,
        word: [u8; N],
    ) -> Result<(), Fault> {
        if let Some(frame) = self.pages.tlb.write(addr.0 >> PAGE_SHIFT)
            && self.pages.seen == sys.pool.files.now()
            && let Some(place) = sys.pool.bytes.frame_mut(frame)[inside(addr)..].first_chunk_mut()
        {
            *place = word;
            return Ok(());
        }
        self.store(sys, addr, &word)
    }

    /// Returns the frame of a page after an access to it; faults it in where it must be.
    #[inline]
    fn frame_of(
        &mut self,
        sys: &mut System<Pages<Contents>>,
        addr: VirtAddr,
        access: Access,
    ) -> Result<FrameId, Fault> {
        let page = addr.0 >> PAGE_SHIFT;
        let known = match access {
            Access::Read => self.pages.tlb.read(page),
            Access::Write => self.pages.tlb.write(page),
            Access::Exec => self.pages.tlb.exec(page),
        };
        match known {
            Some(frame) if self.pages.seen == sys.pool.files.now() => Ok(frame),
            _ => self.fault_frame(sys, addr, access),
        }
    }

    fn fault_frame(
        &mut self,
        sys: &mut System<Pages<Contents>>,
        addr: VirtAddr,
        access: Access,
    ) -> Result<FrameId, Fault> {
        Op::plain(self, sys, &mut Why::default())
            .touch(addr, access)
            .map_err(|signal| Fault { addr, signal })?;
        debug_assert_eq!(self.validate(), Ok(()), "after {access:?} of {addr}");
        let page = addr.0 >> PAGE_SHIFT;
        let pte = self.pages.tree.get(page);
        if !pte.is_present() {
            // Pages of hugetlbfs are only counted, and have no bytes here: as with an empty pool.
            return Err(Fault { addr, signal: Signal::BusAdrErr });
        }
        let frame = pte.frame();
        self.pages.tlb.remember(page, frame, access);
        Ok(frame)
    }
}
