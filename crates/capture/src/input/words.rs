//! What pointers of a call lead to.

use std::sync::Arc;

use abi::{AddrRange, Pid, PrctlOp, Rlimit, Tid, VirtAddr};
use recording::{CallInput, MmId};
use sys::memory;

use super::bytes;

/// The longest name of a range, with its zero byte (`mm/madvise.c: ANON_VMA_NAME_MAX_LEN`).
const NAME_BYTES_MAX: usize = 80;
/// The most ranges of a vector (`UIO_MAXIOV`); the kernel refuses more.
const RANGES_MAX: u64 = 1024;
/// The most nodes that a mask can name.
const NODES_MAX: u64 = 1024;
/// `PR_SET_VMA_ANON_NAME`.
const ANON_NAME: u64 = 0;
/// `PR_SET_MM_MAP`.
const MM_MAP: u64 = 14;
/// The words of `struct prctl_mm_map`.
const MM_MAP_WORDS: usize = 13;

/// `count` words at an address.
pub(super) fn some(tid: Tid, addr: VirtAddr, count: usize) -> CallInput {
    match memory::read_words(tid, addr, count) {
        Some(words) => CallInput::Words(words.into()),
        None => CallInput::Unreadable,
    }
}

/// A limit to be set.
pub(super) fn limit(tid: Tid, pid: Pid, addr: VirtAddr) -> CallInput {
    match memory::read_words(tid, addr, 2).as_deref() {
        Some(&[soft, hard]) => CallInput::Rlimit { pid, limit: Rlimit { soft, hard } },
        _ => CallInput::Unreadable,
    }
}

/// What a `prctl` that changes memory reads.
pub(super) fn prctl(tid: Tid, op: PrctlOp, args: [u64; 4]) -> CallInput {
    let [first, second, _, name] = args;
    match (op, first) {
        (PrctlOp::SET_VMA, ANON_NAME) if name == 0 => CallInput::Name(None),
        (PrctlOp::SET_VMA, ANON_NAME) => match memory::read_text(tid, VirtAddr(name), NAME_BYTES_MAX) {
            Some(text) => CallInput::Name(Some(bytes(&text))),
            None => CallInput::Unreadable,
        },
        (PrctlOp::SET_MM, MM_MAP) => some(tid, VirtAddr(second), MM_MAP_WORDS),
        _ => CallInput::None,
    }
}

/// The ranges of a vector.
pub(super) fn ranges(tid: Tid, target: Option<MmId>, addr: VirtAddr, count: u64) -> CallInput {
    // Too long a vector is refused before it is read.
    let count = if count > RANGES_MAX { 0 } else { count as usize };
    let Some(words) = memory::read_words(tid, addr, count * 2) else { return CallInput::Unreadable };
    let (pairs, _) = words.as_chunks::<2>();
    let range = |&[start, bytes]: &[u64; 2]| {
        // What is refused as a length is refused wherever it starts, and before what ends behind all addresses.
        let start = if bytes > i64::MAX as u64 { 0 } else { start };
        AddrRange::from_len(VirtAddr(start), bytes)
            .unwrap_or(AddrRange::new(VirtAddr(start), VirtAddr(u64::MAX)))
    };
    CallInput::Ranges { target, ranges: pairs.iter().map(range).collect::<Arc<[_]>>() }
}

/// The structure of an `ioctl`, whose size stands in its number.
pub(super) fn ioctl(tid: Tid, request: u64, addr: VirtAddr) -> CallInput {
    let bytes = (request >> 16 & 0x3fff) as usize;
    some(tid, addr, bytes / 8)
}

/// A mask of nodes.
pub(super) fn nodes(tid: Tid, addr: VirtAddr, nodes: u64) -> CallInput {
    if addr == VirtAddr::NULL || nodes == 0 {
        return CallInput::None;
    }
    some(tid, addr, nodes.min(NODES_MAX).div_ceil(64) as usize)
}
