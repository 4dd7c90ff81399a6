//! The atlas, made by replaying a recording once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Read, Seek};

use abi::{AddrRange, Prot, Tid};
use recording::{Body, Bytes, Event, MmId, PageRun, PageState};
use snapshot::{Kind, Snapshot, Totals, classify};
use timeline::{Replay, What, World};

use super::lanes::Lanes;
use super::rects::{At, Open, OpenRects, Rect, Window};
use super::series::{Counted, KindSample};
use super::{Atlas, AtlasMemory};
use crate::words::printable;

/// Replays a recording and follows every mapping of it; at most `rects_max` rectangles are kept.
pub fn atlas<R: Read + Seek>(mut replay: Replay<R>, rects_max: usize) -> Atlas {
    let mut builder = AtlasBuilder::new(rects_max);
    // A damaged recording gives its good part: the report says so.
    while let Ok(Some(event)) = replay.step() {
        builder.see(replay.world(), &event);
    }
    builder.finish()
}

/// Follows every mapping of a recording as it is replayed.
#[derive(Default)]
pub struct AtlasBuilder {
    atlas: Atlas,
    names: HashMap<Bytes, u32>,
    open: BTreeMap<MmId, OpenRects>,
    by_mm: HashMap<MmId, usize>,
    lanes: Lanes,
    /// Resident bytes of each living memory's kinds, as of its last page checkpoint.
    kinds: HashMap<MmId, BTreeMap<Kind, u64>>,
    rects_max: usize,
    /// The event at hand has made or ended a rectangle.
    is_cause: bool,
    /// The time and the number of events so far.
    seen: (u64, u64),
}

impl AtlasBuilder {
    /// Begins. At most `rects_max` rectangles are kept: of more, those that cover the least (bytes times duration)
    /// are left out and counted.
    pub fn new(rects_max: usize) -> Self {
        Self { rects_max, ..Self::default() }
    }

    /// Everything but the rectangles, as far as it is known.
    pub fn so_far(&self) -> Atlas {
        let Atlas { memories, series, density, .. } = &self.atlas;
        Atlas {
            duration_ns: self.seen.0,
            events: self.seen.1,
            memories: memories.clone(),
            series: series.clone(),
            density: density.clone(),
            threads: self.lanes.all(self.seen.0),
            ..Atlas::default()
        }
    }

    /// Sees an event and the state after it.
    pub fn see(&mut self, world: &World, event: &Event) {
        let events = world.counts().events;
        let at = At { time_ns: event.time.0, event: events - 1 };
        self.seen = (world.now().0, events);
        self.lanes.see(event, |tid| Some(world.processes().of(tid)?.pid));
        let Event { time: _, tid, mm, body } = event;
        match body {
            Body::Call(_) => self.atlas.density.count(at.time_ns, Counted::Call),
            Body::Fault(_) => self.atlas.density.count(at.time_ns, Counted::Fault),
            _ => {}
        }
        for changed in world.changed() {
            match changed.what {
                What::Gone => self.end(changed.mm, at),
                What::Whole => self.update(world, changed.mm, Window::Whole, at),
                What::Ranges(ranges) => {
                    for range in ranges.into_iter().flatten() {
                        self.update(world, changed.mm, Window::Around(range), at);
                    }
                }
            }
        }
        if self.is_cause {
            self.atlas.causes.insert(at.event, cause(body, *tid));
            self.is_cause = false;
        }
        if let Body::Checkpoint(checkpoint) = body {
            self.checkpoint(world, *mm, at, checkpoint.pages.is_some());
        }
    }

    /// Sees a state that was gone to: how it differs from the one seen before, not what happened in between.
    pub fn look(&mut self, world: &World) {
        let events = world.counts().events;
        let at = At { time_ns: world.now().0, event: events.saturating_sub(1) };
        self.seen = (at.time_ns, events);
        let gone: Vec<MmId> = self.open.keys().copied().filter(|mm| world.memory(*mm).is_none()).collect();
        for mm in gone {
            self.end(mm, at);
        }
        for memory in world.memories() {
            self.update(world, memory.id, Window::Whole, at);
            self.checkpoint(world, memory.id, at, memory.pages.is_some());
        }
        self.is_cause = false;
    }

    fn update(&mut self, world: &World, mm: MmId, window: Window, at: At) {
        let Some(memory) = world.memory(mm) else { return };
        self.meet(world, mm, at);
        let rows = memory.rows_in(window.range());
        let open = self.open.entry(mm).or_default();
        let before = open.changes();
        let runs = memory.pages.as_ref().map(|pages| &pages.runs);
        let ended =
            open.update(window, rows, at, |range| runs.map_or((0, 0), |runs| resident_in(runs, range)));
        self.is_cause |= open.changes() > before;
        for open in ended {
            self.close(mm, open, at.time_ns, Some(at.event));
        }
    }

