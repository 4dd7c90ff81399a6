//! The seccomp filter that stops on memory calls and on nothing else, built from the table in `abi`.

use abi::table::{ROWS, Row, When};

/// `AUDIT_ARCH_X86_64`.
pub const ARCH_X86_64: u32 = 0xc000_003e;
/// `AUDIT_ARCH_I386`.
pub const ARCH_I386: u32 = 0x4000_0003;
/// The bit that marks an x32 call's number.
pub const X32_BIT: u32 = 0x4000_0000;
/// `seccomp`'s number on x86-64.
pub const NR_SECCOMP: u32 = 317;
/// `execve`'s number on x86-64.
pub const NR_EXECVE: u32 = 59;
/// `execveat`'s number on x86-64.
pub const NR_EXECVEAT: u32 = 322;
/// `prctl`'s number on x86-64.
pub const NR_PRCTL: u32 = 157;
/// `PR_SET_SECCOMP`.
pub const PR_SET_SECCOMP: u32 = 22;
/// `fork`'s number on x86-64.
pub const NR_FORK: u32 = 57;
/// `fork`'s number on i386.
pub const NR_FORK_I386: u32 = 2;
/// `clone`'s number on x86-64.
pub const NR_CLONE: u32 = 56;
/// `clone`'s number on i386.
pub const NR_CLONE_I386: u32 = 120;
/// `clone3`'s number on either.
pub const NR_CLONE3: u32 = 435;
/// `CLONE_VM`: the child has its maker's memory.
pub const CLONE_VM: u32 = 0x100;
/// `CLONE_UNTRACED`: the child is not to have its maker's tracer.
pub const CLONE_UNTRACED: u32 = 0x80_0000;

/// Calls of i386 that map memory and have no like on x86-64: the old `mmap`, and `ipc` (`shmat` among others).
const I386_ONLY: [u32; 2] = [90, 117];
/// The most arguments' values that one test compares: a jump reaches 255 instructions.
const VALUES_MAX: usize = 200;

const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

/// What a memory call does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Waits for the listener's answer.
    Notify,
    /// Stops for the tracer. So does what may copy memory, and what may make a thread without a tracer: its memory calls
    /// would fail.
    Trace,
}

/// One instruction of classic BPF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to pass over if the test holds.
    pub if_true: u8,
    /// How many if not.
    pub if_false: u8,
    /// The operand.
    pub operand: u32,
}

const fn plain(code: u16, operand: u32) -> Instruction {
    Instruction { code, if_true: 0, if_false: 0, operand }
}

const fn jump(code: u16, operand: u32, if_true: u8, if_false: u8) -> Instruction {
    Instruction { code, if_true, if_false, operand }
}

/// Builds the filter.
///
/// ```text
/// architecture? ── x86-64 ── number ≥ 2^30 ──► x32: stop
///      │              └────► each row of the table: number, then argument test ──► stop
///      └─ any other ───────► each row's 32-bit number ──► stop
/// ```
/// For a number whose answer needs no argument the kernel keeps "allowed" in a bitmap, so that other calls don't
/// run the filter at all (`kernel/seccomp.c: seccomp_cache_prepare`).
pub fn program(action: Action) -> Vec<Instruction> {
    let stop = match action {
        Action::Notify => libc::SECCOMP_RET_USER_NOTIF,
        Action::Trace => libc::SECCOMP_RET_TRACE,
    };
    let mut native =
        vec![plain(LOAD, OFFSET_NR), jump(JUMP_GREATER_EQUAL, X32_BIT, 0, 1), plain(RETURN, stop)];
    for row in ROWS {
        native.extend(guarded(row.x86_64, &test_of(row, stop)));
    }
    let sets_filter = When::In { arg: 0, values: &[libc::SECCOMP_SET_MODE_FILTER] };
    native.extend(guarded(NR_SECCOMP, &test(sets_filter, stop)));
    native.extend(spawns(action, NR_FORK, NR_CLONE, stop));
    if action == Action::Trace {
        // The memory before it can be looked at for the last time.
        native.extend([NR_EXECVE, NR_EXECVEAT].iter().flat_map(|nr| guarded(*nr, &test(When::Always, stop))));
    }
    native.push(plain(RETURN, ALLOW));

    let mut foreign = vec![plain(LOAD, OFFSET_NR)];
    for row in ROWS {
        if let Some(nr) = row.i386 {
            foreign.extend(guarded(nr, &test(row.when, stop)));
        }
    }
    for nr in I386_ONLY {
        foreign.extend(guarded(nr, &test(When::Always, stop)));
    }
    foreign.extend(spawns(action, NR_FORK_I386, NR_CLONE_I386, stop));
    foreign.push(plain(RETURN, ALLOW));

    // A conditional jump reaches 255 instructions only: the long way round is an unconditional one.
    let mut program =
        vec![plain(LOAD, OFFSET_ARCH), jump(JUMP_EQUAL, ARCH_X86_64, 1, 0), plain(0x05, native.len() as u32)];
    program.extend(native);
    program.extend(foreign);
    program
}

