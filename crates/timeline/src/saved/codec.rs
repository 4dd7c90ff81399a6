//! Plain values as bytes: numbers as LEB128, addresses as differences, lists with their length.

use std::sync::Arc;

use abi::{AddrRange, DevId, Fd, FileId, PageOff, Pid, Resource, Rlimit, Tid, VirtAddr};
use recording::{Counters, MmId, TimeNs};

/// Bytes being written.
#[derive(Default)]
pub(crate) struct Out {
    pub(crate) bytes: Vec<u8>,
    last: u64,
}

/// Bytes being read.
pub(crate) struct In<'a> {
    left: &'a [u8],
    last: u64,
}

impl Out {
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A number that is near another.
    pub(crate) fn difference(&mut self, value: u64, other: u64) {
        self.number(folded(value, other));
    }

    /// A list.
    pub(crate) fn list<'a, T: Saved + 'a>(&mut self, items: impl ExactSizeIterator<Item = &'a T>) {
        self.number(items.len() as u64);
        items.for_each(|item| item.put(self));
    }
}

impl<'a> In<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, last: 0 }
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for at in 0..10 {
            let (&byte, rest) = self.left.split_first()?;
            self.left = rest;
            let bits = u64::from(byte & 0x7f);
            if at == 9 && bits > 1 {
                return None;
            }
            value |= bits << (7 * at);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A number that is near another.
    pub(crate) fn difference(&mut self, other: u64) -> Option<u64> {
        Some(unfolded(self.number()?, other))
    }

    /// A count of things of which each takes at least one byte.
    pub(crate) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.left.len()).then_some(count)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.left.is_empty()
    }
}

/// The difference to another number, its sign in the lowest bit: small in both directions.
const fn folded(value: u64, other: u64) -> u64 {
    let difference = value.wrapping_sub(other).cast_signed();
    ((difference << 1) ^ (difference >> 63)).cast_unsigned()
}

