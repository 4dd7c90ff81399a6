//! The calls that change mappings.

use abi::{Call, MlockFlags, MlockallFlags, MsyncFlags, Prot, RemapFlags, VirtAddr};

use super::{Cell, State, table};

const MOVES: RemapFlags = RemapFlags(RemapFlags::FIXED.0 | RemapFlags::DONTUNMAP.0);

table! {
    "mprotect" {
        "PROT_*" Verified "": Call::Mprotect { .. },
        "PROT_GROWSDOWN" Verified "": Call::Mprotect { prot, .. } if prot.contains(Prot::GROWSDOWN),
        "PROT_GROWSUP" Verified "": Call::Mprotect { prot, .. } if prot.contains(Prot::GROWSUP),
        "PROT_SEM" Verified "ignored": Call::Mprotect { prot, .. } if prot.contains(Prot::SEM),
        "unknown bits" Verified "": Call::Mprotect { prot, .. }
            if prot.0 & !(Prot::GROWSDOWN.0 | Prot::GROWSUP.0 | 0xf) != 0,
    }
    "pkey_mprotect" {
        "key -1" Verified "": Call::PkeyMprotect { pkey: -1, .. },
        "a key" Refused "the processor has no keys": Call::PkeyMprotect { pkey, .. } if pkey != -1,
    }
    "pkey_alloc" {
        "any" Refused "the processor has no keys; with them an input": Call::PkeyAlloc { .. },
    }
    "pkey_free" {
        "any" Refused "the processor has no keys; with them an input": Call::PkeyFree { .. },
    }
    "mremap" {
        "no flag" Verified "grows and shrinks in place": Call::Mremap { flags: RemapFlags::NONE, .. },
        "MREMAP_MAYMOVE" Verified "of a device: an input": Call::Mremap { flags: RemapFlags::MAYMOVE, .. },
        "MREMAP_FIXED" Verified "several mappings at once, holes kept":
            Call::Mremap { flags, .. } if flags.contains(RemapFlags::FIXED),
        "MREMAP_DONTUNMAP" Verified "": Call::Mremap { flags, .. } if flags.contains(RemapFlags::DONTUNMAP),
        "old length 0" Verified "": Call::Mremap { old_len: 0, .. },
        "unknown flags" Verified "":
            Call::Mremap { flags, .. } if !flags.without(MOVES.with(RemapFlags::MAYMOVE)).is_empty(),
    }
    "mlock" {
        "any range" Verified "": Call::Mlock { .. },
    }
    "mlock2" {
        "no flag" Verified "": Call::Mlock2 { flags: MlockFlags::NONE, .. },
        "MLOCK_ONFAULT" Verified "": Call::Mlock2 { flags: MlockFlags::ONFAULT, .. },
    }
    "munlock" {
        "any range" Verified "": Call::Munlock { .. },
    }
    "mlockall" {
        "MCL_CURRENT" Verified "": Call::Mlockall { flags } if flags.contains(MlockallFlags::CURRENT),
        "MCL_FUTURE" Verified "": Call::Mlockall { flags } if flags.contains(MlockallFlags::FUTURE),
        "MCL_ONFAULT" Verified "": Call::Mlockall { flags } if flags.contains(MlockallFlags::ONFAULT),
    }
    "munlockall" {
        "any" Verified "": Call::Munlockall {},
    }
    "mseal" {
        "any range" Verified "": Call::Mseal { .. },
    }
    "msync" {
        "MS_ASYNC" Verified "": Call::Msync { flags, .. } if flags.contains(MsyncFlags::ASYNC),
        "MS_INVALIDATE" Verified "": Call::Msync { flags, .. } if flags.contains(MsyncFlags::INVALIDATE),
        "MS_SYNC" Verified "of a device: an input": Call::Msync { flags, .. } if flags.contains(MsyncFlags::SYNC),
    }
    "mincore" {
        "the answer" Verified "": Call::Mincore { .. },
        "the vector" Input "the page cache": Call::Mincore { vec, .. } if vec != VirtAddr::NULL,
    }
    "mbind" {
        "MPOL_*" Verified "": Call::Mbind { .. },
        "MPOL_MF_STRICT" Input "where pages lie, unless every node is asked for":
            Call::Mbind { flags, .. } if flags & 1 != 0,
        "MPOL_MF_MOVE" Verified "": Call::Mbind { flags, .. } if flags & 2 != 0,
    }
    "set_mempolicy_home_node" {
        "any range" Verified "": Call::SetMempolicyHomeNode { .. },
    }
    "userfaultfd" {
        "any" Input "the new descriptor; it maps nothing": Call::Userfaultfd { .. },
    }
    "ioctl" {
        "UFFDIO_REGISTER" Verified "which userfaultfd it is is an input":
            Call::UffdIoctl { request: 0xc020_aa00, .. },
        "UFFDIO_UNREGISTER" Verified "": Call::UffdIoctl { request: 0x8010_aa01, .. },
        "UFFDIO_COPY, ZEROPAGE, CONTINUE, POISON, MOVE" Input "which pages are there; the anon_vma they set is exact":
            Call::UffdIoctl {
                request: 0xc028_aa03 | 0xc020_aa04 | 0xc020_aa07 | 0xc020_aa08 | 0xc028_aa05,
                ..
            },
        "other UFFDIO_*" Input "they change no mapping": Call::UffdIoctl { .. },
    }
}
