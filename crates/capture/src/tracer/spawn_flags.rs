//! Threads that their makers want untraced, where memory calls stop for the tracer.
//!
//! `CLONE_UNTRACED` makes a thread that has no tracer (`kernel/fork.c: kernel_clone`), and a filter that asks a tracer who
//! is not there answers `ENOSYS` (`kernel/seccomp.c: __seccomp_filter`): the thread's memory calls would fail. So the flag
//! is taken away before the call is made, and put back before maker or child go on. To both it looks as if it had worked.

use abi::{Tid, VirtAddr};
use recording::SpawnKind;
use sys::filter::{
    ARCH_I386, ARCH_X86_64, CLONE_UNTRACED, CLONE_VM, NR_CLONE, NR_CLONE_I386, NR_CLONE3, NR_FORK,
    NR_FORK_I386, X32_BIT,
};
use sys::{OsResult, memory, ptrace};

use super::Tracer;
use super::calls::Raw;
use crate::link::Message;
use crate::observer::Observer;

const FAILED: &str = "a thread made with CLONE_UNTRACED could not be traced: its memory calls fail";

/// The flags of a call that makes a thread, as the program has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SpawnFlags {
    flags: u64,
    place: Place,
}

/// Where they stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// In the register of the first argument.
    Register { arch: u32 },
    /// In memory, to which the first argument points.
    Memory(VirtAddr),
    /// Nowhere: the call's number says all.
    Number,
}

impl SpawnFlags {
    /// Reads those of a call; `None` if it is another, or its memory can't be read: then it fails.
    pub(super) fn of(tid: Tid, Raw { arch, nr, args }: Raw) -> Option<Self> {
        match (arch, nr & !X32_BIT) {
            (ARCH_X86_64, NR_FORK) | (ARCH_I386, NR_FORK_I386) => {
                Some(Self { flags: 0, place: Place::Number })
            }
            (ARCH_X86_64 | ARCH_I386, NR_CLONE3) => {
                let addr = VirtAddr(args[0]);
                let flags = *memory::read_words(tid, addr, 1)?.first()?;
                Some(Self { flags, place: Place::Memory(addr) })
            }
            (ARCH_X86_64, NR_CLONE) | (ARCH_I386, NR_CLONE_I386) => {
                Some(Self { flags: args[0], place: Place::Register { arch } })
            }
            _ => None,
        }
    }

    /// Whether the child has a copy of its maker's memory.
    pub(super) fn copy_memory(self) -> bool {
        self.flags & u64::from(CLONE_VM) == 0
    }

    fn are_untraced(self) -> bool {
        self.flags & u64::from(CLONE_UNTRACED) != 0
    }

    fn take_away(self, tid: Tid) -> OsResult<()> {
        Self { flags: self.flags & !u64::from(CLONE_UNTRACED), ..self }.write(tid)
    }

    fn write(self, tid: Tid) -> OsResult<()> {
        match self.place {
            Place::Register { arch } => ptrace::set_first_argument(tid, arch, self.flags),
            Place::Memory(addr) => memory::write_word(tid, addr, self.flags),
            Place::Number => Ok(()),
        }
    }
}

impl<O: Observer> Tracer<O> {
    /// A thread is about to make another, which is to be traced as well.
    pub(super) fn begin_spawn(&mut self, tid: Tid, flags: SpawnFlags) {
        if !flags.are_untraced() {
            return;
        }
        match flags.take_away(tid) {
            Ok(()) => drop(self.spawn_flags.insert(tid, flags)),
            Err(_) => self.tell(&Message::Trouble(FAILED.into())),
        }
    }

    /// A thread has made another: neither is to see what was changed.
    pub(super) fn has_made(&mut self, parent: Tid, child: Tid, kind: SpawnKind) {
        let Some(flags) = self.spawn_flags.get(&parent).copied() else { return };
        self.put_back(parent);
        // Registers are copied, and memory by a fork.
        if kind == SpawnKind::Fork || matches!(flags.place, Place::Register { .. }) {
            self.spawn_flags.insert(child, flags);
        }
    }

    /// A thread stands behind the call, or before its first instruction.
    pub(super) fn put_back(&mut self, tid: Tid) {
        if let Some(flags) = self.spawn_flags.remove(&tid) {
            // Killed meanwhile: it sees nothing any more.
            let _ = flags.write(tid);
        }
    }
}
