//! One process's memory: its mappings, its counters, its limits.

mod account;
mod adopt;
mod exec;
mod exit;
mod fork;
mod place;
mod split;
mod validate;

use alloc::vec::Vec;

use abi::{AddrRange, Personality, Resource, Rlimit, VirtAddr};

pub use self::adopt::{AdoptedVma, AnonPages, Layout};
pub use self::exec::{ExecFile, ExecImage, ExecPlace, ExecSegment, ExecStack, KernelPages};
pub(crate) use self::place::Placing;
pub(crate) use self::split::may_split;
pub use self::validate::Inconsistency;
use crate::flags::VmFlags;
use crate::guard::Guards;
use crate::ops::aio::Ring;
use crate::pages::{Memory, NoPages};
use crate::set::VmaSet;
use crate::vma::Vma;

/// One process's memory (the kernel's `mm_struct`). A clone is an independent snapshot and costs O(1); where
/// pages are kept, it goes with a clone of its system.
#[derive(Clone, Debug)]
pub struct AddressSpace<M: Memory = NoPages> {
    /// Linux: `mm_mt`.
    pub(crate) vmas: VmaSet<Vma>,
    /// Where things were placed at exec.
    pub(crate) layout: Layout,
    /// Invariant: the sums over all mappings.
    pub(crate) counters: Counters,
    /// Those of the process that makes the next call.
    pub(crate) limits: Limits,
    /// Linux: `def_flags`: what mlockall adds to new mappings.
    pub(crate) def_flags: VmFlags,
    /// Settings that steer memory.
    pub(crate) settings: Settings,
    /// The pages with guard markers.
    pub(crate) guards: Guards,
    /// The AIO contexts. Linux: `ioctx_table`.
    pub(crate) rings: Vec<Ring>,
    /// Page table, RSS, fault counts.
    pub(crate) pages: M::Table,
}

/// The kernel's counters, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Linux: `mm_struct::total_vm`. Invariant: the sum of all mappings' pages.
    pub total_vm: u64,
    /// Linux: `mm_struct::data_vm`. Invariant: the sum over data mappings.
    pub data_vm: u64,
    /// Linux: `mm_struct::exec_vm`. Invariant: the sum over code mappings.
    pub exec_vm: u64,
    /// Linux: `mm_struct::stack_vm`. Invariant: the sum over stack mappings.
    pub stack_vm: u64,
    /// Linux: `mm_struct::locked_vm`. At least the sum over locked mappings: a locked mapping moved with
    /// `MREMAP_DONTUNMAP` stays counted, as in the kernel.
    pub locked_vm: u64,
}

/// The soft and hard limits that steer memory, in bytes. They belong to a process, not to its memory.
///
/// Linux: `include/linux/sched/signal.h: signal_struct`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `RLIMIT_AS`.
    pub address_space: Rlimit,
    /// `RLIMIT_DATA`.
    pub data: Rlimit,
    /// `RLIMIT_STACK`.
    pub stack: Rlimit,
    /// `RLIMIT_MEMLOCK`.
    pub memlock: Rlimit,
}

impl Limits {
    /// Returns a limit; `None` where it does not steer memory.
    pub fn of(&self, resource: Resource) -> Option<Rlimit> {
        match resource {
            Resource::AS => Some(self.address_space),
            Resource::DATA => Some(self.data),
            Resource::STACK => Some(self.stack),
            Resource::MEMLOCK => Some(self.memlock),
            _ => None,
        }
    }

    /// Sets a limit; those that do not steer memory are ignored.
    pub fn set(&mut self, resource: Resource, limit: Rlimit) {
        match resource {
            Resource::AS => self.address_space = limit,
            Resource::DATA => self.data = limit,
            Resource::STACK => self.stack = limit,
            Resource::MEMLOCK => self.memlock = limit,
            _ => {}
        }
    }
}

