//! The kind of a mapping as a whole, by its name, file and protection.

use std::collections::HashSet;

use abi::{FileId, Prot};

use super::Verdict;
use crate::kind::Kind;
use crate::rule::Rule;
use crate::value::Mapping;

/// Tells what a mapping is where no claim covers it. `loaded`: the files of which some part is executable.
pub(super) fn classify(mapping: &Mapping, loaded: &HashSet<FileId>) -> Verdict {
    by_name(&mapping.name).unwrap_or_else(|| {
        if mapping.file == FileId::default() {
            anonymous(mapping)
        } else if mapping.shared {
            Verdict::new(Kind::SharedFile, Rule::FileMappedShared)
        } else if loaded.contains(&mapping.file) {
            Verdict::new(by_protection(mapping.prot), Rule::ObjectByProtection)
        } else {
            Verdict::new(Kind::PrivateFile, Rule::FileMappedPrivate)
        }
    })
}

/// Names that the kernel alone gives, and paths that tell the kind.
fn by_name(name: &[u8]) -> Option<Verdict> {
    let kernel = |kind| Some(Verdict::new(kind, Rule::KernelName));
    match name {
        b"" => return None,
        b"[heap]" => return Some(Verdict::new(Kind::Heap, Rule::HeapName)),
        b"[stack]" => return Some(Verdict::new(Kind::MainStack, Rule::StackName)),
        b"[vdso]" => return kernel(Kind::Vdso),
        b"[vsyscall]" => return kernel(Kind::Vsyscall),
        b"[uprobes]" => return kernel(Kind::Device),
        b"/dev/zero" | b"/dev/zero (deleted)" => {
            return Some(Verdict::new(Kind::SharedAnonymous, Rule::SharedAnonymousName));
        }
        _ => {}
    }
    const PREFIXES: &[(&[u8], Kind, Rule)] = &[
        (b"[vvar", Kind::Vvar, Rule::KernelName),
        (b"[anon_shmem:", Kind::SharedAnonymous, Rule::AnonName),
        (b"/SYSV", Kind::SysvShm, Rule::SysvName),
        // Android's runtime keeps its compiled code in shared memory.
        (b"/memfd:jit-", Kind::JitCode, Rule::MemoryFilePath),
        (b"/dev/ashmem/dalvik-jit-", Kind::JitCode, Rule::MemoryFilePath),
        (b"/dev/ashmem/", Kind::MemoryFile, Rule::MemoryFilePath),
        (b"/memfd:", Kind::MemoryFile, Rule::MemoryFilePath),
        (b"/dev/shm/", Kind::MemoryFile, Rule::MemoryFilePath),
        (b"/dev/", Kind::Device, Rule::DevicePath),
        (b"anon_inode:", Kind::Device, Rule::DevicePath),
        (b"/[aio]", Kind::Device, Rule::DevicePath),
        (b"socket:", Kind::Device, Rule::DevicePath),
    ];
    let found = PREFIXES.iter().find(|(prefix, ..)| name.starts_with(prefix));
    found.map(|&(_, kind, rule)| Verdict::new(kind, rule))
}

fn anonymous(mapping: &Mapping) -> Verdict {
    if mapping.shared {
        return Verdict::new(Kind::SharedAnonymous, Rule::SharedAnonymousName);
    }
    if let Some(kind) = mapping.name.strip_prefix(b"[anon:").and_then(by_anon_name) {
        return Verdict::new(kind, Rule::AnonName);
    }
    if mapping.prot.is_empty() {
        Verdict::new(Kind::Reservation, Rule::NoRights)
    } else if mapping.prot.contains(Prot::EXEC) {
        Verdict::new(Kind::JitCode, Rule::ExecutableAnonymous)
    } else {
        Verdict::new(Kind::Anonymous, Rule::PlainAnonymous)
    }
}

/// What well-known users of `PR_SET_VMA_ANON_NAME` call their memory. A name not known says nothing.
fn by_anon_name(name: &[u8]) -> Option<Kind> {
    const NAMES: &[(&[u8], Kind)] = &[
        (b" glibc: malloc", Kind::Arena),
        (b" glibc: loader malloc", Kind::Arena),
        (b" glibc: pthread stack", Kind::ThreadStack),
        (b" glibc: pthread user stack", Kind::ThreadStack),
        (b"stack_and_tls:", Kind::ThreadStack),
        (b"thread stack guard", Kind::StackGuard),
        (b"thread signal stack", Kind::SignalStack),
        (b".bss]", Kind::Bss),
        (b"libc_malloc", Kind::Arena),
        (b"scudo:", Kind::Arena),
        (b"GWP-ASan", Kind::Arena),
        (b"jemalloc", Kind::Arena),
        (b"mimalloc", Kind::Arena),
        (b"tcmalloc", Kind::Arena),
        (b" Go: ", Kind::Arena),
        (b"dalvik-jit-code-cache", Kind::JitCode),
        (b"dalvik-", Kind::Arena),
        (b"cpython:", Kind::Arena),
    ];
    NAMES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|&(_, kind)| kind)
}

/// The part of an object that a protection suggests. RELRO can't be told from read-only data so.
const fn by_protection(prot: Prot) -> Kind {
    if prot.contains(Prot::EXEC) {
        Kind::Text
    } else if prot.contains(Prot::WRITE) {
        Kind::Data
    } else {
        Kind::ReadOnlyData
    }
}
