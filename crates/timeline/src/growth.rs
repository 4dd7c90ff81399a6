//! The largest single growths of a run, and the calls that made them.

use abi::{AddrRange, Call, Tid};
use recording::{MmId, TimeNs};

/// Growths that are kept.
pub const GROWTHS_MAX: usize = 32;

/// A call that made a memory larger.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Growth {
    /// By so many bytes of virtual size, by the twin.
    pub bytes: u64,
    /// When.
    pub time: TimeNs,
    /// The number of the call's event.
    pub event: u64,
    /// Whose memory.
    pub mm: MmId,
    /// Which thread.
    pub tid: Tid,
    /// The call.
    pub call: Call,
    /// Where, if it is one range.
    pub range: Option<AddrRange>,
}

/// The largest growths, largest first.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Growths(Vec<Growth>);

impl Growths {
    /// The growths, largest first; of equal ones the earlier first.
    pub fn largest(&self) -> &[Growth] {
        &self.0
    }

    pub(crate) fn add(&mut self, growth: Growth) {
        let place = self.0.partition_point(|kept| kept.bytes >= growth.bytes);
        if place < GROWTHS_MAX {
            self.0.truncate(GROWTHS_MAX - 1);
            self.0.insert(place, growth);
        }
    }
}

/// How the main stack of a memory grew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackGrowth {
    /// The stack's mapping when it was first seen.
    pub first: AddrRange,
    /// The mapping at its largest.
    pub largest: AddrRange,
    /// When it became so.
    pub time: TimeNs,
    /// How often it grew.
    pub steps: u64,
}

impl StackGrowth {
    pub(crate) fn new(range: AddrRange, time: TimeNs) -> Self {
        Self { first: range, largest: range, time, steps: 0 }
    }

    /// Takes note of the stack's mapping as it is now.
    pub(crate) fn see(&mut self, range: AddrRange, time: TimeNs) {
        if range.start < self.largest.start {
            self.largest = range;
            self.time = time;
            self.steps += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use abi::VirtAddr;

    use super::*;

    #[test]
    fn the_largest_are_kept_in_order() {
        let mut growths = Growths::default();
        for bytes in 0..100 {
            let call = Call::Brk { addr: VirtAddr(bytes) };
            let (time, mm, tid) = (TimeNs(bytes), MmId(0), Tid(1));
            growths.add(Growth { bytes: bytes * 37 % 100, time, event: bytes, mm, tid, call, range: None });
        }
        let kept: Vec<u64> = growths.largest().iter().map(|growth| growth.bytes).collect();
        assert_eq!(kept, (68..100).rev().collect::<Vec<u64>>());
    }
}
