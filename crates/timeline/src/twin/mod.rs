//! The twin of one memory, in the words of recordings: the only modules that talk to [`mm`].
//!
//! A recording speaks of lines of `/proc/PID/maps`, of files by path, of calls with what they read; the twin of
//! an address space ([`mm::AddressSpace`]) knows mappings and identities only. Here the one becomes the other.

mod adopt;
mod callers;
mod correct;
mod driver;
mod exec;
mod input;
mod parts;
mod profile;
mod rows;
mod userfaultfd;

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::{AddrRange, Call, Errno, Fd, FileId, Pid, Tid, VirtAddr};
use mm::{
    Access, AddressSpace, Basis, Input, Limits, Settings, System, Target, Thp, Touch, Uffd, VmFlags, Vma, Why,
};
use recording::{Bytes, CallInput, ExecEvent, FaultAccess, Header, MapRow, MmId};

use crate::grown::Grew;
use crate::ledger::{Huge, Table};

pub use callers::Callers;
pub(crate) use callers::{CallersState, Thread as CallerState};
pub use correct::Corrected;
pub use exec::{ExecUnknown, Loaded};
pub use input::is_of_unknown_driver;
pub(crate) use parts::Parts;

/// Where huge pages of anonymous memory may be, by a machine's setting.
pub(crate) fn thp(machine: &recording::Machine) -> Thp {
    Shared::thp_of(&profile::of(machine))
}

/// What the twins of all memories share: the kernel's settings, what is promised, who asks.
#[derive(Clone)]
pub struct Shared {
    sys: System,
    caps: mm::Caps,
    /// The pages that all processes of the machine have charged, where that was told.
    committed: Option<u64>,
    /// The flags of the device's mapping that the next call makes, where they were told.
    special_flags: Option<VmFlags>,
    placing: adopt::Placing,
    /// What the first process inherits.
    inherited: Settings,
    /// Copied where it changes only: states are held still all the time.
    callers: Arc<Callers>,
    /// Who makes the next call.
    caller: Tid,
}

impl Shared {
    /// The kernel and its settings.
    pub fn profile(&self) -> &mm::Profile {
        &self.sys.profile
    }

    /// Where huge pages may be, by the system's setting.
    pub fn thp(&self) -> Thp {
        Self::thp_of(self.profile())
    }

    fn thp_of(profile: &mm::Profile) -> Thp {
        if profile.options.thp { profile.thp } else { Thp::Never }
    }

    /// Makes it for the machine and the user of a recording.
    pub fn new(header: &Header) -> Self {
        let profile = profile::of(&header.machine);
        let placing = profile::placing(&header.machine, &profile);
        let caps = profile::caps(header.run.capabilities);
        let inherited = profile::inherited(&header.run.settings);
        let callers = Arc::new(Callers::new(header));
        let sys = System::new(profile);
        let (committed, special_flags) = (None, None);
        let caller = Tid::default();
        Self { sys, caps, committed, special_flags, placing, inherited, callers, caller }
    }

    /// The limits of each process, and the personality of each thread.
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// Changes them: a process or thread begins or ends, or a limit is set from outside.
    pub fn callers_mut(&mut self) -> &mut Callers {
        Arc::make_mut(&mut self.callers)
    }

    /// Says that this thread makes the next calls and accesses.
    pub fn set_caller(&mut self, tid: Tid) {
        self.caller = tid;
    }

    /// What the first process of a recording inherits.
    pub fn inherited(&self) -> Settings {
        self.inherited
    }

    /// Changes one rule of every twin, to see that it is noticed.
    #[cfg(feature = "mutants")]
    pub fn mutate(&mut self, mutation: mm::Mutation) {
        Arc::make_mut(&mut self.sys.profile).mutation = Some(mutation);
    }

    /// Says with which effective capabilities (as in `CapEff`) the next calls are made.
    pub fn set_capabilities(&mut self, effective: u64) {
        self.caps = profile::caps(effective);
    }

