//! A system and its address spaces taken apart into plain values, and put together again: for whoever stores them.
//!
//! What is put together behaves in every later operation on mappings as what was taken apart. Pages are left out: what
//! is put together has none yet.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use abi::{AddrRange, VirtAddr};

use crate::anon_vma::{AnonVmaId, AnonVmas};
use crate::file::ObjectId;
use crate::flags::VmFlags;
use crate::guard::Guards;
use crate::ops::aio::Ring;
use crate::pages::Memory;
use crate::profile::Profile;
use crate::set::VmaSet;
use crate::space::{AddressSpace, Counters, Layout, Limits, Settings};
use crate::system::System;
use crate::vma::Vma;

/// What a [`System`] holds besides its profile and its address spaces.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SystemState {
    /// The pages charged.
    pub committed: u64,
    /// The present sizes of files.
    pub sizes: Vec<(ObjectId, u64)>,
    /// The number of the next nameless file.
    pub next_nameless: u64,
    /// Each anon_vma and its parent; the root is its own.
    pub anon_vmas: Vec<(AnonVmaId, AnonVmaId)>,
    /// The number of the next one.
    pub next_anon_vma: u64,
}

/// What an [`AddressSpace`] holds.
#[derive(Clone, Debug, Default)]
pub struct SpaceState {
    /// The mappings, ascending.
    pub vmas: Vec<Vma>,
    /// The layout.
    pub layout: Layout,
    /// The limits.
    pub limits: Limits,
    /// What is counted as locked, in pages: the other counters are sums.
    pub locked_vm: u64,
    /// What mlockall adds to new mappings.
    pub def_flags: VmFlags,
    /// The settings.
    pub settings: Settings,
    /// The ranges with guard markers.
    pub guards: Vec<AddrRange>,
    /// The AIO contexts.
    pub rings: Vec<Ring>,
    /// Ranges with page tables in which something is mapped that has no anon_vma yet, where no pages are kept: elsewhere
    /// no later operation asks for them.
    pub blocks: Vec<AddrRange>,
}

impl<M: Memory> AddressSpace<M> {
    /// Takes the address space apart.
    pub fn state(&self) -> SpaceState {
        let Self { vmas, layout, counters, limits, def_flags, settings, guards, rings, pages } = self;
        SpaceState {
            vmas: vmas.iter().cloned().collect(),
            layout: layout.clone(),
            limits: *limits,
            locked_vm: counters.locked_vm,
            def_flags: *def_flags,
            settings: *settings,
            guards: guards.ranges(),
            rings: rings.clone(),
            blocks: M::blocks(pages).into_iter().filter(|range| self.has_open_vma(*range)).collect(),
        }
    }

    fn has_open_vma(&self, range: AddrRange) -> bool {
        self.vmas.range(range).any(|vma| vma.anon.is_none() && vma.is_anonymous())
    }

    /// Puts it together; `None` if the mappings are empty, unaligned, or not ascending.
    fn of_state(state: SpaceState) -> Option<Self> {
        let SpaceState {
            vmas: list,
            layout,
            limits,
            locked_vm,
            def_flags,
            settings,
            guards: markers,
            rings,
            blocks,
        } = state;
        let mut counters = Counters::default();
        let mut end = VirtAddr::NULL;
        for vma in &list {
            let AddrRange { start, end: vma_end } = vma.range;
            if start < end || start >= vma_end || !start.is_page_aligned() || !vma_end.is_page_aligned() {
                return None;
            }
            end = vma_end;
            counters.add(vma.flags, vma.pages());
            if vma.flags.contains(VmFlags::LOCKED) {
                counters.locked_vm += vma.pages();
            }
        }
        counters.locked_vm = counters.locked_vm.max(locked_vm);
        let mut guards = Guards::default();
        markers.into_iter().filter(|range| !range.is_empty()).for_each(|range| guards.insert(range));
        Some(Self {
            vmas: VmaSet::of_sorted(list),
            layout,
            counters,
            limits,
            def_flags,
            settings,
            guards,
            rings,
            pages: M::of_blocks(blocks),
        })
    }
}

impl<M: Memory> System<M> {
    /// Takes the system apart, its profile and its address spaces left out.
    pub fn state(&self) -> SystemState {
        let Self { profile: _, committed, anon_vmas, sizes, nameless, pool: _ } = self;
        let sizes = sizes.iter().map(|(object, bytes)| (*object, *bytes)).collect();
        let (anon_vmas, next_anon_vma) = anon_vmas.parents();
        SystemState { committed: *committed, sizes, next_nameless: *nameless, anon_vmas, next_anon_vma }
    }

