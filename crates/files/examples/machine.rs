//! A small register machine in the twin's memory: how an emulator embeds it.
//!
//! Every instruction fetch, load, store, call and return goes through the address space, and so do `brk` and `mmap`. A
//! refused access is delivered to the program as a signal, or ends it.

use abi::{Call, Fd, MapFlags, Prot, VirtAddr};
use mm::{AddressSpace, Contents, Fault, Input, Layout, Limits, Pages, Profile, System};

/// One instruction: eight bytes, `[operation, a, b, 0, immediate: i32]`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// `a = immediate`
    Set(u8, i32),
    /// `a = a + b`
    Add(u8, u8),
    /// `a = a + immediate`
    AddTo(u8, i32),
    /// `a = a * b`
    Mul(u8, u8),
    /// `a = [b + immediate]`
    Load(u8, u8, i32),
    /// `[b + immediate] = a`
    Store(u8, u8, i32),
    /// Pushes `a`.
    Push(u8),
    /// Pops `a`.
    Pop(u8),
    /// Pushes the address of the next instruction and goes to the instruction `immediate`.
    Call(i32),
    /// Pops an address and goes there.
    Return,
    /// Goes to the instruction `immediate` if `a` is not 0.
    JumpIf(u8, i32),
    /// `a = brk(a)`
    Brk(u8),
    /// `a = mmap(NULL, a, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)`
    Map(u8),
    /// Faults go to the instruction `immediate` from now on, with the address in register 7.
    OnFault(i32),
    /// Ends the program with the value of `a`.
    Exit(u8),
}

/// The register that is the stack pointer.
pub(crate) const SP: u8 = 6;
/// The bytes of an instruction and of a word.
const WORD: u64 = 8;
const CODE: VirtAddr = VirtAddr(0x40_0000);
const HEAP: VirtAddr = VirtAddr(0x50_0000);
const STACK_TOP: VirtAddr = VirtAddr(0x7fff_0000_0000);
const STACK_BYTES: u64 = 0x4000;

impl Op {
    fn encode(self) -> [u8; 8] {
        let (operation, a, b, immediate) = match self {
            Self::Set(a, value) => (0, a, 0, value),
            Self::Add(a, b) => (1, a, b, 0),
            Self::AddTo(a, value) => (2, a, 0, value),
            Self::Mul(a, b) => (3, a, b, 0),
            Self::Load(a, b, offset) => (4, a, b, offset),
            Self::Store(a, b, offset) => (5, a, b, offset),
            Self::Push(a) => (6, a, 0, 0),
            Self::Pop(a) => (7, a, 0, 0),
            Self::Call(to) => (8, 0, 0, to),
            Self::Return => (9, 0, 0, 0),
            Self::JumpIf(a, to) => (10, a, 0, to),
            Self::Brk(a) => (11, a, 0, 0),
            Self::Map(a) => (12, a, 0, 0),
            Self::OnFault(to) => (13, 0, 0, to),
            Self::Exit(a) => (14, a, 0, 0),
        };
        let [i0, i1, i2, i3] = immediate.to_le_bytes();
        [operation, a, b, 0, i0, i1, i2, i3]
    }

    fn decode([operation, a, b, _, i0, i1, i2, i3]: [u8; 8]) -> Option<Self> {
        let value = i32::from_le_bytes([i0, i1, i2, i3]);
        Some(match operation {
            0 => Self::Set(a, value),
            1 => Self::Add(a, b),
            2 => Self::AddTo(a, value),
            3 => Self::Mul(a, b),
            4 => Self::Load(a, b, value),
            5 => Self::Store(a, b, value),
            6 => Self::Push(a),
            7 => Self::Pop(a),
            8 => Self::Call(value),
            9 => Self::Return,
            10 => Self::JumpIf(a, value),
            11 => Self::Brk(a),
            12 => Self::Map(a),
            13 => Self::OnFault(value),
            14 => Self::Exit(a),
            _ => return None,
        })
    }
}

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// It said so.
    Exit(u64),
    /// An access was refused, and the program had no handler.
    Fault(Fault),
    /// What it fetched at this address is no instruction.
    Illegal(VirtAddr),
}

/// The machine.
pub(crate) struct Machine {
    sys: System<Pages<Contents>>,
    /// The program's memory.
    pub(crate) space: AddressSpace<Pages<Contents>>,
    registers: [u64; 8],
    pc: u64,
    handler: Option<u64>,
}

impl Machine {
    /// Puts a program into memory: code that may not be written, a stack with nothing below it.
    pub(crate) fn with(program: &[Op]) -> Self {
        let mut sys = System::with_contents(Profile::linux_6_18_x86_64());
        let layout =
            Layout { mmap_base: VirtAddr(0x7ffe_0000_0000), start_brk: HEAP, brk: HEAP, ..Layout::default() };
        let space = AddressSpace::adopt(&mut sys, layout, Limits::default(), []);
        let mut registers = [0; 8];
        registers[usize::from(SP)] = STACK_TOP.0;
        let mut machine = Self { sys, space, registers, pc: CODE.0, handler: None };
        let code: Vec<u8> = program.iter().flat_map(|op| op.encode()).collect();
        let len = code.len() as u64;
        machine.map(CODE, len, MapFlags::FIXED);
        machine.map(VirtAddr(STACK_TOP.0 - STACK_BYTES), STACK_BYTES, MapFlags::FIXED);
        machine.space.store(&mut machine.sys, CODE, &code).expect("it was mapped for writing");
        machine.call(Call::Mprotect { addr: CODE, len, prot: Prot::RX });
        machine
    }

