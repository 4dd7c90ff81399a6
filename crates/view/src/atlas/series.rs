//! What is drawn over time beside the rectangles.

use serde::Serialize;

/// Resident bytes of each kind at one moment, in the order of `snapshot::Kind::ALL`, zeros left out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KindSample {
    /// When, in nanoseconds.
    pub time_ns: u64,
    /// Pairs of a kind's stable name and bytes.
    pub kinds: Vec<(&'static str, u64)>,
}

/// Buckets of a density.
const BUCKETS_MAX: usize = 512;

/// How many calls and faults there were, in buckets of equal length.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Density {
    /// The length of one bucket.
    pub bucket_ns: u64,
    /// Memory calls in each.
    pub calls: Vec<u32>,
    /// Recorded faults in each.
    pub faults: Vec<u32>,
}

impl Default for Density {
    /// An empty one; buckets begin at a microsecond and double as the run goes on.
    fn default() -> Self {
        Self { bucket_ns: 1_000, calls: Vec::new(), faults: Vec::new() }
    }
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Counted {
    Call,
    Fault,
}

impl Density {
    pub(super) fn count(&mut self, time_ns: u64, what: Counted) {
        while time_ns / self.bucket_ns >= BUCKETS_MAX as u64 {
            self.bucket_ns *= 2;
            halve(&mut self.calls);
            halve(&mut self.faults);
        }
        let at = usize::try_from(time_ns / self.bucket_ns).unwrap_or(usize::MAX);
        if self.calls.len() <= at {
            self.calls.resize(at + 1, 0);
            self.faults.resize(at + 1, 0);
        }
        let counts = match what {
            Counted::Call => &mut self.calls,
            Counted::Fault => &mut self.faults,
        };
        counts[at] = counts[at].saturating_add(1);
    }
}

/// Joins buckets two by two.
fn halve(buckets: &mut Vec<u32>) {
    *buckets =
        buckets.chunks(2).map(|two| two.iter().fold(0, |sum: u32, n| sum.saturating_add(*n))).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_buckets_double() {
        let mut density = Density::default();
        for ms in 0..1000 {
            density.count(ms * 1_000_000, Counted::Call);
        }
        density.count(999_000_000, Counted::Fault);
        assert!(density.calls.len() <= BUCKETS_MAX);
        assert_eq!(density.calls.iter().sum::<u32>(), 1000);
        assert_eq!(density.faults.iter().sum::<u32>(), 1);
    }
}
