//! Fork: a child's copy of the memory.

use super::{AddressSpace, Counters};
use crate::flags::VmFlags;
use crate::input::Input;
use crate::input::Uffd;
use crate::pages::Memory;
use crate::set::VmaSet;
use crate::system::{Charger, System};
use crate::vma::{Extra, Vma};
use abi::Errno;

impl<M: Memory> AddressSpace<M> {
    /// Makes the child's memory.
    ///
    /// ```text
    /// parent  AAA BBB(DONTFORK) CCC(WIPEONFORK) DDD(touched)
    /// child   AAA               CCC(no pages)   DDD(anon_vma linked to the parent's)
    /// ```
    ///
    /// Linux: `kernel/fork.c: dup_mmap`.
    ///
    /// # Errors
    /// `ENOMEM` if the copy may not be promised; then nothing is left of it.
    pub fn fork(&mut self, sys: &mut System<M>, input: &Input) -> Result<Self, Errno> {
        M::begun(self, sys);
        let mut child = Self {
            vmas: VmaSet::new(),
            layout: self.layout.clone(),
            counters: Counters { locked_vm: 0, ..self.counters },
            limits: self.limits,
            def_flags: VmFlags::NONE,
            settings: self.settings.inherited(),
            guards: self.guards.clone(),
            rings: alloc::vec::Vec::new(),
            pages: Default::default(),
        };
        // It has no page yet: what happened to pages until now is not about it.
        M::begun(&mut child, sys);
        let elsewhere = sys.charged_elsewhere(input.committed);
        for vma in self.vmas.iter() {
            if vma.flags.contains(VmFlags::DONTCOPY) {
                child.counters.remove(vma.flags, vma.pages());
                child.guards.remove(vma.range);
                continue;
            }
            if vma.flags.contains(VmFlags::ACCOUNT) {
                let by =
                    Charger { sys_admin: input.caps.sys_admin, total_vm: self.counters.total_vm, elsewhere };
                if let Err(refusal) = sys.charge(vma.pages(), by) {
                    child.exit(sys);
                    return Err(refusal.errno());
                }
            }
            if vma.flags.contains(VmFlags::WIPEONFORK) {
                child.guards.remove(vma.range);
            }
            child.vmas.insert(copy(vma, sys));
            M::forked(&mut self.pages, &mut child.pages, &mut sys.pool, vma, &sys.profile);
        }
        Ok(child)
    }
}

/// Copies one mapping for a child. A registration with userfaultfd follows only where that was agreed on.
fn copy<M: Memory>(vma: &Vma, sys: &mut System<M>) -> Vma {
    let mut copy = vma.clone();
    copy.flags = copy.flags.without(VmFlags::LOCKED_MASK);
    copy.anon = match &vma.anon {
        Some(chain) if !vma.flags.contains(VmFlags::WIPEONFORK) => Some(sys.anon_vmas.fork(chain)),
        _ => None,
    };
    let follows = |uffd: Uffd| uffd.has(Uffd::EVENT_FORK);
    if !vma.extra.as_ref().and_then(|extra| extra.uffd).is_none_or(follows) {
        copy.flags = copy.flags.without(VmFlags::UFFD);
        copy.extra = Extra::changed(copy.extra.as_ref(), |extra| extra.uffd = None);
    }
    copy
}
