//! Counting pages, and the limits on them.

use abi::{PAGE_SHIFT, Rlimit};

use super::{AddressSpace, Counters};
use crate::flags::VmFlags;
use crate::input::Caps;
use crate::pages::Memory;
use crate::why::Refusal;

/// The flags that say as what a mapping counts.
const KIND: VmFlags = VmFlags(VmFlags::EXEC.0 | VmFlags::WRITE.0 | VmFlags::SHARED.0 | VmFlags::STARTGAP.0);

impl Counters {
    /// Counts `pages` more of mappings with these flags.
    ///
    /// Linux: `mm/mmap.c: vm_stat_account`.
    pub(crate) fn add(&mut self, flags: VmFlags, pages: u64) {
        self.total_vm = self.total_vm.wrapping_add(pages);
        if let Some(kind) = self.kind(flags) {
            *kind = kind.wrapping_add(pages);
        }
    }

    /// Counts `pages` less.
    pub(crate) fn remove(&mut self, flags: VmFlags, pages: u64) {
        self.add(flags, pages.wrapping_neg());
    }

    /// Counts pages by other flags than before.
    pub(crate) fn recount(&mut self, old: VmFlags, new: VmFlags, pages: u64) {
        if VmFlags(old.0 ^ new.0).intersects(KIND) {
            self.remove(old, pages);
            self.add(new, pages);
        }
    }

    fn kind(&mut self, flags: VmFlags) -> Option<&mut u64> {
        if flags.is_exec_mapping() {
            Some(&mut self.exec_vm)
        } else if flags.is_stack_mapping() {
            Some(&mut self.stack_vm)
        } else if flags.is_data_mapping() {
            Some(&mut self.data_vm)
        } else {
            None
        }
    }
}

impl<M: Memory> AddressSpace<M> {
    /// Checks that `pages` more of mappings with these flags are within the limits.
    ///
    /// A soft `RLIMIT_DATA` of 0 means the hard one: valgrind sets it so.
    ///
    /// Linux: `mm/vma.c: may_expand_vm`.
    pub(crate) fn may_expand(&self, flags: VmFlags, pages: u64) -> Result<(), Refusal> {
        let Counters { total_vm, data_vm, .. } = self.counters;
        if total_vm.wrapping_add(pages) > self.limits.address_space.soft >> PAGE_SHIFT {
            return Err(Refusal::AddressSpaceLimit);
        }
        let data = self.limits.data;
        let within = |bytes: u64| data_vm.wrapping_add(pages) <= bytes >> PAGE_SHIFT;
        if flags.is_data_mapping() && !within(data.soft) && !(data.soft == 0 && within(data.hard)) {
            return Err(Refusal::DataLimit);
        }
        Ok(())
    }

    /// Checks that the caller may lock memory at all (`mm/mlock.c: can_do_mlock`).
    pub(crate) fn can_lock(&self, caps: Caps) -> Result<(), Refusal> {
        if self.limits.memlock.soft != 0 || caps.ipc_lock { Ok(()) } else { Err(Refusal::MayNotLock) }
    }

    /// Checks that `bytes` more, if the flags lock them, are within `RLIMIT_MEMLOCK`.
    ///
    /// Linux: `mm/mmap.c: mlock_future_ok`.
    pub(crate) fn lock_future(&self, flags: VmFlags, bytes: u64, caps: Caps) -> Result<(), Refusal> {
        if !flags.contains(VmFlags::LOCKED) || caps.ipc_lock {
            return Ok(());
        }
        let locked = (bytes >> PAGE_SHIFT).wrapping_add(self.counters.locked_vm);
        let limit = self.limits.memlock.soft;
        if limit != Rlimit::INFINITY && locked > limit >> PAGE_SHIFT {
            return Err(Refusal::LockLimit);
        }
        Ok(())
    }
}
