//! The life of an address: what was there, who made it, who touched it, and what came of it.

use std::collections::HashMap;
use std::io::{Read, Seek};

use abi::{AddrRange, Advice, Call, Errno, PAGE_SIZE, Tid, VirtAddr};
use recording::{
    Body, CallEvent, CallInput, CallResult, Event, FaultAccess, FaultEvent, MapRow, MmId, ReadError,
    SpawnKind, StackId, TimeNs,
};

use crate::changed::What;
use crate::forks::Unshared;
use crate::ledger::May;
use crate::processes::ProcessNo;
use crate::replay::Replay;
use crate::touched::touched;
use crate::world::World;

/// Things that happened that are kept of one memory; the oldest but the first go first.
const STEPS_MAX: usize = 10_000;

/// Something that happened to an address.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// The number of the event.
    pub event: u64,
    /// When.
    pub time: TimeNs,
    /// The thread.
    pub tid: Tid,
    /// The process it belonged to.
    pub process: Option<ProcessNo>,
    /// What.
    pub what: Happened,
    /// Who called or touched, if that is known.
    pub stack: Option<StackId>,
}

/// What happened to an address.
#[derive(Clone, PartialEq, Debug)]
pub enum Happened {
    /// It was mapped.
    Mapped {
        /// The call; `None` where the kernel's map was taken over.
        call: Option<Call>,
        /// The mapping, after any merge.
        row: MapRow,
        /// What this call mapped.
        range: AddrRange,
    },
    /// Its protection changed.
    Protected {
        /// The call.
        call: Option<Call>,
        /// The mapping.
        row: MapRow,
    },
    /// Another mapping took its place, or its own one changed otherwise.
    Replaced {
        /// The call.
        call: Option<Call>,
        /// The mapping.
        row: MapRow,
    },
    /// A call told the kernel that its contents are not needed.
    Dropped {
        /// The call.
        call: Call,
    },
    /// It was unmapped.
    Unmapped {
        /// The call.
        call: Option<Call>,
    },
    /// A guard was put there: what it held is gone, and each access ends in a signal until the guard is taken away.
    Guarded {
        /// The call.
        call: Call,
    },
    /// A guard was taken away.
    Unguarded {
        /// The call.
        call: Call,
    },
    /// Its page was touched for the first time since it was mapped, dropped or shared by a fork.
    Touched {
        /// The instruction.
        ip: VirtAddr,
        /// Whether it read or wrote, where that is told.
        access: FaultAccess,
        /// The process whose fork left pages in two memories since the last touch, if there was one: where it is not told
        /// whether it read or wrote, it may have made the page its own.
        forked: Option<Tid>,
    },
    /// It was written to, so that the page is this memory's own again, which a fork had left in two.
    CopiedOnWrite {
        /// The instruction.
        ip: VirtAddr,
        /// The fork, and what is known of the other memory.
        unshared: Unshared,
    },
    /// Its page was touched again so often.
    TouchedAgain {
        /// How often.
        count: u64,
    },
    /// Something touched it while nothing was mapped there.
    Missed {
        /// The instruction.
        ip: VirtAddr,
    },
    /// Something touched it while a guard was there.
    Barred {
        /// The instruction.
        ip: VirtAddr,
    },
    /// The memory was copied by fork: from here on the pages are shared until one side writes.
    Copied {
        /// The child.
        child: Tid,
    },
    /// A program was executed: the memory is a new one.
    Executed,
    /// The memory ended.
    Ended,
}

/// The life of one address in every memory that has it.
pub struct Story {
    addr: VirtAddr,
    memories: HashMap<MmId, Life>,
}

/// The life of an address in one memory.
#[derive(Clone, Default)]
struct Life {
    steps: Vec<Step>,
    row: Option<MapRow>,
    is_touched: bool,
    /// The child of the last fork, until the page is touched or another comes.
    forked: Option<Tid>,
}

