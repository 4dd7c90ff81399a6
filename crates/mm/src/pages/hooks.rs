//! Where operations on mappings meet pages: with [`NoPages`] each of these is nothing.

use core::fmt;

use abi::{AddrRange, VirtAddr};

use super::frames::{Frames, Pool};
use super::{NoPages, Pages, Table};
use crate::flags::VmFlags;
use crate::input::{Access, Signal};
use crate::op::Op;
use crate::profile::Profile;
use crate::vma::Vma;

/// What happens to pages when something happens to mappings.
pub(crate) trait Hooks: Clone + fmt::Debug + Sized + 'static {
    /// What an address space keeps.
    type Table: Clone + fmt::Debug + Default;
    /// What a system keeps.
    type Pool: Clone + fmt::Debug + Default;

    /// An access that the mapping allows, to a page of its backing.
    fn fault(_op: &mut Op<'_, Self>, _vma: VirtAddr, _addr: VirtAddr, _access: Access) -> Result<(), Signal>
    where
        Self: super::Memory,
    {
        Ok(())
    }

    /// A part of a mapping is faulted in on purpose; all of it can be.
    fn populate(_op: &mut Op<'_, Self>, _vma: VirtAddr, _range: AddrRange, _access: Access)
    where
        Self: super::Memory,
    {
    }

    /// A mapping went away.
    fn unmapped(_op: &mut Op<'_, Self>, _vma: &Vma)
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

    /// The page tables of a range move.
    fn moved(_op: &mut Op<'_, Self>, _from: AddrRange, _to: VirtAddr)
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

    /// The memory of a process ends.
    fn exited(_table: Self::Table, _pool: &mut Self::Pool) {}
}

impl Hooks for NoPages {
    type Table = ();
    type Pool = ();
}

impl<F: Frames> Hooks for Pages<F> {
    type Table = Table;
    type Pool = Pool<F>;

    fn fault(op: &mut Op<'_, Self>, vma: VirtAddr, addr: VirtAddr, access: Access) -> Result<(), Signal> {
        op.fault_page(vma, addr, access)
    }

    fn populate(op: &mut Op<'_, Self>, vma: VirtAddr, range: AddrRange, access: Access) {
        op.populate_pages(vma, range, access);
    }

    fn unmapped(op: &mut Op<'_, Self>, vma: &Vma) {
        op.zap(vma.range);
        op.free_tables(vma.range);
    }

    fn dropped(op: &mut Op<'_, Self>, range: AddrRange) {
        op.zap(range);
        op.reclaim_tables(range);
    }

    fn freed(op: &mut Op<'_, Self>, range: AddrRange) {
        op.free_lazily(range);
    }

    fn guarded(op: &mut Op<'_, Self>, range: AddrRange) {
        op.guard_pages(range);
    }

    fn moved(op: &mut Op<'_, Self>, from: AddrRange, to: VirtAddr) {
        op.move_pages(from, to);
    }

    fn protected(op: &mut Op<'_, Self>, range: AddrRange) {
        op.protect_pages(range);
    }

    fn forked(parent: &mut Table, child: &mut Table, pool: &mut Pool<F>, vma: &Vma, profile: &Profile) {
        if vma.anon.is_some() && !vma.flags.contains(VmFlags::WIPEONFORK) {
            super::fork::copy(parent, child, pool, vma, profile);
        }
    }

    fn exited(table: Table, pool: &mut Pool<F>) {
        super::zap::end(table, pool);
    }
}
