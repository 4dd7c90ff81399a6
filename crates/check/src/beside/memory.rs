//! One memory with its twin beside it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use abi::{AddrRange, Call, MapFlags, Pid, RemapFlags, Tid, VirtAddr};
use mm::{DescriptionId, Limits, Settings, VmFlags};
use recording::{CallInput, ExecEvent, MapRow, MmId};
use timeline::twin::{Corrected, Shared, Told, Twin, is_of_unknown_driver};
use timeline::{Difference, compare, touched};

use super::exec;
use super::found::{Divergence, Found, Kept};
use super::kernel::KernelMap;
use super::pages::Pages;
use super::scene;
use super::under_way::{Answered, Caller, Company, Early, Ending, OpenCalls, UnderWay, raw};

/// Maps with fewer lines are compared whole after every call.
const WHOLE_BELOW: usize = 200;
/// Larger ones at least after so many calls,
const CALLS_MAX: u64 = 256;
/// and at the next call after this time.
const TIME_MAX: Duration = Duration::from_millis(100);

/// What is known of the whole map.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// It was compared, and is the kernel's.
    Agrees,
    /// It was not compared, or differs.
    Unknown,
}

/// How often the whole map is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Every {
    /// Small maps after every call, large ones now and then; the changed range always.
    Adaptive,
    /// After every so many calls.
    Calls(u64),
}

/// One memory: its twin, and the kernel's files on it.
pub struct Memory {
    pub(super) twin: Twin,
    kernel: KernelMap,
    calls_since_whole: u64,
    last_whole: Instant,
    /// Its page states, where they are compared.
    pub(super) pages: Option<Pages>,
}