impl Story {
    /// Replays a whole recording and follows one address.
    ///
    /// # Errors
    /// If the recording is damaged on the way.
    pub fn follow<R: Read + Seek>(replay: &mut Replay<R>, addr: VirtAddr) -> Result<Self, ReadError> {
        let mut story = Self { addr, memories: HashMap::new() };
        loop {
            let no = replay.world().counts().events;
            let Some(event) = replay.step()? else { return Ok(story) };
            story.see(no, &event, replay.world());
        }
    }

    /// What happened to the address in one memory, in order.
    pub fn of(&self, mm: MmId) -> &[Step] {
        self.memories.get(&mm).map_or(&[], |life| &life.steps)
    }

    /// The memories in which anything was ever at the address.
    pub fn memories(&self) -> impl Iterator<Item = MmId> {
        let has_steps = |(mm, life): (&MmId, &Life)| (!life.steps.is_empty()).then_some(*mm);
        self.memories.iter().filter_map(has_steps)
    }

    fn see(&mut self, no: u64, event: &Event, world: &World) {
        let Event { time, tid, mm, body } = event;
        let process = world.processes().thread(*tid).map(|thread| thread.process);
        let step = |what, stack| Step { event: no, time: *time, tid: *tid, process, what, stack };
        let (call, stack) = match body {
            Body::Call(call) => (Some(call.call), call.stack),
            _ => (None, None),
        };
        for changed in world.changed() {
            let range = match changed.what {
                What::Ranges(ranges) => ranges.into_iter().flatten().find(|range| range.contains(self.addr)),
                What::Whole | What::Gone => None,
            };
            self.look(changed.mm, world, (call, range), |what| step(what, stack));
        }
        match body {
            Body::Call(call) => self.advised(*mm, call, world, |what| step(what, stack)),
            Body::Fault(fault) if fault.addr.page_down() == self.addr.page_down() => {
                self.touched(*mm, fault, world, |what| step(what, fault.stack));
            }
            Body::Spawn(spawn) if spawn.kind == SpawnKind::Fork => {
                if let Some(life) = self.memories.get_mut(mm).filter(|life| life.row.is_some()) {
                    life.push(step(Happened::Copied { child: spawn.child }, None));
                    life.await_touch();
                    life.forked = Some(spawn.child);
                    let child = life.clone();
                    self.memories.insert(spawn.child_mm, child);
                }
            }
            Body::Exec(_) => {
                let life = self.memories.entry(*mm).or_default();
                life.push(step(Happened::Executed, None));
            }
            _ => {}
        }
    }

    /// Looks whether what is at the address has changed.
    fn look(
        &mut self,
        mm: MmId,
        world: &World,
        (call, changed): (Option<Call>, Option<AddrRange>),
        step: impl Fn(Happened) -> Step,
    ) {
        let here = AddrRange { start: self.addr, end: VirtAddr(self.addr.0.saturating_add(1)) };
        let now = world.memory(mm).and_then(|memory| memory.rows_in(here).into_iter().next());
        let is_over = world.memory(mm).is_none();
        let life = self.memories.entry(mm).or_default();
        let covers = call.is_some_and(|call| covers(call, self.addr));
        let what = match (&life.row, &now) {
            (None, None) => return,
            (None, Some(row)) => {
                Happened::Mapped { call, row: row.clone(), range: changed.unwrap_or(row.range) }
            }
            (Some(_), None) if is_over => Happened::Ended,
            (Some(_), None) => Happened::Unmapped { call },
            (Some(old), Some(new)) if old.prot != new.prot && old.file == new.file => {
                Happened::Protected { call, row: new.clone() }
            }
            (Some(old), Some(new)) => {
                let is_same = old.file == new.file && old.shared == new.shared && old.name == new.name;
                let is_new = covers && matches!(call, Some(Call::Mmap { .. } | Call::Mremap { .. }));
                if is_same && !is_new {
                    life.row = now;
                    return;
                }
                Happened::Replaced { call, row: new.clone() }
            }
        };
        if !matches!(what, Happened::Protected { .. }) {
            life.await_touch();
        }
        life.row = now;
        life.push(step(what));
    }