    fn meet(&mut self, world: &World, mm: MmId, at: At) {
        if self.by_mm.contains_key(&mm) {
            return;
        }
        let process = world.processes().with_memory(mm).next();
        let process = process.and_then(|no| world.processes().all().get(no.0));
        let program = process.and_then(|process| process.programs.last());
        self.by_mm.insert(mm, self.atlas.memories.len());
        self.atlas.memories.push(AtlasMemory {
            mm: mm.0,
            pid: process.map_or(0, |process| process.pid.0),
            program: program.map(|program| printable(&program.path)).unwrap_or_default(),
            from_ns: at.time_ns,
            ..AtlasMemory::default()
        });
    }

    /// The kernel's own state: kinds are told, and where pages were read, what is resident.
    fn checkpoint(&mut self, world: &World, mm: MmId, at: At, has_pages: bool) {
        let Some(still) = world.still(mm) else { return };
        let snapshot = still.snapshot(world.objects());
        let leaves = classify(&snapshot);
        let mut kinds: BTreeMap<abi::VirtAddr, (u64, Kind)> = BTreeMap::new();
        for leaf in &leaves {
            let start = snapshot.mappings[leaf.mapping].range.start;
            let largest = kinds.entry(start).or_insert((0, leaf.kind));
            if leaf.range.len() > largest.0 {
                *largest = (leaf.range.len(), leaf.kind);
            }
        }
        let Some(open) = self.open.get_mut(&mm) else { return };
        let runs = world.memory(mm).and_then(|memory| memory.pages.as_ref()).map(|pages| pages.runs.clone());
        let mut runs = runs.iter().flat_map(|runs| runs.iter()).peekable();
        for rect in open.iter_mut() {
            rect.kind = kinds.get(&rect.row.range.start).map(|(_, kind)| *kind).or(rect.kind);
            if !has_pages {
                continue;
            }
            let (mut resident, mut anonymous) = (0, 0);
            while let Some(run) = runs.peek() {
                if let Some(part) = run.range.intersection(rect.row.range)
                    && is_there(run)
                {
                    resident += part.len();
                    anonymous += if run.state.contains(PageState::FILE) { 0 } else { part.len() };
                }
                if run.range.end > rect.row.range.end {
                    break;
                }
                runs.next();
            }
            if rect.resident.last().map_or((0, 0), |(_, all, own)| (*all, *own)) != (resident, anonymous) {
                rect.resident.push((at.time_ns, resident, anonymous));
            }
        }
        if has_pages {
            self.sample(mm, at, &snapshot, &leaves);
        }
    }

    fn sample(&mut self, mm: MmId, at: At, snapshot: &Snapshot, leaves: &[snapshot::Leaf]) {
        let totals = Totals::of(snapshot, leaves);
        let resident = |total: &snapshot::KindTotal| total.amounts.pages.map_or(0, |pages| pages.resident);
        let kinds: BTreeMap<Kind, u64> =
            totals.kinds.iter().map(|total| (total.kind, resident(total))).collect();
        if let Some(memory) = self.by_mm.get(&mm).and_then(|no| self.atlas.memories.get_mut(*no)) {
            memory.resident_max = memory.resident_max.max(kinds.values().sum());
        }
        self.kinds.insert(mm, kinds);
        self.push_sample(at.time_ns);
    }

    fn push_sample(&mut self, time_ns: u64) {
        let mut sums: BTreeMap<Kind, u64> = BTreeMap::new();
        for (kind, bytes) in self.kinds.values().flatten() {
            *sums.entry(*kind).or_default() += bytes;
        }
        let kinds = sums.into_iter().filter(|(_, bytes)| *bytes > 0);
        let kinds = kinds.map(|(kind, bytes)| (kind.slug(), bytes)).collect();
        // Of several at one moment the last has all.
        if self.atlas.series.last().is_some_and(|last| last.time_ns == time_ns) {
            self.atlas.series.pop();
        }
        self.atlas.series.push(KindSample { time_ns, kinds });
    }

    fn end(&mut self, mm: MmId, at: At) {
        self.close_all(mm, at);
        if self.kinds.remove(&mm).is_some() {
            self.push_sample(at.time_ns);
        }
    }

    fn close_all(&mut self, mm: MmId, at: At) {
        let open = self.open.remove(&mm).unwrap_or_default();
        for open in open.end() {
            self.close(mm, open, at.time_ns, None);
        }
        if let Some(memory) = self.by_mm.get(&mm).and_then(|no| self.atlas.memories.get_mut(*no)) {
            memory.to_ns = at.time_ns;
        }
    }

