//! Where operations on mappings meet pages: with [`NoPages`] almost each of these is nothing.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use abi::{AddrRange, PAGE_SIZE, VirtAddr};

use super::blocks::Blocks;
use super::cache::IoError;
use super::frames::{Frames, Pool};
use super::lock::Keeps;
use super::userfault::{Answered, Then};
use super::zap::Marks;
use super::{NoPages, Pages, Table};
use crate::access::{Access, Signal};
use crate::file::{Backing, MapFile, ObjectId};
use crate::flags::VmFlags;
use crate::op::Op;
use crate::ops::piece::Piece;
use crate::profile::Profile;
use crate::set::VmaSet;
use crate::space::AddressSpace;
use crate::system::System;
use crate::vma::Vma;
use crate::why::Refusal;

/// Mappings whose page tables are copied by fork although faults could fill them. Linux: `VM_COPY_ON_FORK`.
const COPIED: VmFlags = VmFlags(VmFlags::PFNMAP.0 | VmFlags::MIXEDMAP.0 | VmFlags::MAYBE_GUARD.0);

/// What happens to pages when something happens to mappings.
pub(crate) trait Hooks: Clone + fmt::Debug + Sized + 'static {
    /// What an address space keeps.
    type Table: Clone + fmt::Debug + Default;
    /// What a system keeps.
    type Pool: Clone + fmt::Debug + Default;

    /// Whether pages are kept.
    const KEEPS_PAGES: bool = false;

    /// Returns the rights to protection keys of the thread that runs (PKRU).
    fn key_rights(_table: &Self::Table) -> u32 {
        0
    }

    /// An access that the mapping allows, to a page of its backing.
    fn fault(_op: &mut Op<'_, Self>, _vma: VirtAddr, _addr: VirtAddr, _access: Access) -> Result<(), Signal>
    where
        Self: super::Memory,
    {
        Ok(())
    }

    /// An access to a page past the end of the file: it raises `SIGBUS`, but what is cached around is mapped first.
    fn missed(_op: &mut Op<'_, Self>, _vma: VirtAddr, _addr: VirtAddr, _access: Access)
    where
        Self: super::Memory,
    {
    }

    /// A part of a mapping is faulted in on purpose, up to the first page that can't be.
    fn populate(
        _op: &mut Op<'_, Self>,
        _vma: VirtAddr,
        _range: AddrRange,
        _access: Access,
    ) -> Result<(), Signal>
    where
        Self: super::Memory,
    {
        Ok(())
    }

    /// A mapping went away.
    fn unmapped(_op: &mut Op<'_, Self>, _range: AddrRange, _backing: &Backing)
    where
        Self: super::Memory,
    {
    }

    /// The pages of a range of a mapping are dropped; the mapping stays.
    fn dropped(_op: &mut Op<'_, Self>, _range: AddrRange)
    where
        Self: super::Memory,
    {
    }

    /// The pages of a range of a mapping may be dropped when memory is short (`MADV_FREE`).
    fn freed(_op: &mut Op<'_, Self>, _range: AddrRange)
    where
        Self: super::Memory,
    {
    }

    /// The pages of a range of a mapping are dropped for guard markers.
    fn guarded(_op: &mut Op<'_, Self>, _range: AddrRange)
    where
        Self: super::Memory,
    {
    }

    /// A part of a shared mapping of a file is written back.
    fn synced(_op: &mut Op<'_, Self>, _file: &MapFile, _pages: Range<u64>) -> Result<(), IoError>
    where
        Self: super::Memory,
    {
        Ok(())
    }

    /// Pages are taken out of a file.
    fn punched(_op: &mut Op<'_, Self>, _file: &MapFile, _pages: Range<u64>)
    where
        Self: super::Memory,
    {
    }

    /// A file has a new size.
    fn resized(_sys: &mut System<Self>, _object: ObjectId, _bytes: u64)
    where
        Self: super::Memory,
    {
    }

    /// An operation begins: what happened to files' pages in between is followed.
    fn begun(_space: &mut AddressSpace<Self>, _sys: &mut System<Self>)
    where
        Self: super::Memory,
    {
    }

    /// The pages of a range are accessed no more (`MADV_COLD`).
    fn cooled(_op: &mut Op<'_, Self>, _range: AddrRange)
    where
        Self: super::Memory,
    {
    }

    /// The pages of a part of a mapping are to leave memory (`MADV_PAGEOUT`).
    fn paged_out(_op: &mut Op<'_, Self>, _piece: &Piece)
    where
        Self: super::Memory,
    {
    }

    /// The pages of a part of a mapping are to be read (`MADV_WILLNEED`).
    fn needed(_op: &mut Op<'_, Self>, _piece: &Piece)
    where
        Self: super::Memory,
    {
    }

    /// The pages of a part of a mapping are to be joined into huge ones; `None`: what comes of it is not known.
    fn collapsed(_op: &mut Op<'_, Self>, _piece: &Piece, _blocks: AddrRange) -> Option<Result<(), Refusal>>
    where
        Self: super::Memory,
    {
        None
    }

    /// A page is put where a userfaultfd waits for one; `None`: what comes of it is not known.
    fn answered(
        _op: &mut Op<'_, Self>,
        _vma: &Vma,
        _at: VirtAddr,
        _with: Answered,
        _then: Then,
    ) -> Option<Result<(), Refusal>>
    where
        Self: super::Memory,
    {
        None
    }

    /// A page is to be written: a userfaultfd may have to be told before anything else is done.
    fn refused(_op: &mut Op<'_, Self>, _vma: VirtAddr, _addr: VirtAddr) -> Result<(), Signal>
    where
        Self: super::Memory,
    {
        Ok(())
    }

    /// The pages of a part of a mapping are write-protected for a userfaultfd, or no longer.
    fn write_protected(_op: &mut Op<'_, Self>, _range: AddrRange, _then: Then)
    where
        Self: super::Memory,
    {
    }

    /// Asks which pages of a range of one mapping are in memory.
    fn residency(_op: &Op<'_, Self>, _range: AddrRange) -> Vec<u8>
    where
        Self: super::Memory,
    {
        Vec::new()
    }

    /// The kernel writes where it has just faulted in pages for writing.
    fn put(_op: &mut Op<'_, Self>, _addr: VirtAddr, _bytes: &[u8])
    where
        Self: super::Memory,
    {
    }

    /// The page tables of a range move.
    fn moved(_op: &mut Op<'_, Self>, _from: AddrRange, _to: VirtAddr)
    where
        Self: super::Memory,
    {
    }

    /// A mapping's edge lies at an address from now on, where none was.
    fn edged(_op: &mut Op<'_, Self>, _at: VirtAddr)
    where
        Self: super::Memory,
    {
    }

    /// The pages of a range of a mapping are locked in memory from here on, or no longer.
    fn kept(_op: &mut Op<'_, Self>, _range: AddrRange, _keeps: Keeps)
    where
        Self: super::Memory,
    {
    }

    /// A locked mapping is not locked any more, but its pages are.
    fn left_locked(_op: &mut Op<'_, Self>, _range: AddrRange)
    where
        Self: super::Memory,
    {
    }

    /// A part of a mapping has a new protection; the mapping that has it now is at its start.
    fn protected(_op: &mut Op<'_, Self>, _range: AddrRange)
    where
        Self: super::Memory,
    {
    }

    /// A mapping is copied for a child.
    fn forked(
        _parent: &mut Self::Table,
        _child: &mut Self::Table,
        _pool: &mut Self::Pool,
        _vma: &Vma,
        _profile: &Profile,
    ) {
    }

    /// Returns the blocks of 2 MiB that have a page table, where only these are kept.
    fn blocks(_table: &Self::Table) -> Vec<AddrRange> {
        Vec::new()
    }

    /// Makes a table that has these blocks, where only these are kept.
    fn of_blocks(_blocks: Vec<AddrRange>) -> Self::Table {
        Self::Table::default()
    }

    /// The memory of a process ends.
    fn exited(_table: Self::Table, _vmas: VmaSet<Vma>, _pool: &mut Self::Pool) {}
}

impl Hooks for NoPages {
    type Table = Blocks;
    type Pool = ();

    fn fault(op: &mut Op<'_, Self>, vma: VirtAddr, addr: VirtAddr, access: Access) -> Result<(), Signal> {
        let page = AddrRange { start: addr.page_down(), end: VirtAddr(addr.page_down().0 + PAGE_SIZE) };
        op.fault_blocks(vma, page, access);
        Ok(())
    }

    fn populate(
        op: &mut Op<'_, Self>,
        vma: VirtAddr,
        range: AddrRange,
        access: Access,
    ) -> Result<(), Signal> {
        op.fault_blocks(vma, range, access);
        Ok(())
    }

    fn guarded(op: &mut Op<'_, Self>, range: AddrRange) {
        op.fault_blocks(range.start, range, Access::Write);
    }

    fn unmapped(op: &mut Op<'_, Self>, range: AddrRange, _backing: &Backing) {
        op.free_blocks(range);
    }

    fn dropped(op: &mut Op<'_, Self>, range: AddrRange) {
        op.space.pages.dropped(range);
    }

    fn moved(op: &mut Op<'_, Self>, from: AddrRange, to: VirtAddr) {
        op.space.pages.moved(from, to);
    }

    fn forked(parent: &mut Blocks, child: &mut Blocks, _pool: &mut (), vma: &Vma, _profile: &Profile) {
        if is_copied(vma) {
            parent.copy_to(child, vma.range);
        }
    }

    fn blocks(table: &Blocks) -> Vec<AddrRange> {
        table.ranges()
    }

    fn of_blocks(blocks: Vec<AddrRange>) -> Blocks {
        let mut table = Blocks::default();
        blocks.into_iter().filter(|range| !range.is_empty()).for_each(|range| table.insert(range));
        table
    }
}

/// Tells whether fork copies the page tables of a mapping.
///
/// Linux: `mm/memory.c: vma_needs_copy`.
fn is_copied(vma: &Vma) -> bool {
    let follows = vma.anon.is_some() || vma.flags.intersects(COPIED) || super::fork::keeps_protection(vma);
    follows && !vma.flags.contains(VmFlags::WIPEONFORK)
}

impl<F: Frames> Hooks for Pages<F> {
    const KEEPS_PAGES: bool = true;
    type Table = Table;
    type Pool = Pool<F>;

    fn key_rights(table: &Table) -> u32 {
        table.key_rights
    }

    fn fault(op: &mut Op<'_, Self>, vma: VirtAddr, addr: VirtAddr, access: Access) -> Result<(), Signal> {
        op.fault_page(vma, addr, access)
    }

    fn missed(op: &mut Op<'_, Self>, vma: VirtAddr, addr: VirtAddr, access: Access) {
        op.miss_page(vma, addr, access);
    }

    fn populate(
        op: &mut Op<'_, Self>,
        vma: VirtAddr,
        range: AddrRange,
        access: Access,
    ) -> Result<(), Signal> {
        op.populate_pages(vma, range, access)
    }

    fn unmapped(op: &mut Op<'_, Self>, range: AddrRange, backing: &Backing) {
        op.zap(range, Marks::Go);
        op.free_tables(range);
        op.forget_nameless(backing);
    }

    fn dropped(op: &mut Op<'_, Self>, range: AddrRange) {
        let vma = op.space.vmas.find(range.start);
        let marks = vma.map_or(Marks::Go, Marks::of);
        op.zap(range, marks);
        op.reclaim_tables(range, marks);
    }

    fn freed(op: &mut Op<'_, Self>, range: AddrRange) {
        op.free_lazily(range);
    }

    fn guarded(op: &mut Op<'_, Self>, range: AddrRange) {
        op.guard_pages(range);
    }

    fn synced(op: &mut Op<'_, Self>, file: &MapFile, pages: Range<u64>) -> Result<(), IoError> {
        op.sync_pages(file, pages)
    }

    fn punched(op: &mut Op<'_, Self>, file: &MapFile, pages: Range<u64>) {
        op.remove_pages(file, pages);
    }

    fn resized(sys: &mut System<Self>, object: ObjectId, bytes: u64) {
        sys.cut(object, bytes);
    }

    fn begun(space: &mut AddressSpace<Self>, sys: &mut System<Self>) {
        space.catch_up(sys);
    }

    fn cooled(op: &mut Op<'_, Self>, range: AddrRange) {
        op.cool(range);
    }

    fn paged_out(op: &mut Op<'_, Self>, piece: &Piece) {
        op.page_out(&piece.vma, piece.range);
    }

    fn needed(op: &mut Op<'_, Self>, piece: &Piece) {
        if let Some(file) = piece.vma.backing.file() {
            let first = piece.vma.pgoff_at(piece.range.start).0;
            op.read_ahead(file, first..first + piece.range.pages());
        }
    }

    fn answered(
        op: &mut Op<'_, Self>,
        vma: &Vma,
        at: VirtAddr,
        with: Answered,
        then: Then,
    ) -> Option<Result<(), Refusal>> {
        Some(op.answer_page(vma, at, with, then))
    }

    fn refused(op: &mut Op<'_, Self>, vma: VirtAddr, addr: VirtAddr) -> Result<(), Signal> {
        op.refuse_write(vma, addr)
    }

    fn write_protected(op: &mut Op<'_, Self>, range: AddrRange, then: Then) {
        op.write_protect_pages(range, then);
    }

    fn collapsed(op: &mut Op<'_, Self>, piece: &Piece, blocks: AddrRange) -> Option<Result<(), Refusal>> {
        piece.vma.is_anonymous().then(|| op.join_pages(&piece.vma, blocks))
    }

    fn residency(op: &Op<'_, Self>, range: AddrRange) -> Vec<u8> {
        op.space.residency(op.sys, range)
    }

    fn put(op: &mut Op<'_, Self>, addr: VirtAddr, bytes: &[u8]) {
        op.put(addr, bytes);
    }

    fn moved(op: &mut Op<'_, Self>, from: AddrRange, to: VirtAddr) {
        op.move_pages(from, to);
    }

    fn edged(op: &mut Op<'_, Self>, at: VirtAddr) {
        op.edge_at(at);
    }

    fn kept(op: &mut Op<'_, Self>, range: AddrRange, keeps: Keeps) {
        op.keep_pages(range, keeps);
    }

    fn left_locked(op: &mut Op<'_, Self>, range: AddrRange) {
        op.leave_locked(range);
    }

    fn protected(op: &mut Op<'_, Self>, range: AddrRange) {
        op.protect_pages(range);
    }

    fn forked(parent: &mut Table, child: &mut Table, pool: &mut Pool<F>, vma: &Vma, profile: &Profile) {
        child.key_rights = parent.key_rights;
        if is_copied(vma) {
            super::fork::copy(parent, child, pool, vma, profile);
        }
    }

    fn exited(table: Table, vmas: VmaSet<Vma>, pool: &mut Pool<F>) {
        super::zap::end(table, vmas, pool);
    }
}
