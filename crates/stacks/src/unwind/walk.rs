//! The walk from the innermost frame to the root.

use std::collections::HashMap;

use abi::VirtAddr;
use gimli::UnwindContext;

use super::callers::Callers;
use super::depth::{Depths, rule_in_pieces};
use super::rule::{Cfa, Rule, Step};
use super::stuck::Stuck;
use super::table::inside_call;
use crate::code_map::CodeMap;
use crate::file::{ObjectAddr, ObjectFile};
use crate::registers::{Registers, StackCopy};

/// A chain is cut after this many frames.
pub const FRAMES_MAX: usize = 1024;
/// Most chains have no more.
const FRAMES_LIKELY: usize = 64;

/// Rules kept from one walk to the next; when there are more they are all dropped.
const RULES_MAX: usize = 1 << 16;

/// A chain of callers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// Innermost first: its instruction pointer, then the address each frame returns to.
    ///
    /// Where a signal interrupted a function its frame is the address after the instruction's first byte, so that
    /// for every frame but the first the byte before lies in the instruction under way.
    pub frames: Vec<VirtAddr>,
    /// The stack pointer in each of them: what lies between two is the frame of the first.
    pub stack: Vec<VirtAddr>,
    /// Why it ends there.
    pub end: End,
}

/// Why a chain ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The thread's first function is reached.
    Root,
    /// More of the stack is needed than was copied: this address first.
    Cut {
        /// The address that was not copied.
        missing: VirtAddr,
    },
    /// A register is needed that was not copied.
    Unsaved,
    /// Nothing says who called the last frame: it has no call frame information that makes sense and no frame pointer.
    Lost,
    /// There are more frames than [`FRAMES_MAX`].
    Deep,
}

/// Makes chains, and keeps the rules it has looked up.
#[derive(Debug, Default)]
pub struct Unwinder {
    /// By object and address; `None` where a frame pointer is all there is.
    rules: HashMap<(u32, ObjectAddr), Option<Rule>>,
    context: UnwindContext<usize>,
    callers: Callers,
    depths: Depths,
}

/// How a frame's address is to be understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the instruction under way.
    Instruction,
    /// After the call that is under way.
    Return,
}

impl Unwinder {
    /// Makes one that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Walks from these registers as far as the copied stack leads.
    pub fn unwind(&mut self, code: &CodeMap, registers: &Registers, stack: &StackCopy<'_>) -> Chain {
        let (mut frames, mut pointers) =
            (Vec::with_capacity(FRAMES_LIKELY), Vec::with_capacity(FRAMES_LIKELY));
        frames.push(registers.ip);
        pointers.push(registers.sp());
        let mut current = *registers;
        let mut at = At::Instruction;
        let end = loop {
            if frames.len() == FRAMES_MAX {
                break End::Deep;
            }
            let (step, next_at) = match self.step(code, &current, at, stack) {
                Ok(found) => found,
                Err(Stuck::Missing(missing)) => break End::Cut { missing },
                Err(Stuck::Unsaved) => break End::Unsaved,
                Err(Stuck::Damaged) => break End::Lost,
            };
            let Step::Caller(caller) = step else { break End::Root };
            if caller.ip == VirtAddr::NULL {
                break End::Root;
            }
            // A signal's frame may lie anywhere; a caller's never lies below.
            let went_back = next_at == At::Return && caller.sp() <= current.sp();
            if went_back || code.find(lookup(caller.ip, next_at)).is_none() {
                break End::Lost;
            }
            frames.push(match next_at {
                At::Return => caller.ip,
                At::Instruction => VirtAddr(caller.ip.0.wrapping_add(1)),
            });
            pointers.push(caller.sp());
            (current, at) = (caller, next_at);
        };
        Chain { frames, stack: pointers, end }
    }

    /// Tells whether an address is one that a function may return to: it stands right behind a call. Of code that no
    /// file holds only that it is code.
    pub fn is_return_address(&mut self, code: &CodeMap, addr: VirtAddr) -> bool {
        let before = inside_call(addr);
        match code.locate(before) {
            Some((object, at)) => self.callers.is_behind_call(object, ObjectAddr(at.0.wrapping_add(1))),
            None => code.find(before).is_some_and(|code| code.object.is_none()),
        }
    }

    /// Tells whether two addresses lie in one function, by the call frame information of its file.
    pub fn is_same_function(&mut self, code: &CodeMap, one: VirtAddr, other: VirtAddr) -> bool {
        let mut function = |addr| {
            let (object, at) = code.locate(addr)?;
            let function = self.rule(object, at).ok()??.function;
            Some((object.id(), function))
        };
        let one = function(one);
        one.is_some() && one == function(other)
    }

