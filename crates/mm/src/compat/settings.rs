//! The calls that change how memory is treated.

use abi::{ArchPrctlOp, Call, PrctlOp};

use super::{Cell, State, table};

table! {
    "setrlimit" {
        "RLIMIT_AS, DATA, STACK, MEMLOCK" Verified "": Call::Setrlimit { .. },
    }
    "prlimit64" {
        "RLIMIT_AS, DATA, STACK, MEMLOCK" Verified "which process is meant, and whether it may be, is an input": Call::Prlimit64 { .. },
    }
    "personality" {
        "any" Verified "what it was at the start is an input": Call::Personality { .. },
    }
    "prctl" {
        "PR_SET_VMA" Refused "a kernel without CONFIG_ANON_VMA_NAME; with it: exact by reading":
            Call::Prctl { op: PrctlOp::SET_VMA, .. },
        "PR_SET_MDWE" Verified "": Call::Prctl { op: PrctlOp::SET_MDWE, .. },
        "PR_SET_THP_DISABLE" Verified "": Call::Prctl { op: PrctlOp::SET_THP_DISABLE, .. },
        "PR_SET_MEMORY_MERGE" Verified "": Call::Prctl { op: PrctlOp::SET_MEMORY_MERGE, .. },
        "PR_SET_MM fields" Reading "the present values are an input":
            Call::Prctl { op: PrctlOp::SET_MM, arg2: 1..=11, .. },
        "PR_SET_MM_MAP" Reading "the structure is an input": Call::Prctl { op: PrctlOp::SET_MM, arg2: 14 | 15, .. },
        "PR_SET_MM_AUXV" Reading "": Call::Prctl { op: PrctlOp::SET_MM, arg2: 12, .. },
        "PR_SET_MM_EXE_FILE" Input "whether the file may be the program's":
            Call::Prctl { op: PrctlOp::SET_MM, arg2: 13, .. },
    }
    "arch_prctl" {
        "ARCH_MAP_VDSO_32, _64" Refused "while a vdso is mapped; else an input":
            Call::ArchPrctl { op: ArchPrctlOp::MAP_VDSO_32 | ArchPrctlOp::MAP_VDSO_64, .. },
        "ARCH_MAP_VDSO_X32" Refused "": Call::ArchPrctl { op: ArchPrctlOp::MAP_VDSO_X32, .. },
        "ARCH_ENABLE_TAGGED_ADDR" Refused "": Call::ArchPrctl { op: ArchPrctlOp::ENABLE_TAGGED_ADDR, .. },
        "ARCH_SHSTK_*" Refused "no shadow stacks in this kernel":
            Call::ArchPrctl { op: ArchPrctlOp::SHSTK_ENABLE | ArchPrctlOp::SHSTK_DISABLE, .. },
    }
}
