//! What is copied of a stopped thread.

use abi::VirtAddr;

/// The registers that unwinding needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Registers {
    /// The instruction pointer.
    pub ip: VirtAddr,
    /// The general registers in DWARF's order: rax rdx rcx rbx rsi rdi rbp rsp r8 … r15.
    pub general: [u64; 16],
    /// Which of the general registers are known, one bit each.
    pub(crate) known: u16,
}

impl Registers {
    /// The place of rbp among the general registers.
    pub(crate) const RBP: usize = 6;
    /// The place of rsp among the general registers.
    pub(crate) const RSP: usize = 7;
    /// The number that DWARF gives to the return address.
    pub(crate) const RETURN: usize = 16;

    /// Makes the registers of which all are known.
    pub fn new(ip: VirtAddr, general: [u64; 16]) -> Self {
        Self { ip, general, known: u16::MAX }
    }

    /// Makes the registers of which only these two are known: of a thread that waits in the kernel.
    pub fn from_ip_sp(ip: VirtAddr, sp: VirtAddr) -> Self {
        let mut registers = Self { ip, general: [0; 16], known: 0 };
        registers.set(Self::RSP, sp.0);
        registers
    }

    /// The same with another register known, by its place in DWARF's order.
    pub fn with(mut self, register: u8, value: u64) -> Self {
        if usize::from(register) < self.general.len() {
            self.set(register.into(), value);
        }
        self
    }

    /// The value of a general register, if it is known.
    pub(crate) fn get(&self, register: usize) -> Option<u64> {
        (self.known >> register & 1 == 1).then(|| self.general[register])
    }

    pub(crate) fn set(&mut self, register: usize, value: u64) {
        self.general[register] = value;
        self.known |= 1 << register;
    }

    /// Makes the registers of which only these three are known, as the kernel's samples may have them.
    pub fn from_ip_sp_bp(ip: VirtAddr, sp: VirtAddr, bp: u64) -> Self {
        let mut registers = Self::from_ip_sp(ip, sp);
        registers.set(Self::RBP, bp);
        registers
    }

    /// The stack pointer.
    pub fn sp(&self) -> VirtAddr {
        VirtAddr(self.general[Self::RSP])
    }
}

/// Pieces of a thread's stack: usually one from the stack pointer upwards, a second one where a signal handler runs
/// on a stack of its own.
#[derive(Clone, Debug, Default)]
pub struct StackCopy<'a> {
    pieces: Vec<(VirtAddr, &'a [u8])>,
}

impl<'a> StackCopy<'a> {
    /// Takes one piece that begins at this address.
    pub fn new(start: VirtAddr, bytes: &'a [u8]) -> Self {
        Self { pieces: vec![(start, bytes)] }
    }

    /// Adds another piece.
    pub fn with(mut self, start: VirtAddr, bytes: &'a [u8]) -> Self {
        self.pieces.push((start, bytes));
        self
    }

    /// Reads the eight bytes at an address, if they were copied.
    pub(crate) fn word(&self, at: u64) -> Option<u64> {
        self.pieces.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(at.checked_sub(start.0)?).ok()?;
            let word = bytes.get(from..from.checked_add(8)?)?;
            Some(u64::from_le_bytes(word.try_into().ok()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_where_they_were_copied() {
        let bytes: Vec<u8> = (0..16).collect();
        let stack = StackCopy::new(VirtAddr(0x1000), &bytes).with(VirtAddr(0x5000), &bytes[8..]);
        assert_eq!(stack.word(0x1000), Some(0x0706_0504_0302_0100));
        assert_eq!(stack.word(0x1008), Some(0x0f0e_0d0c_0b0a_0908));
        assert_eq!(stack.word(0x5000), stack.word(0x1008));
        for outside in [0xfff, 0x1009, 0x5001, 0, u64::MAX] {
            assert_eq!(stack.word(outside), None, "{outside:#x}");
        }
    }
}
