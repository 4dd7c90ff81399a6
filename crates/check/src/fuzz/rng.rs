//! Random numbers that are the same for the same seed, on every machine.

/// A generator of random numbers (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    /// Makes the generator of program number `index` under a seed.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        let mut rng = Self { state: seed };
        let first = rng.next();
        Self { state: first ^ index.wrapping_mul(0xd134_2543_de82_ef95) }
    }

    /// Returns the next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound` (0 for a bound of 0).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Tells whether an event of `percent` in a hundred happened.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Picks one of several, each as likely as the others.
    ///
    /// # Preconditions
    /// There is at least one.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Picks one of several by their weights.
    ///
    /// # Preconditions
    /// There is at least one with a weight.
    pub(crate) fn weighted<T: Copy>(&mut self, of: &[(u64, T)]) -> T {
        let mut at = self.below(of.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in of {
            if at < *weight {
                return *item;
            }
            at -= weight;
        }
        of[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_index_others() {
        let numbers = |seed, index| {
            let mut rng = Rng::new(seed, index);
            [rng.next(), rng.next(), rng.below(10)]
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
    }

    #[test]
    fn weights_of_zero_are_never_picked() {
        let mut rng = Rng::new(7, 0);
        let picks: Vec<_> = (0..1000).map(|_| rng.weighted(&[(0, 'a'), (3, 'b'), (1, 'c')])).collect();
        assert!(!picks.contains(&'a') && picks.contains(&'b') && picks.contains(&'c'));
    }
}
