//! A divergence as a program for the fuzzer's runner: the mappings around the call made again, then the call.
//!
//! ```text
//! in the process   ..AAAA.BBB**CC..   ** is what the call is about
//! in the program     AAAA.BBB**CC     moved to the runner's own addresses; touched where they were touched
//! ```
//! Files are made anonymous: a program that then behaves alike shows a difference that has nothing to do with them.

use abi::{AddrRange, Call, Fd, MapFlags, Prot, VirtAddr};
use mm::{Backing, VmFlags, Vma};
use timeline::twin::Twin;

use crate::fuzz::{Act, Line, Privilege, Program};

/// Where the runner's world begins.
const WORLD: u64 = 0x2_0000_0000;
/// Distances up to this are kept modulo: they steer where large mappings go.
const ALIGN: u64 = 2 << 20;
/// The most that is made again.
const BYTES_MAX: u64 = 1 << 30;

/// Makes the program of a call on a memory as it was before it; `None` where the call is about too much or nothing.
pub(super) fn program(before: &Twin, call: Call, ranges: &[Option<AddrRange>; 2]) -> Option<Program> {
    let first = ranges.iter().flatten().next()?;
    let hull = ranges.iter().flatten().fold(*first, |hull, range| AddrRange {
        start: hull.start.min(range.start),
        end: hull.end.max(range.end),
    });
    let page = abi::PAGE_SIZE;
    let around = AddrRange {
        start: VirtAddr(hull.start.0.saturating_sub(page)),
        end: VirtAddr(hull.end.0.saturating_add(page)),
    };
    let vmas: Vec<&Vma> = before.space().vmas_in(around).collect();
    let low = vmas.first().map_or(hull.start, |vma| vma.range.start.min(hull.start));
    let high = vmas.last().map_or(hull.end, |vma| vma.range.end.max(hull.end));
    if high.0 - low.0 > BYTES_MAX {
        return None;
    }
    let shift = (WORLD + low.0 % ALIGN).wrapping_sub(low.0);
    let mut lines: Vec<Line> = vmas.iter().flat_map(|vma| made_again(vma, shift)).collect();
    lines.push(Line { who: 0, act: Act::Call(moved(call, shift)) });
    Some(Program { privilege: Privilege::Kept, lines })
}

/// The lines that make a mapping again.
fn made_again(vma: &Vma, shift: u64) -> Vec<Line> {
    let addr = VirtAddr(vma.range.start.0.wrapping_add(shift));
    let kind = if vma.flags.contains(VmFlags::MAYSHARE) { MapFlags::SHARED } else { MapFlags::PRIVATE };
    let grows = if vma.flags.contains(VmFlags::GROWSDOWN) { MapFlags::GROWSDOWN } else { MapFlags::NONE };
    let flags = kind.with(MapFlags::FIXED).with(MapFlags::ANONYMOUS).with(grows);
    let touched = vma.anon.is_some() && matches!(vma.backing, Backing::Anonymous);
    let prot = vma.flags.prot();
    let made_with = if touched { prot.with(Prot::RW) } else { prot };
    let len = vma.range.len();
    let mmap = Call::Mmap { addr, len, prot: made_with, flags, fd: Fd(-1), offset: 0 };
    let mut acts = vec![Act::Call(mmap)];
    if touched {
        acts.push(Act::Store(addr));
    }
    if made_with != prot {
        acts.push(Act::Call(Call::Mprotect { addr, len, prot }));
    }
    acts.into_iter().map(|act| Line { who: 0, act }).collect()
}

/// The call at the program's addresses. Arguments that are no addresses of the range stay.
fn moved(call: Call, shift: u64) -> Call {
    let to = |addr: VirtAddr| if addr.0 < 0x1_0000 { addr } else { VirtAddr(addr.0.wrapping_add(shift)) };
    match call {
        Call::Mmap { addr, len, prot, flags, fd: _, offset: _ } => {
            let flags = flags.with(MapFlags::ANONYMOUS);
            Call::Mmap { addr: to(addr), len, prot, flags, fd: Fd(-1), offset: 0 }
        }
        Call::Munmap { addr, len } => Call::Munmap { addr: to(addr), len },
        Call::Mremap { addr, old_len, new_len, flags, new_addr } => {
            Call::Mremap { addr: to(addr), old_len, new_len, flags, new_addr: to(new_addr) }
        }
        Call::Mprotect { addr, len, prot } => Call::Mprotect { addr: to(addr), len, prot },
        Call::PkeyMprotect { addr, len, prot, pkey } => {
            Call::PkeyMprotect { addr: to(addr), len, prot, pkey }
        }
        Call::Madvise { addr, len, advice } => Call::Madvise { addr: to(addr), len, advice },
        Call::Mlock { addr, len } => Call::Mlock { addr: to(addr), len },
        Call::Mlock2 { addr, len, flags } => Call::Mlock2 { addr: to(addr), len, flags },
        Call::Munlock { addr, len } => Call::Munlock { addr: to(addr), len },
        Call::Msync { addr, len, flags } => Call::Msync { addr: to(addr), len, flags },
        Call::Mseal { addr, len, flags } => Call::Mseal { addr: to(addr), len, flags },
        other => other,
    }
}
