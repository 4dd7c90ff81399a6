//! A recording of any length, as a busy program of four processes would make it: mostly faults, then calls that map,
//! protect and unmap, with call chains, and the kernel's map and pages now and then.

use std::path::Path;
use std::sync::Arc;

use abi::{AddrRange, Call, Fd, FileId, FileOff, MapFlags, PAGE_SIZE, Pid, Prot, Tid, VirtAddr};
use anyhow::Result;
use recording::{
    Body, Bytes, CallEvent, CallInput, CallResult, Checkpoint, Counters, Event, ExecEvent, FaultAccess,
    FaultEvent, FaultMode, MapRow, MmId, PageRun, PageState, Reason, StackId, TimeNs, Writer, example_header,
};

/// Processes.
const PROCESSES: i32 = 4;
/// Mappings each keeps.
const MAPPINGS: usize = 500;
/// A checkpoint with pages after so many events.
const CHECKPOINT_EVERY: u64 = 100_000;
/// Call chains in all.
const STACKS: u64 = 20_000;

struct Generator {
    writer: Writer,
    time: u64,
    random: u64,
    stacks: u64,
    /// The mappings of each process, by address.
    mapped: Vec<Vec<AddrRange>>,
}

/// Writes a recording of so many events.
pub fn write(path: &Path, events: u64) -> Result<()> {
    let writer = Writer::create(path, &example_header())?;
    let mut generator =
        Generator { writer, time: 0, random: 88_172_645_463_325_252, stacks: 0, mapped: Vec::new() };
    for process in 0..PROCESSES {
        generator.begin(process)?;
    }
    while generator.writer.events() < events {
        generator.step()?;
    }
    generator.writer.finish()?;
    Ok(())
}

impl Generator {
    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn push(&mut self, process: i32, body: Body) -> Result<()> {
        self.time += 300 + self.random % 900;
        let (tid, mm) = (Tid(1000 + process), MmId(process as u32));
        self.writer.push(&Event { time: TimeNs(self.time), tid, mm, body })?;
        Ok(())
    }

    fn begin(&mut self, process: i32) -> Result<()> {
        let exec = ExecEvent {
            pid: Pid(1000 + process),
            former_tid: Tid(1000 + process),
            former_mm: MmId(1000),
            path: Bytes::from(b"/usr/bin/busy".as_slice()),
            argv: Arc::default(),
            auxv: Arc::default(),
            start_brk: None,
            start_stack: Some(VirtAddr(0x7fff_f000_0000)),
            segments: None,
            personality: 0,
            foreign_arch: false,
        };
        self.push(process, Body::Exec(exec))?;
        self.mapped.push(Vec::new());
        // Something to fault in and something to be below; each mapping is of pages that merge with no other.
        let mut top = 0x7fff_0000_0000 - u64::from(process.unsigned_abs()) * 0x10_0000_0000;
        for no in 0..MAPPINGS {
            let len = (1 + self.below(64)) * PAGE_SIZE;
            top -= len + PAGE_SIZE * u64::from(no % 3 == 0);
            self.mapped[process as usize].push(AddrRange::new(VirtAddr(top), VirtAddr(top + len)));
        }
        self.mapped[process as usize].reverse();
        self.checkpoint(process)
    }

    fn checkpoint(&mut self, process: i32) -> Result<()> {
        let mapped = self.mapped[process as usize].clone();
        let row = |(no, range): (usize, &AddrRange)| MapRow {
            range: *range,
            prot: if no % 2 == 0 { Prot::RW } else { Prot::READ },
            shared: false,
            offset: FileOff(0),
            file: FileId::default(),
            name: Bytes::default(),
        };
        let run = |range: &AddrRange| PageRun { range: *range, state: PageState::PRESENT };
        let checkpoint = Checkpoint {
            reason: Reason::Interval,
            maps: mapped.iter().enumerate().map(row).collect(),
            pages: Some(mapped.iter().map(run).collect()),
            counters: Counters::default(),
            in_flight: Arc::default(),
        };
        self.push(process, Body::Checkpoint(Box::new(checkpoint)))
    }

    fn stack(&mut self, process: i32) -> Result<StackId> {
        if self.stacks < STACKS && self.below(8) == 0 {
            let depth = 8 + self.below(24);
            let root = 0x40_0000 + self.below(64) * 0x100;
            let chain: Vec<VirtAddr> =
                (0..depth).map(|no| VirtAddr(root + no * 0x40 + self.below(3) * 7)).collect();
            self.push(process, Body::Stack(chain.into()))?;
            self.stacks += 1;
        }
        let last = self.stacks.max(1);
        Ok(StackId(self.below(last) as u32))
    }

    fn step(&mut self) -> Result<()> {
        let process = self.below(PROCESSES as u64) as i32;
        if self.writer.events() % CHECKPOINT_EVERY < PROCESSES as u64 {
            return self.remap(process);
        }
        match self.below(10) {
            0..7 => self.fault(process),
            7..9 => self.churn(process),
            _ => self.protect(process),
        }
    }

    fn some_range(&mut self, process: i32) -> AddrRange {
        let count = self.mapped[process as usize].len() as u64;
        let at = self.below(count) as usize;
        self.mapped[process as usize][at]
    }

    fn fault(&mut self, process: i32) -> Result<()> {
        let range = self.some_range(process);
        let page = self.below(range.pages()) * PAGE_SIZE;
        let stack = Some(self.stack(process)?);
        let ip = VirtAddr(0x40_0000 + self.below(0x10_0000));
        let addr = VirtAddr(range.start.0 + page + self.below(PAGE_SIZE));
        let access = FaultAccess::Unknown;
        self.push(process, Body::Fault(FaultEvent { addr, ip, mode: FaultMode::User, access, stack }))
    }

    fn call(&mut self, process: i32, call: Call) -> Result<()> {
        let stack = Some(self.stack(process)?);
        let event = CallEvent { call, result: CallResult::Unseen, input: CallInput::None, stack };
        self.push(process, Body::Call(event))
    }

    /// A buffer that comes and goes.
    fn churn(&mut self, process: i32) -> Result<()> {
        let len = (1 + self.below(64)) * PAGE_SIZE;
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
        let addr = VirtAddr(0x1000_0000 + self.below(1 << 20) * PAGE_SIZE);
        self.call(process, Call::Mmap { addr, len, prot: Prot::RW, flags, fd: Fd(-1), offset: 0 })?;
        self.call(process, Call::Munmap { addr, len })
    }

    fn protect(&mut self, process: i32) -> Result<()> {
        let range = self.some_range(process);
        let prot = if self.below(2) == 0 { Prot::READ } else { Prot::RW };
        self.call(process, Call::Mprotect { addr: range.start, len: PAGE_SIZE, prot })
    }

    /// The kernel's map and pages, as they were at the start: what `protect` did is taken back before.
    fn remap(&mut self, process: i32) -> Result<()> {
        for no in 0..self.mapped[process as usize].len() {
            let range = self.mapped[process as usize][no];
            let prot = if no % 2 == 0 { Prot::RW } else { Prot::READ };
            self.call(process, Call::Mprotect { addr: range.start, len: range.len(), prot })?;
        }
        self.checkpoint(process)
    }
}
