//! Calls, the kernel's word on them, and faults: what moves the twin between checkpoints.

use abi::{AddrRange, Call, Errno, MapFlags, VirtAddr};
use proc_twin::NAMELESS_HUGE;
use recording::{CallEvent, CallInput, CallResult, FaultEvent, FaultMode, FaultSource, MappedEvent, MmId};

use crate::changed::{Changed, What};
use crate::forks::{Copier, Other, Unshared};
use crate::grown::Grew;
use crate::growth::Growth;
use crate::ledger::Touch;
use crate::memory::UnderWay;
use crate::place::Place;
use crate::proof::{Correction, CorrectionReason};
use crate::touched::touched;
use crate::twin::{Corrected, Predicted, Told};
use crate::world::World;

impl World {
    /// A call: the twin predicts it; a result that was seen confirms or corrects it at once.
    pub(crate) fn call(&mut self, place: Place, event: &CallEvent) {
        self.processes.meet(place.tid, place.mm, place.time);
        if let Some(process) = self.processes.of_mut(place.tid) {
            process.calls += 1;
        }
        *self.counts.calls.entry(event.call.name()).or_default() += 1;
        let Some(memory) = self.memories.get_mut(&place.mm) else {
            self.proof.calls_unknown += 1;
            return;
        };
        memory.arguments.went_on(place.tid);
        memory.is_raced |= event.result == CallResult::Unseen && memory.races(place.tid, place.time);
        let Some(twin) = memory.twin.as_mut() else {
            self.proof.calls_unknown += 1;
            return;
        };
        self.proof.calls += 1;
        let brk = twin.brk();
        let before = twin.bytes();
        let told = match event.result {
            CallResult::Seen(value) => Told::Answer(value),
            CallResult::Unseen => Told::Nothing,
        };
        let Some(Predicted { result: predicted, why, input }) =
            twin.call(&mut self.shared, event.call, &event.input, told)
        else {
            self.proof.calls_unmodelled += 1;
            memory.is_unmodelled = true;
            return;
        };
        self.why = Some(why);
        if let Some(name) = input {
            *self.proof.inputs.entry(name).or_default() += 1;
        }
        let ranges = ranges_of(event.call, predicted, brk);
        let what = if changes_all(event.call) { What::Whole } else { What::Ranges(ranges) };
        self.changed.push(Changed { mm: place.mm, what });
        let after = twin.bytes();
        let under_way = UnderWay {
            event: place.event,
            time: place.time,
            call: event.call,
            input: kept_input(event),
            predicted,
            ranges,
            is_confirmed: false,
        };
        memory.remember(place.tid, under_way);
        self.ledger_call(place, event, predicted, brk);
        if after > before {
            let Place { event: no, time, tid, mm } = place;
            let bytes = after - before;
            self.growths.add(Growth { bytes, time, event: no, mm, tid, call: event.call, range: ranges[0] });
        }
        if let CallResult::Seen(kernel) = event.result {
            self.check_result(place, kernel);
        }
    }

    /// The result of the thread's last call is known.
    fn check_result(&mut self, place: Place, kernel: i64) {
        let Some(memory) = self.memories.get_mut(&place.mm) else { return };
        let Some(under_way) = memory.under_way.remove(&place.tid) else { return };
        let predicted = raw(under_way.predicted);
        if predicted == kernel || !result_is_ruled(under_way.call) {
            self.proof.calls_confirmed += 1;
            return;
        }
        self.correct(place, under_way, kernel);
    }

    /// The kernel's word, given under its lock: the mapping that the thread's last call made, grew or changed.
    pub(crate) fn mapped(&mut self, place: Place, mapped: &MappedEvent) {
        let Some(memory) = self.memories.get_mut(&place.mm) else { return };
        let Some(twin) = memory.twin.as_mut() else { return };
        let task_size = self.shared.profile().task_size;
        memory.arguments.mapped(place.tid, mapped.range, task_size, twin.space());
        let Some(under_way) = memory.under_way.get(&place.tid).filter(|call| !call.is_confirmed).cloned()
        else {
            // Nobody asked: the stack grew.
            twin.grow_stack(&mut self.shared, mapped.range);
            self.changed.push(Changed { mm: place.mm, what: What::Ranges([Some(mapped.range), None]) });
            return;
        };
        let Some(verdict) = verdict(&under_way, mapped, |range| twin.is_mapped(range)) else {
            twin.grow_stack(&mut self.shared, mapped.range);
            return;
        };
        if let Some(known) = memory.under_way.get_mut(&place.tid) {
            known.is_confirmed = true;
        }
        match verdict {
            Verdict::Confirmed => self.proof.calls_confirmed += 1,
            Verdict::Elsewhere(addr) => self.correct(place, under_way, addr.0 as i64),
        }
    }

