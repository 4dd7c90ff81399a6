//! `mremap` to another place: a copy of the mapping there, then the source goes.

use abi::{AddrRange, PAGE_SHIFT, PageOff, RemapFlags, VirtAddr};

use super::Remap;
use crate::file::FileKind;
use crate::flags::VmFlags;
use crate::input::Uffd;
use crate::merge::{Expansion, Proposal};
use crate::mutation::Mutation;
use crate::op::Op;
use crate::pages::Memory;
use crate::vma::{Extra, Vma};
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Makes room at the target, shrinks the source, and moves it.
    ///
    /// Linux: `mm/mremap.c: mremap_to`.
    pub(super) fn move_to(&mut self, remap: &mut Remap) -> Result<VirtAddr, Refusal> {
        if remap.flags.contains(RemapFlags::FIXED) {
            self.munmap(remap.new_addr, remap.new_len)?;
            // A source that wraps past the last address does not count as overlapping: it may be gone now.
            self.space.vmas.find(remap.addr).ok_or(Refusal::RemapHole)?;
        }
        let mut charged = None;
        if remap.new_len < remap.old_len {
            charged = Some(remap.delta());
            self.shrink(remap)?;
            remap.old_len = remap.new_len;
        }
        let vma = self.space.vmas.find(remap.addr).cloned().ok_or(Refusal::RemapHole)?;
        if remap.keeps_source() {
            self.may_expand(vma.flags, remap.old_len >> PAGE_SHIFT)?;
        }
        remap.new_addr = self.new_place(&vma, remap)?;
        self.relocate_charging(remap, charged.unwrap_or(remap.delta()))
    }

    /// Linux: `mm/mremap.c: move_vma`.
    pub(super) fn relocate(&mut self, remap: &Remap) -> Result<VirtAddr, Refusal> {
        self.relocate_charging(remap, remap.delta())
    }

    /// Moves, with `grown` bytes charged: a shrunk mapping that moves is charged what it lost, once, and never
    /// given it back.
    fn relocate_charging(&mut self, remap: &Remap, grown: u64) -> Result<VirtAddr, Refusal> {
        self.check_headroom(0, Refusal::MoveHeadroom)?;
        let vma = self.space.vmas.find(remap.addr).cloned().ok_or(Refusal::RemapHole)?;
        let edges = [remap.source().start, remap.source().end];
        if edges.into_iter().any(|at| vma.range.contains(at) && at != vma.range.start && !vma.may_split(at)) {
            return Err(Refusal::MayNotSplit);
        }
        if !self.ring_may_move(&vma) {
            return Err(Refusal::RemapDeadRing);
        }
        let charge = if remap.keeps_source() { remap.new_len } else { grown } >> PAGE_SHIFT;
        if vma.flags.contains(VmFlags::ACCOUNT) {
            self.charge(charge)?;
        }
        let copy = self.copy(&vma, remap);
        self.move_guards(remap);
        self.ring_moved(&vma, copy);
        self.leave_userfaultfd(copy);
        self.count_new(vma.flags, remap.new_len >> PAGE_SHIFT);
        if remap.keeps_source() {
            self.leave_source_empty(remap, copy);
        } else {
            self.remove_source(remap);
        }
        Ok(remap.new_addr)
    }

    /// Makes the copy and returns where the mapping that holds it starts. Untouched anonymous memory takes the
    /// page offset of its new address, so that it merges there; touched memory keeps its own.
    ///
    /// Linux: `mm/vma.c: copy_vma`.
    fn copy(&mut self, vma: &Vma, remap: &Remap) -> VirtAddr {
        let range = AddrRange { start: remap.new_addr, end: VirtAddr(remap.new_addr.0 + remap.new_len) };
        let reset = self.sys.profile.mutated(Mutation::RemapOffsetReset);
        let untouched = vma.is_anonymous() && (vma.anon.is_none() || reset);
        let own_pages = PageOff(range.start.0 >> PAGE_SHIFT);
        let pgoff = if untouched { own_pages } else { vma.pgoff_at(remap.addr) };
        let proposal = Proposal {
            range,
            pgoff,
            flags: vma.flags,
            backing: &vma.backing,
            anon: vma.anon.as_ref(),
            forked: vma.anon.as_ref(),
            extra: vma.extra.as_ref(),
        };
        if let Some(start) = self.merge_new(&proposal, Expansion::Both, vma.anon.as_ref()) {
            return start;
        }
        let anon = vma.anon.as_ref().map(|chain| self.sys.anon_vmas.duplicate(chain));
        self.space.vmas.insert(Vma { range, pgoff, anon, ..vma.clone() });
        range.start
    }

    /// The page tables move, and guard markers with them.
    ///
    /// Linux: `mm/mremap.c: move_page_tables`.
    fn move_guards(&mut self, remap: &Remap) {
        if remap.old_len != 0 {
            self.space.guards.relocate(remap.source(), remap.new_addr);
            M::moved(self, remap.source(), remap.new_addr);
        }
    }

    /// A registration with userfaultfd follows only where that was agreed on.
    ///
    /// Linux: `fs/userfaultfd.c: mremap_userfaultfd_prep`.
    fn leave_userfaultfd(&mut self, copy: VirtAddr) {
        self.space.vmas.update(copy, |vma| {
            let follows = vma
                .extra
                .as_ref()
                .and_then(|extra| extra.uffd)
                .is_none_or(|uffd| uffd.has(Uffd::EVENT_REMAP));
            if !follows {
                vma.flags = vma.flags.without(VmFlags::UFFD);
                vma.extra = Extra::changed(vma.extra.as_ref(), |extra| extra.uffd = None);
            }
        });
    }

    /// The source stays as an empty mapping: unlocked as a whole, although its pages stay counted as locked, and
    /// without an anon_vma if all of it was moved.
    ///
    /// Linux: `mm/mremap.c: dontunmap_complete`.
    fn leave_source_empty(&mut self, remap: &Remap, copy: VirtAddr) {
        let Some(Vma { range, flags, .. }) = self.space.vmas.find(remap.addr).cloned() else { return };
        let (start, source) = (range.start, remap.source());
        let keeps_lock = self.sys.profile.mutated(Mutation::DontunmapKeepsLock);
        if flags.contains(VmFlags::LOCKED) {
            M::left_locked(self, range);
        }
        let keeps_anon = self.sys.profile.mutated(Mutation::DontunmapKeepsAnonVma);
        let dropped = self.space.vmas.update(start, |vma| {
            if !keeps_lock {
                vma.flags = vma.flags.without(VmFlags::LOCKED_MASK);
            }
            if start != copy && vma.range == source && !keeps_anon { vma.anon.take() } else { None }
        });
        if let Some(chain) = dropped.flatten() {
            self.sys.anon_vmas.unlink(&chain);
        }
    }

    /// Unmaps the source; its charge went to the copy.
    ///
    /// Linux: `mm/mremap.c: unmap_source_vma`.
    fn remove_source(&mut self, remap: &Remap) {
        if remap.old_len == 0 {
            return;
        }
        let source = remap.source();
        let charged = self.space.vmas.range(source).any(|vma| vma.flags.contains(VmFlags::ACCOUNT));
        self.cut_out(source);
        if charged {
            self.sys.recharge(source.pages());
        }
    }

    /// Tells whether the ring of an AIO context may move: only while the context lives, in the process that made
    /// it.
    ///
    /// Linux: `fs/aio.c: aio_ring_mremap`.
    fn ring_may_move(&self, vma: &Vma) -> bool {
        let Some(file) = vma.backing.file().filter(|file| file.kind == FileKind::AioRing) else {
            return true;
        };
        self.space.rings.iter().any(|ring| ring.description == file.description)
    }

    fn ring_moved(&mut self, vma: &Vma, copy: VirtAddr) {
        let Some(file) = vma.backing.file() else { return };
        for ring in &mut self.space.rings {
            if ring.description == file.description {
                ring.id = copy;
            }
        }
    }
}