impl Default for Limits {
    /// The limits of an ordinary login: a stack of 8 MiB, 8 MiB locked.
    fn default() -> Self {
        Self {
            address_space: Rlimit::UNLIMITED,
            data: Rlimit::UNLIMITED,
            stack: Rlimit { soft: 8 << 20, hard: Rlimit::INFINITY },
            memlock: Rlimit { soft: 8 << 20, hard: 8 << 20 },
        }
    }
}

/// Settings that steer memory: of the memory itself, and the personality of the thread that makes the next call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// `personality` bit `READ_IMPLIES_EXEC`.
    pub read_implies_exec: bool,
    /// `PR_MDWE_REFUSE_EXEC_GAIN`.
    pub refuse_exec_gain: bool,
    /// `PR_MDWE_NO_INHERIT`.
    pub mdwe_no_inherit: bool,
    /// `PR_SET_MEMORY_MERGE`.
    pub merge_any: bool,
    /// `PR_SET_THP_DISABLE`.
    pub thp_disabled: bool,
    /// `PR_SET_THP_DISABLE` with `PR_THP_DISABLE_EXCEPT_ADVISED`.
    pub thp_disabled_except_advised: bool,
    /// The whole `personality`; its bit `READ_IMPLIES_EXEC` is also a setting of its own here.
    pub persona: u32,
    /// Whether the one protection key of a processor without keys was taken by a `pkey_alloc` that failed.
    pub only_key_taken: bool,
}

impl Settings {
    /// Sets the `personality`.
    pub fn set_persona(&mut self, persona: u32) {
        self.persona = persona;
        self.read_implies_exec = u64::from(persona) & Personality::READ_IMPLIES_EXEC.0 != 0;
    }

    /// Returns what a child inherits, and a program that is executed.
    ///
    /// Linux: `include/linux/mm_types.h: mmf_init_legacy_flags`.
    #[must_use]
    pub fn inherited(self) -> Self {
        let ends = self.mdwe_no_inherit;
        Self { refuse_exec_gain: self.refuse_exec_gain && !ends, mdwe_no_inherit: false, ..self }
    }
}

impl<M: Memory> AddressSpace<M> {
    /// Returns all mappings in the order of their addresses.
    pub fn vmas(&self) -> crate::set::Iter<'_, Vma> {
        self.vmas.iter()
    }

    /// Returns the mapping that contains an address.
    pub fn find(&self, addr: VirtAddr) -> Option<&Vma> {
        self.vmas.find(addr)
    }

    /// Returns the mappings that share an address with a range, in the order of their addresses.
    pub fn vmas_in(&self, range: AddrRange) -> crate::set::Iter<'_, Vma> {
        self.vmas.range(range)
    }

    /// Returns the first mapping that ends after an address: the one that contains it, else the next one up.
    pub fn first_ending_after(&self, addr: VirtAddr) -> Option<&Vma> {
        self.vmas.first_ending_after(addr)
    }

    /// Returns the number of mappings (the kernel's `map_count`).
    pub fn map_count(&self) -> u64 {
        self.vmas.len() as u64
    }

    /// Returns the kernel's counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns the layout, with the heap's present end.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Changes the layout: what is learnt of it later than the mappings.
    pub fn layout_mut(&mut self) -> &mut Layout {
        &mut self.layout
    }

    /// Returns the settings.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Changes the settings: what a process inherited.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Returns the limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Says who makes the next call: with these limits, and this personality.
    pub fn set_caller(&mut self, limits: Limits, persona: u32) {
        self.limits = limits;
        self.settings.set_persona(persona);
    }

    /// Returns a limit; `None` where it does not steer memory.
    pub fn limit(&self, resource: Resource) -> Option<Rlimit> {
        self.limits.of(resource)
    }

    /// Sets a limit as from outside; those that do not steer memory are ignored.
    pub fn set_limit(&mut self, resource: Resource, limit: Rlimit) {
        self.limits.set(resource, limit);
    }
}
