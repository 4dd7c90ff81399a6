//! Maps whose keys are numbers that nobody chose to collide: hashed in a few instructions.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map of numbers and of lists of numbers.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Odd, and without a pattern.
const FACTOR: u64 = 0xf135_7aea_2e62_a9c5;

/// Multiplies and adds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.write_u64(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = self.0.wrapping_add(word).wrapping_mul(FACTOR);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_i32(&mut self, word: i32) {
        self.write_u64(u64::from(word.cast_unsigned()));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        // What the table takes its place from are the low bits; the product's high ones know every bit of the key.
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_pattern_spread() {
        let mut low = std::collections::HashSet::new();
        for page in 0..4096u64 {
            let mut hasher = NumberHasher::default();
            hasher.write_u64(0x7f00_0000_0000 + page * 4096);
            low.insert(hasher.finish() & 4095);
        }
        assert!(low.len() > 2000, "{}", low.len());
        let mut map: NumberMap<Box<[u64]>, u32> = NumberMap::default();
        map.insert([1, 2].into(), 1);
        map.insert([2, 1].into(), 2);
        assert_eq!(
            (map.get(&[1, 2][..]), map.get(&[2, 1][..]), map.get(&[1][..])),
            (Some(&1), Some(&2), None)
        );
    }
}
