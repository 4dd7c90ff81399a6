//! What changes while the kernel's word on a memory is being read.
//!
//! Reading takes milliseconds, in which threads run on. The events of that time are applied as all others; what they
//! change is noted, because the kernel may have been asked before or after it:
//! ```text
//! events     F1   [reading begins]   F2   C1   [checkpoint]
//! noted                              F2   C1                  and F1: it is told before its page comes
//! ```

use std::collections::BTreeMap;

use abi::{AddrRange, Tid};

/// Changes noted; beyond, what lies between them counts as changed too.
const CHANGES_MAX: usize = 1 << 20;

/// What may or may not be in the kernel's word.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// The pages of each thread's last fault.
    pub(crate) faulting: BTreeMap<Tid, AddrRange>,
    /// What changed since a reading began; `None` where none is under way.
    pub(crate) changed: Option<Vec<AddrRange>>,
}

impl Reading {
    /// A reading begins.
    pub(crate) fn begin(&mut self) {
        self.changed = Some(self.faulting.values().copied().collect());
    }

    /// A thread is at a fault that brings in pages of this range.
    pub(crate) fn fault(&mut self, tid: Tid, range: AddrRange) {
        self.faulting.insert(tid, range);
        self.note(range);
    }

    /// A call changed a range.
    pub(crate) fn note(&mut self, range: AddrRange) {
        let Some(changed) = &mut self.changed else { return };
        match changed.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => changed.push(range),
        }
        if changed.len() > CHANGES_MAX {
            *changed = united(std::mem::take(changed));
            if changed.len() > CHANGES_MAX / 2
                && let (Some(first), Some(last)) = (changed.first(), changed.last())
            {
                *changed = vec![AddrRange::new(first.start, last.end)];
            }
        }
    }

    /// The reading is over: what changed, with what else is not sure; ascending and apart.
    pub(crate) fn end(&mut self, others: &[AddrRange]) -> Vec<AddrRange> {
        let mut changed = self.changed.take().unwrap_or_default();
        changed.extend_from_slice(others);
        united(changed)
    }
}

/// Sorts ranges and joins those that touch.
pub(crate) fn united(mut ranges: Vec<AddrRange>) -> Vec<AddrRange> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let touches = next.start <= range.end;
        if touches {
            range.end = range.end.max(next.end);
        }
        touches
    });
    ranges
}

/// Cuts a range at the borders of others, which ascend and are apart; tells of each part whether it is in one of them.
pub(super) fn cut(range: AddrRange, others: &[AddrRange]) -> Vec<(AddrRange, Within)> {
    let first = others.partition_point(|other| other.end <= range.start);
    let mut parts = Vec::new();
    let mut at = range.start;
    for other in others[first..].iter().take_while(|other| other.start < range.end) {
        if other.start > at {
            parts.push((AddrRange::new(at, other.start), Within::No));
        }
        let (start, end) = (at.max(other.start), other.end.min(range.end));
        parts.push((AddrRange::new(start, end), Within::Yes));
        at = end;
    }
    if at < range.end {
        parts.push((AddrRange::new(at, range.end), Within::No));
    }
    parts
}

/// Whether a part of a range lies in one of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Within {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use abi::VirtAddr;

    use super::*;

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(VirtAddr(start << 12), VirtAddr(end << 12))
    }

    #[test]
    fn what_changes_is_noted_from_the_last_faults_on() {
        let mut reading = Reading::default();
        reading.fault(Tid(1), range(3, 4));
        reading.fault(Tid(2), range(7, 8));
        reading.fault(Tid(1), range(9, 10));
        reading.note(range(50, 60));
        reading.begin();
        reading.fault(Tid(3), range(8, 9));
        reading.note(range(20, 30));
        assert_eq!(reading.end(&[range(29, 31), range(0, 0)]), [range(7, 10), range(20, 31)]);
        assert_eq!(reading.end(&[]), []);
    }

    #[test]
    fn a_range_is_cut_at_what_changed() {
        let changed = [range(1, 3), range(5, 6), range(9, 12)];
        let parts = cut(range(2, 10), &changed);
        let (yes, no) = (Within::Yes, Within::No);
        let expected = [
            (range(2, 3), yes),
            (range(3, 5), no),
            (range(5, 6), yes),
            (range(6, 9), no),
            (range(9, 10), yes),
        ];
        assert_eq!(parts, expected);
        assert_eq!(cut(range(6, 9), &changed), [(range(6, 9), no)]);
    }

    #[test]
    fn notes_are_bounded() {
        let mut reading = Reading::default();
        reading.begin();
        for page in 0..CHANGES_MAX as u64 + 2 {
            reading.note(range(2 * page, 2 * page + 1));
        }
        assert!(reading.end(&[]).len() < 3);
    }
}