/// Stops where memory may be copied, or a thread without the tracer made. `clone3` has its flags in memory, where no
/// filter looks.
fn spawns(action: Action, nr_fork: u32, nr_clone: u32, stop: u32) -> Vec<Instruction> {
    if action == Action::Notify {
        return Vec::new();
    }
    let mut block = guarded(nr_fork, &test(When::Always, stop));
    let passes = [
        plain(LOAD, low(0)),
        plain(AND, CLONE_VM | CLONE_UNTRACED),
        jump(JUMP_EQUAL, CLONE_VM, 0, 1),
        plain(RETURN, ALLOW),
        plain(RETURN, stop),
    ];
    block.extend(guarded(nr_clone, &passes));
    block.extend(guarded(NR_CLONE3, &test(When::Always, stop)));
    block
}

/// `body`, run only for the call with this number.
fn guarded(nr: u32, body: &[Instruction]) -> Vec<Instruction> {
    let mut block = vec![jump(JUMP_EQUAL, nr, 0, body.len() as u8)];
    block.extend(body);
    block
}

/// The test of a row. `prctl` can also install a filter, which must be seen.
fn test_of(row: &Row, stop: u32) -> Vec<Instruction> {
    match row.when {
        When::In { arg, values } if row.x86_64 == NR_PRCTL => {
            let values: Vec<u32> = values.iter().copied().chain([PR_SET_SECCOMP]).collect();
            one_of(arg, &values, stop)
        }
        when => test(when, stop),
    }
}

/// Instructions that end in `stop` where the condition holds, and let the call pass where not.
fn test(when: When, stop: u32) -> Vec<Instruction> {
    match when {
        When::Always => vec![plain(RETURN, stop)],
        When::In { arg, values } => one_of(arg, values, stop),
        When::InAndSet { arg, values, set } => {
            let mut block = vec![
                plain(LOAD, low(set)),
                jump(JUMP_EQUAL, 0, 0, 3),
                plain(LOAD, low(set) + 4),
                jump(JUMP_EQUAL, 0, 0, 1),
                plain(RETURN, ALLOW),
            ];
            block.extend(one_of(arg, values, stop));
            block
        }
        When::Masked { arg, mask, value } => vec![
            plain(LOAD, low(arg)),
            plain(AND, mask),
            jump(JUMP_EQUAL, value, 0, 1),
            plain(RETURN, stop),
            plain(RETURN, ALLOW),
        ],
    }
}

/// Where an argument's low half stands.
const fn low(arg: usize) -> u32 {
    OFFSET_ARGS + 8 * arg as u32
}

fn one_of(arg: usize, values: &[u32], stop: u32) -> Vec<Instruction> {
    debug_assert!(values.len() <= VALUES_MAX);
    let mut block = vec![plain(LOAD, low(arg))];
    for (at, value) in values.iter().enumerate() {
        let rest = (values.len() - at) as u8;
        block.push(jump(JUMP_EQUAL, *value, rest, 0));
    }
    block.push(plain(RETURN, ALLOW));
    block.push(plain(RETURN, stop));
    block
}

#[cfg(test)]
mod tests {
    use abi::Call;

    use super::*;

