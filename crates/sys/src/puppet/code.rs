//! The puppet's machine code: a loop that does steps, position-independent, without a stack of its own.
//!
//! It uses no memory but its seat in the arena, so that all other memory of the process is the world under test.
//! Registers: `r13` the seat, `r14d` the number of steps done, `r12` the present step, `rbp` the address of a
//! fetch. A fault returns to the loop from the handler without `rt_sigreturn`.

use std::arch::global_asm;

use super::layout::{
    ARENA, ARENA_BYTES, ARENA_FD, BELL, DONE, HASH_FACTOR, HASH_SEED, HASH_TURN, KIND_FETCH, KIND_FORK,
    KIND_HASH, KIND_LOAD, KIND_LOAD_WORD, KIND_OPEN, KIND_READ, KIND_SLOT_SYSCALL, KIND_STORE,
    KIND_STORE_WORD, KIND_SYSCALL, KIND_THREAD, READY, RING, RING_AT, SCRATCH, SEATED, SLEEPS, SLOTS,
    STACK_TOP, STEP_ADDR, STEP_ARGS, STEP_CODE, STEP_NR, STEP_RESULT, STEP_SHIFT, STEP_SIGNAL, STEPS,
};

global_asm!(
    ".pushsection .rodata.vmatlas_puppet,\"a\",@progbits",
    ".globl vmatlas_puppet_begin",
    ".globl vmatlas_puppet_handler",
    ".globl vmatlas_puppet_restorer",
    ".globl vmatlas_puppet_end",
    // The entry: map the arena and sit down on its first seat.
    "vmatlas_puppet_begin:",
    "mov edi, {arena}",
    "mov esi, {arena_bytes}",
    "mov edx, 3",
    "mov r10d, 0x100001", // MAP_SHARED|MAP_FIXED_NOREPLACE
    "mov r8d, {arena_fd}",
    "xor r9d, r9d",
    "mov eax, 9",
    "syscall",
    "mov r13d, {arena}",
    "cmp rax, r13",
    "je 20f",
    "mov edi, 111",
    "mov eax, 231",
    "syscall",
    // A new seat: nothing is done yet.
    "20:",
    "lea rsp, [r13 + {stack_top}]",
    "xor r14d, r14d",
    // Wait for a step: look for a while, then sleep.
    "30:",
    "mov ebx, 400",
    "31:",
    "mov eax, [r13 + {ready}]",
    "cmp eax, r14d",
    "jne 40f",
    "pause",
    "dec ebx",
    "jnz 31b",
    "mov eax, 1",
    "xchg [r13 + {sleeps}], eax",
    "lea rdi, [r13 + {ready}]",
    "xor esi, esi", // FUTEX_WAIT
    "mov edx, r14d",
    "xor r10d, r10d",
    "mov eax, 202",
    "syscall",
    "mov dword ptr [r13 + {sleeps}], 0",
    "jmp 30b",
    // Do the step.
    "40:",
    "mov eax, r14d",
    "and eax, {ring_mask}",
    "shl eax, {step_shift}",
    "lea r12, [r13 + rax + {steps}]",
    "mov ecx, [r12]",
    "cmp ecx, {kind_read}",
    "je 46f",
    "cmp ecx, {kind_load}",
    "je 41f",
    "cmp ecx, {kind_store}",
    "je 42f",
    "cmp ecx, {kind_fetch}",
    "je 43f",
    "cmp ecx, {kind_fork}",
    "je 44f",
    "cmp ecx, {kind_open}",
    "je 45f",
    "cmp ecx, {kind_load_word}",
    "je 53f",
    "cmp ecx, {kind_store_word}",
    "je 54f",
    "cmp ecx, {kind_hash}",
    "je 55f",
    "cmp ecx, {kind_thread}",
    "je 58f",
    "mov rdi, [r12 + {args}]",
    "cmp ecx, {kind_syscall}",
    "je 39f",
    "cmp ecx, {kind_slot_syscall}",
    "jne 49f",
    "mov rdi, [r13 + rdi * 8 + {slots}]",
    "39:",
    "mov rax, [r12 + {nr}]",
    "mov rsi, [r12 + {args} + 8]",
    "mov rdx, [r12 + {args} + 16]",
    "mov r10, [r12 + {args} + 24]",
    "mov r8, [r12 + {args} + 32]",
    "mov r9, [r12 + {args} + 40]",
    "syscall",
    "mov [r12 + {result}], rax",
    "jmp 50f",
    // Load.
    "41:",
    "mov rax, [r12 + {args}]",
    "movzx eax, byte ptr [rax]",
    "mov [r12 + {result}], rax",
    "jmp 50f",
    // Store.
    "42:",
    "mov rax, [r12 + {args}]",
    "mov rcx, [r12 + {args} + 8]",
    "mov [rax], cl",
    "jmp 50f",
    // Fetch: with the trap flag set, the jump traps at its target, and once more after one instruction there.
    "43:",
    "mov rbp, [r12 + {args}]",
    "lea rax, [r13 + {scratch}]",
    "xor ecx, ecx",
    "pushfq",
    "or qword ptr [rsp], 0x100",
    "popfq",
    "jmp rbp",
    // A thread shares everything and goes to its own seat.
    "58:",
    "mov eax, 56",
    "mov edi, {thread_flags}",
    "xor esi, esi",
    "xor edx, edx",
    "mov r10, [r12 + {args}]",
    "add r10, {seated}",
    "xor r8d, r8d",
    "syscall",
    "jmp 38f",
    // Fork: the child goes to its own seat.
    "44:",
    "mov eax, 57",
    "syscall",
    "38:",
    "test rax, rax",
    "jnz 47f",
    "mov r13, [r12 + {args}]",
    "jmp 20b",
    "47:",
    "mov [r12 + {result}], rax",
    "jmp 50f",
    // Open: path, slot.
    "45:",
    "mov rdi, -100", // AT_FDCWD
    "mov rsi, [r12 + {args}]",
    "mov edx, 0x80000", // O_RDONLY|O_CLOEXEC
    "mov eax, 257",
    "syscall",
    "mov rcx, [r12 + {args} + 8]",
    "mov [r13 + rcx * 8 + {slots}], rax",
    "mov [r12 + {result}], rax",
    "jmp 50f",
    // Read all: slot, buffer, bytes, offset.
    "46:",
    "xor ebp, ebp",
    "48:",
    "mov rcx, [r12 + {args}]",
    "mov rdi, [r13 + rcx * 8 + {slots}]",
    "mov rsi, [r12 + {args} + 8]",
    "add rsi, rbp",
    "mov rdx, [r12 + {args} + 16]",
    "sub rdx, rbp",
    "jbe 51f",
    "mov r10, [r12 + {args} + 24]",
    "add r10, rbp",
    "mov eax, 17",
    "syscall",
    "test rax, rax",
    "js 52f",
    "jz 51f",
    "add rbp, rax",
    "jmp 48b",
    "51:",
    "mov rax, rbp",
    "52:",
    "mov [r12 + {result}], rax",
    "jmp 50f",
    // Load and store a word.
    "53:",
    "mov rax, [r12 + {args}]",
    "mov rax, [rax]",
    "mov [r12 + {result}], rax",
    "jmp 50f",
    "54:",
    "mov rax, [r12 + {args}]",
    "mov rcx, [r12 + {args} + 8]",
    "mov [rax], rcx",
    "jmp 50f",
    // Hash: the first page, how many, where the hashes go.
    "55:",
    "mov rsi, [r12 + {args}]",
    "mov rdx, [r12 + {args} + 8]",
    "mov rdi, [r12 + {args} + 16]",
    "movabs r8, {hash_factor}",
    "56:",
    "test rdx, rdx",
    "jz 50f",
    "movabs rax, {hash_seed}",
    "mov ecx, 512",
    "57:",
    "xor rax, [rsi]",
    "imul rax, r8",
    "rol rax, {hash_turn}",
    "add rsi, 8",
    "dec ecx",
    "jnz 57b",
    "mov [rdi], rax",
    "add rdi, 8",
    "dec rdx",
    "jmp 56b",
    // A kind that there is not.
    "49:",
    "mov qword ptr [r12 + {result}], -38",
    // The step is done: say so, ring the bell where that was asked.
    "50:",
    "inc r14d",
    "mov eax, r14d",
    "xchg [r13 + {done}], eax",
    "cmp r14d, [r13 + {ring_at}]",
    "jne 30b",
    "lock inc dword ptr [r13 + {bell}]",
    "lea rdi, [r13 + {bell}]",
    "mov esi, 1", // FUTEX_WAKE
    "mov edx, 1",
    "mov eax, 202",
    "syscall",
    "jmp 30b",
    // A signal: SIGTRAP at the target of a fetch goes on there, after it the fetch has succeeded.
    "vmatlas_puppet_handler:",
    "cmp edi, 5",
    "jne 61f",
    "mov rax, [rdx + 168]", // rip
    "cmp rax, rbp",
    "jne 62f",
    "add rsp, 8",
    "vmatlas_puppet_restorer:",
    "mov eax, 15",
    "syscall",
    "61:",
    "mov [r12 + {signal}], edi",
    "mov eax, [rsi + 8]",
    "mov [r12 + {code}], eax",
    "mov rax, [rsi + 16]",
    "mov [r12 + {addr}], rax",
    "62:",
    "lea rsp, [r13 + {stack_top}]",
    "jmp 50b",
    "vmatlas_puppet_end:",
    ".popsection",
    arena = const ARENA,
    arena_bytes = const ARENA_BYTES,
    arena_fd = const ARENA_FD,
    stack_top = const STACK_TOP,
    ready = const READY,
    done = const DONE,
    sleeps = const SLEEPS,
    ring_at = const RING_AT,
    bell = const BELL,
    slots = const SLOTS,
    scratch = const SCRATCH,
    steps = const STEPS,
    ring_mask = const RING - 1,
    step_shift = const STEP_SHIFT,
    nr = const STEP_NR,
    args = const STEP_ARGS,
    result = const STEP_RESULT,
    signal = const STEP_SIGNAL,
    code = const STEP_CODE,
    addr = const STEP_ADDR,
    kind_syscall = const KIND_SYSCALL,
    kind_load = const KIND_LOAD,
    kind_store = const KIND_STORE,
    kind_fetch = const KIND_FETCH,
    kind_fork = const KIND_FORK,
    kind_open = const KIND_OPEN,
    kind_read = const KIND_READ,
    kind_load_word = const KIND_LOAD_WORD,
    kind_store_word = const KIND_STORE_WORD,
    kind_hash = const KIND_HASH,
    kind_thread = const KIND_THREAD,
    kind_slot_syscall = const KIND_SLOT_SYSCALL,
    hash_seed = const HASH_SEED,
    hash_factor = const HASH_FACTOR,
    hash_turn = const HASH_TURN,
    seated = const SEATED,
    thread_flags = const THREAD_FLAGS,
);

/// What threads share: memory, the file system's view, descriptors, signal actions, the process, undos of semaphores; and
/// the kernel says when one has ended.
const THREAD_FLAGS: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_CHILD_CLEARTID;

unsafe extern "C" {
    static vmatlas_puppet_begin: u8;
    static vmatlas_puppet_handler: u8;
    static vmatlas_puppet_restorer: u8;
    static vmatlas_puppet_end: u8;
}

/// Returns the machine code.
pub(super) fn bytes() -> &'static [u8] {
    let begin = &raw const vmatlas_puppet_begin;
    let len = offset(&raw const vmatlas_puppet_end);
    // SAFETY: both symbols stand in one section that nothing writes to; the code lies between them.
    unsafe { std::slice::from_raw_parts(begin, len) }
}

/// Returns where the signal handler begins, from the first byte of the code.
pub(super) fn handler() -> usize {
    offset(&raw const vmatlas_puppet_handler)
}

/// Returns where `rt_sigreturn` is called, from the first byte of the code.
pub(super) fn restorer() -> usize {
    offset(&raw const vmatlas_puppet_restorer)
}

fn offset(symbol: *const u8) -> usize {
    symbol as usize - (&raw const vmatlas_puppet_begin) as usize
}
