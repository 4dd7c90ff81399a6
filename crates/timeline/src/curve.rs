//! A quantity over time in bounded space: however long the run, at most so many buckets.

use recording::TimeNs;

/// Buckets of a curve.
pub const BUCKETS_MAX: usize = 256;

/// What is drawn over time: each the largest value within its bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sample {
    /// Virtual size in bytes, by the twin.
    pub virtual_bytes: u64,
    /// Resident size in bytes, as of the last checkpoints with pages.
    pub resident_bytes: u64,
    /// Mappings, by the twin.
    pub mappings: u64,
}

/// Samples over time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Curve {
    bucket_ns: u64,
    buckets: Vec<Sample>,
    now: Sample,
}

impl Default for Curve {
    /// An empty curve; buckets begin at a microsecond and double as the run goes on.
    fn default() -> Self {
        Self { bucket_ns: 1_000, buckets: Vec::new(), now: Sample::default() }
    }
}

impl Curve {
    /// Takes note of the values from `time` on. Times before the last one count for the last bucket.
    pub fn record(&mut self, time: TimeNs, now: Sample) {
        self.extend_to(time);
        self.now = now;
        if let Some(last) = self.buckets.last_mut() {
            *last = last.larger(now);
        }
    }

    /// The time one bucket spans, in nanoseconds.
    pub fn bucket_ns(&self) -> u64 {
        self.bucket_ns
    }

    /// The buckets from the start of the recording on.
    pub fn buckets(&self) -> &[Sample] {
        &self.buckets
    }

    /// Carries the last values on up to `time`.
    pub fn extend_to(&mut self, time: TimeNs) {
        while time.0 / self.bucket_ns >= BUCKETS_MAX as u64 {
            self.buckets =
                self.buckets.chunks(2).map(|pair| pair[0].larger(*pair.last().unwrap_or(&pair[0]))).collect();
            self.bucket_ns *= 2;
        }
        while (self.buckets.len() as u64) <= time.0 / self.bucket_ns {
            self.buckets.push(self.now);
        }
    }
}

impl Sample {
    /// A sum with one part of it replaced.
    pub(crate) fn replace(self, old: Self, new: Self) -> Self {
        let change = |sum: u64, old: u64, new: u64| sum.saturating_sub(old) + new;
        Self {
            virtual_bytes: change(self.virtual_bytes, old.virtual_bytes, new.virtual_bytes),
            resident_bytes: change(self.resident_bytes, old.resident_bytes, new.resident_bytes),
            mappings: change(self.mappings, old.mappings, new.mappings),
        }
    }

    /// Each quantity at its larger.
    pub(crate) fn larger(self, other: Self) -> Self {
        Self {
            virtual_bytes: self.virtual_bytes.max(other.virtual_bytes),
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
            mappings: self.mappings.max(other.mappings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(virtual_bytes: u64) -> Sample {
        Sample { virtual_bytes, ..Sample::default() }
    }

    #[test]
    fn the_peak_survives_every_doubling() {
        let mut curve = Curve::default();
        for second in 0..1_000u64 {
            curve.record(TimeNs(second * 1_000_000_000), of(if second == 137 { 99 } else { second % 50 }));
        }
        assert!(curve.buckets().len() <= BUCKETS_MAX);
        let peak = curve.buckets().iter().position(|bucket| bucket.virtual_bytes == 99).expect("is there");
        let at = peak as u64 * curve.bucket_ns() / 1_000_000_000;
        assert!((130..=137).contains(&at), "{at}");
    }

    #[test]
    fn a_quiet_time_keeps_the_value() {
        let mut curve = Curve::default();
        curve.record(TimeNs(0), of(7));
        curve.extend_to(TimeNs(50_000));
        assert!(curve.buckets().iter().all(|bucket| bucket.virtual_bytes == 7));
        assert_eq!(curve.buckets().len(), 51);
    }
}
