//! Damage to bytes.

use crate::random::Random;

/// Cuts, repeats, overwrites and swaps a few pieces.
pub fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..random.below(6) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let piece = at..(at + 1 + random.below(40)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(piece)),
            2 => {
                let copy = bytes[piece].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            3 => bytes[at] = random.word() as u8,
            4 => bytes[at] ^= 1 << random.below(8),
            _ => {
                const HARD: &[&[u8]] = &[
                    b"ffffffffffffffff",
                    b"18446744073709551615",
                    b"-",
                    b"\n",
                    b"\x1b[2J",
                    b" (deleted)",
                    b"0",
                ];
                bytes.splice(piece, HARD[random.below(HARD.len())].iter().copied());
            }
        }
    }
}
