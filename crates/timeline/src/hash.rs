//! A hash for small keys that events are looked up by: a multiplication or two, where the standard one takes dozens of
//! steps. A seed of each process keeps keys made to collide from doing so.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

/// A map by small keys.
pub(crate) type QuickMap<K, V> = HashMap<K, V, Quick>;

/// Makes [`Folding`] hashers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quick(u64);

/// Folds each word into what it has by a multiplication of 64 by 64 bits.
pub(crate) struct Folding(u64);

/// The golden ratio's fraction, odd.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Default for Quick {
    fn default() -> Self {
        static SEED: OnceLock<u64> = OnceLock::new();
        Self(*SEED.get_or_init(|| RandomState::new().hash_one(FACTOR)))
    }
}

impl BuildHasher for Quick {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding(self.0)
    }
}

impl Folding {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(FACTOR);
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
}

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word) ^ (chunk.len() as u64) << 56);
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.fold(u64::from(word));
    }

    fn write_i32(&mut self, word: i32) {
        self.fold(u64::from(word.cast_unsigned()));
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn write_usize(&mut self, word: usize) {
        self.fold(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.fold(word as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbours_fall_apart() {
        let quick = Quick::default();
        let low: HashSet<u64> = (0..4096u32).map(|no| quick.hash_one((no % 7, no)) & 0xffff).collect();
        let high: HashSet<u64> = (0..4096u32).map(|no| quick.hash_one((no % 7, no)) >> 48).collect();
        // Of 4096 balls in 65536 boxes about 3970 lie alone.
        assert!(low.len() > 3800 && high.len() > 3800, "{} {}", low.len(), high.len());
        assert_ne!(quick.hash_one("ab"), quick.hash_one("a"));
    }
}
