//! The frames on a thread's stack, and threads.

use std::fmt::Write as _;

use abi::{Call, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};

use super::{Session, Shown, Thread, Trouble, Value};
use crate::backend::{Action, Answer, ThreadNo};
use crate::syntax::{Expr, Fault, Name, Span};

/// A frame: what a call set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    function: String,
    /// The lowest address of its locals.
    low: VirtAddr,
    /// The bytes of its locals and of the address to return to.
    bytes: u64,
}

/// A thread's stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stack {
    /// Where the first frame begins.
    pub(super) top: VirtAddr,
    /// The stack pointer.
    pub(super) pointer: VirtAddr,
    frames: Vec<Frame>,
}

/// The deepest that calls go.
const FRAMES_MAX: usize = 100_000;
/// The largest frame in bytes.
const FRAME_BYTES_MAX: u64 = 64 << 20;
/// The frames that are listed.
const LISTED_MAX: usize = 20;
/// What a call pushes: the address to return to, and room to keep the pointer aligned.
const RETURN_BYTES: u64 = 16;
/// The stack of a thread where nothing is said.
const THREAD_STACK: u64 = 256 << 10;
/// The largest stack of a thread.
const THREAD_STACK_MAX: u64 = 1 << 30;

impl Stack {
    /// A stack without frames.
    pub(super) fn new(top: VirtAddr) -> Self {
        let top = VirtAddr(top.0 & !15);
        Self { top, pointer: top, frames: Vec::new() }
    }
}

impl Session {
    /// Sets a frame up: pushes the address to return to, and makes room for the locals, a page at a time.
    pub(super) fn call(
        &mut self,
        function: &Name,
        bytes: &Expr,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let locals = self.at_most(bytes, FRAME_BYTES_MAX, "for one frame")?;
        let stack = &self.thread().stack;
        if stack.frames.len() >= FRAMES_MAX {
            return Err(Fault::new(function.span, format!("at most {FRAMES_MAX} frames")).into());
        }
        let bytes = RETURN_BYTES + locals.next_multiple_of(16);
        let high = stack.pointer;
        let Some(low) = high.0.checked_sub(bytes).map(VirtAddr) else {
            return Err(Fault::new(function.span, "the stack would pass address 0").into());
        };
        let mut did = self.act(&Action::Frame(low, high))?;
        did.what = format!("{}: a frame of {bytes} bytes at {low}", function.text);
        if *did.answer() == Answer::Done {
            let thread = &mut self.world.threads[self.world.present.0];
            thread.stack.frames.push(Frame { function: function.text.clone(), low, bytes });
            thread.stack.pointer = low;
        }
        self.show(did, shown)
    }

    /// Gives the last frame back. Its pages stay.
    pub(super) fn give_back(&mut self, at: Span, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let thread = &mut self.world.threads[self.world.present.0];
        let Some(Frame { function, low, bytes }) = thread.stack.frames.pop() else {
            return Err(Fault::new(at, "there is no frame to give back").into());
        };
        thread.stack.pointer = VirtAddr(low.0 + bytes);
        let text = format!("{function}: its frame of {bytes} bytes is given back; the pages stay");
        shown.push(Shown::Text(text));
        Ok(())
    }

    /// The frames, the innermost first.
    pub(super) fn frames(&self) -> String {
        let stack = &self.thread().stack;
        let all = stack.frames.len();
        let mut text =
            format!("{}, {} bytes", view::words::plural(all as u64, "frame"), stack.top.0 - stack.pointer.0);
        for Frame { function, low, bytes } in stack.frames.iter().rev().take(LISTED_MAX) {
            let _infallible = write!(text, "\n  {low}  {bytes:>8} bytes  {function}");
        }
        if all > LISTED_MAX {
            let _infallible = write!(text, "\n  and {} more", all - LISTED_MAX);
        }
        text
    }

    /// Makes a thread as a thread library does: a stack with a page below that nobody may touch.
    pub(super) fn make_thread(
        &mut self,
        stack: Option<&Expr>,
        bind: Option<&Name>,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let bytes = match stack {
            Some(expr) => self.at_most(expr, THREAD_STACK_MAX, "for one stack")?,
            None => THREAD_STACK,
        };
        let bytes = bytes.next_multiple_of(PAGE_SIZE).max(PAGE_SIZE);
        let len = bytes + PAGE_SIZE;
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::STACK;
        let (addr, prot, fd) = (VirtAddr::NULL, Prot::NONE, Fd(-1));
        let did = self.act(&Action::Call(Call::Mmap { addr, len, prot, flags, fd, offset: 0 }))?;
        let answer = did.answer().clone();
        self.show(did, shown)?;
        let Answer::Value(Ok(base)) = answer else { return Ok(()) };
        let addr = VirtAddr(base + PAGE_SIZE);
        let did = self.act(&Action::Call(Call::Mprotect { addr, len: bytes, prot: Prot::RW }))?;
        self.show(did, shown)?;
        if let Some(kernel) = &mut self.kernel
            && let refused @ Answer::Value(Err(_)) = kernel.thread(self.world.present)?
        {
            return self.answered("clone(CLONE_VM|CLONE_THREAD)".into(), refused, shown);
        }
        let memory = self.thread().memory;
        let number = ThreadNo(self.world.threads.len());
        let name = bind.map_or_else(|| format!("thread{}", number.0), |name| name.text.clone());
        let stack = Stack::new(VirtAddr(base + len));
        self.world.threads.push(Thread { name, memory, stack, ended: false });
        self.bind(bind, Value::Thread(number))?;
        let what = format!("clone(CLONE_VM|CLONE_THREAD|..., stack = {:#x})", base + len);
        self.answered(what, Answer::Done, shown)
    }
}
