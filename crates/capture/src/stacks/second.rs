//! The stack that a signal handler interrupted, found on the handler's own.
//!
//! What the kernel puts on a handler's stack (`arch/x86/include/asm/sigframe.h: rt_sigframe`, on x86-64) names the stack
//! itself: where it begins and how large it is. So it can be told from anything else that lies there.
//!
//! ```text
//! word   0        1       2      3       4       5         6    …   21    22
//!        return   flags   link   ss_sp   flags   ss_size   r8   …   rsp   rip
//! ```

use abi::VirtAddr;

/// Words from where the handler's stack begins to its flags, to its size, and to the stack pointer that was interrupted.
const FLAGS: usize = 1;
const SIZE: usize = 2;
const POINTER: usize = 3 + 15;
const WORD: usize = 8;
/// No handler's stack is larger.
const SIZE_MAX: u64 = 64 << 20;
/// `SS_ONSTACK`, `SS_DISABLE` and `SS_AUTODISARM`.
const FLAGS_MASK: u64 = 1 | 2 | 1 << 31;

/// The stack pointer that a handler which runs at `sp` interrupted, from the bytes of its stack.
pub(super) fn interrupted(sp: VirtAddr, bytes: &[u8]) -> Option<VirtAddr> {
    let word = |no: usize| {
        let bytes = bytes.get(no * WORD..(no + 1) * WORD)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    (0..bytes.len() / WORD).find_map(|no| {
        let (start, flags, size) = (word(no)?, word(no + FLAGS)?, word(no + SIZE)?);
        let pointer = word(no + POINTER)?;
        let holds = |address: u64| address.wrapping_sub(start) < size;
        let is_stack = size <= SIZE_MAX && flags & !FLAGS_MASK == 0 && holds(sp.0);
        // What was interrupted ran elsewhere: else it is a handler interrupted by another.
        let is_elsewhere = !holds(pointer) && pointer != 0 && pointer.is_multiple_of(WORD as u64);
        (is_stack && is_elsewhere).then_some(VirtAddr(pointer))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(start: u64, size: u64, pointer: u64) -> Vec<u8> {
        let mut words = vec![0x1111, 0x2222, 0, 0, start, 0, size];
        words.extend([5; 15]);
        words.extend([pointer, 0x40_0000, 7, 7]);
        words.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn the_frame_names_the_stack_it_lies_on() {
        let sp = VirtAddr(0x7000_0100);
        assert_eq!(interrupted(sp, &frame(0x7000_0000, 0x1_0000, 0x9000)), Some(VirtAddr(0x9000)));
        assert_eq!(interrupted(sp, &frame(0x6000_0000, 0x1_0000, 0x9000)), None, "another stack");
        assert_eq!(interrupted(sp, &frame(0x7000_0000, 0x1_0000, 0x7000_0800)), None, "no other stack");
        assert_eq!(interrupted(sp, &frame(0x7000_0000, u64::MAX, 0x9000)), None, "no such size");
        assert_eq!(interrupted(sp, &frame(0x7000_0000, 0x1_0000, 0)), None, "nowhere");
        // A small number before a large one is no stack that reaches from the one to the other.
        assert_eq!(interrupted(VirtAddr(0x5555_0000), &frame(7, 0x7fff_0000_0000, 0x9000)), None);
        assert_eq!(interrupted(sp, &[0; 7]), None);
    }
}
