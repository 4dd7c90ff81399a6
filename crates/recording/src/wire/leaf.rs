//! Single values: one column each.

use abi::{AddrRange, DevId, FileId, FileOff, Pid, Prot, Tid, VirtAddr};

use super::{Decoder, Encoder};
use crate::columns::Col;
use crate::error::Malformed;
use crate::event::{Bytes, MmId, StackId};
use crate::varint::{unzigzag, zigzag};

/// A value that takes one column.
pub(super) trait Leaf: Sized {
    fn put(&self, out: &mut Encoder, col: Col);
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed>;
}

impl Leaf for u64 {
    fn put(&self, out: &mut Encoder, col: Col) {
        out.columns.put(col, *self);
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        input.columns.get(col)
    }
}

impl Leaf for u32 {
    fn put(&self, out: &mut Encoder, col: Col) {
        out.columns.put(col, u64::from(*self));
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        Self::try_from(input.columns.get(col)?).map_err(|_| Malformed("a number is too large"))
    }
}

impl Leaf for i64 {
    fn put(&self, out: &mut Encoder, col: Col) {
        out.columns.put(col, zigzag(*self));
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        Ok(unzigzag(input.columns.get(col)?))
    }
}

impl Leaf for i32 {
    fn put(&self, out: &mut Encoder, col: Col) {
        i64::from(*self).put(out, col);
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        Self::try_from(i64::get(input, col)?).map_err(|_| Malformed("a number is too large"))
    }
}

impl Leaf for bool {
    fn put(&self, out: &mut Encoder, col: Col) {
        out.columns.put(col, u64::from(*self));
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        match input.columns.get(col)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a yes or no is neither")),
        }
    }
}

/// Values near the one before them: written as the difference.
macro_rules! near {
    ($($name:ident($inner:ty)),*) => {
        $(impl Leaf for $name {
            fn put(&self, out: &mut Encoder, col: Col) {
                out.columns.put_difference(col, self.0 as u64);
            }
            fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
                let word = input.columns.get_difference(col)?;
                let value = word as $inner;
                if value as u64 == word { Ok(Self(value)) } else { Err(Malformed("an id is too large")) }
            }
        })*
    };
}
near!(VirtAddr(u64), FileOff(u64), Tid(i32), Pid(i32), MmId(u32));

/// The words of a protection, written as they are.
impl Leaf for Prot {
    fn put(&self, out: &mut Encoder, col: Col) {
        self.0.put(out, col);
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        u64::get(input, col).map(Self)
    }
}

/// The start as a difference to the end of the range before, then the length.
impl Leaf for AddrRange {
    fn put(&self, out: &mut Encoder, col: Col) {
        self.start.put(out, col);
        self.end.put(out, col);
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        let (start, end) = (VirtAddr::get(input, col)?, VirtAddr::get(input, col)?);
        if start > end {
            return Err(Malformed("a range ends before it starts"));
        }
        Ok(Self { start, end })
    }
}

/// Major, minor, inode.
impl Leaf for FileId {
    fn put(&self, out: &mut Encoder, col: Col) {
        self.dev.major.put(out, col);
        self.dev.minor.put(out, col);
        out.columns.put_difference(col, self.ino);
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        let dev = DevId { major: u32::get(input, col)?, minor: u32::get(input, col)? };
        Ok(Self { dev, ino: input.columns.get_difference(col)? })
    }
}

/// The number of the text in the dictionary.
impl Leaf for Bytes {
    fn put(&self, out: &mut Encoder, col: Col) {
        let no = out.dictionary.text(self);
        out.columns.put(col, u64::from(no));
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        input.dictionary.text(input.columns.get(col)?)
    }
}

/// One more than the id, 0 for none.
impl Leaf for Option<StackId> {
    fn put(&self, out: &mut Encoder, col: Col) {
        out.columns.put(col, self.map_or(0, |id| u64::from(id.0) + 1));
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        match input.columns.get(col)? {
            0 => Ok(None),
            no => {
                u32::try_from(no - 1).map(|no| Some(StackId(no))).map_err(|_| Malformed("an id is too large"))
            }
        }
    }
}

/// 1 and the value, or 0.
impl Leaf for Option<VirtAddr> {
    fn put(&self, out: &mut Encoder, col: Col) {
        out.columns.put(col, u64::from(self.is_some()));
        if let Some(addr) = self {
            addr.put(out, col);
        }
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        Ok(if bool::get(input, col)? { Some(VirtAddr::get(input, col)?) } else { None })
    }
}

/// Enums without fields: their number.
macro_rules! tags {
    ($($name:ident { $($variant:ident = $no:literal),* $(,)? })*) => {
        $(impl Leaf for crate::event::$name {
            fn put(&self, out: &mut Encoder, col: Col) {
                out.columns.put(col, match self { $( Self::$variant => $no ),* });
            }
            fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
                match input.columns.get(col)? {
                    $( $no => Ok(Self::$variant), )*
                    _ => Err(Malformed(concat!("an unknown ", stringify!($name)))),
                }
            }
        })*
    };
}
tags! {
    SpawnKind { Fork = 0, Vfork = 1, Thread = 2, SharedMemory = 3 }
    Reason { Exec = 0, Fork = 1, Exit = 2, Interval = 3, Growth = 4, Unmodelled = 5, End = 6 }
    UnmodelledWhy { I386 = 0, X32 = 1, OwnFilter = 2 }
    LossSource { Faults = 0, Mapped = 1, Calls = 2, Checkpoints = 3 }
}

/// Structs whose fields take one column each; a field left out fails to compile.
macro_rules! records {
    ($($name:ident { $($field:ident: $col:ident),* $(,)? })*) => {
        $(impl super::Record for crate::event::$name {
            fn put(&self, out: &mut Encoder) {
                let Self { $($field),* } = self;
                $( super::leaf::Leaf::put($field, out, Col::$col); )*
            }
            fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed> {
                Ok(Self { $( $field: super::leaf::Leaf::get(input, Col::$col)? ),* })
            }
        })*
    };
}
pub(super) use records;