    /// Says how many pages all processes of the machine have charged (`Committed_AS`) before the next call: where
    /// `vm.overcommit_memory` is 2, it decides.
    pub fn set_committed(&mut self, pages: u64) {
        self.committed = Some(pages);
    }

    /// Says which flags the kernel has for the mapping that the next call makes of a device, if it makes one.
    pub fn set_special_flags(&mut self, flags: Option<VmFlags>) {
        self.special_flags = flags;
    }

    /// Says that a file has a new size in bytes.
    pub fn set_file_size(&mut self, file: FileId, bytes: u64) {
        self.sys.set_file_size(mm::ObjectId::File(file), bytes);
    }
}

/// The twin of one memory. A clone is a state held still and shares what it can.
#[derive(Clone)]
pub struct Twin {
    /// Which memory it is the twin of.
    mm: MmId,
    space: AddressSpace,
    /// The paths of mapped files, as told when they were mapped.
    paths: Arc<BTreeMap<FileId, Bytes>>,
    /// The files behind nameless shared memory, as checkpoints told them.
    nameless: Arc<BTreeMap<u64, FileId>>,
    /// Whether it is known where the search for free places begins.
    base: Base,
    /// The userfaultfds by their descriptor.
    uffds: BTreeMap<Fd, Uffd>,
}

/// Whether a page of its own may yet give a mapping an `anon_vma`.
fn lacks_anon_vma(vma: &Vma) -> bool {
    vma.anon.is_none() && vma.flags.contains(VmFlags::WRITE) && !vma.flags.contains(VmFlags::MAYSHARE)
}

/// Where the search for free places begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// Known: the highest mapping made at exec ends there.
    Known,
    /// Not known until the first mapping without a hint shows it.
    ToBeLearned,
}

/// What the kernel told of a call before the twin is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// What it returned.
    Answer(i64),
    /// Where it put the mapping.
    Place(VirtAddr),
}

/// What the twin says of a call.
#[derive(Clone, Copy, Debug)]
pub struct Predicted {
    /// The answer.
    pub result: Result<u64, Errno>,
    /// Why.
    pub why: Why,
    /// The name of the input that decided it, where no rule does.
    pub input: Option<&'static str>,
}

impl Twin {
    /// Makes the twin from a kernel's map.
    ///
    /// `inherited` is what the memory before it left to it; `flags` are those of each line (smaps' `VmFlags`) where they are known; empty: they are guessed.
    pub fn adopt(
        shared: &mut Shared,
        mm: MmId,
        exec: Option<&ExecEvent>,
        limits: Limits,
        inherited: Settings,
        (rows, flags): (&[MapRow], &[VmFlags]),
    ) -> Self {
        adopt::twin(shared, mm, exec, limits, inherited, (rows, flags))
    }

    /// What a program that is executed inherits from it.
    pub fn inherited(&self) -> Settings {
        self.space.settings().inherited()
    }

    /// The mappings themselves.
    pub fn space(&self) -> &AddressSpace {
        &self.space
    }

    /// The lines of its map that share an address with a range.
    pub fn rows_in(&self, range: AddrRange) -> Vec<MapRow> {
        self.space.vmas_in(range).map(|vma| self.row(vma)).collect()
    }

    /// The ends of the mappings that grow downwards.
    pub fn growing(&self) -> Vec<VirtAddr> {
        let grows = |vma: &&Vma| vma.flags.contains(VmFlags::GROWSDOWN);
        self.space.vmas().filter(grows).map(|vma| vma.range.end).collect()
    }

    /// The ranges that a page of their own may yet give an `anon_vma`: private, writable, without one.
    pub fn without_anon_vma(&self) -> impl Iterator<Item = AddrRange> {
        self.space.vmas().filter(|vma| lacks_anon_vma(vma)).map(|vma| vma.range)
    }