/// The number with that difference to another.
const fn unfolded(folded: u64, other: u64) -> u64 {
    let difference = (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed();
    other.wrapping_add_signed(difference)
}

/// A value that can be written and read back.
pub(crate) trait Saved: Sized {
    fn put(&self, out: &mut Out);
    fn get(input: &mut In<'_>) -> Option<Self>;
}

/// Values that are their fields one after another. New fields fail to compile.
macro_rules! saved {
    ($($name:path { $($field:ident),* $(,)? })*) => {
        $(impl $crate::saved::codec::Saved for $name {
            fn put(&self, out: &mut $crate::saved::codec::Out) {
                let Self { $($field),* } = self;
                $( $field.put(out); )*
            }
            fn get(input: &mut $crate::saved::codec::In<'_>) -> Option<Self> {
                $( let $field = $crate::saved::codec::Saved::get(input)?; )*
                Some(Self { $($field),* })
            }
        })*
    };
}

/// Values that wrap one number.
macro_rules! saved_number {
    ($($name:path: $number:ty),* $(,)?) => {
        $(impl $crate::saved::codec::Saved for $name {
            fn put(&self, out: &mut $crate::saved::codec::Out) {
                self.0.put(out);
            }
            fn get(input: &mut $crate::saved::codec::In<'_>) -> Option<Self> {
                Some(Self(<$number as $crate::saved::codec::Saved>::get(input)?))
            }
        })*
    };
}

/// Enumerations without fields, by their place in the list.
macro_rules! saved_enum {
    ($($name:path { $($variant:ident $(($of:ident::$what:ident))?),* $(,)? })*) => {
        $(impl $crate::saved::codec::Saved for $name {
            fn put(&self, out: &mut $crate::saved::codec::Out) {
                // Every variant stands in the list, or this does not compile.
                match self { $( Self::$variant $(($of::$what))? )|* => {} }
                let all = [ $( Self::$variant $(($of::$what))? ),* ];
                out.number(all.iter().position(|one| one == self).unwrap_or_default() as u64);
            }
            fn get(input: &mut $crate::saved::codec::In<'_>) -> Option<Self> {
                let all = [ $( Self::$variant $(($of::$what))? ),* ];
                all.get(usize::try_from(input.number()?).ok()?).copied()
            }
        })*
    };
}

pub(crate) use {saved, saved_enum, saved_number};

impl Saved for u64 {
    fn put(&self, out: &mut Out) {
        out.number(*self);
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        input.number()
    }
}

macro_rules! narrow {
    ($($number:ty),*) => {
        $(impl Saved for $number {
            fn put(&self, out: &mut Out) {
                out.number(u64::from(*self));
            }
            fn get(input: &mut In<'_>) -> Option<Self> {
                Self::try_from(input.number()?).ok()
            }
        })*
    };
}
narrow!(u8, u16, u32);

impl Saved for usize {
    fn put(&self, out: &mut Out) {
        out.number(*self as u64);
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        Self::try_from(input.number()?).ok()
    }
}

impl Saved for i32 {
    fn put(&self, out: &mut Out) {
        self.cast_unsigned().put(out);
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        u32::get(input).map(u32::cast_signed)
    }
}

impl Saved for bool {
    fn put(&self, out: &mut Out) {
        out.number(u64::from(*self));
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        match input.number()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// The difference to the address before, zigzagged; whole pages are the common case.
impl Saved for VirtAddr {
    fn put(&self, out: &mut Out) {
        // A multiple of 4096 has its twelve low bits free: turned to the top they vanish.
        out.number(folded(self.0, out.last).rotate_right(12));
        out.last = self.0;
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        input.last = unfolded(input.number()?.rotate_left(12), input.last);
        Some(Self(input.last))
    }
}

impl Saved for AddrRange {
    fn put(&self, out: &mut Out) {
        let Self { start, end } = self;
        start.put(out);
        end.put(out);
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        let (start, end) = (VirtAddr::get(input)?, VirtAddr::get(input)?);
        (start <= end).then_some(Self { start, end })
    }
}

impl<T: Saved> Saved for Option<T> {
    fn put(&self, out: &mut Out) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        if bool::get(input)? { T::get(input).map(Some) } else { Some(None) }
    }
}

impl<T: Saved> Saved for Vec<T> {
    fn put(&self, out: &mut Out) {
        out.list(self.iter());
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        let count = input.count()?;
        (0..count).map(|_| T::get(input)).collect()
    }
}

impl<T: Saved> Saved for Arc<[T]> {
    fn put(&self, out: &mut Out) {
        out.list(self.iter());
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        Vec::get(input).map(Into::into)
    }
}

impl<A: Saved, B: Saved> Saved for (A, B) {
    fn put(&self, out: &mut Out) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        Some((A::get(input)?, B::get(input)?))
    }
}

impl<T: Saved + Copy + Default, const N: usize> Saved for [T; N] {
    fn put(&self, out: &mut Out) {
        self.iter().for_each(|item| item.put(out));
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        let mut items = [T::default(); N];
        for item in &mut items {
            *item = T::get(input)?;
        }
        Some(items)
    }
}

saved_number! { MmId: u32, TimeNs: u64, Tid: i32, Fd: i32, Pid: i32, PageOff: u64, Resource: u32 }

saved! {
    Rlimit { soft, hard }
    DevId { major, minor }
    FileId { dev, ino }
    Counters {
        vm_size, rss_anon, rss_file, rss_shmem, rss_peak, swap, data, stack, locked, page_tables, minor_faults,
        major_faults,
    }
}

#[cfg(test)]
mod tests {
    use recording::Bytes;

    use super::*;

    fn round<T: Saved>(value: &T) -> Option<T> {
        let mut out = Out::default();
        value.put(&mut out);
        let mut input = In::new(&out.bytes);
        let back = T::get(&mut input);
        assert!(input.is_at_end());
        back
    }

    #[test]
    fn values_come_back() {
        for value in [0, 1, 127, 128, u64::MAX] {
            assert_eq!(round(&value), Some(value));
            assert_eq!(
                round(&vec![VirtAddr(value), VirtAddr(4096), VirtAddr(!value)]).map(|all| all.len()),
                Some(3)
            );
            assert_eq!(round(&VirtAddr(value)), Some(VirtAddr(value)));
        }
        assert_eq!(round(&-5i32), Some(-5));
        assert_eq!(round(&Some(vec![(true, 7u32)])), Some(Some(vec![(true, 7u32)])));
        let name: Bytes = b"libc".as_slice().into();
        assert_eq!(round(&name), Some(name));
    }

    #[test]
    fn a_page_further_takes_two_bytes() {
        let mut out = Out::default();
        VirtAddr(0x7f12_3456_7000).put(&mut out);
        let before = out.bytes.len();
        VirtAddr(0x7f12_3456_8000).put(&mut out);
        assert!(out.bytes.len() - before <= 2, "{}", out.bytes.len() - before);
    }

    #[test]
    fn lists_longer_than_their_bytes_are_refused() {
        assert_eq!(Vec::<u64>::get(&mut In::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1])), None);
        assert_eq!(u64::get(&mut In::new(&[0xff; 10])), None);
    }
}
