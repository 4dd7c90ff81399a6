//! How deep a function's stack is at an instruction, read from the code that leads there.
//!
//! Of a thread that waits in the kernel only two registers can be read. Where the call frame information counts from
//! rbp, the same frame can be found from rsp: from the function's first instruction on every push, pop, addition and
//! subtraction says how far rsp has moved.

use std::collections::{HashMap, HashSet};

use gimli::UnwindContext;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::rule::{Cfa, Rule};
use super::table::UnwindTable;
use crate::file::{ObjectAddr, ObjectFile};
use crate::registers::Registers;

/// No more of one function is read.
const CODE_BYTES_MAX: u64 = 256 << 10;
/// Answers kept; when there are more they are all dropped.
const ANSWERS_MAX: usize = 1 << 16;
/// Sections of which each is one function, put together by the linker from pieces that have no call frame information.
const PIECED: [&[u8]; 2] = [b".init", b".fini"];
/// At the first instruction the return address is all there is.
const AT_ENTRY: i64 = 8;

/// The depths found so far.
#[derive(Debug, Default)]
pub(crate) struct Depths {
    known: HashMap<(u32, ObjectAddr), Option<i64>>,
}

impl Depths {
    /// Returns how far the canonical frame address lies above rsp at an address; `None` where the code does not tell.
    pub(crate) fn at(
        &mut self,
        object: &ObjectFile,
        table: &UnwindTable,
        rule: &Rule,
        addr: ObjectAddr,
        context: &mut UnwindContext<usize>,
    ) -> Option<i64> {
        let key = (object.id(), addr);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let found = find(object, table, rule, addr, context);
        if self.known.len() == ANSWERS_MAX {
            self.known.clear();
        }
        self.known.insert(key, found);
        found
    }
}

/// Makes the rule that holds at an address of a function of pieces, by what its code does.
pub(crate) fn rule_in_pieces(object: &ObjectFile, addr: ObjectAddr) -> Option<Rule> {
    let ends = PIECED.iter().filter_map(|name| object.section_ends(name));
    let (start, end) = ends.into_iter().find(|(start, end)| (*start..*end).contains(&addr))?;
    let code = object.code_bytes(start, (end.0 - start.0).min(CODE_BYTES_MAX))?;
    Some(Rule::of_depth((start, end), depth_in(&code, start.0, addr.0)?))
}

fn find(
    object: &ObjectFile,
    table: &UnwindTable,
    rule: &Rule,
    addr: ObjectAddr,
    context: &mut UnwindContext<usize>,
) -> Option<i64> {
    // A part of a function that stands apart begins with a stack that somebody else has made.
    let entry = table.rule(rule.function, context).ok()??;
    if !matches!(entry.cfa, Cfa::Register(register, AT_ENTRY) if usize::from(register) == Registers::RSP) {
        return None;
    }
    let size = (rule.function_end.0.checked_sub(rule.function.0)?).min(CODE_BYTES_MAX);
    let code = object.code_bytes(rule.function, size)?;
    depth_in(&code, rule.function.0, addr.0)
}

/// Follows the code from its first byte, which stands at `start`, until the instruction that holds `wanted`.
fn depth_in(code: &[u8], start: u64, wanted: u64) -> Option<i64> {
    let mut walk = Walk { seen: HashSet::new(), ahead: vec![(start, State::ENTRY)], aside: Vec::new() };
    let mut decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
    // Where a table of addresses leads is not followed; wherever it leads, the stack is as deep as at the jump.
    loop {
        let (at, state) = walk.ahead.pop().or_else(|| walk.aside.pop())?;
        if let Some(depth) = walk.block(&mut decoder, start, at, state, wanted) {
            return depth;
        }
    }
}

/// What is known of the stack at an instruction.
#[derive(Clone, Copy, Debug)]
struct State {
    /// How far the frame's end lies above rsp; `None` once something moved it that can't be counted.
    below_end: Option<i64>,
    /// The same of rbp, once it is the frame pointer.
    frame: Option<i64>,
}

impl State {
    const ENTRY: Self = Self { below_end: Some(AT_ENTRY), frame: None };
}

struct Walk {
    seen: HashSet<u64>,
    ahead: Vec<(u64, State)>,
    /// What stands behind jumps that are not followed.
    aside: Vec<(u64, State)>,
}

impl Walk {
    /// Follows instructions up to one that never goes on to the next. `Some` when the wanted one is met.
    fn block(
        &mut self,
        decoder: &mut Decoder<'_>,
        start: u64,
        at: u64,
        mut state: State,
        wanted: u64,
    ) -> Option<Option<i64>> {
        let offset = usize::try_from(at.checked_sub(start)?).ok()?;
        decoder.set_position(offset).ok()?;
        decoder.set_ip(at);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            if instruction.is_invalid() || !self.seen.insert(instruction.ip()) {
                return None;
            }
            if (instruction.ip()..instruction.next_ip()).contains(&wanted) {
                return Some(state.below_end);
            }
            state = after(state, &instruction);
            match instruction.flow_control() {
                FlowControl::ConditionalBranch => self.ahead.push((instruction.near_branch_target(), state)),
                FlowControl::UnconditionalBranch => {
                    self.ahead.push((instruction.near_branch_target(), state));
                    self.aside.push((instruction.next_ip(), state));
                    return None;
                }
                FlowControl::IndirectBranch => {
                    self.aside.push((instruction.next_ip(), state));
                    return None;
                }
                FlowControl::Return | FlowControl::Exception => return None,
                _ => {}
            }
        }
        None
    }
}

