//! How many faults are worth recording: every one while that costs little, one in so many beyond.

/// One fault in so many is recorded once recording every one costs too much. Prime, so that it does not fall into
/// step with a program that touches pages in blocks.
pub(super) const SPARSE_PERIOD: u32 = 61;

/// What recording one fault costs the program, measured on a virtual machine: with and without its call chain.
const CHAINED_NS: i64 = 2_500;
const BARE_NS: i64 = 1_300;
/// What may be spent at once before the share counts: a program's start is worth recording whole.
const BURST_NS: i64 = 60_000_000;
/// The share of its time that a program may be slowed by: one part in so many.
const SHARE: i64 = 25;
/// How long a decision stands at least.
const HOLD_NS: i64 = 250_000_000;

/// How densely faults are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Density {
    /// Every fault.
    Every,
    /// One in [`SPARSE_PERIOD`].
    Sparse,
}

/// Keeps the cost of recording faults within its share of the program's time.
#[derive(Debug)]
pub(super) struct Governor {
    cost_ns: i64,
    /// What may still be spent.
    purse_ns: i64,
    density: Density,
    last_ns: u64,
    changed_ns: u64,
    /// Faults in sparse times, recorded or not, as estimated since the last change, and for how long.
    quiet_faults: i64,
}

impl Governor {
    /// Begins with a full purse.
    pub(super) fn new(chains: bool, now_ns: u64) -> Self {
        let cost_ns = if chains { CHAINED_NS } else { BARE_NS };
        let density = Density::Every;
        Self { cost_ns, purse_ns: BURST_NS, density, last_ns: now_ns, changed_ns: now_ns, quiet_faults: 0 }
    }

    /// Takes note of the records since the last time, counted on the processor that had most; says how densely to
    /// record from now on.
    pub(super) fn note(&mut self, records: u64, now_ns: u64) -> Density {
        let records = i64::try_from(records).unwrap_or(i64::MAX);
        let passed = now_ns.saturating_sub(self.last_ns).cast_signed();
        self.last_ns = now_ns;
        let spent = records.saturating_mul(self.cost_ns);
        self.purse_ns = (self.purse_ns + passed / SHARE).saturating_sub(spent).clamp(-BURST_NS, BURST_NS);
        let held = now_ns.saturating_sub(self.changed_ns).cast_signed();
        match self.density {
            Density::Every if self.purse_ns < 0 => self.change(Density::Sparse, now_ns),
            Density::Every => {}
            Density::Sparse => {
                self.quiet_faults =
                    self.quiet_faults.saturating_add(records.saturating_mul(i64::from(SPARSE_PERIOD)));
                let would_cost = self.quiet_faults.saturating_mul(self.cost_ns);
                let rested = held >= HOLD_NS && self.purse_ns > 0;
                if rested && would_cost.saturating_mul(SHARE) < held {
                    self.change(Density::Every, now_ns);
                } else if held >= HOLD_NS {
                    // A new window: what was long ago says nothing about now.
                    self.quiet_faults = 0;
                    self.changed_ns = now_ns;
                }
            }
        }
        self.density
    }

    fn change(&mut self, density: Density, now_ns: u64) {
        self.density = density;
        self.changed_ns = now_ns;
        self.quiet_faults = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_NS: u64 = 10_000_000;

    /// Runs a program that faults at a steady rate; returns the density at the end and the records made.
    fn run(governor: &mut Governor, faults_per_tick: u64, ticks: std::ops::Range<u64>) -> (Density, u64) {
        let mut density = governor.density;
        let mut records = 0;
        for tick in ticks {
            let now = match density {
                Density::Every => faults_per_tick,
                Density::Sparse => faults_per_tick / u64::from(SPARSE_PERIOD),
            };
            records += now;
            density = governor.note(now, (tick + 1) * TICK_NS);
        }
        (density, records)
    }

    #[test]
    fn a_quiet_program_is_recorded_whole() {
        let mut governor = Governor::new(true, 0);
        assert_eq!(run(&mut governor, 100, 0..1000), (Density::Every, 100_000));
    }

    #[test]
    fn a_start_is_recorded_whole() {
        let mut governor = Governor::new(true, 0);
        assert_eq!(run(&mut governor, 4000, 0..5), (Density::Every, 20_000));
    }

    #[test]
    fn a_storm_is_thinned_and_its_end_seen() {
        let mut governor = Governor::new(true, 0);
        let (density, records) = run(&mut governor, 5000, 0..1000);
        assert_eq!(density, Density::Sparse);
        let cost_ns = records * CHAINED_NS as u64;
        assert!(cost_ns < 1000 * TICK_NS / 15, "{cost_ns} ns of 10 s");
        let (density, _) = run(&mut governor, 10, 1000..1100);
        assert_eq!(density, Density::Every);
    }
}