    fn close(&mut self, mm: MmId, open: Open, to_ns: u64, ended: Option<u64>) {
        let Open { row, from_ns, made, kind, resident } = open;
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let name = *self.names.entry(row.name.clone()).or_insert_with(|| {
            self.atlas.names.push(printable(&row.name));
            next
        });
        self.atlas.rects.push(Rect {
            mm: mm.0,
            start: row.range.start.0,
            size: row.range.len(),
            from_ns,
            to_ns,
            made,
            ended,
            kind: kind.unwrap_or_else(|| kind_of(&row)).slug(),
            rights: rights(row.prot, row.shared),
            offset: row.offset.0,
            name,
            resident,
        });
        if self.atlas.rects.len() > self.rects_max.saturating_mul(2) {
            self.thin();
        }
    }

    /// Keeps the rectangles that cover the most.
    fn thin(&mut self) {
        let rects = &mut self.atlas.rects;
        if rects.len() <= self.rects_max {
            return;
        }
        let area = |rect: &Rect| u128::from(rect.size) * u128::from(rect.to_ns - rect.from_ns + 1);
        rects.select_nth_unstable_by_key(self.rects_max, |rect| std::cmp::Reverse(area(rect)));
        self.atlas.left_out += (rects.len() - self.rects_max) as u64;
        rects.truncate(self.rects_max);
        self.forget_causes();
    }

    /// Forgets the events whose rectangles were left out.
    fn forget_causes(&mut self) {
        let rects = self.atlas.rects.iter().flat_map(|rect| [Some(rect.made), rect.ended]).flatten();
        let open = self.open.values().flat_map(OpenRects::made);
        let used: HashSet<u64> = rects.chain(open).collect();
        self.atlas.causes.retain(|event, _| used.contains(event));
    }

    /// Ends what is still open.
    pub fn finish(mut self) -> Atlas {
        let (duration_ns, events) = self.seen;
        let at = At { time_ns: duration_ns, event: events };
        let alive: Vec<MmId> = self.open.keys().copied().collect();
        for mm in alive {
            self.close_all(mm, at);
        }
        self.thin();
        self.forget_causes();
        self.atlas.rects.sort_by_key(|rect| (rect.mm, rect.start, rect.from_ns));
        self.atlas.threads = self.lanes.all(duration_ns);
        self.atlas.duration_ns = duration_ns;
        self.atlas.events = events;
        self.atlas
    }
}

/// Tells whether a run's pages are in memory and count as the process's.
fn is_there(run: &PageRun) -> bool {
    run.state.contains(PageState::PRESENT) && !run.state.contains(PageState::ZERO)
}

/// Resident bytes of a range, and the anonymous ones among them, as runs of pages tell.
fn resident_in(runs: &[PageRun], range: AddrRange) -> (u64, u64) {
    let first = runs.partition_point(|run| run.range.end <= range.start);
    let inside = runs[first..].iter().take_while(|run| run.range.start < range.end);
    inside.filter(|run| is_there(run)).fold((0, 0), |(all, anonymous), run| {
        let bytes = run.range.intersection(range).map_or(0, AddrRange::len);
        let own = if run.state.contains(PageState::FILE) { 0 } else { bytes };
        (all + bytes, anonymous + own)
    })
}

/// An event in words.
fn cause(body: &Body, tid: Tid) -> String {
    match body {
        Body::Call(call) => format!("thread {tid}: {}", call.call),
        Body::Fault(fault) => format!("thread {tid}: page fault at {} (the stack grew)", fault.addr),
        Body::Mapped(mapped) => format!("thread {tid}: the kernel mapped {}", mapped.range),
        Body::Exec(exec) => format!("exec of {}", printable(&exec.path)),
        Body::Spawn(spawn) => format!("thread {tid}: made process {}", spawn.child_pid),
        Body::Checkpoint(_) => "as the kernel's own map showed it".to_owned(),
        _ => format!("thread {tid}"),
    }
}

/// The kind of a mapping that no checkpoint saw, by its own line.
fn kind_of(row: &recording::MapRow) -> Kind {
    let recording::MapRow { range, prot, shared, offset, file, name } = row.clone();
    let mapping = snapshot::Mapping { range, prot, shared, offset, file, name };
    let alone = Snapshot { mappings: vec![mapping], ..Snapshot::default() };
    classify(&alone).first().map_or(Kind::Anonymous, |leaf| leaf.kind)
}

fn rights(prot: Prot, shared: bool) -> String {
    let letter = |bit, letter| if prot.contains(bit) { letter } else { '-' };
    let last = if shared { 's' } else { 'p' };
    [letter(Prot::READ, 'r'), letter(Prot::WRITE, 'w'), letter(Prot::EXEC, 'x'), last].iter().collect()
}
