//! On the thread that writes: from copies to chains, and from chains to names.

use std::sync::Arc;

use abi::{Pid, Tid, VirtAddr};
use foldhash::HashMap as QuickMap;
use recording::{Body, ChainEnds, Event, MmId, SpawnKind, StackId, Symbols, TimeNs};
use stacks::{Chain, CodeMap, End, FRAMES_MAX, Unwinder};

use super::contexts::Frame;
use super::copy::{RawFault, RawStack, StackCopies, Top};
use super::follow::Follow;
use super::intern::{Chains, Interned};
use super::names;
use super::wholes::{Tried, Wholes, own_frames};
use crate::faults::STACK_BYTES_BRIEF;
use crate::recorder::Stacks;

/// Processes of which the lists of functions made at run time are looked for.
const PIDS_MAX: usize = 1024;
/// Chains of faults kept to be found again.
const FAULT_CHAINS_MAX: usize = 1 << 16;

/// A fault's memory, the kernel's chain and the instruction.
type FaultKey = (MmId, Option<StackId>, VirtAddr);

/// The chains of faults that were seen since the last change of any map: most faults are like others.
#[derive(Debug, Default)]
struct FaultChains {
    changes: u64,
    known: QuickMap<FaultKey, StackId>,
}

impl FaultChains {
    fn find(&mut self, changes: u64, key: FaultKey) -> Option<StackId> {
        if self.changes != changes || self.known.len() >= FAULT_CHAINS_MAX {
            self.changes = changes;
            self.known.clear();
        }
        self.known.get(&key).copied()
    }

    fn keep(&mut self, key: FaultKey, id: StackId) {
        self.known.insert(key, id);
    }
}

/// The whole stacks that threads have next, each with what it belongs to.
#[derive(Debug)]
struct Ahead<T>(QuickMap<Tid, (T, Vec<Frame>)>);

impl<T: Copy> Ahead<T> {
    fn known(&self, tid: Tid) -> Option<T> {
        self.0.get(&tid).map(|(of, _)| *of)
    }

    /// Takes what comes next of a thread, if that was copied already, with its copy if that is not the one known; returns
    /// its frames.
    fn see(
        &mut self,
        tid: Tid,
        next: Option<(T, Option<RawStack>)>,
        unwinder: &mut Unwinder,
        code: &CodeMap,
    ) -> &[Frame] {
        match next {
            None => {
                self.0.remove(&tid);
            }
            Some((next, Some(raw))) => {
                let chain = unwinder.unwind(code, &raw.registers, &raw.stack());
                let (of, frames) = self.0.entry(tid).or_insert((next, Vec::new()));
                *of = next;
                frames.clear();
                if chain.end == End::Root {
                    own_frames(&chain, frames);
                }
            }
            Some((_, None)) => {}
        }
        self.0.get(&tid).map_or(&[], |(_, frames)| frames)
    }

    /// Joins a chain to what comes next of its thread; tells whether it could.
    fn join(
        &mut self,
        tid: Tid,
        next: Option<(T, Option<RawStack>)>,
        (unwinder, code): (&mut Unwinder, &CodeMap),
        wholes: &Wholes,
        chain: &mut Chain,
    ) -> bool {
        let ahead = self.see(tid, next, unwinder, code);
        wholes.join_to(tid, ahead, chain, |one, other| unwinder.is_same_function(code, one, other))
    }
}

/// Gives events their chains.
#[derive(Debug)]
pub(crate) struct Unwinding {
    waiting: StackCopies,
    follow: Follow,
    unwinder: Unwinder,
    chains: Chains,
    ends: ChainEnds,
    fault_ends: ChainEnds,
    /// The chains that the kernel's fault events name.
    of_kernel: Vec<Arc<[VirtAddr]>>,
    of_faults: FaultChains,
    wholes: Wholes,
    calls_ahead: Ahead<TimeNs>,
    faults_ahead: Ahead<StackId>,
    pids: Vec<Pid>,
    wanted: Stacks,
}

impl Unwinding {
    /// Makes one that takes its copies from here.
    pub(crate) fn new(waiting: StackCopies, wanted: Stacks) -> Self {
        Self {
            waiting,
            follow: Follow::default(),
            unwinder: Unwinder::new(),
            chains: Chains::default(),
            ends: ChainEnds::default(),
            fault_ends: ChainEnds::default(),
            of_kernel: Vec::new(),
            of_faults: FaultChains::default(),
            wholes: Wholes::default(),
            calls_ahead: Ahead(QuickMap::default()),
            faults_ahead: Ahead(QuickMap::default()),
            pids: Vec::new(),
            wanted,
        }
    }

