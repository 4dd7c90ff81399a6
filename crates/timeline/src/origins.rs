//! Where memory comes from: each mapped byte, the call that mapped it, and how much of it is resident.

use std::collections::HashMap;
use std::io::{Read, Seek};

use abi::{AddrRange, Call, Tid};
use recording::{Body, Event, MmId, PageRun, PageState, ReadError, SpawnKind, TimeNs};

use crate::changed::What;
use crate::owners::{Owner, Owners};
use crate::replay::Replay;
use crate::still::Still;
use crate::world::World;

/// Follows which call mapped what, along a replay.
#[derive(Default)]
pub struct Origins {
    memories: HashMap<MmId, Owners>,
    /// The last call of each thread that maps.
    last: HashMap<Tid, Owner>,
    /// Calls that mapped or unmapped, and pages touched, by who called.
    pub churn: HashMap<Option<recording::StackId>, Churn>,
}

/// How often a place in the program maps and unmaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Churn {
    /// Mappings made.
    pub mapped: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, unmapped again.
    pub unmapped_bytes: u64,
}

/// A piece of a map that goes back to one call.
#[derive(Clone, PartialEq, Debug)]
pub struct Origin {
    /// The memory.
    pub mm: MmId,
    /// Where.
    pub range: AddrRange,
    /// The call; `None` for what was there from the start of the program.
    pub owner: Option<Owner>,
    /// Bytes of it in memory, as of the last time that pages were read.
    pub resident: u64,
}

impl Origins {
    /// Replays up to a moment and follows what happens.
    ///
    /// # Errors
    /// If the recording is damaged on the way.
    pub fn follow<R: Read + Seek>(replay: &mut Replay<R>, until: Until) -> Result<Self, ReadError> {
        let mut origins = Self::default();
        loop {
            match until {
                Until::Event(events) if replay.world().counts().events >= events => break,
                Until::Time(time) if replay.peek()?.is_none_or(|event| event.time > time) => break,
                _ => {}
            }
            let no = replay.world().counts().events;
            let Some(event) = replay.step()? else { break };
            origins.see(no, &event, replay.world());
        }
        Ok(origins)
    }

    /// Takes in an event and the world after it.
    pub fn see(&mut self, no: u64, event: &Event, world: &World) {
        let Event { time, tid, mm, body } = event;
        match body {
            Body::Call(call) => {
                let owner = Owner { event: no, time: *time, tid: *tid, stack: call.stack };
                if maps(call.call) {
                    self.last.insert(*tid, owner);
                }
                self.changed(world, call.call, owner);
            }
            Body::Mapped(_) => {
                // The kernel's word moved what the thread's last call mapped.
                if let Some(owner) = self.last.get(tid).copied() {
                    for range in ranges(world, *mm) {
                        self.fill(world, *mm, range, owner);
                    }
                }
            }
            Body::Spawn(spawn) if spawn.kind == SpawnKind::Fork => {
                let parent = self.memories.get(mm).cloned().unwrap_or_default();
                self.memories.insert(spawn.child_mm, parent);
            }
            Body::Exec(exec) => {
                self.memories.insert(*mm, Owners::default());
                if world.memory(exec.former_mm).is_none() {
                    self.memories.remove(&exec.former_mm);
                }
            }
            Body::Exit { .. } if world.memory(*mm).is_none() => {
                self.memories.remove(mm);
            }
            _ => {}
        }
    }

    fn changed(&mut self, world: &World, call: Call, owner: Owner) {
        for changed in world.changed() {
            let What::Ranges(ranges) = changed.what else { continue };
            for range in ranges.into_iter().flatten() {
                let is_mapped =
                    world.memory(changed.mm).is_some_and(|memory| !memory.rows_in(range).is_empty());
                match call {
                    Call::Munmap { .. } | Call::Shmdt { .. } => self.forget(changed.mm, range),
                    Call::Brk { .. } if !is_mapped => self.forget(changed.mm, range),
                    _ if is_mapped && maps(call) => {
                        let churn = self.churn.entry(owner.stack).or_default();
                        churn.mapped += 1;
                        churn.bytes += range.len();
                        self.memories.entry(changed.mm).or_default().set(range, owner);
                    }
                    _ => {}
                }
            }
        }
    }

