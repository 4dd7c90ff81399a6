//! Which descriptors are userfaultfds, and what closing one does without a memory call.

use abi::{Call, Errno};
use mm::{Input, Uffd};
use recording::MapRow;

use super::{Shared, Twin};

/// `UFFDIO_API`.
const API: u64 = 0xc018_aa3f;

impl Twin {
    /// Keeps what a call tells of a userfaultfd: a new one, or the features agreed on.
    pub(super) fn note_userfaultfd(&mut self, call: Call, input: &Input, result: Result<u64, Errno>) {
        let next = self.uffds.values().map(|uffd| uffd.id + 1).max().unwrap_or(1);
        match (call, result) {
            // A descriptor not seen made may be one made elsewhere, or under a result that was not seen.
            (Call::UffdIoctl { fd, request, .. }, Ok(_)) if request & 0xffff_ffff == API => {
                let features = input.words.get(1).copied().unwrap_or(0);
                self.uffds.insert(fd, Uffd { id: next, features, ready: true });
            }
            _ => {}
        }
    }

    /// Tells whether any is known.
    pub fn has_userfaultfds(&self) -> bool {
        !self.uffds.is_empty()
    }

    /// Takes the registrations of closed userfaultfds away where that makes the map the kernel's; returns how many
    /// were. Closing is no memory call: it is known from its effect only.
    pub fn release_closed(&mut self, shared: &mut Shared, is_kernels: impl Fn(&[MapRow]) -> bool) -> u64 {
        let ids: Vec<u64> = self.uffds.values().map(|uffd| uffd.id).collect();
        let registered = |id: &u64| self.space.vmas().any(|vma| vma.uffd() == Some(*id));
        let ids: Vec<u64> = ids.into_iter().filter(registered).collect();
        for id in &ids {
            let mut tried = self.space.clone();
            let before = shared.sys.clone();
            tried.release_userfaultfd(&mut shared.sys, *id);
            let former = std::mem::replace(&mut self.space, tried);
            if is_kernels(&self.rows()) {
                self.uffds.retain(|_, uffd| uffd.id != *id);
                return 1;
            }
            self.space = former;
            shared.sys = before;
        }
        0
    }
}
