//! What happened in a stretch of time, by who did it: mapped and unmapped bytes, pages first touched.

use std::collections::HashMap;
use std::path::Path;

use abi::{Call, PAGE_SIZE, VirtAddr};
use anyhow::Context;
use recording::{Body, CallEvent, CallResult, Event, MmId, Reader, StackId, TimeNs};
use view::{Chains, FrameWords};

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Counted {
    /// Bytes that calls mapped or made the heap grow by.
    Mapped,
    /// Bytes that calls asked to be unmapped or made the heap shrink by.
    Unmapped,
    /// Pages of recorded faults, each for as many as it stands for.
    Touched,
}

/// Adds up what happened from one moment to another in one memory: bytes by call chain, innermost frame first.
pub(super) fn spent(
    path: &Path,
    mm: MmId,
    (from, to): (TimeNs, TimeNs),
    counted: Counted,
) -> anyhow::Result<Vec<(Vec<FrameWords>, u64)>> {
    let shown = || path.display().to_string();
    let symbols = crate::act::names::read(path)?;
    let mut reader = Reader::open(path).with_context(shown)?;
    reader.seek_time(from).with_context(shown)?;
    let mut sums = Sums { counted, ..Sums::default() };
    while let Some(event) = reader.next_event().with_context(shown)? {
        if event.time > to {
            break;
        }
        if event.time >= from && (event.mm == mm || matches!(event.body, Body::FaultPeriod { .. })) {
            sums.see(&event);
        }
    }
    let chains = Chains::new(symbols.as_ref());
    Ok(sums.bytes.into_iter().map(|(stack, bytes)| (chains.frames(stack), bytes)).collect())
}

struct Sums {
    counted: Counted,
    bytes: HashMap<Option<StackId>, u64>,
    /// Where the heap ended last.
    brk: Option<u64>,
    period: u64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { counted: Counted::Mapped, bytes: HashMap::new(), brk: None, period: 1 }
    }
}

impl Sums {
    fn see(&mut self, event: &Event) {
        match &event.body {
            Body::Call(call) => {
                let (mapped, unmapped) = self.amounts(call);
                let bytes = match self.counted {
                    Counted::Mapped => mapped,
                    Counted::Unmapped => unmapped,
                    Counted::Touched => 0,
                };
                self.add(call.stack, bytes);
            }
            Body::Fault(fault) if self.counted == Counted::Touched => {
                self.add(fault.stack, PAGE_SIZE * self.period);
            }
            Body::FaultPeriod { period } => self.period = u64::from((*period).max(1)),
            _ => {}
        }
    }

    fn add(&mut self, stack: Option<StackId>, bytes: u64) {
        if bytes > 0 {
            *self.bytes.entry(stack).or_default() += bytes;
        }
    }

    /// Bytes that a call mapped, and that it unmapped.
    fn amounts(&mut self, event: &CallEvent) -> (u64, u64) {
        // What no one saw the answer of is taken for having worked.
        let result = if let CallResult::Seen(value) = event.result { value } else { 0 };
        if (-4095..0).contains(&result) {
            return (0, 0);
        }
        let pages = |len: u64| VirtAddr(len).page_up_wrapping().0;
        match event.call {
            Call::Mmap { len, .. } => (pages(len), 0),
            Call::Munmap { len, .. } => (0, pages(len)),
            Call::Mremap { old_len, new_len, .. } => {
                let (old, new) = (pages(old_len), pages(new_len));
                (new.saturating_sub(old), old.saturating_sub(new))
            }
            Call::Brk { .. } => {
                let end = result.cast_unsigned();
                let before = if end == 0 { None } else { self.brk.replace(end) };
                before.map_or((0, 0), |old| (end.saturating_sub(old), old.saturating_sub(end)))
            }
            _ => (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use abi::{Fd, MapFlags, Prot, Tid};
    use recording::{CallInput, FaultEvent, FaultMode};

    use super::*;

    fn call(call: Call, result: i64, stack: u32) -> Body {
        let result = CallResult::Seen(result);
        Body::Call(CallEvent { call, result, input: CallInput::None, stack: Some(StackId(stack)) })
    }

    fn sums(counted: Counted, bodies: Vec<Body>) -> Vec<(u32, u64)> {
        let mut sums = Sums { counted, ..Sums::default() };
        for body in bodies {
            sums.see(&Event { time: TimeNs(0), tid: Tid(1), mm: MmId(0), body });
        }
        let mut rows: Vec<_> =
            sums.bytes.into_iter().filter_map(|(stack, bytes)| Some((stack?.0, bytes))).collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn only_what_worked_counts_and_pages_are_whole() {
        let mmap = |len| Call::Mmap {
            addr: VirtAddr(0),
            len,
            prot: Prot::RW,
            flags: MapFlags::default(),
            fd: Fd(-1),
            offset: 0,
        };
        let brk = |end| Call::Brk { addr: VirtAddr(end) };
        let fault = |stack| {
            let (addr, ip) = (VirtAddr(0x1000), VirtAddr(0x2000));
            let (mode, access) = (FaultMode::User, recording::FaultAccess::Unknown);
            Body::Fault(FaultEvent { addr, ip, mode, access, stack: Some(StackId(stack)) })
        };
        let bodies = || {
            vec![
                call(mmap(1), 0x7000, 0),
                call(mmap(1 << 30), -12, 0),
                call(brk(0), 0x10_0000, 1),
                call(brk(0x10_3000), 0x10_3000, 1),
                call(brk(0x10_1000), 0x10_1000, 2),
                call(Call::Munmap { addr: VirtAddr(0x7000), len: 5000 }, 0, 3),
                fault(4),
                Body::FaultPeriod { period: 8 },
                fault(4),
            ]
        };
        assert_eq!(sums(Counted::Mapped, bodies()), [(0, 4096), (1, 0x3000)]);
        assert_eq!(sums(Counted::Unmapped, bodies()), [(2, 0x2000), (3, 8192)]);
        assert_eq!(sums(Counted::Touched, bodies()), [(4, 9 * 4096)]);
    }
}