    /// The kernel answered otherwise: its answer is taken.
    fn correct(&mut self, place: Place, under_way: UnderWay, kernel: i64) {
        let Some(memory) = self.memories.get_mut(&place.mm) else { return };
        let is_raced = memory.is_raced || memory.races(place.tid, place.time);
        let Some(twin) = memory.twin.as_mut() else { return };
        let addr = (!(-4095..0).contains(&kernel)).then_some(VirtAddr(kernel as u64));
        let UnderWay { call, ref input, .. } = under_way;
        // Where another thread took the place since, nothing of it is left to be taken back.
        let predicted = under_way.ranges[0].map_or(Err(Errno::ENOMEM), |_| under_way.predicted);
        self.changed.push(Changed { mm: place.mm, what: What::Whole });
        let corrected = match addr {
            Some(addr) => {
                let moved = ranges_of(call, Ok(addr.0), addr);
                self.changed.push(Changed { mm: place.mm, what: What::Ranges(moved) });
                if let Some(known) = memory.under_way.get_mut(&place.tid) {
                    known.ranges = moved;
                }
                for (_, other) in memory.under_way.iter_mut().filter(|(tid, _)| **tid != place.tid) {
                    if loses_its_place(other, moved[0]) {
                        twin.undo(&mut self.shared, other.call, other.predicted);
                        other.ranges = [None; 2];
                    }
                }
                twin.place(&mut self.shared, call, input, predicted, addr)
            }
            None => twin.undo(&mut self.shared, call, predicted),
        };
        match corrected {
            Corrected::Input(name) => {
                *self.proof.inputs.entry(name).or_default() += 1;
                return;
            }
            Corrected::Done | Corrected::Unknown => {}
        }
        let reason = if is_raced { CorrectionReason::OrderUncertain } else { CorrectionReason::Other };
        self.proof.correct(Correction {
            event: under_way.event,
            time: under_way.time,
            mm: place.mm,
            tid: place.tid,
            call: under_way.call,
            twin: raw(under_way.predicted),
            kernel,
            reason,
        });
    }

    /// A fault: grows the stack and gives the mapping its `anon_vma`.
    pub(crate) fn fault(&mut self, place: Place, fault: &FaultEvent) {
        self.counts.faults.add(fault);
        if let Some(process) = self.processes.of_mut(place.tid) {
            process.faults += 1;
        }
        let Some(memory) = self.memories.get_mut(&place.mm) else { return };
        // In kernel mode the words of `execve` may be what is touched.
        if fault.mode == FaultMode::User {
            memory.arguments.went_on(place.tid);
        }
        let Some(twin) = memory.twin.as_mut() else { return };
        let huge = twin.asks_huge(&self.shared, fault.addr);
        let grew = twin.touch(&mut self.shared, fault.addr, fault.access);
        let touch = Touch { time: place.time, tid: place.tid, stack: fault.stack };
        let fork = memory
            .ledger
            .as_mut()
            .and_then(|ledger| ledger.fault(twin.space(), touch, (fault.addr, fault.access.into()), huge));
        memory.grown.fault(place.tid, grew);
        if let (Some(stack), Some(range)) = (memory.stack.as_mut(), twin.stack()) {
            stack.see(range, place.time);
        }
        if let Some(Grew { range, .. }) = grew {
            self.changed.push(Changed { mm: place.mm, what: What::Ranges([Some(range), None]) });
        }
        if let Some(child) = fork {
            self.unshared = self.unshared_by(place.mm, fault.addr, child);
            self.forks.copied(child, Copier { mm: place.mm, tid: place.tid, stack: fault.stack });
        }
    }

    /// A memory wrote to a page that the fork of `child` had left in two memories.
    fn unshared_by(&self, mm: MmId, addr: VirtAddr, child: MmId) -> Option<Unshared> {
        let fork = self.forks.of(child)?;
        let sees_all = self.header.sources.faults == FaultSource::All
            && !self.counts.faults.is_sampled
            && self.counts.lost.is_empty();
        let other = self.memories.get(if mm == child { &fork.parent } else { &child });
        let ledger =
            other.filter(|memory| sees_all && !memory.has_gaps).and_then(|memory| memory.ledger.as_ref());
        let page = ledger.and_then(|ledger| ledger.at(addr));
        let had_it = page.is_some_and(|page| {
            page.is_anonymous() && page.is_shared_by_fork() && page.forked == Some(child)
        });
        let other = if had_it { Other::Had } else { Other::Unknown };
        Some(Unshared { child: fork.child_pid, other })
    }
}