impl Memory {
    /// Takes a memory over just after exec, after comparing it with what exec must map by its files.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn adopt(
        shared: &mut Shared,
        found: &mut Found,
        mm: MmId,
        exec: &ExecEvent,
        limits: Limits,
        inherited: Settings,
    ) -> io::Result<Self> {
        let kernel = KernelMap::open(exec.pid)?;
        let (rows, flags) = kernel.rows_with_flags()?;
        let predicted = exec::predict(shared, mm, exec, (limits, inherited), (&rows, &flags));
        let mut twin = Twin::adopt(shared, mm, Some(exec), limits, inherited, (&rows, &flags));
        match predicted {
            exec::Predicted::Unknown => found.input("mappings made at exec", 1),
            exec::Predicted::Agrees(layout) => {
                found.maps_compared += 1;
                found.execs_predicted += 1;
                twin.search_from(&layout);
            }
            exec::Predicted::Differs(maps) => {
                found.maps_compared += 1;
                found.diverge(Divergence { maps, ..Divergence::at_exec(exec, found.calls) });
            }
        }
        let mut memory = Self { twin, kernel, calls_since_whole: 0, last_whole: Instant::now(), pages: None };
        memory.learn_anonymous(shared)?;
        Ok(memory)
    }

    /// Makes the memory of a forked child; `None` if the twin says that the fork fails.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn fork(&mut self, shared: &mut Shared, mm: MmId, child: Pid) -> io::Result<Option<Self>> {
        let Some(twin) = self.twin.fork(shared, mm) else { return Ok(None) };
        let kernel = KernelMap::open(child)?;
        Ok(Some(Self { twin, kernel, calls_since_whole: 0, last_whole: Instant::now(), pages: None }))
    }

    /// What a program that is executed inherits from it.
    pub(super) fn inherited(&self) -> Settings {
        self.twin.inherited()
    }

    /// Its mappings.
    pub(super) fn space(&self) -> &mm::AddressSpace {
        self.twin.space()
    }

    /// The heap's end.
    pub(super) fn brk(&self) -> VirtAddr {
        self.twin.brk()
    }

    /// Ends the twin.
    pub fn end(self, shared: &mut Shared) {
        self.twin.exit(shared);
    }

    /// The descriptions of files that will have no mapping left after a call, as the twin says: a call that is refused
    /// leaves them theirs, and one that maps a file anew keeps that file's.
    pub fn gone_after(&self, shared: &Shared, call: Call, input: &CallInput) -> Vec<u64> {
        let unmapped = match call {
            Call::Munmap { addr, len } => [AddrRange::from_len(addr, len), None],
            Call::Mmap { addr, len, flags, .. } if flags.contains(MapFlags::FIXED) => {
                [AddrRange::from_len(addr, len), None]
            }
            Call::Mremap { addr, old_len, new_len, flags, new_addr } => {
                let to = AddrRange::from_len(new_addr, new_len);
                [AddrRange::from_len(addr, old_len), to.filter(|_| flags.contains(RemapFlags::FIXED))]
            }
            _ => [None, None],
        };
        let ranges = unmapped.into_iter().flatten();
        let vmas = ranges.flat_map(|range| self.twin.space().vmas_in(range));
        let mut gone: Vec<u64> = vmas.filter_map(description).collect();
        if !gone.is_empty() {
            // Costs nothing by size: what the call then changes is copied.
            let mut after = self.twin.clone();
            after.call(&mut shared.clone(), call, input, Told::Nothing);
            let stay: HashSet<u64> = after.space().vmas().filter_map(description).collect();
            gone.retain(|id| !stay.contains(id));
        }
        gone
    }

    /// The descriptions of files that have a mapping.
    pub fn descriptions(&self) -> HashSet<u64> {
        self.twin.space().vmas().filter_map(description).collect()
    }

    /// Takes the kernel's map over after something that is not modelled.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn take_over(&mut self, shared: &mut Shared) -> io::Result<()> {
        self.resync(shared)
    }

    /// Learns what happened since the last call without one: stacks grown, userfaultfds closed, first writes.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn enter(&mut self, shared: &mut Shared, found: &mut Found) -> io::Result<()> {
        self.learn_changes(shared, found)?;
        self.learn_anonymous(shared)
    }

    /// The same before a call. In a large map first writes are asked for only where the call is about mappings, and
    /// everywhere before the whole map is compared.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn enter_call(
        &mut self,
        shared: &mut Shared,
        found: &mut Found,
        (call, input): (Call, &CallInput),
        every: Every,
    ) -> io::Result<()> {
        self.learn_changes(shared, found)?;
        if self.whole_is_due(every) {
            return self.learn_anonymous(shared);
        }
        let Some(near) = self.near(shared, call, input) else { return self.learn_anonymous(shared) };
        let open: Vec<AddrRange> = self.twin.without_anon_vma_in(near).collect();
        self.learn_anonymous_in(shared, open.into_iter())
    }

    /// The ranges that a call is about, as the twin says, with what touches them; `None` where it may be about all.
    fn near(&self, shared: &Shared, call: Call, input: &CallInput) -> Option<[Option<AddrRange>; 2]> {
        let result = match call {
            // Where it goes depends on chance; how long it is only the kernel knows.
            Call::Mmap { flags, .. } if flags.contains(MapFlags::MAP_32BIT) => return None,
            Call::Shmat { .. } | Call::Shmdt { .. } => return None,
            Call::Mlockall { .. }
            | Call::Munlockall {}
            | Call::ProcessMadvise { .. }
            | Call::ProcessMrelease { .. }
            | Call::UffdIoctl { .. }
            | Call::IoSetup { .. }
            | Call::IoDestroy { .. }
            | Call::ArchPrctl { .. }
            | Call::Prctl { .. } => return None,
            Call::Mmap { flags, .. } if flags.contains(MapFlags::FIXED) => None,
            Call::Mmap { .. } | Call::Mremap { .. } | Call::MapShadowStack { .. } => {
                // Costs nothing by size: what the call then changes is copied.
                self.twin.clone().call(&mut shared.clone(), call, input, Told::Nothing)?.result.ok()
            }
            _ => None,
        };
        let ranges = touched(call, result, self.twin.brk());
        Some(ranges.map(|range| range.map(with_neighbours)))
    }

    fn learn_changes(&mut self, shared: &mut Shared, found: &mut Found) -> io::Result<()> {
        for stack in self.twin.growing() {
            if let Some(range) = self.kernel.mapping_ending_at(stack)? {
                self.twin.grow_stack(shared, range);
            }
        }
        if self.twin.has_userfaultfds() {
            let kernel = self.kernel.rows()?;
            let agrees = |rows: &[MapRow]| compare(&kernel, rows, &[]).differences.is_empty();
            if !agrees(&self.twin.rows()) {
                found.input("userfaultfd closed", self.twin.release_closed(shared, agrees));
            }
        }
        Ok(())
    }

    /// After a call: the twin does it too, and both are compared.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn leave(
        &mut self,
        shared: &mut Shared,
        found: &mut Found,
        mut ending: Ending<'_>,
        every: Every,
    ) -> io::Result<()> {
        Self::tell_apart(&mut ending);
        let (done, kernel) = (&ending.done, ending.kernel);
        shared.set_special_flags(self.flags_of_device(done, kernel)?);
        // Costs nothing by size: what the call then changes is copied.
        let first = self.twin.clone();
        let has_company = ending.caller.company == Company::Others;
        let before = has_company.then(|| (first.clone(), shared.clone()));
        let Some(mut answered) = self.answer(shared, found, done, kernel) else {
            *found.unmodelled.entry(done.call.name().to_owned()).or_default() += 1;
            return self.resync(shared);
        };
        // What it owes may be anywhere around its ranges.
        let every = if done.owes.is_empty() { every } else { Every::Calls(1) };
        let mut maps = self.compare(found, &answered, every)?;
        if let Some(before) = before.filter(|_| !answered.agrees || !maps.is_empty()) {
            let tried = (std::mem::replace(&mut self.twin, before.0), std::mem::replace(shared, before.1));
            match self.try_orders(shared, found, &mut ending)? {
                Some(again) => {
                    found.order_uncertain += 1;
                    (answered, maps) = (again, Vec::new());
                }
                None => (self.twin, *shared) = tried,
            }
        }
        if answered.agrees {
            let is_whole = maps.is_empty() && self.calls_since_whole == 0;
            let whole = if is_whole { Whole::Agrees } else { Whole::Unknown };
            let lost = self.settle_owed(ending.others, whole, (&first, &answered.ranges));
            maps = self.leave_out(shared, found, ending.others, maps);
            maps.extend(lost);
        }
        if answered.agrees && maps.is_empty() {
            found.predicted += u64::from(answered.predicted.input.is_none());
            if let Some(input) = answered.predicted.input {
                found.input(input, 1);
            }
            return Ok(());
        }
        let Ending { caller, done, kernel, others: _ } = ending;
        let kept = Kept { answer: raw(&answered.predicted), why: answered.predicted.why };
        found.diverge(Divergence {
            pid: caller.pid,
            tid: caller.tid,
            at_call: found.calls,
            call: Some(done.call),
            twin: Some(kept),
            kernel: Some(kernel),
            maps,
            program: scene::program(
                &first,
                done.call,
                &touched(done.call, u64::try_from(kernel).ok(), first.brk()),
            ),
        });
        self.resync(shared)
    }

    /// After a call: what others owe. Where the whole map agrees, nothing. Where the call has changed lines (`first`: before
    /// it), differences there can't be found gone any more: they are returned.
    fn settle_owed(
        &self,
        others: &mut HashMap<Tid, UnderWay>,
        whole: Whole,
        (first, ranges): (&Twin, &[Option<AddrRange>; 2]),
    ) -> Vec<Difference> {
        if whole == Whole::Agrees {
            others.values_mut().for_each(|other| other.owes.clear());
            return Vec::new();
        }
        if others.values().all(|other| other.owes.is_empty()) {
            return Vec::new();
        }
        let is_changed = |range: &AddrRange| first.rows_in(*range) != self.twin.rows_in(*range);
        let changed: Vec<AddrRange> = ranges.iter().flatten().copied().filter(is_changed).collect();
        let is_there = |one: &mut Difference| changed.iter().any(|range| range.overlaps(one.range));
        let mut lost: Vec<Difference> = others
            .values_mut()
            .flat_map(|other| other.owes.extract_if(.., is_there).collect::<Vec<_>>())
            .collect();
        lost.dedup();
        lost
    }

    /// Compares the whole map at exec, fork, exit, the end; `open` are calls whose end nobody has seen, `others` go on.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn check_whole(
        &mut self,
        shared: &mut Shared,
        found: &mut Found,
        caller: Caller,
        open: OpenCalls<'_>,
        others: &mut HashMap<Tid, UnderWay>,
    ) -> io::Result<()> {
        shared.set_caller(caller.tid);
        self.enter(shared, found)?;
        let mut maps = self.compare_whole(found)?;
        if !maps.is_empty() {
            maps = self.try_open(shared, found, open, maps)?;
        }
        maps = self.leave_out(shared, found, others, maps);
        if !maps.is_empty() {
            found.diverge(Divergence {
                pid: caller.pid,
                tid: caller.tid,
                at_call: found.calls,
                call: None,
                twin: None,
                kernel: None,
                maps,
                program: None,
            });
            self.resync(shared)?;
        }
        Ok(())
    }

    /// Does the call on the twin; `None` if it is not modelled.
    pub(super) fn answer(
        &mut self,
        shared: &mut Shared,
        found: &mut Found,
        done: &UnderWay,
        kernel: i64,
    ) -> Option<Answered> {
        let UnderWay { tid, call, input, early, .. } = done;
        shared.set_caller(*tid);
        if let Some(Early { predicted, ranges }) = early {
            let agrees = raw(predicted) == kernel;
            return Some(Answered { predicted: *predicted, ranges: *ranges, agrees });
        }
        let brk = self.twin.brk();
        let mut predicted = self.twin.call(shared, *call, input, Told::Answer(kernel))?;
        let mut agrees = raw(&predicted) == kernel;
        if let (false, Call::Mmap { .. }, Ok(_), 0..) = (agrees, *call, predicted.result, kernel) {
            let place = VirtAddr(kernel.cast_unsigned());
            if let Corrected::Input(name) = self.twin.place(shared, *call, input, predicted.result, place) {
                found.input(name, 1);
                predicted.result = Ok(place.0);
                agrees = true;
            }
        }
        let ranges = touched(*call, predicted.result.ok(), brk);
        Some(Answered { predicted, ranges, agrees })
    }

    /// The flags of the mapping that a call made of a file whose driver is not known.
    fn flags_of_device(&self, done: &UnderWay, kernel: i64) -> io::Result<Option<VmFlags>> {
        match u64::try_from(kernel) {
            Ok(addr) if is_of_unknown_driver(done.call, &done.input) => self.kernel.flags_at(VirtAddr(addr)),
            _ => Ok(None),
        }
    }

    fn compare(
        &mut self,
        found: &mut Found,
        answered: &Answered,
        every: Every,
    ) -> io::Result<Vec<Difference>> {
        let whole = !answered.agrees || self.whole_is_due(every);
        self.calls_since_whole += 1;
        if whole || !self.ranges_are_same(found, &answered.ranges)? {
            return self.compare_whole(found);
        }
        Ok(Vec::new())
    }

    /// Whether the whole map is compared after the next call.
    fn whole_is_due(&self, every: Every) -> bool {
        match every {
            Every::Calls(calls) => self.calls_since_whole + 1 >= calls,
            Every::Adaptive => {
                self.twin.mappings() < WHOLE_BELOW as u64
                    || self.calls_since_whole + 1 >= CALLS_MAX
                    || self.last_whole.elapsed() >= TIME_MAX
            }
        }
    }

    /// Compares each changed range with what touches it.
    fn ranges_are_same(&mut self, found: &mut Found, ranges: &[Option<AddrRange>; 2]) -> io::Result<bool> {
        for range in ranges.iter().flatten() {
            let around = with_neighbours(*range);
            let Some(kernel) = self.kernel.rows_in(around)? else { return Ok(false) };
            found.ranges_compared += 1;
            let twin = self.twin.rows_in(around);
            let unnamed = |row: &MapRow| MapRow { name: recording::Bytes::default(), ..row.clone() };
            if !kernel.iter().map(unnamed).eq(twin.iter().map(unnamed)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn compare_whole(&mut self, found: &mut Found) -> io::Result<Vec<Difference>> {
        self.calls_since_whole = 0;
        self.last_whole = Instant::now();
        let kernel = self.kernel.rows()?;
        found.maps_compared += 1;
        found.input("inode of shared anonymous memory", self.twin.learn_nameless(&kernel));
        Ok(compare(&kernel, &self.twin.rows(), &[]).differences)
    }

    /// Takes the kernel's map over where the twin's differs.
    fn resync(&mut self, shared: &mut Shared) -> io::Result<()> {
        let kernel = self.kernel.rows()?;
        self.twin.learn_nameless(&kernel);
        for difference in compare(&kernel, &self.twin.rows(), &[]).differences {
            self.twin.replace(shared, difference.range, &difference.kernel);
        }
        self.learn_anonymous(shared)
    }

    pub(super) fn learn_anonymous(&mut self, shared: &mut Shared) -> io::Result<()> {
        let open: Vec<AddrRange> = self.twin.without_anon_vma().collect();
        self.learn_anonymous_in(shared, open.into_iter())
    }

    fn learn_anonymous_in(
        &mut self,
        shared: &mut Shared,
        open: impl Iterator<Item = AddrRange>,
    ) -> io::Result<()> {
        for range in self.kernel.with_anonymous_pages(open)? {
            self.twin.learn_anonymous(shared, range);
        }
        Ok(())
    }
}

/// The number of the open file description behind a mapping, where it was told.
fn description(vma: &mm::Vma) -> Option<u64> {
    match vma.backing.file()?.description {
        DescriptionId::Known(id) => Some(id),
        DescriptionId::Nameless(_) | DescriptionId::Unknown(_) | DescriptionId::NeverMapped => None,
    }
}

/// A range with the pages before and behind it.
fn with_neighbours(range: AddrRange) -> AddrRange {
    AddrRange {
        start: VirtAddr(range.start.0.saturating_sub(abi::PAGE_SIZE)),
        end: VirtAddr(range.end.0.saturating_add(abi::PAGE_SIZE)),
    }
}
