//! Forks under way, while other threads make calls: which of these the child was copied after.
//!
//! ```text
//! thread 1   |--fork----------------------|   the child is told of at its end; the copy was made at some moment before
//! thread 2        |--mmap--|                  in the child too, or not?
//! ```
//! Before such a call is done the twin forks as well, so that each state that the child may have is at hand, linked to its
//! parent as it would be. The newest that agrees with the child's whole map is taken.

use std::collections::HashMap;
use std::io;

use abi::Tid;
use mm::OvercommitMode;
use recording::MmId;
use timeline::twin::{Shared, Twin};

use super::found::Found;
use super::memory::Memory;

/// States kept for one fork; of more the oldest are dropped.
const STATES_MAX: usize = 32;

/// Who forks, each with the states that its child may have, the oldest first.
#[derive(Default)]
pub(super) struct Forks(HashMap<Tid, Vec<Twin>>);

impl Forks {
    /// A thread stands before its fork. One that it began before has failed.
    pub(super) fn begin(&mut self, tid: Tid, shared: &mut Shared) {
        self.fails(tid, shared);
        self.0.insert(tid, Vec::new());
    }

    /// A thread will make no child of the fork it has begun.
    pub(super) fn fails(&mut self, tid: Tid, shared: &mut Shared) {
        self.end(tid).into_iter().for_each(|state| state.exit(shared));
    }

    /// A thread has made its child.
    pub(super) fn end(&mut self, tid: Tid) -> Vec<Twin> {
        self.0.remove(&tid).unwrap_or_default()
    }

    /// A call of another thread is about to be done.
    pub(super) fn keep(&mut self, tid: Tid, memory: &mut Memory, shared: &mut Shared) {
        // A state more would be a promise of memory more.
        if shared.profile().overcommit.mode == OvercommitMode::Never {
            return;
        }
        for (_, states) in self.0.iter_mut().filter(|(of, _)| **of != tid) {
            states.extend(memory.twin.fork(shared, memory.twin.memory()));
            if states.len() > STATES_MAX {
                states.remove(0).exit(shared);
            }
        }
    }

    /// The memory ends.
    pub(super) fn finish(self, shared: &mut Shared) {
        self.0.into_values().flatten().for_each(|state| state.exit(shared));
    }
}

impl Memory {
    /// Takes the state that a child was copied from, if it is not the last.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn choose_state(
        &mut self,
        shared: &mut Shared,
        found: &mut Found,
        mm: MmId,
        mut states: Vec<Twin>,
    ) -> io::Result<()> {
        let result = self.try_states(shared, found, mm, &mut states);
        states.into_iter().for_each(|state| state.exit(shared));
        result
    }

    fn try_states(
        &mut self,
        shared: &mut Shared,
        found: &mut Found,
        mm: MmId,
        states: &mut [Twin],
    ) -> io::Result<()> {
        if states.is_empty() || self.agrees(shared, found)? {
            return Ok(());
        }
        for (since, state) in (1..).zip(states.iter_mut().rev()) {
            std::mem::swap(&mut self.twin, state);
            if self.agrees(shared, found)? {
                self.twin.set_memory(mm);
                found.order_uncertain += since;
                return Ok(());
            }
            std::mem::swap(&mut self.twin, state);
        }
        Ok(())
    }

    fn agrees(&mut self, shared: &mut Shared, found: &mut Found) -> io::Result<bool> {
        self.enter(shared, found)?;
        Ok(self.compare_whole(found)?.is_empty())
    }
}
