//! The life of an address: what was there, who made it, who touched it, and what came of it.

use std::collections::HashMap;
use std::io::{Read, Seek};

use abi::{AddrRange, Advice, Call, PAGE_SIZE, Tid, VirtAddr};
use recording::{Body, Event, MapRow, MmId, ReadError, SpawnKind, StackId, TimeNs};

use crate::changed::What;
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
    /// Its page was touched for the first time since it was mapped, dropped or copied.
    Touched {
        /// The instruction.
        ip: VirtAddr,
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
            Body::Call(call) => self.advised(*mm, call.call, |what| step(what, stack)),
            Body::Fault(fault) if fault.addr.page_down() == self.addr.page_down() => {
                self.touched(*mm, fault.ip, |what| step(what, fault.stack));
            }
            Body::Spawn(spawn) if spawn.kind == SpawnKind::Fork => {
                if let Some(life) = self.memories.get_mut(mm).filter(|life| life.row.is_some()) {
                    life.push(step(Happened::Copied { child: spawn.child }, None));
                    life.is_touched = false;
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
            life.is_touched = false;
        }
        life.row = now;
        life.push(step(what));
    }

    fn advised(&mut self, mm: MmId, call: Call, step: impl Fn(Happened) -> Step) {
        let Call::Madvise { advice, .. } = call else { return };
        let drops =
            [Advice::DONTNEED, Advice::FREE, Advice::REMOVE, Advice::DONTNEED_LOCKED].contains(&advice);
        if let Some(life) = self.memories.get_mut(&mm).filter(|life| life.row.is_some())
            && drops
            && covers(call, self.addr)
        {
            life.push(step(Happened::Dropped { call }));
            life.is_touched = false;
        }
    }

    fn touched(&mut self, mm: MmId, ip: VirtAddr, step: impl Fn(Happened) -> Step) {
        let life = self.memories.entry(mm).or_default();
        if life.row.is_none() {
            life.push(step(Happened::Missed { ip }));
        } else if !life.is_touched {
            life.is_touched = true;
            life.push(step(Happened::Touched { ip }));
        } else if let Some(Step { what: Happened::TouchedAgain { count }, .. }) = life.steps.last_mut() {
            *count += 1;
        } else {
            life.push(step(Happened::TouchedAgain { count: 1 }));
        }
    }
}

impl Life {
    fn push(&mut self, step: Step) {
        if self.steps.len() == STEPS_MAX {
            self.steps.remove(1);
        }
        self.steps.push(step);
    }
}

/// Whether a call's own range, as its arguments tell it, holds the address.
fn covers(call: Call, addr: VirtAddr) -> bool {
    let page =
        AddrRange { start: addr.page_down(), end: VirtAddr(addr.page_down().0.saturating_add(PAGE_SIZE)) };
    touched(call, None, VirtAddr::NULL).iter().flatten().any(|range| range.overlaps(page))
}
