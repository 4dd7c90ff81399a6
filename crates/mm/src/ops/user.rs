//! Memory that the kernel itself reads and writes for a call: behind a pointer argument.
//!
//! Such an access faults like any other: it may grow a stack, and a write gives a private mapping an anon_vma.

use abi::{PAGE_SIZE, VirtAddr};

use crate::access::Access;
use crate::op::{By, Op};
use crate::pages::Memory;
use crate::why::Refusal;

impl<M: Memory> Op<'_, M> {
    /// Checks that a range lies below the last user address.
    ///
    /// Linux: `arch/x86/include/asm/uaccess_64.h: __access_ok`.
    pub(crate) fn access_ok(&self, addr: VirtAddr, len: u64) -> bool {
        addr.checked_add(len).is_some_and(|end| end <= self.sys.profile.task_size)
    }

    /// Reads what a pointer points to.
    pub(crate) fn user_read(&mut self, addr: VirtAddr, len: u64) -> Result<(), Refusal> {
        self.user_access(addr, len, Access::Read)
    }

    /// Writes to where a pointer points.
    pub(crate) fn user_write(&mut self, addr: VirtAddr, len: u64) -> Result<(), Refusal> {
        self.user_access(addr, len, Access::Write)
    }

    fn user_access(&mut self, addr: VirtAddr, len: u64, access: Access) -> Result<(), Refusal> {
        if len == 0 {
            return Ok(());
        }
        if !self.access_ok(addr, len) {
            return Err(Refusal::Unreadable);
        }
        let end = addr.0 + len;
        let mut page = addr.page_down().0;
        let by = core::mem::replace(&mut self.by, By::Kernel);
        let mut answer = Ok(());
        while page < end && answer.is_ok() {
            answer = self.touch(VirtAddr(page.max(addr.0)), access).map(drop);
            page += PAGE_SIZE;
        }
        self.by = by;
        answer.map_err(|_| Refusal::Unreadable)
    }
}
