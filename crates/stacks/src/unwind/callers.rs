//! A frame pointer that could not be read, found by the call that must stand before the return address.
//!
//! Of a thread that waits in the kernel only two registers can be read. A function that finds its frame through rbp
//! was called by an instruction that names it: where a word in the copied stack is an address right behind a direct
//! call of that very function, it is the return address, and rbp follows from where it stands.

use std::collections::HashMap;

use abi::VirtAddr;

use super::rule::{Cfa, Rule};
use crate::code_map::CodeMap;
use crate::file::{ObjectAddr, ObjectFile};
use crate::registers::{Registers, StackCopy};

/// Targets kept; when there are more they are all dropped.
const TARGETS_MAX: usize = 1 << 16;
/// At a call the stack is aligned so.
const ALIGNED: u64 = 16;
/// How far above the stack pointer a frame may end.
const FRAME_BYTES_MAX: u64 = 16 << 10;
/// `call rel32`.
const CALL: u8 = 0xe8;
const CALL_BYTES: u64 = 5;

/// Direct calls, by the address behind them.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    targets: HashMap<(u32, ObjectAddr), Option<ObjectAddr>>,
    behind_calls: HashMap<(u32, ObjectAddr), bool>,
}

impl Callers {
    /// Finds rbp for a function whose frame it leads to; `None` where no call of the function is found.
    pub(crate) fn find(
        &mut self,
        code: &CodeMap,
        object: &ObjectFile,
        rule: &Rule,
        of: &Registers,
        stack: &StackCopy<'_>,
    ) -> Option<u64> {
        let Cfa::Register(register, offset) = rule.cfa else { return None };
        if usize::from(register) != Registers::RBP {
            return None;
        }
        let sp = of.sp().0;
        let first = sp.checked_add(ALIGNED)?.next_multiple_of(ALIGNED);
        for cfa in (first..sp.checked_add(FRAME_BYTES_MAX)?).step_by(ALIGNED as usize) {
            let behind = VirtAddr(stack.word(cfa - 8)?);
            let Some((caller, addr)) = code.locate(VirtAddr(behind.0.wrapping_sub(1))) else { continue };
            if caller.id() == object.id()
                && self.target(caller, ObjectAddr(addr.0 + 1)) == Some(rule.function)
            {
                return Some(cfa.wrapping_add_signed(-offset));
            }
        }
        None
    }

    /// Whether a call, direct or through a pointer, ends right before an address.
    pub(crate) fn is_behind_call(&mut self, object: &ObjectFile, behind: ObjectAddr) -> bool {
        if self.target(object, behind).is_some() {
            return true;
        }
        if self.behind_calls.len() == TARGETS_MAX {
            self.behind_calls.clear();
        }
        *self.behind_calls.entry((object.id(), behind)).or_insert_with(|| {
            // `call r/m64` is 0xff, a byte that says how and where, and up to five bytes of address.
            (2..=7).any(|length| {
                let start = ObjectAddr(behind.0.wrapping_sub(length));
                let bytes = object.code_bytes(start, length).unwrap_or_default();
                matches!(bytes[..], [0xff, how, ..] if how >> 3 & 7 == 2 && indirect_bytes(how, &bytes) == length)
            })
        })
    }

    /// What the direct call right before an address calls.
    fn target(&mut self, object: &ObjectFile, behind: ObjectAddr) -> Option<ObjectAddr> {
        if self.targets.len() == TARGETS_MAX {
            self.targets.clear();
        }
        *self.targets.entry((object.id(), behind)).or_insert_with(|| {
            let start = ObjectAddr(behind.0.checked_sub(CALL_BYTES)?);
            let bytes = object.code_bytes(start, CALL_BYTES)?;
            let (&opcode, distance) = bytes.split_first()?;
            let distance = i32::from_le_bytes(distance.try_into().ok()?);
            (opcode == CALL).then(|| ObjectAddr(behind.0.wrapping_add_signed(distance.into())))
        })
    }
}

/// The length of a `call r/m64` whose second byte is this.
fn indirect_bytes(how: u8, bytes: &[u8]) -> u64 {
    let (mode, register) = (how >> 6, how & 7);
    let index = u64::from(mode != 3 && register == 4);
    let is_absolute =
        mode == 0 && (register == 5 || (register == 4 && bytes.get(2).is_some_and(|sib| sib & 7 == 5)));
    let address = match mode {
        _ if is_absolute => 4,
        1 => 1,
        2 => 4,
        _ => 0,
    };
    2 + index + address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_through_pointers_have_their_lengths() {
        for (bytes, length) in [
            (&[0xff, 0xd0][..], 2),               // call *%rax
            (&[0xff, 0x10], 2),                   // call *(%rax)
            (&[0xff, 0x50, 8], 3),                // call *8(%rax)
            (&[0xff, 0x14, 0xc1], 3),             // call *(%rcx,%rax,8)
            (&[0xff, 0x54, 0x24, 8], 4),          // call *8(%rsp)
            (&[0xff, 0x15, 1, 2, 3, 4], 6),       // call *0x4030201(%rip)
            (&[0xff, 0x90, 1, 2, 3, 4], 6),       // call *0x4030201(%rax)
            (&[0xff, 0x14, 0xc5, 1, 2, 3, 4], 7), // call *0x4030201(,%rax,8)
        ] {
            assert_eq!(indirect_bytes(bytes[1], bytes), length, "{bytes:x?}");
        }
    }
}
