//! The end of a process's memory.

use super::AddressSpace;
use crate::flags::VmFlags;
use crate::pages::Memory;
use crate::system::System;

impl<M: Memory> AddressSpace<M> {
    /// Gives everything back: the process ended, or executed another program.
    ///
    /// Linux: `mm/mmap.c: exit_mmap`.
    pub fn exit(mut self, sys: &mut System<M>) {
        M::begun(&mut self, sys);
        for vma in self.vmas() {
            if let Some(chain) = &vma.anon {
                sys.anon_vmas.unlink(chain);
            }
            if vma.flags.contains(VmFlags::ACCOUNT) {
                sys.uncharge(vma.pages());
            }
        }
        M::exited(self.pages, self.vmas, &mut sys.pool);
    }
}
