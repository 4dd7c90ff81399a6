//! How many faults are worth recording: every one while that costs little, one in so many beyond.

use super::open::{Budget, FaultStacks, FaultsWanted};

/// One fault in so many is recorded once recording every one costs too much. Prime, so that it does not fall into
/// step with a program that touches pages in blocks.
pub(super) const SPARSE_PERIOD: u32 = 97;

/// Where only large pieces of stacks suffice, one fault in so many carries one. Prime, as above.
pub(super) const THIN_PERIOD: u32 = 13;

/// Of deep stacks one fault in so many carries a large piece. Prime, as above.
pub(super) const DEEP_PERIOD: u32 = 101;

/// What recording one fault costs, measured on a virtual machine: with a large and a small piece of its stack, with the top
/// of it, with its call chain, and with neither. That is what the program waits for the kernel's record, and what it takes to read,
/// unwind and write that on a processor which the program may want.
const SPARSE_NS: i64 = 20_000;
const STACKED_NS: i64 = 12_000;
const BRIEF_NS: i64 = 6_000;
const CHAINED_NS: i64 = 4_500;
const BARE_NS: i64 = 2_300;
/// What may be spent at once before the share counts: a program's start is worth recording whole.
const BURST_NS: i64 = 28_000_000;
/// The share of its time that a program may be slowed by: one part in so many.
const SHARE: i64 = 33;
/// The same of faults whose stacks are copied.
const STACKS_BURST_NS: i64 = 10_000_000;
const STACKS_SHARE: i64 = 67;
/// What a fault with a very large piece costs, by its size beside the others'.
const DEEP_NS: i64 = SPARSE_NS * 7 / 4;
/// How long a decision stands at least, and the one for few stacks: programs do one thing after the other, each with
/// stacks of its own depth.
const HOLD_NS: i64 = 250_000_000;
const THIN_HOLD_NS: i64 = 1_000_000_000;

/// How densely faults are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Density {
    /// Every fault, with a piece of its stack.
    Stacks,
    /// Every fault with the top of its stack, and one in [`DEEP_PERIOD`] with a very large piece of its stack.
    Deep,
    /// Every fault, with the top of its stack if stacks are copied.
    Every,
    /// Every fault without its stack, and one in [`THIN_PERIOD`] with a very large piece of it.
    Thin,
    /// One in [`SPARSE_PERIOD`].
    Sparse,
}

impl Density {
    /// One fault in so many.
    pub(super) const fn period(self) -> u32 {
        match self {
            Self::Stacks | Self::Deep | Self::Every | Self::Thin => 1,
            Self::Sparse => SPARSE_PERIOD,
        }
    }
}

/// Whether the pieces of stacks that every fault carries lead to the threads' first functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pieces {
    /// Too few have been unwound yet, or too many wait for that.
    Unknown,
    /// Most of them do.
    Suffice,
    /// More than one in twenty does not.
    TooSmall,
    /// Nor would the tops of stacks, joined to whole ones.
    TopsTooSmall,
}

/// How a start is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// With a piece of its stack at each fault.
    Dense,
    /// With a large piece of a few, where the rings are too small for that.
    Thin,
}

impl Start {
    /// How densely stacks are copied in it.
    pub(super) const fn density(self) -> Density {
        match self {
            Self::Dense => Density::Stacks,
            Self::Thin => Density::Thin,
        }
    }
}

/// Keeps the cost of recording faults within its share of the program's time.
#[derive(Debug)]
pub(super) struct Governor {
    wanted: FaultsWanted,
    /// What may still be spent, and of that on stacks.
    purse_ns: i64,
    stacks_purse_ns: i64,
    density: Density,
    last_ns: u64,
    changed_ns: u64,
    /// Small pieces of stacks don't suffice.
    has_deep: bool,
    /// Faults in sparse times, recorded or not, as estimated since the last change, and for how long.
    quiet_faults: i64,
}