    /// Those of them that share an address with one of these ranges.
    pub fn without_anon_vma_in(&self, ranges: [Option<AddrRange>; 2]) -> impl Iterator<Item = AddrRange> {
        let vmas = ranges.into_iter().flatten().flat_map(|range| self.space.vmas_in(range));
        vmas.filter(|vma| lacks_anon_vma(vma)).map(|vma| vma.range)
    }

    /// The lines of its map.
    pub fn rows(&self) -> Vec<MapRow> {
        self.space.vmas().map(|vma| self.row(vma)).collect()
    }

    /// The size of the map in bytes.
    pub fn bytes(&self) -> u64 {
        self.space.counters().total_vm << abi::PAGE_SHIFT
    }

    /// The number of mappings.
    pub fn mappings(&self) -> u64 {
        self.space.map_count()
    }

    /// The heap's end.
    pub fn brk(&self) -> VirtAddr {
        self.space.layout().brk
    }

    /// The heap as its mappings are, `None` where nothing is mapped of it.
    pub fn heap(&self) -> Option<AddrRange> {
        let layout = self.space.layout();
        let bounds = AddrRange { start: layout.start_brk, end: layout.brk };
        let mut parts = self.space.vmas().filter(|vma| vma.range.overlaps(bounds) && vma.is_anonymous());
        let first = parts.next()?.range;
        Some(AddrRange { start: first.start, end: parts.last().map_or(first.end, |vma| vma.range.end) })
    }

    /// The main thread's stack.
    pub fn stack(&self) -> Option<AddrRange> {
        self.space.find(self.space.layout().start_stack).map(|vma| vma.range)
    }

    /// Tells whether anything is mapped in a range.
    pub fn is_mapped(&self, range: AddrRange) -> bool {
        self.space.vmas_in(range).next().is_some()
    }

    /// Applies a call; `None` if it is not modelled.
    pub fn call(
        &mut self,
        shared: &mut Shared,
        call: Call,
        input: &CallInput,
        told: Told,
    ) -> Option<Predicted> {
        self.remember_path(call, input);
        let target = self.enter(shared, call, input);
        let mut input = self.input(call, input, shared.caps, told);
        if target.is_none() {
            input.target = Target::Other;
        }
        input.committed = shared.committed;
        input.special_flags = shared.special_flags;
        let outcome = self.space.call(&mut shared.sys, call, &input);
        self.keep(shared, call, target);
        self.note_userfaultfd(call, &input, outcome.result);
        match outcome.basis {
            Basis::NotModelled => None,
            Basis::Predicted => Some(Predicted { result: outcome.result, why: outcome.why, input: None }),
            Basis::TakenOver => {
                Some(Predicted { result: outcome.result, why: outcome.why, input: Some(call.name()) })
            }
        }
    }

    /// Gives the memory the caller's limits and personality, and for a call that sets limits those of the process that it
    /// names. Returns that process; `None` where none of which is known is named.
    fn enter(&mut self, shared: &Shared, call: Call, input: &CallInput) -> Option<Pid> {
        shared.callers.enter(shared.caller, &mut self.space);
        let target = shared.callers.target(shared.caller, input);
        if let (Some(target), Call::Prlimit64 { .. }) = (target, call) {
            shared.callers.aim(target, &mut self.space);
        }
        target
    }

    /// Keeps what a call has changed of its caller, or of the process that it names.
    fn keep(&mut self, shared: &mut Shared, call: Call, target: Option<Pid>) {
        match (call, target) {
            (Call::Setrlimit { .. } | Call::Prlimit64 { .. }, Some(target)) => {
                shared.callers_mut().keep_limits(target, *self.space.limits());
                shared.callers.enter(shared.caller, &mut self.space);
            }
            (Call::Personality { .. }, _) => {
                let tid = shared.caller;
                shared.callers_mut().keep_persona(tid, self.space.settings().persona);
            }
            _ => {}
        }
    }

