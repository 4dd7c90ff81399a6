//! The protection argument of `mmap`, `mprotect` and `pkey_mprotect`.

use crate::bits::bits;

bits! {
    /// `PROT_*`: what a program asks to be allowed with a range of pages.
    Prot: u64 {
        /// Pages may be read.
        READ = 0x1 => "PROT_READ",
        /// Pages may be written.
        WRITE = 0x2 => "PROT_WRITE",
        /// Pages may be executed.
        EXEC = 0x4 => "PROT_EXEC",
        /// Meant for atomic operations; nothing on x86-64.
        SEM = 0x8 => "PROT_SEM",
        /// `mprotect` only: extend the change down to the start of a growing-down mapping.
        GROWSDOWN = 0x0100_0000 => "PROT_GROWSDOWN",
        /// `mprotect` only: extend the change up to the end of a growing-up mapping.
        GROWSUP = 0x0200_0000 => "PROT_GROWSUP",
    }
}

impl Prot {
    /// Read and write.
    pub const RW: Self = Self(Self::READ.0 | Self::WRITE.0);
    /// Read and execute.
    pub const RX: Self = Self(Self::READ.0 | Self::EXEC.0);
}
