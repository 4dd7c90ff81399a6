//! Programs on the register machine of the example.

#[expect(dead_code, reason = "the example's own main is not run here")]
#[path = "../examples/machine.rs"]
mod machine;

use machine::{End, Machine, Op, SP, factorial};
use mm::Signal;

#[test]
fn calls_and_returns_keep_their_frames() {
    let mut machine = Machine::with(&factorial(10));
    assert_eq!(machine.run(), End::Exit(3_628_800));
    assert_eq!(machine.space.rss().anon, 2, "a page of code and one of stack");
}

#[test]
fn a_recursion_without_end_hits_the_end_of_the_stack() {
    let program = [Op::Push(0), Op::Call(0)];
    let End::Fault(fault) = Machine::with(&program).run() else { panic!("it must fault") };
    assert_eq!((fault.signal, fault.addr.0), (Signal::SegvMapErr, 0x7fff_0000_0000 - 0x4000 - 8));
}

#[test]
fn the_heap_outlives_the_call_that_made_it() {
    let program = [
        // A list of ten numbers: each node is its value and the address of the one before.
        Op::Set(0, 0),
        Op::Brk(0),
        Op::Set(1, 0),
        Op::Set(2, 10),
        Op::Call(12),
        Op::Set(3, 0),
        // 6: the sum
        Op::Load(4, 1, 0),
        Op::Add(3, 4),
        Op::Load(1, 1, 8),
        Op::JumpIf(1, 6),
        Op::Exit(3),
        Op::Exit(0),
        // 12: makes a node of register 2 before the list in register 1, and so on down to 1
        Op::Push(0),
        Op::AddTo(0, 4096),
        Op::Brk(0),
        Op::Pop(5),
        Op::Store(2, 5, 0),
        Op::Store(1, 5, 8),
        Op::Set(1, 0),
        Op::Add(1, 5),
        Op::AddTo(2, -1),
        Op::JumpIf(2, 12),
        Op::Return,
    ];
    let mut machine = Machine::with(&program);
    assert_eq!(machine.run(), End::Exit(55));
    assert_eq!(machine.space.rss().anon, 12, "ten nodes, each at the start of a page");
}

#[test]
fn faults_are_delivered_and_the_instruction_done_again() {
    let program = [
        Op::OnFault(5),
        Op::Set(1, 77),
        Op::Set(2, 0),
        // 3: at first nothing is mapped there
        Op::Store(1, 2, 16),
        Op::Exit(7),
        // 5: the handler maps memory, and says where it was asked for
        Op::Set(2, 4096),
        Op::Map(2),
        Op::Set(0, 1),
        Op::JumpIf(0, 3),
    ];
    let mut machine = Machine::with(&program);
    assert_eq!(machine.run(), End::Exit(16));
}

#[test]
fn code_may_not_be_written_and_data_not_executed() {
    let store = [Op::Set(1, 0x40_0000), Op::Store(0, 1, 0)];
    let End::Fault(fault) = Machine::with(&store).run() else { panic!("it must fault") };
    assert_eq!((fault.signal, fault.addr.0), (Signal::SegvAccErr, 0x40_0000));
    let jump = [Op::Push(SP), Op::Return];
    let End::Fault(fault) = Machine::with(&jump).run() else { panic!("it must fault") };
    assert_eq!(fault.signal, Signal::SegvMapErr, "the stack pointer stood at the end of the stack");
}