    /// What the kernel's interpreter would answer.
    fn run(program: &[Instruction], arch: u32, nr: u32, args: [u64; 6]) -> u32 {
        let word = |offset: u32| match offset {
            OFFSET_NR => nr,
            OFFSET_ARCH => arch,
            offset => {
                let arg = args[((offset - OFFSET_ARGS) / 8) as usize];
                if (offset - OFFSET_ARGS).is_multiple_of(8) { arg as u32 } else { (arg >> 32) as u32 }
            }
        };
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let Instruction { code, if_true, if_false, operand } = program[at];
            at += 1;
            let holds = match code {
                LOAD => {
                    accumulator = word(operand);
                    continue;
                }
                AND => {
                    accumulator &= operand;
                    continue;
                }
                0x05 => {
                    at += operand as usize;
                    continue;
                }
                RETURN => return operand,
                JUMP_EQUAL => accumulator == operand,
                JUMP_GREATER_EQUAL => accumulator >= operand,
                code => panic!("code {code:#x}"),
            };
            at += usize::from(if holds { if_true } else { if_false });
        }
    }

    #[test]
    fn the_filter_stops_exactly_on_what_the_table_calls_memory() {
        let program = program(Action::Notify);
        let words = [0, 1, 2, 3, 8, 9, 35, 0x5356_4d41, 0x2003, 0xaa3f, 0x1_0000_0000];
        for nr in (0..600).filter(|nr| *nr != NR_SECCOMP) {
            for first in words {
                for second in words {
                    for third in [0, 1 << 40] {
                        let args = [first, second, third, 0, 0, 0];
                        let stops = run(&program, ARCH_X86_64, nr, args) == libc::SECCOMP_RET_USER_NOTIF;
                        assert_eq!(stops, Call::decode_x86_64(nr, args).is_some(), "{nr} {args:x?}");
                    }
                }
            }
        }
    }

    #[test]
    fn filters_of_the_programs_own_are_seen() {
        let program = program(Action::Trace);
        let stops =
            |nr, first| run(&program, ARCH_X86_64, nr, [first, 0, 0, 0, 0, 0]) == libc::SECCOMP_RET_TRACE;
        assert!(stops(NR_SECCOMP, 1) && !stops(NR_SECCOMP, 2));
        assert!(stops(NR_PRCTL, 22) && !stops(NR_PRCTL, 15));
    }

    #[test]
    fn an_exec_is_seen_before_it_only_where_calls_stop_for_the_tracer() {
        for (action, stop) in
            [(Action::Trace, libc::SECCOMP_RET_TRACE), (Action::Notify, libc::SECCOMP_RET_ALLOW)]
        {
            let program = program(action);
            let answers = [NR_EXECVE, NR_EXECVEAT].map(|nr| run(&program, ARCH_X86_64, nr, [0; 6]));
            assert_eq!(answers, [stop; 2]);
        }
    }

    #[test]
    fn memory_is_copied_and_threads_without_the_tracer_are_made_under_its_eyes() {
        let native = |nr, flags| (ARCH_X86_64, nr, flags);
        let foreign = |nr, flags| (ARCH_I386, nr, flags);
        let untraced = u64::from(CLONE_UNTRACED);
        for ((arch, nr, flags), expected) in [
            (native(NR_CLONE, untraced | 0x100), true),
            (native(NR_CLONE, 0x100), false),
            (native(NR_CLONE, 17), true),
            (native(NR_FORK, 0), true),
            (native(58, 0), false),
            (native(NR_CLONE3, 0), true),
            (foreign(NR_CLONE_I386, untraced), true),
            (foreign(NR_CLONE_I386, 0x100), false),
            (foreign(NR_CLONE_I386, 17), true),
            (foreign(NR_FORK_I386, 0), true),
        ] {
            let args = [flags, 0, 0, 0, 0, 0];
            let stops = run(&program(Action::Trace), arch, nr, args) == libc::SECCOMP_RET_TRACE;
            assert_eq!(stops, expected, "{nr} {flags:x}");
            assert_eq!(run(&program(Action::Notify), arch, nr, args), ALLOW);
        }
    }

    #[test]
    fn other_architectures_stop_too() {
        let program = program(Action::Notify);
        let stops = |arch, nr| run(&program, arch, nr, [0; 6]) == libc::SECCOMP_RET_USER_NOTIF;
        assert!(stops(ARCH_I386, 90) && stops(ARCH_I386, 192) && !stops(ARCH_I386, 4));
        assert!(stops(ARCH_X86_64, X32_BIT | 9));
        assert!(program.len() < 4096);
    }
}