impl Governor {
    /// Begins with full purses.
    pub(super) fn new(wanted: FaultsWanted, start: Start, now_ns: u64) -> Self {
        let density = match wanted.stacks {
            FaultStacks::Copied => start.density(),
            FaultStacks::NotCopied => Density::Every,
        };
        let (purse_ns, stacks_purse_ns) = (BURST_NS, STACKS_BURST_NS);
        let (last_ns, changed_ns) = (now_ns, now_ns);
        Self {
            wanted,
            purse_ns,
            stacks_purse_ns,
            density,
            last_ns,
            changed_ns,
            has_deep: false,
            quiet_faults: 0,
        }
    }

    /// How densely to record now.
    pub(super) const fn density(&self) -> Density {
        self.density
    }

    fn cost_ns(&self, density: Density) -> i64 {
        match (density, self.wanted.stacks, self.wanted.chain_frames_max) {
            (Density::Sparse, FaultStacks::Copied, _) => SPARSE_NS,
            (Density::Thin, ..) => BARE_NS + DEEP_NS / i64::from(THIN_PERIOD),
            (Density::Stacks, ..) => STACKED_NS,
            (Density::Deep, ..) => BRIEF_NS + DEEP_NS / i64::from(DEEP_PERIOD),
            (Density::Every, FaultStacks::Copied, _) => BRIEF_NS,
            (_, _, 0) => BARE_NS,
            _ => CHAINED_NS,
        }
    }

    /// What of that is for stacks.
    fn stacks_cost_ns(&self, density: Density) -> i64 {
        match density {
            Density::Stacks => STACKED_NS,
            Density::Deep => DEEP_NS / i64::from(DEEP_PERIOD),
            Density::Every | Density::Thin | Density::Sparse => 0,
        }
    }

    /// Takes note of the records since the last time, counted on the processor that had most, and of whether the pieces
    /// of stacks suffice; says how densely to record from now on.
    pub(super) fn note(&mut self, records: u64, pieces: Pieces, now_ns: u64) -> Density {
        let records = i64::try_from(records).unwrap_or(i64::MAX);
        let passed = now_ns.saturating_sub(self.last_ns).cast_signed();
        self.last_ns = now_ns;
        let spent = records.saturating_mul(self.cost_ns(self.density));
        self.purse_ns = (self.purse_ns + passed / SHARE).saturating_sub(spent).clamp(-BURST_NS, BURST_NS);
        let spent_on_stacks = records.saturating_mul(self.stacks_cost_ns(self.density));
        // Once too small, always: larger ones suffice, which says nothing about small ones.
        let may_be_deep = !matches!(self.wanted.budget, Budget::OneIn(_));
        self.has_deep |= pieces == Pieces::TooSmall && may_be_deep;
        self.stacks_purse_ns = (self.stacks_purse_ns + passed / STACKS_SHARE)
            .saturating_sub(spent_on_stacks)
            .clamp(-STACKS_BURST_NS, STACKS_BURST_NS);
        let held = now_ns.saturating_sub(self.changed_ns).cast_signed();
        let dense = self.dense(pieces);
        match self.density {
            Density::Stacks | Density::Deep | Density::Every | Density::Thin
                if self.purse_ns < 0 && self.wanted.budget == Budget::Share =>
            {
                self.change(Density::Sparse, now_ns);
            }
            // What sufficed at the start need not suffice behind it.
            Density::Thin if dense == Density::Every && held >= THIN_HOLD_NS => {
                self.change(self.tops(), now_ns);
            }
            Density::Stacks | Density::Deep if pieces == Pieces::TopsTooSmall => {
                self.change(dense, now_ns);
            }
            Density::Every if dense == Density::Thin => self.change(Density::Thin, now_ns),
            Density::Stacks if self.stacks_purse_ns < 0 => {
                // Behind a start stacks may be deeper than in it: a few large pieces tell.
                self.change(self.dense(Pieces::Unknown), now_ns);
            }
            Density::Deep if self.stacks_purse_ns < 0 => self.change(dense, now_ns),
            Density::Stacks if self.has_deep => self.change(Density::Deep, now_ns),
            Density::Every if self.wanted.stacks == FaultStacks::Copied => {
                if held >= HOLD_NS && self.stacks_purse_ns > STACKS_BURST_NS / 2 {
                    // A few large pieces tell first whether small ones would do.
                    self.change(if may_be_deep { Density::Deep } else { Density::Stacks }, now_ns);
                }
            }
            Density::Deep if !self.has_deep && held >= HOLD_NS && self.stacks_purse_ns >= STACKS_BURST_NS => {
                self.change(Density::Stacks, now_ns);
            }
            Density::Stacks | Density::Deep | Density::Every | Density::Thin => {}
            Density::Sparse => {
                self.quiet_faults =
                    self.quiet_faults.saturating_add(records.saturating_mul(i64::from(SPARSE_PERIOD)));
                let would_cost = self.quiet_faults.saturating_mul(self.cost_ns(dense));
                let rested = held >= HOLD_NS && self.purse_ns > 0;
                if rested && would_cost.saturating_mul(SHARE) < held {
                    self.change(if dense == Density::Every { self.tops() } else { dense }, now_ns);
                } else if held >= HOLD_NS {
                    // A new window: what was long ago says nothing about now.
                    self.quiet_faults = 0;
                    self.changed_ns = now_ns;
                }
            }
        }
        self.density
    }