    /// Puts a system and all its address spaces together; `None` if the values contradict each other.
    pub fn of_state(
        profile: Profile,
        state: SystemState,
        spaces: Vec<SpaceState>,
    ) -> Option<(Self, Vec<AddressSpace<M>>)> {
        let SystemState { committed, sizes, next_nameless, anon_vmas, next_anon_vma } = state;
        let chains = || spaces.iter().flat_map(|space| &space.vmas).filter_map(|vma| vma.anon.as_ref());
        let mut sys = Self::empty(profile);
        sys.committed = committed;
        sys.nameless = next_nameless;
        sys.anon_vmas = AnonVmas::of_parents(&anon_vmas, next_anon_vma, chains())?;
        sys.sizes = alloc::sync::Arc::new(BTreeMap::from_iter(sizes));
        let spaces = spaces.into_iter().map(AddressSpace::of_state).collect::<Option<Vec<_>>>()?;
        Some((sys, spaces))
    }
}

#[cfg(test)]
mod tests {
    use abi::{Call, MapFlags, Prot};

    use super::*;
    use crate::access::Access;
    use crate::input::Input;
    use crate::space::AnonPages;
    use crate::{AdoptedVma, Backing};

    fn range(start: u64, end: u64) -> AddrRange {
        AddrRange::new(VirtAddr(start), VirtAddr(end))
    }

    /// A parent and its forked child, both touched.
    fn family() -> (System, Vec<AddressSpace>) {
        let mut sys = System::new(Profile::linux_6_18_x86_64());
        let layout = Layout { mmap_base: VirtAddr(0x7fff_0000_0000), ..Layout::default() };
        let row = AdoptedVma {
            range: range(0x40_0000, 0x50_0000),
            flags: VmFlags::of_maps_line(Prot::READ | Prot::WRITE, false),
            pgoff: None,
            backing: Backing::Anonymous,
            anon: AnonPages::Some,
            name: None,
        };
        let mut parent = AddressSpace::adopt(&mut sys, layout, Limits::default(), [row]);
        let child = parent.fork(&mut sys, &Input::default()).expect("nothing forbids it");
        (sys, alloc::vec![parent, child])
    }

    /// Calls and touches after which every mapping shows whether it could merge.
    fn go_on(sys: &mut System, space: &mut AddressSpace) -> alloc::string::String {
        let call = Call::Mprotect { addr: VirtAddr(0x42_0000), len: 0x1000, prot: Prot::READ };
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
        let prot = Prot::READ | Prot::WRITE;
        let map = Call::Mmap { addr: VirtAddr::NULL, len: 0x3000, prot, flags, fd: abi::Fd(-1), offset: 0 };
        let back = Call::Mprotect { addr: VirtAddr(0x42_0000), len: 0x1000, prot };
        let input = Input::default();
        let mut out = alloc::string::String::new();
        for call in [call, map, map, back] {
            let outcome = space.call(sys, call, &input);
            out.push_str(&alloc::format!("{:?}\n", outcome.result));
        }
        let _touch = space.touch(sys, VirtAddr(0x43_0000), Access::Write, &input);
        space.validate().expect("sums are sums");
        for vma in space.vmas() {
            out.push_str(&alloc::format!("{vma:?}\n"));
        }
        out
    }

    #[test]
    fn what_was_taken_apart_goes_on_as_before() {
        let (mut sys, mut spaces) = family();
        let state = spaces.iter().map(AddressSpace::state).collect();
        let profile = (*sys.profile).clone();
        let restored = <System>::of_state(profile, sys.state(), state);
        let (mut sys2, mut spaces2) = restored.expect("it was whole");
        assert_eq!(sys.state(), sys2.state());
        for (space, space2) in spaces.iter_mut().zip(&mut spaces2) {
            assert_eq!(space.counters(), space2.counters());
            assert_eq!(go_on(&mut sys, space), go_on(&mut sys2, space2));
        }
        for (space, space2) in spaces.into_iter().zip(spaces2) {
            space.exit(&mut sys);
            space2.exit(&mut sys2);
        }
        assert_eq!(sys.state(), sys2.state());
        assert!(sys.state().anon_vmas.is_empty());
    }

    #[test]
    fn values_that_contradict_each_other_are_refused() {
        let (sys, spaces) = family();
        let profile = || (*sys.profile).clone();
        let mut state: Vec<SpaceState> = spaces.iter().map(AddressSpace::state).collect();
        let vma = state[0].vmas[0].clone();
        state[0].vmas.push(vma);
        assert!(<System>::of_state(profile(), sys.state(), state.clone()).is_none(), "two at one place");
        state[0].vmas.pop();
        // A mapping's anon_vma that the list has not.
        let none = SystemState { anon_vmas: Vec::new(), ..sys.state() };
        assert!(<System>::of_state(profile(), none, state).is_none());
    }
}