/// Whether a mapping record tells of the file that a call maps; of nameless memory the file is not known.
fn is_of_same_file(input: &CallInput, mapped: &MappedEvent) -> bool {
    match input {
        CallInput::File(file) => mapped.file == file.id,
        _ => mapped.file.ino == 0 || mapped.shared || *mapped.name == *NAMELESS_HUGE,
    }
}

/// What a call read, where it may have to be done again at another place.
fn kept_input(event: &CallEvent) -> CallInput {
    match event.call {
        Call::Mmap { .. } => event.input.clone(),
        _ => CallInput::None,
    }
}

/// What a mapping record says of a call.
enum Verdict {
    /// It did what the twin predicted.
    Confirmed,
    /// The kernel placed the mapping here.
    Elsewhere(VirtAddr),
}

/// Reads a mapping record as the word on a call; `None` if it is about something else.
///
/// The record tells the whole mapping after any merge, so the new part is somewhere inside:
/// ```text
/// before      AAAA
/// record      AAAABBB     the call mapped BBB
/// ```
/// A record that covers the place of the prediction confirms it: whoever mapped that place before has had its record, in the
/// kernel's order, and took the prediction back ([`loses_its_place`]).
fn verdict(
    under_way: &UnderWay,
    mapped: &MappedEvent,
    is_mapped: impl Fn(AddrRange) -> bool,
) -> Option<Verdict> {
    match under_way.call {
        // One of exec's own mappings, told late, is not the first call's.
        Call::Mmap { .. } if !is_of_same_file(&under_way.input, mapped) => None,
        Call::Mmap { len, .. } => {
            let bytes = VirtAddr(len).page_up_wrapping().0;
            if let (Ok(_), Some(range)) = (under_way.predicted, under_way.ranges[0])
                && mapped.range.covers(range)
            {
                return Some(Verdict::Confirmed);
            }
            if mapped.range.len() < bytes {
                return None;
            }
            let first = AddrRange::from_len(mapped.range.start, bytes)?;
            let last = AddrRange::new(VirtAddr(mapped.range.end.0 - bytes), mapped.range.end);
            let place = if is_mapped(first) && !is_mapped(last) { last } else { first };
            Some(Verdict::Elsewhere(place.start))
        }
        Call::Brk { .. } | Call::Mprotect { .. } | Call::PkeyMprotect { .. } => {
            let range = under_way.ranges[0]?;
            mapped.range.overlaps(range).then_some(Verdict::Confirmed)
        }
        _ => None,
    }
}

/// Tells whether the kernel placed another's mapping where the twin has that of a call that is not confirmed: it is wherever
/// its own record says.
fn loses_its_place(call: &UnderWay, to: Option<AddrRange>) -> bool {
    let placed = matches!(call.call, Call::Mmap { flags, .. } if !flags.contains(MapFlags::FIXED));
    let overlaps = |range: AddrRange| to.is_some_and(|to| to.overlaps(range));
    placed && !call.is_confirmed && call.ranges[0].is_some_and(overlaps)
}

fn ranges_of(call: Call, predicted: Result<u64, Errno>, brk: VirtAddr) -> [Option<AddrRange>; 2] {
    match predicted {
        Ok(value) => touched(call, Some(value), brk),
        Err(_) => touched(call, None, brk),
    }
}

/// The raw return value: the errno negative.
fn raw(result: Result<u64, Errno>) -> i64 {
    match result {
        Ok(value) => value as i64,
        Err(errno) => -i64::from(errno.0),
    }
}

/// Whether a call may change any mapping rather than those in its range.
fn changes_all(call: Call) -> bool {
    matches!(
        call,
        Call::Mlockall { .. }
            | Call::Munlockall {}
            | Call::ProcessMadvise { .. }
            | Call::Prctl { .. }
            | Call::Mremap { .. }
            | Call::Shmat { .. }
            | Call::Shmdt { .. }
            | Call::UffdIoctl { .. }
            | Call::IoSetup { .. }
            | Call::IoDestroy { .. }
    )
}

/// Whether a rule decides the result, rather than the state of other parts of the kernel.
fn result_is_ruled(call: Call) -> bool {
    !matches!(call, Call::Userfaultfd { .. } | Call::PkeyAlloc { .. } | Call::Personality { .. })
}