    /// Does a call; a refused one answers as the kernel's entry does: minus the errno.
    fn call(&mut self, call: Call) -> u64 {
        let outcome = self.space.call(&mut self.sys, call, &Input::default());
        outcome.result.unwrap_or_else(|errno| u64::from(errno.0).wrapping_neg())
    }

    fn map(&mut self, addr: VirtAddr, len: u64, flags: MapFlags) -> u64 {
        let flags = flags | MapFlags::PRIVATE | MapFlags::ANONYMOUS;
        self.call(Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 })
    }

    /// Runs the program to its end.
    pub(crate) fn run(&mut self) -> End {
        loop {
            match self.step() {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(fault) => match self.handler {
                    None => return End::Fault(fault),
                    Some(handler) => {
                        self.registers[7] = fault.addr.0;
                        self.pc = handler;
                    }
                },
            }
        }
    }

    fn reg(&mut self, number: u8) -> &mut u64 {
        &mut self.registers[usize::from(number % 8)]
    }

    fn load(&mut self, addr: u64) -> Result<u64, Fault> {
        self.space.load_word(&mut self.sys, VirtAddr(addr)).map(u64::from_le_bytes)
    }

    fn store(&mut self, addr: u64, value: u64) -> Result<(), Fault> {
        self.space.store_word(&mut self.sys, VirtAddr(addr), value.to_le_bytes())
    }

    fn push(&mut self, value: u64) -> Result<(), Fault> {
        let sp = self.reg(SP).wrapping_sub(WORD);
        self.store(sp, value)?;
        *self.reg(SP) = sp;
        Ok(())
    }

    fn pop(&mut self) -> Result<u64, Fault> {
        let sp = *self.reg(SP);
        let value = self.load(sp)?;
        *self.reg(SP) = sp.wrapping_add(WORD);
        Ok(value)
    }

    /// Does one instruction. One that faults has changed nothing: it can be done again.
    fn step(&mut self) -> Result<Option<End>, Fault> {
        let mut bytes = [0; 8];
        self.space.fetch(&mut self.sys, VirtAddr(self.pc), &mut bytes)?;
        let Some(op) = Op::decode(bytes) else { return Ok(Some(End::Illegal(VirtAddr(self.pc)))) };
        let next = self.pc.wrapping_add(WORD);
        let mut pc = next;
        match op {
            Op::Set(a, value) => *self.reg(a) = i64::from(value) as u64,
            Op::Add(a, b) => *self.reg(a) = self.reg(a).wrapping_add(*self.reg(b)),
            Op::AddTo(a, value) => *self.reg(a) = self.reg(a).wrapping_add_signed(value.into()),
            Op::Mul(a, b) => *self.reg(a) = self.reg(a).wrapping_mul(*self.reg(b)),
            Op::Load(a, b, offset) => {
                let addr = self.reg(b).wrapping_add_signed(offset.into());
                *self.reg(a) = self.load(addr)?;
            }
            Op::Store(a, b, offset) => {
                let addr = self.reg(b).wrapping_add_signed(offset.into());
                let value = *self.reg(a);
                self.store(addr, value)?;
            }
            Op::Push(a) => {
                let value = *self.reg(a);
                self.push(value)?;
            }
            Op::Pop(a) => *self.reg(a) = self.pop()?,
            Op::Call(to) => {
                self.push(next)?;
                pc = address(to);
            }
            Op::Return => pc = self.pop()?,
            Op::JumpIf(a, to) => {
                if *self.reg(a) != 0 {
                    pc = address(to);
                }
            }
            Op::Brk(a) => {
                let addr = VirtAddr(*self.reg(a));
                *self.reg(a) = self.call(Call::Brk { addr });
            }
            Op::Map(a) => {
                let len = *self.reg(a);
                *self.reg(a) = self.map(VirtAddr(0), len, MapFlags::NONE);
            }
            Op::OnFault(to) => self.handler = Some(address(to)),
            Op::Exit(a) => return Ok(Some(End::Exit(*self.reg(a)))),
        }
        self.pc = pc;
        Ok(None)
    }
}

/// Returns the address of the instruction with a number.
fn address(number: i32) -> u64 {
    CODE.0.wrapping_add_signed(i64::from(number) * WORD as i64)
}

/// A program: the factorial of `n`, with a frame on the stack for each call.
pub(crate) fn factorial(n: i32) -> Vec<Op> {
    vec![
        Op::Set(0, n),
        Op::Call(3),
        Op::Exit(1),
        // 3: register 1 = the factorial of register 0
        Op::JumpIf(0, 6),
        Op::Set(1, 1),
        Op::Return,
        Op::Push(0),
        Op::AddTo(0, -1),
        Op::Call(3),
        Op::Pop(0),
        Op::Mul(1, 0),
        Op::Return,
    ]
}

/// Runs a program and says what became of its memory.
fn main() {
    let mut machine = Machine::with(&factorial(10));
    println!("10! = {:?}", machine.run());
    for vma in machine.space.vmas() {
        println!("{} {}", vma.range, vma.flags.prot());
    }
    let (rss, faults) = (machine.space.rss(), machine.space.faults());
    println!("{} pages resident, {} minor faults", rss.resident(), faults.minor);
}