    fn forget(&mut self, mm: MmId, range: AddrRange) {
        let Some(owners) = self.memories.get_mut(&mm) else { return };
        for (part, owner) in owners.within(range) {
            self.churn.entry(owner.stack).or_default().unmapped_bytes += part.len();
        }
        owners.clear(range);
    }

    /// The call that mapped an address, if it was made since the program's start.
    pub(crate) fn owner(&self, mm: MmId, addr: abi::VirtAddr) -> Option<Owner> {
        let page = AddrRange::from_len(addr.page_down(), abi::PAGE_SIZE)?;
        self.memories.get(&mm)?.within(page).map(|(_, owner)| owner).next()
    }

    /// Gives what is mapped in a range and has no call yet to this one.
    fn fill(&mut self, world: &World, mm: MmId, range: AddrRange, owner: Owner) {
        let owners = self.memories.entry(mm).or_default();
        let known: Vec<_> = owners.within(range).collect();
        let is_later = known.iter().all(|(_, known)| known.event < owner.event);
        if known.iter().any(|(_, known)| *known == owner) || !is_later {
            return;
        }
        let rows = world.memory(mm).map(|memory| memory.rows_in(range)).unwrap_or_default();
        for row in rows {
            if let Some(part) = row.range.intersection(range) {
                owners.set(part, owner);
            }
        }
    }

    /// Returns the pieces of a memory held still, ascending.
    pub fn of(&self, still: &Still) -> Vec<Origin> {
        let nobody = Owners::default();
        let owners = self.memories.get(&still.mm).unwrap_or(&nobody);
        let runs = still.page_runs();
        let mut origins = Vec::new();
        for row in still.rows() {
            let mut at = row.range.start;
            let mut push = |range: AddrRange, owner| {
                if !range.is_empty() {
                    origins.push(Origin { mm: still.mm, range, owner, resident: resident(runs, range) });
                }
            };
            for (part, owner) in owners.within(row.range) {
                push(AddrRange { start: at, end: part.start }, None);
                push(part, Some(owner));
                at = part.end;
            }
            push(AddrRange { start: at, end: row.range.end }, None);
        }
        origins
    }
}

/// How far to follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// After so many events.
    Event(u64),
    /// Before the first event later than this.
    Time(TimeNs),
}

fn ranges(world: &World, mm: MmId) -> Vec<AddrRange> {
    let of_mm = world.changed().iter().filter(|changed| changed.mm == mm);
    of_mm
        .filter_map(|changed| match changed.what {
            What::Ranges(ranges) => Some(ranges),
            What::Whole | What::Gone => None,
        })
        .flat_map(|ranges| ranges.into_iter().flatten())
        .collect()
}

/// Whether a call makes mappings.
fn maps(call: Call) -> bool {
    matches!(
        call,
        Call::Mmap { .. }
            | Call::Mremap { .. }
            | Call::Brk { .. }
            | Call::Shmat { .. }
            | Call::MapShadowStack { .. }
    )
}

/// The bytes of a range that are in memory.
pub fn resident(runs: &[PageRun], range: AddrRange) -> u64 {
    bytes_of(runs, range, |_| true)
}

/// Those of them that are anonymous: the process's own, and written to.
pub fn anonymous(runs: &[PageRun], range: AddrRange) -> u64 {
    bytes_of(runs, range, |state| !state.contains(PageState::FILE))
}

fn bytes_of(runs: &[PageRun], range: AddrRange, counts: impl Fn(PageState) -> bool) -> u64 {
    let first = runs.partition_point(|run| run.range.end <= range.start);
    let is_there =
        |run: &&PageRun| run.state.contains(PageState::PRESENT) && !run.state.contains(PageState::ZERO);
    let within = runs[first..].iter().take_while(|run| run.range.start < range.end);
    let counted = within.filter(|run| is_there(run) && counts(run.state));
    counted.filter_map(|run| run.range.intersection(range)).map(AddrRange::len).sum()
}