    /// How densely to record what is no start: fewer stacks where their tops don't suffice, or may not.
    fn dense(&self, pieces: Pieces) -> Density {
        let is_thin = self.wanted.may_be_thin() && matches!(pieces, Pieces::TopsTooSmall | Pieces::Unknown);
        if is_thin { Density::Thin } else { Density::Every }
    }

    /// How tops of stacks are taken where they have sufficed: with a few large pieces beside, if that can be paid, to which
    /// those of what the program does next can be joined before it is known what came of them.
    fn tops(&self) -> Density {
        let is_copied = self.wanted.stacks == FaultStacks::Copied;
        if is_copied && self.stacks_purse_ns > 0 { Density::Deep } else { Density::Every }
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

    fn governor() -> Governor {
        with(FaultStacks::NotCopied)
    }

    fn with(stacks: FaultStacks) -> Governor {
        let (mapped, budget) = (sys::perf::Mappings::Told, super::super::Budget::Share);
        let access = super::super::AccessWanted::No;
        Governor::new(FaultsWanted { chain_frames_max: 64, stacks, mapped, budget, access }, Start::Dense, 0)
    }

    /// Runs a program that faults at a steady rate; returns the density at the end and the records made.
    fn run(governor: &mut Governor, faults_per_tick: u64, ticks: std::ops::Range<u64>) -> (Density, u64) {
        run_with(governor, Pieces::Suffice, faults_per_tick, ticks)
    }

    fn run_with(
        governor: &mut Governor,
        pieces: Pieces,
        faults_per_tick: u64,
        ticks: std::ops::Range<u64>,
    ) -> (Density, u64) {
        let mut density = governor.density;
        let mut records = 0;
        for tick in ticks {
            let now = match density {
                Density::Stacks | Density::Deep | Density::Every | Density::Thin => faults_per_tick,
                Density::Sparse => faults_per_tick / u64::from(SPARSE_PERIOD),
            };
            records += now;
            density = governor.note(now, pieces, (tick + 1) * TICK_NS);
        }
        (density, records)
    }

    #[test]
    fn a_quiet_program_is_recorded_whole() {
        let mut governor = governor();
        assert_eq!(run(&mut governor, 60, 0..1000), (Density::Every, 60_000));
    }

    #[test]
    fn a_start_is_recorded_whole() {
        let mut governor = governor();
        assert_eq!(run(&mut governor, 1200, 0..5), (Density::Every, 6_000));
    }

    #[test]
    fn a_storm_is_thinned_and_its_end_seen() {
        let mut governor = governor();
        let (density, records) = run(&mut governor, 5000, 0..1000);
        assert_eq!(density, Density::Sparse);
        let cost_ns = records * CHAINED_NS as u64;
        assert!(cost_ns < 1000 * TICK_NS / 15, "{cost_ns} ns of 10 s");
        let (density, _) = run(&mut governor, 10, 1000..1200);
        assert_eq!(density, Density::Every);
    }

    #[test]
    fn stacks_are_copied_of_a_start_and_of_a_share_of_the_rest() {
        let mut governor = with(FaultStacks::Copied);
        assert_eq!(run(&mut governor, 10, 0..500), (Density::Stacks, 5_000));
        let (mut stacked, mut all) = (0, 0);
        for tick in 500..2000 {
            let before = governor.density;
            run(&mut governor, 40, tick..tick + 1);
            all += 40;
            stacked += if before == Density::Stacks { 40 } else { 0 };
            assert_ne!(governor.density, Density::Sparse);
        }
        let cost_ns = stacked * STACKED_NS;
        assert!(stacked > all / 20 && cost_ns < 15_000_000_000 / 50, "{stacked} of {all}");
        assert_eq!(run(&mut governor, 10_000, 2000..2010).0, Density::Sparse);
        assert_eq!(run(&mut governor, 1, 2010..2400).0, Density::Stacks);
    }

    #[test]
    fn deep_stacks_are_copied_of_few_faults_within_the_same_share() {
        let mut governor = with(FaultStacks::Copied);
        assert_eq!(run_with(&mut governor, Pieces::TooSmall, 10, 0..1).0, Density::Deep);
        let (mut deep, mut cost_ns) = (0, 0);
        for tick in 1..3000 {
            let before = governor.density;
            assert!(before != Density::Stacks && before != Density::Sparse, "{before:?}");
            run_with(&mut governor, Pieces::TooSmall, 40, tick..tick + 1);
            if before == Density::Deep {
                deep += 40;
                cost_ns += 40 * DEEP_NS / i64::from(DEEP_PERIOD);
            }
        }
        assert!(deep > 80_000, "{deep} of 120,000");
        assert!(cost_ns < 30_000_000_000 / STACKS_SHARE + 2 * STACKS_BURST_NS, "{cost_ns} ns of 30 s");
        let mut wanted = with(FaultStacks::Copied).wanted;
        wanted.budget = Budget::OneIn(7);
        let mut governor = Governor::new(wanted, Start::Dense, 0);
        assert_eq!(run_with(&mut governor, Pieces::TooSmall, 10, 0..100).0, Density::Stacks);
    }

    #[test]
    fn where_only_large_pieces_suffice_fewer_stacks_are_taken() {
        let mut governor = with(FaultStacks::Copied);
        assert_eq!(run_with(&mut governor, Pieces::TopsTooSmall, 10, 0..1).0, Density::Thin);
        let (density, records) = run_with(&mut governor, Pieces::TopsTooSmall, 42, 1..1000);
        assert_eq!((density, records), (Density::Thin, 41_958));
        assert_eq!(run_with(&mut governor, Pieces::TopsTooSmall, 50_000, 1000..1100).0, Density::Sparse);
        assert_eq!(run_with(&mut governor, Pieces::TopsTooSmall, 10, 1100..1500).0, Density::Thin);
        assert_eq!(run(&mut governor, 10, 1500..1501).0, Density::Deep);
        // Behind a start nothing is known of what is deeper than it.
        let mut governor = with(FaultStacks::Copied);
        assert_eq!(run(&mut governor, 500, 0..1).0, Density::Stacks);
        assert_eq!(run(&mut governor, 500, 1..2).0, Density::Thin);
        // Nothing is known before the first have been unwound.
        let mut governor = with(FaultStacks::Copied);
        assert_eq!(run_with(&mut governor, Pieces::Unknown, 10, 0..1).0, Density::Stacks);
        assert_eq!(run_with(&mut governor, Pieces::Unknown, 1500, 1..2).0, Density::Thin);
        // Rings that are too small for pieces of every stack.
        let mut governor = Governor::new(governor.wanted, Start::Thin, 0);
        assert_eq!(run_with(&mut governor, Pieces::Unknown, 200, 0..1).0, Density::Thin);
        assert_eq!(run(&mut governor, 10, 1..90).0, Density::Thin, "what suffices now may not soon");
        assert_eq!(run(&mut governor, 10, 90..110).0, Density::Deep);
    }
}