    /// Takes an event and hands it on with its chain; a chain that is new goes before it.
    pub(crate) fn see(&mut self, mut event: Event, out: &mut Vec<Event>) {
        let fresh = match &event.body {
            Body::Call(_) => self.of_call(&mut event),
            Body::Fault(_) => self.of_fault(&mut event),
            // The kernel's own chains are numbered anew, together with those of calls.
            Body::Stack(frames) => {
                self.of_kernel.push(frames.clone());
                return;
            }
            Body::Exec(exec) if self.pids.len() < PIDS_MAX && !self.pids.contains(&exec.pid) => {
                self.pids.push(exec.pid);
                None
            }
            _ => None,
        };
        // A call changes the map after it was made.
        self.follow.see(&event);
        match &event.body {
            Body::Spawn(spawn) if spawn.kind == SpawnKind::Fork => self.wholes.fork(event.tid, spawn.child),
            Body::Spawn(spawn) => self.wholes.forget(spawn.child),
            Body::Exec(_) | Body::Exit { .. } => self.wholes.forget(event.tid),
            _ => {}
        }
        out.extend(fresh);
        out.push(event);
    }

    /// Unwinds what was copied at a fault. Where nothing was, the kernel has followed frame pointers, also through
    /// functions that keep none: what is no return address ends the chain. Without one the instruction is known.
    fn of_fault(&mut self, event: &mut Event) -> Option<Event> {
        let Body::Fault(fault) = &mut event.body else { return None };
        let key = (event.mm, fault.stack, fault.ip);
        let code = self.follow.map(event.mm);
        let copied = fault.stack.and_then(|id| Some((id, self.waiting.take_fault(id)?)));
        // One that was copied has a chain of its own, whatever the kernel's is.
        let is_like_others = copied.is_none();
        // Of one that the kernel takes while it makes the memory of a new program there is no stack, and the instruction is
        // in the former one.
        let is_there = |fault: &RawFault, code: &CodeMap| {
            !fault.raw.bytes.is_empty() || code.find(fault.raw.registers.ip).is_some()
        };
        let copied = copied.filter(|(_, fault)| code.is_some_and(|code| is_there(fault, code)));
        let frames = if let (Some((id, fault)), Some(_)) = (copied, code) {
            self.of_copy(event.mm, event.time, id, fault)
        } else {
            self.fault_ends.missed += 1;
            if let Some(id) = self.of_faults.find(self.follow.changes(), key) {
                fault.stack = Some(id);
                return None;
            }
            let mut frames = vec![fault.ip];
            let known = fault.stack.and_then(|stack| self.of_kernel.get(stack.0 as usize)).cloned();
            if let (Some(known), Some(code)) = (known, code) {
                let callers = known.iter().skip_while(|frame| **frame == fault.ip);
                frames.extend(callers.take_while(|frame| self.unwinder.is_return_address(code, **frame)));
            }
            frames
        };
        let (id, fresh) = self.intern(event, &frames);
        if let Some(id) = id.filter(|_| is_like_others) {
            self.of_faults.keep(key, id);
        }
        if let Body::Fault(fault) = &mut event.body {
            fault.stack = id;
        }
        fresh
    }