    fn advised(&mut self, caller: MmId, event: &CallEvent, world: &World, step: impl Fn(Happened) -> Step) {
        let call = event.call;
        let (mm, advice, covers) = match (call, &event.input) {
            (Call::Madvise { advice, .. }, _) => (caller, advice, covers(call, self.addr)),
            (Call::ProcessMadvise { advice, .. }, CallInput::Ranges { target: Some(mm), ranges }) => {
                (*mm, advice, part_done(ranges, event.result).any(|range| overlaps(range, self.addr)))
            }
            _ => return,
        };
        let what = match advice {
            Advice::DONTNEED | Advice::FREE | Advice::REMOVE | Advice::DONTNEED_LOCKED => {
                Happened::Dropped { call }
            }
            Advice::GUARD_INSTALL if page_of(world, mm, self.addr).is_none_or(|may| may == May::GUARD) => {
                Happened::Guarded { call }
            }
            Advice::GUARD_REMOVE => Happened::Unguarded { call },
            _ => return,
        };
        if let Some(life) = self.memories.get_mut(&mm).filter(|life| life.row.is_some())
            && covers
            && is_done(event.result)
        {
            life.push(step(what));
            life.await_touch();
        }
    }

    fn touched(&mut self, mm: MmId, fault: &FaultEvent, world: &World, step: impl Fn(Happened) -> Step) {
        let FaultEvent { ip, access, .. } = *fault;
        let life = self.memories.entry(mm).or_default();
        let forked = life.forked.take();
        if life.row.is_none() {
            life.push(step(Happened::Missed { ip }));
        } else if page_of(world, mm, self.addr) == Some(May::GUARD) {
            life.push(step(Happened::Barred { ip }));
        } else if let Some(unshared) = world.unshared() {
            life.is_touched = true;
            life.push(step(Happened::CopiedOnWrite { ip, unshared }));
        } else if !life.is_touched {
            life.is_touched = true;
            life.push(step(Happened::Touched { ip, access, forked }));
        } else if let Some(Step { what: Happened::TouchedAgain { count }, .. }) = life.steps.last_mut() {
            *count += 1;
        } else {
            life.push(step(Happened::TouchedAgain { count: 1 }));
        }
    }
}

impl Life {
    /// The next touch is the first of what is there now.
    fn await_touch(&mut self) {
        self.is_touched = false;
        self.forked = None;
    }

    fn push(&mut self, step: Step) {
        if self.steps.len() == STEPS_MAX {
            self.steps.remove(1);
        }
        self.steps.push(step);
    }
}

/// What a page may be after the last event, where that is known.
fn page_of(world: &World, mm: MmId, addr: VirtAddr) -> Option<May> {
    let ledger = world.memory(mm)?.ledger.as_ref()?;
    Some(ledger.at(addr).map_or(May::ABSENT, |page| page.may))
}

/// Whether a call's own range, as its arguments tell it, holds the address.
fn covers(call: Call, addr: VirtAddr) -> bool {
    touched(call, None, VirtAddr::NULL).iter().flatten().any(|range| overlaps(*range, addr))
}

/// Whether a range reaches into the page of an address.
fn overlaps(range: AddrRange, addr: VirtAddr) -> bool {
    let page = addr.page_down();
    range.overlaps(AddrRange { start: page, end: VirtAddr(page.0.saturating_add(PAGE_SIZE)) })
}

/// Whether advice was taken: a hole stops nothing but is told at the end (`mm/madvise.c: madvise_walk_vmas`); of a call whose
/// result was not seen nothing else is known.
fn is_done(result: CallResult) -> bool {
    let CallResult::Seen(raw) = result else { return true };
    matches!(Errno::from_raw(raw), Ok(_) | Err(Errno::ENOMEM))
}

/// Those ranges of a vector call that it came to: it answers how many bytes it advised.
fn part_done(ranges: &[AddrRange], result: CallResult) -> impl Iterator<Item = AddrRange> {
    let mut left = match result {
        CallResult::Seen(raw) => Errno::from_raw(raw).unwrap_or(0),
        CallResult::Unseen => u64::MAX,
    };
    ranges.iter().map_while(move |range| {
        let part = range.len().min(left);
        left -= part;
        (part > 0).then(|| AddrRange { start: range.start, end: VirtAddr(range.start.0 + part) })
    })
}
