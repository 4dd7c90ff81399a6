//! `/proc/PID/auxv`: the auxiliary vector of a 64-bit little-endian process.

use crate::error::{Expected, TextError};

/// Reads the (type, value) pairs up to the closing `AT_NULL`, which is left out.
///
/// # Errors
/// If the bytes are no whole number of pairs.
pub fn auxv(bytes: &[u8]) -> Result<impl Iterator<Item = (u64, u64)> + '_, TextError> {
    let (pairs, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return Err(TextError { line: 1, column: bytes.len() + 1, expected: Expected::WholeEntries });
    }
    let word = |half: &[u8]| half.iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
    let pairs = pairs.iter().map(move |pair| (word(&pair[..8]), word(&pair[8..])));
    Ok(pairs.take_while(|(kind, _)| *kind != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_vector_names_the_page_size() {
        let bytes = std::fs::read("/proc/self/auxv").expect("a Linux machine");
        let page_size = auxv(&bytes).expect("whole pairs").find(|(kind, _)| *kind == 6);
        assert_eq!(page_size, Some((6, abi::PAGE_SIZE)));
    }

    #[test]
    fn half_a_pair_is_an_error() {
        assert!(auxv(&[0; 24]).is_err());
    }
}
