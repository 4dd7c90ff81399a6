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
/// The words of the nodes that the kernel has (`MAX_NUMNODES`).
const NODE_WORDS: u64 = 1024 / 64;
/// The most bits that a mask of nodes may have.
const NODE_BITS_MAX: u64 = 8 * abi::PAGE_SIZE;
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

/// A mask of nodes, one fewer than its length says.
///
/// What the kernel has no nodes for it reads from the end, a word at a time, and refuses the first that is not zero: then
/// no lower word is read, which need not be readable.
///
/// Linux: `mm/mempolicy.c: get_nodes`.
pub(super) fn nodes(tid: Tid, addr: VirtAddr, length: u64) -> CallInput {
    let bits = length.wrapping_sub(1);
    if addr == VirtAddr::NULL || bits == 0 || bits > NODE_BITS_MAX {
        return CallInput::None;
    }
    let count = bits.div_ceil(64);
    if let known @ CallInput::Words(_) = some(tid, addr, count as usize) {
        return known;
    }
    for at in (NODE_WORDS..count).rev() {
        match memory::read_words(tid, VirtAddr(addr.0.wrapping_add(at * 8)), 1).as_deref() {
            Some([0]) => {}
            Some(&[word]) => {
                let mut words = vec![0; at as usize];
                words.push(word);
                return CallInput::Words(words.into());
            }
            _ => return CallInput::Unreadable,
        }
    }
    some(tid, addr, count.min(NODE_WORDS) as usize)
}