    /// Tells whether the function that an address returns to keeps a frame pointer there, by what is known of it.
    pub fn keeps_frame_pointer(&mut self, code: &CodeMap, addr: VirtAddr) -> bool {
        let Some((object, at)) = code.locate(inside_call(addr)) else {
            return code.find(inside_call(addr)).is_some();
        };
        match self.rule(object, at) {
            Ok(Some(rule)) => {
                matches!(rule.cfa, Cfa::Register(register, 16) if usize::from(register) == Registers::RBP)
            }
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Looks up the rule that holds at an address; `None` where there is none.
    fn rule(&mut self, object: &ObjectFile, addr: ObjectAddr) -> Result<Option<&Rule>, Stuck> {
        let key = (object.id(), addr);
        if !self.rules.contains_key(&key) {
            let told = match object.unwind_table() {
                Some(table) => table.rule(addr, &mut self.context)?,
                None => None,
            };
            let rule = told.or_else(|| rule_in_pieces(object, addr));
            if self.rules.len() == RULES_MAX {
                self.rules.clear();
            }
            self.rules.insert(key, rule);
        }
        Ok(self.rules.get(&key).and_then(Option::as_ref))
    }

    fn step(
        &mut self,
        code: &CodeMap,
        of: &Registers,
        at: At,
        stack: &StackCopy<'_>,
    ) -> Result<(Step, At), Stuck> {
        let Some((object, addr)) = code.locate(lookup(of.ip, at)) else {
            return Ok((Rule::frame_pointer(of, stack)?, At::Return));
        };
        let Some(rule) = self.rule(object, addr)? else {
            return Ok((Rule::frame_pointer(of, stack)?, At::Return));
        };
        let next = if rule.is_signal_frame { At::Instruction } else { At::Return };
        let applied = rule.apply(of, stack);
        if applied == Err(Stuck::Unsaved)
            && let Some(rule) = self.rule(object, addr)?.cloned()
            && let Some(rbp) = self.frame_pointer(code, object, addr, &rule, of, stack)?
        {
            let mut found = *of;
            found.set(Registers::RBP, rbp);
            return Ok((rule.apply(&found, stack)?, next));
        }
        Ok((applied?, next))
    }

    /// Finds rbp for a function whose frame it leads to: by how far the code has moved rsp, where that leads to a word
    /// that stands behind a call; else by the call of the function itself.
    fn frame_pointer(
        &mut self,
        code: &CodeMap,
        object: &ObjectFile,
        addr: ObjectAddr,
        rule: &Rule,
        of: &Registers,
        stack: &StackCopy<'_>,
    ) -> Result<Option<u64>, Stuck> {
        let Cfa::Register(register, offset) = rule.cfa else { return Ok(None) };
        if usize::from(register) != Registers::RBP {
            return Ok(None);
        }
        let depth = object
            .unwind_table()
            .and_then(|table| self.depths.at(object, table, rule, addr, &mut self.context));
        if let Some(cfa) = depth.and_then(|depth| of.sp().0.checked_add_signed(depth)) {
            let behind = cfa.wrapping_sub(8);
            let behind = stack.word(behind).ok_or(Stuck::Missing(VirtAddr(behind)))?;
            if self.is_return_address(code, VirtAddr(behind)) {
                return Ok(Some(cfa.wrapping_add_signed(-offset)));
            }
        }
        Ok(self.callers.find(code, object, rule, of, stack))
    }
}

fn lookup(ip: VirtAddr, at: At) -> VirtAddr {
    match at {
        At::Instruction => ip,
        At::Return => inside_call(ip),
    }
}

#[cfg(test)]
mod tests {
    use abi::{AddrRange, FileOff};

    use super::*;
    use crate::code_map::Code;

    /// Two anonymous executable pages, and a stack of frames without end.
    fn jit() -> CodeMap {
        let mut code = CodeMap::new();
        let range = AddrRange::new(VirtAddr(0x10_0000), VirtAddr(0x10_2000));
        code.insert(Code { range, offset: FileOff(0), object: None });
        code
    }

    fn frames(count: u64, return_address: u64) -> Vec<u8> {
        let frame = |no: u64| [0x1000 + (no + 1) * 16, return_address];
        (0..count).flat_map(frame).flat_map(u64::to_le_bytes).collect()
    }

    fn walk(bytes: &[u8]) -> Chain {
        let registers = Registers::from_ip_sp_bp(VirtAddr(0x10_0010), VirtAddr(0x1000), 0x1000);
        Unwinder::new().unwind(&jit(), &registers, &StackCopy::new(VirtAddr(0x1000), bytes))
    }

    #[test]
    fn code_without_information_is_followed_by_its_frame_pointers() {
        let chain = walk(&frames(3, 0x10_0800));
        assert_eq!(chain.end, End::Cut { missing: VirtAddr(0x1030) });
        assert_eq!(chain.frames.len(), 4);
        assert_eq!(chain.frames[0], VirtAddr(0x10_0010));
        assert_eq!(chain.stack, [0x1000, 0x1010, 0x1020, 0x1030].map(VirtAddr));
        let mut end = frames(3, 0x10_0800);
        end.extend([0; 16]);
        assert_eq!(walk(&end).end, End::Root);
    }

    #[test]
    fn a_return_to_what_is_no_code_is_no_frame() {
        let chain = walk(&frames(3, 0x20_0000));
        assert_eq!((chain.frames.len(), chain.end), (1, End::Lost));
    }

    #[test]
    fn endless_chains_are_cut() {
        let chain = walk(&frames(5000, 0x10_0800));
        assert_eq!((chain.frames.len(), chain.end), (FRAMES_MAX, End::Deep));
    }
}
