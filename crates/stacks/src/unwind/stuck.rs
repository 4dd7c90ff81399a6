//! Registers by DWARF's numbers, and why a caller's can't be told.

use abi::VirtAddr;

use crate::registers::Registers;

/// Why a rule can't be applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stuck {
    /// Stack that was not copied.
    Missing(VirtAddr),
    /// A register that was not copied.
    Unsaved,
    /// The call frame information makes no sense.
    Damaged,
}

/// The value of a register by DWARF's number.
pub(crate) fn value(of: &Registers, register: u8) -> Result<u64, Stuck> {
    match usize::from(register) {
        Registers::RETURN => Ok(of.ip.0),
        register @ 0..16 => of.get(register).ok_or(Stuck::Unsaved),
        _ => Err(Stuck::Damaged),
    }
}
