//! Whole numbers in as few bytes as they need: LEB128, zigzag, and differences of addresses.

use abi::PAGE_SHIFT;

use crate::error::Malformed;

/// Differences that are no multiple of a page and need all 64 bits: this code, then eight raw bytes.
const ESCAPE: u64 = u64::MAX;

/// Appends `value`, seven bits a byte, lowest first.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number off the front of `bytes`.
#[inline]
pub(crate) fn get(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    match bytes.split_first() {
        Some((&byte, rest)) if byte < 0x80 => {
            *bytes = rest;
            Ok(u64::from(byte))
        }
        _ => get_long(bytes),
    }
}

fn get_long(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return Err(Malformed("a number is longer than 64 bits"));
        }
        value |= bits << (7 * at);
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Ok(value);
        }
    }
    Err(Malformed("a number is cut off or longer than 64 bits"))
}

/// Folds the sign into the lowest bit, so that small negative numbers stay small.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
pub(crate) const fn unzigzag(code: u64) -> i64 {
    (code >> 1) as i64 ^ -((code & 1) as i64)
}

/// Appends the difference of two addresses or sizes: in pages where it is whole pages, else in bytes.
///
/// Even codes: zigzagged pages. Odd codes: zigzagged bytes. All ones: eight raw bytes follow.
pub(crate) fn put_difference(out: &mut Vec<u8>, from: u64, to: u64) {
    let difference = to.wrapping_sub(from) as i64;
    let folded = zigzag(difference);
    if difference.trailing_zeros() >= PAGE_SHIFT {
        put(out, zigzag(difference >> PAGE_SHIFT) << 1);
    } else if folded < (1 << 63) - 1 {
        put(out, folded << 1 | 1);
    } else {
        put(out, ESCAPE);
        out.extend_from_slice(&to.to_le_bytes());
    }
}

/// Takes a difference off the front of `bytes` and adds it to `from`.
pub(crate) fn get_difference(bytes: &mut &[u8], from: u64) -> Result<u64, Malformed> {
    let code = get(bytes)?;
    if code == ESCAPE {
        let (raw, rest) = bytes.split_first_chunk().ok_or(Malformed("a raw number is cut off"))?;
        *bytes = rest;
        return Ok(u64::from_le_bytes(*raw));
    }
    let difference = unzigzag(code >> 1);
    let bytes = if code & 1 == 0 { difference << PAGE_SHIFT } else { difference };
    Ok(from.wrapping_add(bytes as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_round_trip(value: u64, from: u64, tail: u8) {
            let mut out = Vec::new();
            put(&mut out, value);
            put(&mut out, zigzag(value as i64));
            put_difference(&mut out, from, value);
            put_difference(&mut out, from, value & !0xfff);
            put_difference(&mut out, from & !0xfff, value & !0xfff);
            out.push(tail);
            let mut bytes = out.as_slice();
            prop_assert_eq!(get(&mut bytes), Ok(value));
            prop_assert_eq!(get(&mut bytes).map(unzigzag), Ok(value as i64));
            prop_assert_eq!(get_difference(&mut bytes, from), Ok(value));
            prop_assert_eq!(get_difference(&mut bytes, from), Ok(value & !0xfff));
            prop_assert_eq!(get_difference(&mut bytes, from & !0xfff), Ok(value & !0xfff));
            prop_assert_eq!(bytes, &[tail]);
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        assert!(get(&mut [0xff; 10].as_slice()).is_err());
        assert!(get(&mut [0x80; 11].as_slice()).is_err());
        assert!(get(&mut [].as_slice()).is_err());
    }

    #[test]
    fn neighbouring_pages_take_one_byte() {
        let mut out = Vec::new();
        put_difference(&mut out, 0x7f00_0000_0000, 0x7f00_0000_1000);
        assert_eq!(out.len(), 1);
    }
}
