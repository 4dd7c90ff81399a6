//! The identity of open file descriptions: two mappings of one file merge only if they came from the same one.
//!
//! The kernel compares two descriptors by `kcmp`. The one to compare with must still be open somewhere: a copy of
//! it is kept exactly as long as a mapping of it lives, for that mapping keeps the description (with its locks)
//! alive anyway.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use abi::{Fd, FileId, Pid, Tid};

/// The descriptions behind one memory's mappings.
#[derive(Clone, Debug, Default)]
pub(super) struct Descriptions {
    known: Vec<Known>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Known {
    id: u64,
    file: FileId,
    copy: Rc<OwnedFd>,
}

impl Descriptions {
    /// Those of a forked child: the same ones, of which some may have no mapping in it.
    pub(super) fn fork(&self) -> Self {
        self.clone()
    }

    /// Numbers the description behind a thread's descriptor, the same one alike. 0: it could not be told.
    pub(super) fn identify(&mut self, (pid, tid): (Pid, Tid), fd: Fd, file: FileId) -> u64 {
        let same = |known: &&Known| {
            known.file == file && sys::descriptors::is_same_file(&known.copy, tid, fd).unwrap_or(false)
        };
        if let Some(known) = self.known.iter().find(same) {
            return known.id;
        }
        let Ok(copy) = sys::descriptors::copy_of(pid, tid, fd) else { return 0 };
        self.next += 1;
        self.known.push(Known { id: self.next, file, copy: Rc::new(copy) });
        self.next
    }

    /// Drops the copies of descriptions that have no mapping any longer.
    pub(super) fn let_go(&mut self, gone: &[u64]) {
        self.known.retain(|known| !gone.contains(&known.id));
    }

    /// Drops the copies of all but these.
    pub(super) fn keep(&mut self, mapped: &HashSet<u64>) {
        self.known.retain(|known| mapped.contains(&known.id));
    }
}