fn after(state: State, instruction: &Instruction) -> State {
    let State { below_end, frame } = state;
    let to_rsp = instruction.op0_kind() == OpKind::Register && instruction.op0_register() == Register::RSP;
    let immediate = matches!(
        instruction.op1_kind(),
        OpKind::Immediate8to64 | OpKind::Immediate32to64 | OpKind::Immediate64
    );
    let from =
        |register| instruction.op1_kind() == OpKind::Register && instruction.op1_register() == register;
    let moved = |by: i64| State { below_end: below_end.map(|depth| depth.wrapping_add(by)), frame };
    match instruction.mnemonic() {
        Mnemonic::Sub if to_rsp && immediate => moved(instruction.immediate(1).cast_signed()),
        Mnemonic::Add if to_rsp && immediate => moved(instruction.immediate(1).cast_signed().wrapping_neg()),
        Mnemonic::Lea if to_rsp => {
            let by = instruction.memory_displacement64().cast_signed();
            let is_plain = instruction.memory_index() == Register::None;
            let base = match instruction.memory_base() {
                Register::RSP if is_plain => below_end,
                Register::RBP if is_plain => frame,
                _ => None,
            };
            State { below_end: base.map(|base| base.wrapping_sub(by)), frame }
        }
        Mnemonic::Mov if to_rsp && from(Register::RBP) => State { below_end: frame, frame },
        Mnemonic::Mov
            if instruction.op0_kind() == OpKind::Register
                && instruction.op0_register() == Register::RBP
                && from(Register::RSP) =>
        {
            State { below_end, frame: below_end }
        }
        Mnemonic::Leave => State { below_end: frame.map(|frame| frame - 8), frame: None },
        // What was called gives back what it took.
        _ if matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall) => state,
        _ if to_rsp && !matches!(instruction.mnemonic(), Mnemonic::Push | Mnemonic::Cmp | Mnemonic::Test) => {
            State { below_end: None, frame }
        }
        _ => moved(i64::from(instruction.stack_pointer_increment()).wrapping_neg()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```text
    ///  0 push %rbp            10 test %eax,%eax      1b jmp *%rax
    ///  1 mov  %rsp,%rbp       12 je   1d             1d call 0
    ///  4 push %rbx            14 push $5             22 lea -8(%rbp),%rsp
    ///  5 sub  $0x18,%rsp      16 call 0              26 pop %rbx
    ///  9 lea  -0x80(%rsp),%rsp  (f nop)              27 leave
    ///  e nop                                         28 ret
    /// ```
    const CODE: [u8; 0x29] = [
        0x55, 0x48, 0x89, 0xe5, 0x53, 0x48, 0x83, 0xec, 0x18, 0x48, 0x8d, 0x64, 0x24, 0x80, 0x90, 0x90, 0x85,
        0xc0, 0x74, 0x09, 0x6a, 0x05, 0xe8, 0xe5, 0xff, 0xff, 0xff, 0xff, 0xe0, 0xe8, 0xde, 0xff, 0xff, 0xff,
        0x48, 0x8d, 0x65, 0xf8, 0x5b, 0xc9, 0xc3,
    ];

    #[test]
    fn every_way_the_stack_moves_is_counted() {
        for (at, depth) in [
            (0, 8),
            (1, 16),
            (4, 16),
            (5, 24),
            (9, 24 + 0x18),
            (0xe, 24 + 0x18 + 0x80),
            (0x16, 24 + 0x18 + 0x80 + 8),
            (0x1d, 24 + 0x18 + 0x80),
            (0x26, 24),
            (0x27, 16),
            (0x28, 8),
        ] {
            assert_eq!(depth_in(&CODE, 0x1000, 0x1000 + at), Some(depth), "{at:#x}");
        }
        assert_eq!(depth_in(&CODE, 0x1000, 0x1000 + 0x29), None);
    }

    #[test]
    fn what_the_linker_puts_together_is_left_by_counting() {
        let own = ObjectFile::open(&std::env::current_exe().expect("our own path")).expect("our own file");
        let (start, end) = own.section_ends(b".init").expect("a program has one");
        // sub $8,%rsp; a call; add $8,%rsp; ret
        let depths: Vec<i64> = (start.0..end.0)
            .filter_map(|addr| match rule_in_pieces(&own, ObjectAddr(addr))?.cfa {
                Cfa::Register(register, depth) if usize::from(register) == Registers::RSP => Some(depth),
                _ => None,
            })
            .collect();
        assert_eq!(depths.len() as u64, end.0 - start.0);
        assert_eq!((depths.first(), depths.last()), (Some(&8), Some(&8)));
        assert!(depths.contains(&16), "{depths:?}");
        assert!(rule_in_pieces(&own, end).is_none());
    }

    #[test]
    fn what_can_not_be_counted_is_not() {
        // push %rbp; mov %rsp,%rbp; sub %rax,%rsp; nop; mov %rbp,%rsp; nop
        let code = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xc4, 0x90, 0x48, 0x89, 0xec, 0x90];
        assert_eq!(depth_in(&code, 0, 7), None);
        assert_eq!(depth_in(&code, 0, 11), Some(16));
        // and $-32,%rsp; nop
        assert_eq!(depth_in(&[0x48, 0x83, 0xe4, 0xe0, 0x90], 0, 4), None);
    }
}
