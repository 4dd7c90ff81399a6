//! How the caller's registers are found from a function's: one row of call frame information, applied.

use abi::VirtAddr;

use super::evaluate::Expression;
use super::stuck::{Stuck, value};
use crate::file::ObjectAddr;
use crate::registers::{Registers, StackCopy};

/// How the caller's registers are found at one instruction.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// The canonical frame address: the stack pointer before the call.
    pub(crate) cfa: Cfa,
    /// The registers that the function has saved, by DWARF's number; 16 is the return address.
    pub(crate) saved: Box<[(u8, Saved)]>,
    /// Where the function begins.
    pub(crate) function: ObjectAddr,
    /// Where it ends.
    pub(crate) function_end: ObjectAddr,
    /// The function is what the kernel returns to from a signal handler: its caller was interrupted anywhere.
    pub(crate) is_signal_frame: bool,
}

/// The canonical frame address.
#[derive(Clone, Debug)]
pub(crate) enum Cfa {
    /// A register and an offset.
    Register(u8, i64),
    /// Anything else.
    Expression(Expression),
}

/// Where the caller's value of a register is.
#[derive(Clone, Debug)]
pub(crate) enum Saved {
    /// Nowhere; for the return address: there is no caller.
    Undefined,
    /// In memory, at this offset from the canonical frame address.
    At(i64),
    /// It is the canonical frame address plus this.
    Offset(i64),
    /// In another register.
    Register(u8),
    /// In memory, where an expression says.
    AtExpression(Expression),
    /// An expression.
    Expression(Expression),
}

/// What a rule leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The caller's registers.
    Caller(Registers),
    /// There is no caller.
    Root,
}

impl Rule {
    /// Makes the rule of a function with these ends whose return address is all that it has saved: so far above rsp ends
    /// its frame.
    pub(crate) fn of_depth((function, function_end): (ObjectAddr, ObjectAddr), depth: i64) -> Self {
        let cfa = Cfa::Register(Registers::RSP as u8, depth);
        let saved = Box::new([(Registers::RETURN as u8, Saved::At(-8))]);
        Self { cfa, saved, function, function_end, is_signal_frame: false }
    }

    /// Finds the caller's registers.
    pub(crate) fn apply(&self, of: &Registers, stack: &StackCopy<'_>) -> Result<Step, Stuck> {
        let cfa = match &self.cfa {
            Cfa::Register(register, offset) => value(of, *register)?.wrapping_add_signed(*offset),
            Cfa::Expression(expression) => expression.evaluate(of, None, stack)?,
        };
        let word = |at: u64| stack.word(at).ok_or_else(|| self.missing(at, cfa, stack));
        let mut caller = *of;
        caller.set(Registers::RSP, cfa);
        let mut return_address = None;
        for (register, saved) in &self.saved {
            let value = match saved {
                Saved::Undefined => None,
                Saved::At(offset) => Some(word(cfa.wrapping_add_signed(*offset))?),
                Saved::Offset(offset) => Some(cfa.wrapping_add_signed(*offset)),
                Saved::Register(register) => Some(value(of, *register)?),
                Saved::AtExpression(expression) => Some(word(expression.evaluate(of, Some(cfa), stack)?)?),
                Saved::Expression(expression) => Some(expression.evaluate(of, Some(cfa), stack)?),
            };
            match (usize::from(*register), value) {
                (Registers::RETURN, value) => return_address = value,
                (register @ 0..16, Some(value)) => caller.set(register, value),
                _ => {}
            }
        }
        // No rule for the return address, or an undefined one, is how a thread's first function is marked.
        let Some(return_address) = return_address else { return Ok(Step::Root) };
        caller.ip = VirtAddr(return_address);
        Ok(Step::Caller(caller))
    }