    /// Makes the twin of a forked child; `None` if the twin says that the fork fails.
    pub fn fork(&mut self, shared: &mut Shared, child: MmId) -> Option<Self> {
        let input = Input { caps: shared.caps, ..Input::default() };
        let space = self.space.fork(&mut shared.sys, &input).ok()?;
        let Self { mm: _, space: _, paths, nameless, base, uffds } = self;
        let (paths, nameless, uffds) = (paths.clone(), nameless.clone(), uffds.clone());
        Some(Self { mm: child, space, paths, nameless, base: *base, uffds })
    }

    /// Which memory it is the twin of.
    pub fn memory(&self) -> MmId {
        self.mm
    }

    /// Says which memory it is the twin of, where that was not known when it was made.
    pub fn set_memory(&mut self, mm: MmId) {
        self.mm = mm;
    }

    /// Ends the memory.
    pub fn exit(self, shared: &mut Shared) {
        self.space.exit(&mut shared.sys);
    }

    /// A page fault that the program survived: a stack may have grown, a mapping has an `anon_vma` now.
    ///
    /// Where it was not told how memory was accessed, an access where writes are allowed is taken for a write, and the next
    /// checkpoint with pages has the last word.
    /// Returns how a mapping grew by it.
    pub fn touch(&mut self, shared: &mut Shared, addr: VirtAddr, told: FaultAccess) -> Option<Grew> {
        let near = self.space.first_ending_after(addr);
        let writable = near.is_some_and(|vma| vma.flags.contains(VmFlags::WRITE));
        let former = near.map(|vma| vma.range.start);
        let access = match told {
            FaultAccess::Read | FaultAccess::Exec => Access::Read,
            FaultAccess::Unknown | FaultAccess::Write if writable => Access::Write,
            // A debugger, or the kernel itself, writes where the program may not.
            FaultAccess::Unknown | FaultAccess::Write => Access::Read,
        };
        // A refused access was a signal.
        let input = Input { caps: shared.caps, ..Input::default() };
        shared.callers.enter(shared.caller, &mut self.space);
        let touched = self.space.touch(&mut shared.sys, addr, access, &input);
        if touched != Ok(Touch::Grew) {
            return None;
        }
        Some(Grew { range: self.space.find(addr)?.range, former: former? })
    }

    /// What decides, before an address is touched, whether that asks for a huge page.
    pub fn asks_huge(&self, shared: &Shared, addr: VirtAddr) -> Huge {
        let table = if self.space.has_table(addr) { Table::Yes } else { Table::No };
        Huge { thp: shared.thp(), table }
    }

    /// A page fault where no more is to be done than to keep that there is a page table now.
    pub fn note_table(&mut self, addr: VirtAddr) {
        self.space.note_table(addr);
    }

    /// The kernel said that a stack now reaches down to here.
    pub fn grow_stack(&mut self, shared: &mut Shared, range: AddrRange) {
        let Some(vma) = self.space.first_ending_after(range.start) else { return };
        if vma.flags.contains(VmFlags::GROWSDOWN) && vma.range.start > range.start {
            self.touch(shared, range.start, FaultAccess::Unknown);
        }
    }

    /// Anonymous pages were seen in a range: its mappings have `anon_vma`s.
    pub fn learn_anonymous(&mut self, shared: &mut Shared, range: AddrRange) {
        self.space.learn_anon_vma(&mut shared.sys, range);
    }

    fn remember_path(&mut self, call: Call, input: &CallInput) {
        let (file, path) = match input {
            CallInput::File(file) => (file.id, file.path.clone()),
            CallInput::Segment { key, .. } => (input::segment_file(call), input::segment_name(*key).into()),
            _ => return,
        };
        if self.paths.get(&file) != Some(&path) {
            Arc::make_mut(&mut self.paths).insert(file, path);
        }
    }
}
