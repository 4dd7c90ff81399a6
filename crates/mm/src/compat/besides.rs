//! What the twin does with mappings where no memory call is made.

use super::{PageRule, State};

const fn read(what: &'static str, note: &'static str) -> PageRule {
    PageRule { what, state: State::Reading, note }
}

const fn verified(what: &'static str, note: &'static str) -> PageRule {
    PageRule { what, state: State::Verified, note }
}

/// Every rule of mappings besides calls.
pub const MAP_RULES: &[PageRule] = &[
    verified("fork", "DONTFORK, WIPEONFORK, locks, userfaultfds, anon_vmas, page tables; what it charges"),
    verified(
        "execve",
        "the segments of program and interpreter by their headers, zero pages, stack, vdso and vvar; where they begin is \
         random: an input",
    ),
    verified("exit", "what it gives back to the limits of all"),
    verified(
        "a load, store or fetch",
        "growth of a stack up to its gap and limits; which access sets an anon_vma; the signal with its code",
    ),
    verified("vm.overcommit_memory 0", "a call for more than memory and swap together is refused"),
    read("vm.overcommit_memory 1", "nothing is refused"),
    read(
        "vm.overcommit_memory 2",
        "the limit, the reserves of root and of the user, NORESERVE ignored; the sum of what all processes were promised \
         is an input",
    ),
    verified("a file grows or shrinks", "which pages lie past its end"),
    PageRule {
        what: "IORING_OP_MADVISE",
        state: State::NotModelled,
        note: "no call is seen: what it changes is found at the next call, as a difference, and taken over",
    },
];
