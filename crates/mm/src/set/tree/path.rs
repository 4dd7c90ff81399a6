//! The way from the root to an entry. A change mostly comes where a lookup has just been: it need not search again.

use core::sync::atomic::{AtomicU64, Ordering};

/// How many bits hold one step.
const BITS: u32 = 8;

/// The index taken in each node from the root on.
#[derive(Clone, Copy, Default)]
pub(super) struct Path {
    steps: u64,
    shift: u32,
}

impl Path {
    /// Adds the index taken next. After eight of them none is right any more: no set is so deep.
    #[inline]
    pub(super) fn push(&mut self, index: usize) {
        self.steps |= (index as u64).wrapping_shl(self.shift);
        self.shift += BITS;
    }
}

/// The way that the last lookup went. It may lead elsewhere by now: whoever follows it looks at each step.
#[derive(Default)]
pub(super) struct Trail(AtomicU64);

impl Trail {
    /// Remembers a way.
    #[inline]
    pub(super) fn set(&self, path: Path) {
        self.0.store(path.steps, Ordering::Relaxed);
    }

    /// Returns the steps of the way remembered.
    #[inline]
    pub(super) fn steps(&self) -> Steps {
        Steps(self.0.load(Ordering::Relaxed))
    }
}

impl Clone for Trail {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

/// Steps that are still to be taken.
#[derive(Clone, Copy)]
pub(super) struct Steps(u64);

impl Steps {
    /// Returns the next step.
    #[inline]
    pub(super) fn next(&mut self) -> usize {
        let step = self.0 & ((1 << BITS) - 1);
        self.0 >>= BITS;
        step as usize
    }
}
