//! Which addresses a call is about, by its arguments and its result.

use abi::{AddrRange, Call, MapFlags, PAGE_SIZE, RemapFlags, VirtAddr};

use crate::ledger::EVERYWHERE;

/// The ranges that a call reads or changes: at most two. Empty where it is about no range, or about all.
///
/// `result` is the address the call answers with, where it answers with one; `brk` the heap's end before it.
pub fn touched(call: Call, result: Option<u64>, brk: VirtAddr) -> [Option<AddrRange>; 2] {
    let of = |addr: VirtAddr, len: u64| {
        let end = addr.checked_add(len)?.page_up_wrapping();
        let start = addr.page_down();
        (start < end).then_some(AddrRange { start, end })
    };
    match call {
        Call::Mmap { addr, len, flags, .. } => match result {
            Some(result) => [of(VirtAddr(result), len), None],
            None if flags.intersects(MapFlags::FIXED) => [of(addr, len), None],
            None => [None, None],
        },
        Call::Mremap { addr, old_len, new_len, flags, new_addr } => {
            let target = match result {
                Some(result) => of(VirtAddr(result), new_len),
                None if flags.contains(RemapFlags::FIXED) => of(new_addr, new_len),
                None => None,
            };
            [of(addr, old_len.max(PAGE_SIZE)), target]
        }
        Call::Brk { addr } => {
            let new = VirtAddr(result.unwrap_or(addr.0));
            [of(brk.min(new), brk.0.abs_diff(new.0)), None]
        }
        Call::Munmap { addr, len }
        | Call::Mprotect { addr, len, .. }
        | Call::PkeyMprotect { addr, len, .. }
        | Call::Madvise { addr, len, .. }
        | Call::Mlock { addr, len }
        | Call::Mlock2 { addr, len, .. }
        | Call::Munlock { addr, len }
        | Call::Msync { addr, len, .. }
        | Call::Mincore { addr, len, .. }
        | Call::Mseal { addr, len, .. }
        | Call::Mbind { addr, len, .. }
        | Call::SetMempolicyHomeNode { addr, len, .. } => [of(addr, len), None],
        Call::RemapFilePages { addr, size, .. } => [of(addr, size), None],
        Call::MapShadowStack { size, .. } => [result.and_then(|result| of(VirtAddr(result), size)), None],
        Call::Shmat { .. } => [result.and_then(|result| of(VirtAddr(result), PAGE_SIZE)), None],
        Call::Shmdt { addr } => [of(addr, PAGE_SIZE), None],
        Call::PkeyAlloc { .. }
        | Call::PkeyFree { .. }
        | Call::ProcessMadvise { .. }
        | Call::ProcessMrelease { .. }
        | Call::Mlockall { .. }
        | Call::Munlockall {}
        | Call::Userfaultfd { .. }
        | Call::UffdIoctl { .. }
        | Call::IoSetup { .. }
        | Call::IoDestroy { .. }
        | Call::Personality { .. }
        | Call::ArchPrctl { .. }
        | Call::Prctl { .. }
        | Call::Setrlimit { .. }
        | Call::Prlimit64 { .. } => [None, None],
    }
}

/// Where pages may come or go while a call is under way; `ranges` are those of [`touched`].
pub fn pages_of(call: Call, ranges: &[Option<AddrRange>; 2]) -> Vec<AddrRange> {
    match call {
        Call::Mlockall { .. }
        | Call::ProcessMadvise { .. }
        | Call::UffdIoctl { .. }
        | Call::Shmat { .. }
        | Call::Shmdt { .. } => vec![EVERYWHERE],
        _ => ranges.iter().flatten().copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shrinking_heap_touches_what_it_gives_back() {
        let call = Call::Brk { addr: VirtAddr(0x5000) };
        let ranges = touched(call, Some(0x5000), VirtAddr(0x8000));
        assert_eq!(ranges[0], Some(AddrRange::new(VirtAddr(0x5000), VirtAddr(0x8000))));
    }

    #[test]
    fn a_wild_length_touches_nothing() {
        let call = Call::Munmap { addr: VirtAddr(0x1000), len: u64::MAX };
        assert_eq!(touched(call, Some(0), VirtAddr::NULL), [None, None]);
    }
}
