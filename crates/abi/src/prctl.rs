//! The operations of `prctl` and `arch_prctl` that change memory.

macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $( $(#[$cmeta:meta])* $item:ident = $value:expr => $text:literal ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i32);

        impl $name {
            $( $(#[$cmeta])* pub const $item: Self = Self($value); )*

            /// Every named value with its name in the C headers.
            pub const NAMED: &'static [(Self, &'static str)] = &[ $( (Self::$item, $text) ),* ];

            /// The C name, `None` for a value without one here.
            pub fn name(self) -> Option<&'static str> {
                Self::NAMED.iter().find(|(item, _)| *item == self).map(|(_, text)| *text)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(text) => f.write_str(text),
                    None => write!(f, "{:#x}", self.0),
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
pub(crate) use numbered;

numbered! {
    /// The first argument of `prctl`.
    PrctlOp {
        /// Sets fields of the memory descriptor.
        SET_MM = 35 => "PR_SET_MM",
        /// Disables transparent huge pages for the process.
        SET_THP_DISABLE = 41 => "PR_SET_THP_DISABLE",
        /// Refuses memory that is writable and executable.
        SET_MDWE = 65 => "PR_SET_MDWE",
        /// Turns same-page merging on for the process.
        SET_MEMORY_MERGE = 67 => "PR_SET_MEMORY_MERGE",
        /// Names a range of anonymous memory.
        SET_VMA = 0x5356_4d41 => "PR_SET_VMA",
    }
}

numbered! {
    /// The first argument of `arch_prctl`, where it maps or steers memory.
    ArchPrctlOp {
        /// Maps the x32 vdso.
        MAP_VDSO_X32 = 0x2001 => "ARCH_MAP_VDSO_X32",
        /// Maps the 32-bit vdso.
        MAP_VDSO_32 = 0x2002 => "ARCH_MAP_VDSO_32",
        /// Maps the 64-bit vdso.
        MAP_VDSO_64 = 0x2003 => "ARCH_MAP_VDSO_64",
        /// Enables linear address masking.
        ENABLE_TAGGED_ADDR = 0x4002 => "ARCH_ENABLE_TAGGED_ADDR",
        /// Enables the shadow stack, which maps one.
        SHSTK_ENABLE = 0x5001 => "ARCH_SHSTK_ENABLE",
        /// Disables the shadow stack, which unmaps it.
        SHSTK_DISABLE = 0x5002 => "ARCH_SHSTK_DISABLE",
    }
}
