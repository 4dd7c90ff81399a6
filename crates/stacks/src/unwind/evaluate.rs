//! DWARF expressions, where a register and an offset are not enough: stubs of the linker, signal frames, stacks that
//! a function has aligned itself.

use std::sync::Arc;

use abi::VirtAddr;
use gimli::{Encoding, EndianSlice, Evaluation, EvaluationResult, LittleEndian, Location, Value};

use super::stuck::{Stuck, value};
use crate::registers::{Registers, StackCopy};

/// No expression in call frame information is longer than a dozen operations.
const OPERATIONS_MAX: u32 = 256;

/// An expression of call frame information.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub(crate) code: Arc<[u8]>,
    pub(crate) encoding: Encoding,
}

impl Expression {
    /// Evaluates the expression, beginning with the canonical frame address on its own stack where that is given.
    pub(crate) fn evaluate(
        &self,
        of: &Registers,
        cfa: Option<u64>,
        stack: &StackCopy<'_>,
    ) -> Result<u64, Stuck> {
        let code = EndianSlice::new(&self.code, LittleEndian);
        let mut evaluation = Evaluation::new(code, self.encoding);
        evaluation.set_max_iterations(OPERATIONS_MAX);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa);
        }
        let mut result = evaluation.evaluate();
        loop {
            result = match result.map_err(|_| Stuck::Damaged)? {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let number = u8::try_from(register.0).map_err(|_| Stuck::Damaged)?;
                    evaluation.resume_with_register(Value::Generic(value(of, number)?))
                }
                EvaluationResult::RequiresMemory { address, size: 8, space: None, .. } => {
                    let word = stack.word(address).ok_or(Stuck::Missing(VirtAddr(address)))?;
                    evaluation.resume_with_memory(Value::Generic(word))
                }
                _ => return Err(Stuck::Damaged),
            };
        }
        match evaluation.as_result() {
            [piece] => match piece.location {
                Location::Address { address } => Ok(address),
                _ => Err(Stuck::Damaged),
            },
            _ => Err(Stuck::Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(code: &[u8], cfa: Option<u64>) -> Result<u64, Stuck> {
        let encoding = Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };
        let expression = Expression { code: code.into(), encoding };
        let bytes = 77u64.to_le_bytes();
        let stack = StackCopy::new(VirtAddr(0x1010), &bytes);
        expression.evaluate(&Registers::from_ip_sp_bp(VirtAddr(5), VirtAddr(0x1000), 0), cfa, &stack)
    }

    #[test]
    fn registers_and_memory_are_asked_for() {
        // DW_OP_breg7 16; DW_OP_deref
        assert_eq!(evaluate(&[0x77, 16, 0x06], None), Ok(77));
        assert_eq!(evaluate(&[0x77, 24, 0x06], None), Err(Stuck::Missing(VirtAddr(0x1018))));
        // DW_OP_plus_uconst 3, from the frame address; DW_OP_breg16 0 is the return address.
        assert_eq!(evaluate(&[0x23, 3], Some(0x2000)), Ok(0x2003));
        assert_eq!(evaluate(&[0x80, 0], None), Ok(5));
    }

    #[test]
    fn nonsense_and_loops_end() {
        assert_eq!(evaluate(&[0x06], None), Err(Stuck::Damaged));
        assert_eq!(evaluate(&[0xff], None), Err(Stuck::Damaged));
        // DW_OP_skip -3, for ever.
        assert_eq!(evaluate(&[0x2f, 0xfd, 0xff], None), Err(Stuck::Damaged));
    }
}