    /// The chain of a fault of which registers and a piece of the stack were copied.
    fn of_copy(&mut self, mm: MmId, time: TimeNs, id: StackId, fault: RawFault) -> Vec<VirtAddr> {
        let RawFault { tid, raw, chain: of_kernel } = fault;
        let Some(code) = self.follow.map(mm) else { return vec![raw.registers.ip] };
        let unwinder = &mut self.unwinder;
        let mut chain = unwinder.unwind(code, &raw.registers, &raw.stack());
        let same = |one, other| unwinder.is_same_function(code, one, other);
        let tried = match raw.bytes.len() as u64 {
            0..=STACK_BYTES_BRIEF => None,
            _ => self.wholes.try_out(tid, &chain, STACK_BYTES_BRIEF, same),
        };
        let by_itself = chain.end;
        let same = |one, other| unwinder.is_same_function(code, one, other);
        let mut joined = self.wholes.join(tid, &mut chain, same);
        if matches!(chain.end, End::Cut { .. }) {
            let next = self.waiting.next_call(tid, time, self.calls_ahead.known(tid));
            joined = self.calls_ahead.join(tid, next, (unwinder, code), &self.wholes, &mut chain);
        }
        if matches!(chain.end, End::Cut { .. }) {
            let next = self.waiting.next_large(tid, id, self.faults_ahead.known(tid));
            joined = self.faults_ahead.join(tid, next, (unwinder, code), &self.wholes, &mut chain);
        }
        if matches!(chain.end, End::Cut { .. }) {
            let led = lead_on(unwinder, code, &mut chain, &of_kernel);
            joined = self.wholes.join_led(tid, &mut chain, led);
        }
        self.wholes.keep(tid, &chain);
        let used = chain.stack.last().map_or(0, |last| last.0.saturating_sub(raw.sp.0));
        self.waiting.fault_ended(raw.bytes.len(), used, chain.end);
        // Of a larger piece that was joined it is not known whether its top would have been.
        let top_end = if raw.bytes.len() as u64 > STACK_BYTES_BRIEF { by_itself } else { chain.end };
        self.waiting.top_ended(match (tried, top_end) {
            (Some(Tried::NotJoined), _) | (None, End::Cut { .. }) => Top::Cut,
            (Some(Tried::Right | Tried::Wrong), _) | (None, _) => Top::Suffice,
        });
        self.fault_ends.tried += u64::from(matches!(tried, Some(Tried::Right | Tried::Wrong)));
        self.fault_ends.tried_wrong += u64::from(tried == Some(Tried::Wrong));
        note(&mut self.fault_ends, chain.end, joined);
        self.waiting.take_back(raw);
        chain.frames
    }

    fn of_call(&mut self, event: &mut Event) -> Option<Event> {
        let raw = self.waiting.take(event.tid, event.time)?;
        let code = self.follow.map(event.mm)?;
        let mut chain = self.unwinder.unwind(code, &raw.registers, &raw.stack());
        let last = chain.stack.last().copied().unwrap_or(raw.sp);
        self.waiting.ended(event.tid, &raw, last, chain.end);
        self.waiting.take_back(raw);
        let same = |one, other| self.unwinder.is_same_function(code, one, other);
        let joined = self.wholes.join(event.tid, &mut chain, same);
        self.wholes.keep(event.tid, &chain);
        note(&mut self.ends, chain.end, joined);
        let (id, fresh) = self.intern(event, &chain.frames);
        if let Body::Call(call) = &mut event.body {
            call.stack = id;
        }
        fresh
    }

    fn intern(&mut self, event: &Event, frames: &[VirtAddr]) -> (Option<StackId>, Option<Event>) {
        match self.chains.intern(frames, self.follow.map(event.mm)) {
            Interned::Known(id) => (Some(id), None),
            Interned::New(id) => {
                (Some(id), Some(Event { body: Body::Stack(frames.into()), ..event.clone() }))
            }
            Interned::Full => (None, None),
        }
    }

    /// Names all frames, if that is wanted.
    pub(crate) fn symbols(&self) -> Option<Symbols> {
        let Stacks::Named(detail) = self.wanted else { return None };
        let ends = ChainEnds { missed: self.waiting.missed(), ..self.ends };
        Some(names::of(&self.chains, &self.pids, ends, self.fault_ends, detail))
    }
}

fn note(ends: &mut ChainEnds, end: End, joined: bool) {
    ends.joined += u64::from(joined);
    let count = match end {
        End::Root => &mut ends.root,
        End::Cut { .. } => &mut ends.cut,
        End::Unsaved => &mut ends.unsaved,
        End::Lost | End::Deep => &mut ends.lost,
    };
    *count += 1;
}

/// Goes on with the chain that the kernel has followed by frame pointers, from the frame where both have been, through
/// functions that keep one; tells how many frames that led to.
fn lead_on(unwinder: &mut Unwinder, code: &CodeMap, chain: &mut Chain, of_kernel: &[VirtAddr]) -> usize {
    let copied = chain.frames.len();
    let Some(last) = chain.frames.last().copied() else { return 0 };
    let Some(at) = of_kernel.iter().rposition(|frame| *frame == last) else { return 0 };
    let mut from = last;
    for frame in &of_kernel[at + 1..] {
        if chain.frames.len() == FRAMES_MAX
            || !unwinder.keeps_frame_pointer(code, from)
            || !unwinder.is_return_address(code, *frame)
        {
            break;
        }
        chain.frames.push(*frame);
        from = *frame;
    }
    chain.frames.len() - copied
}
