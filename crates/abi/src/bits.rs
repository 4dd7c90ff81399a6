//! The macro behind every set of flag bits: a newtype over the raw word that keeps unknown bits.

/// Declares a set of bits as a newtype that keeps whatever bits the program passed, known or not.
///
/// Unknown bits must survive: the kernel's answer to them (mostly `EINVAL`, sometimes silence) is a rule.
macro_rules! bits {
    (
        $(#[$meta:meta])*
        $name:ident : $raw:ty {
            $( $(#[$cmeta:meta])* $bit:ident = $value:expr => $text:literal ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub $raw);

        impl $name {
            $( $(#[$cmeta])* pub const $bit: Self = Self($value); )*

            /// The set without any bit.
            pub const NONE: Self = Self(0);

            /// Every named bit with its name in the C headers, in the order of declaration.
            pub const NAMED: &'static [(Self, &'static str)] = &[ $( (Self::$bit, $text) ),* ];

            /// Tells whether every bit of `other` is set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Tells whether at least one bit of `other` is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// Returns the bits of both sets.
            pub const fn with(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Returns this set without the bits of `other`.
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Tells whether no bit is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                self.with(other)
            }
        }

        impl core::fmt::Display for $name {
            /// Writes the C spelling (`A|B|0x40`), `0` for the empty set.
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let mut left = self.0;
                let mut first = true;
                for (bit, text) in Self::NAMED {
                    if bit.0 != 0 && left & bit.0 == bit.0 {
                        left &= !bit.0;
                        write!(f, "{}{text}", if first { "" } else { "|" })?;
                        first = false;
                    }
                }
                if left != 0 {
                    write!(f, "{}{left:#x}", if first { "" } else { "|" })
                } else if first {
                    f.write_str("0")
                } else {
                    Ok(())
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub(crate) use bits;