    /// What is said to be missing where a word is: the return address, if that is, as it tells where the frame ends.
    fn missing(&self, at: u64, cfa: u64, stack: &StackCopy<'_>) -> Stuck {
        let of_return = |(register, saved): &(u8, Saved)| match (usize::from(*register), saved) {
            (Registers::RETURN, Saved::At(offset)) => Some(cfa.wrapping_add_signed(*offset)),
            _ => None,
        };
        let behind = self.saved.iter().find_map(of_return).filter(|behind| stack.word(*behind).is_none());
        Stuck::Missing(VirtAddr(behind.unwrap_or(at)))
    }

    /// The rule of a function that keeps a frame pointer and says nothing.
    ///
    /// ```text
    ///  rbp ─► caller's rbp │ return address │ caller's frame …
    /// ```
    pub(crate) fn frame_pointer(of: &Registers, stack: &StackCopy<'_>) -> Result<Step, Stuck> {
        let frame = of.get(Registers::RBP).ok_or(Stuck::Unsaved)?;
        if frame == 0 {
            return Ok(Step::Root);
        }
        let caller_sp = frame.checked_add(16).ok_or(Stuck::Damaged)?;
        if frame < of.sp().0 || !frame.is_multiple_of(8) {
            return Err(Stuck::Damaged);
        }
        let word = |at: u64| stack.word(at).ok_or(Stuck::Missing(VirtAddr(at)));
        let mut caller = *of;
        caller.set(Registers::RBP, word(frame)?);
        caller.ip = VirtAddr(word(frame + 8)?);
        caller.set(Registers::RSP, caller_sp);
        Ok(if caller.ip == VirtAddr::NULL { Step::Root } else { Step::Caller(caller) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers(sp: u64, bp: u64) -> Registers {
        Registers::from_ip_sp_bp(VirtAddr(0x40_0000), VirtAddr(sp), bp)
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn a_saved_register_and_the_return_address_are_read() {
        let bytes = words(&[1, 2, 0xbb, 0x40_1234]);
        let stack = StackCopy::new(VirtAddr(0x1000), &bytes);
        let saved = Box::new([(3, Saved::At(-16)), (16, Saved::At(-8)), (12, Saved::Offset(4))]);
        let function = ObjectAddr(0x40_0000);
        let function_end = ObjectAddr(0x40_2000);
        let rule = Rule { cfa: Cfa::Register(7, 32), saved, function, function_end, is_signal_frame: false };
        let Ok(Step::Caller(caller)) = rule.apply(&registers(0x1000, 7), &stack) else { panic!("a caller") };
        assert_eq!((caller.ip.0, caller.sp().0), (0x40_1234, 0x1020));
        assert_eq!((caller.general[3], caller.general[12], caller.general[6]), (0xbb, 0x1024, 7));
        let missing = rule.apply(&registers(0x1008, 7), &stack);
        assert_eq!(missing, Err(Stuck::Missing(VirtAddr(0x1020))));
    }

    #[test]
    fn frame_pointers_lead_to_the_caller_or_nowhere() {
        let bytes = words(&[0, 0x1020, 0x40_1234, 0, 0, 0]);
        let stack = StackCopy::new(VirtAddr(0x1000), &bytes);
        let Ok(Step::Caller(caller)) = Rule::frame_pointer(&registers(0x1000, 0x1008), &stack) else {
            panic!("a caller")
        };
        assert_eq!((caller.ip.0, caller.sp().0, caller.general[6]), (0x40_1234, 0x1018, 0x1020));
        assert_eq!(Rule::frame_pointer(&caller, &stack), Ok(Step::Root));
        // Below the stack pointer nothing is a frame; an odd value was never a frame pointer.
        assert_eq!(Rule::frame_pointer(&registers(0x1010, 0x1008), &stack), Err(Stuck::Damaged));
        assert_eq!(Rule::frame_pointer(&registers(0x1000, 0x1009), &stack), Err(Stuck::Damaged));
        assert_eq!(Rule::frame_pointer(&registers(0x1000, u64::MAX - 7), &stack), Err(Stuck::Damaged));
    }
}
