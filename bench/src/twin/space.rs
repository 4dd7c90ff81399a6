//! The whole twin: the same calls as on the kernel, with all counters and reasons kept.

use abi::{AddrRange, Call, Fd, MapFlags, Prot, VirtAddr};
use mm::{AddressSpace, Input, Layout, Limits, Profile, System};

use super::table::Table;
use super::world::{SLOT, WANTED, World};
use crate::clock::{Contender, medians_ns};

const ROUNDS: usize = 9;
const MANY: usize = 20_000;
/// The first address of the world; where it lies makes no difference to the twin.
const BASE: VirtAddr = VirtAddr(0x7000_0000_0000);

/// A twin and the system it lives in.
struct Twin {
    system: System,
    space: AddressSpace,
    input: Input,
}

impl Twin {
    fn with(world: World) -> Self {
        let mut profile = Profile::linux_6_18_x86_64();
        profile.max_map_count = u64::MAX;
        let mut system = System::new(profile);
        let layout = Layout { mmap_base: VirtAddr(world.bounds().end.0 + SLOT), ..Layout::default() };
        let space = AddressSpace::adopt(&mut system, layout, Limits::default(), []);
        let mut twin = Self { system, space, input: Input::default() };
        for range in world.ranges() {
            twin.call(map(range, MapFlags::FIXED_NOREPLACE));
        }
        twin
    }

    fn call(&mut self, call: Call) -> u64 {
        let outcome = self.space.call(&mut self.system, call, &self.input);
        outcome.result.unwrap_or_else(|errno| panic!("{call}: {errno}: {}", outcome.why))
    }
}

fn map(range: AddrRange, flags: MapFlags) -> Call {
    let flags = flags | MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    Call::Mmap { addr: range.start, len: range.len(), prot: Prot::RW, flags, fd: Fd(-1), offset: 0 }
}

/// Measures map+unmap, protect+restore, lookup and a mapping without a hint.
pub fn measure(table: &mut Table, mappings: u64) {
    let world = World { base: BASE, mappings };
    let slots = world.choices(MANY, mappings);
    let mut twin = Twin::with(world);
    let mut row = |what, work: &mut dyn FnMut(&mut Twin, usize)| {
        let contender = Contender::new(|count| work(&mut twin, count));
        let medians = medians_ns(ROUNDS, MANY, &mut [contender]);
        table.add(what, mappings, &["vmatlas"], &medians);
    };
    row("calls: map+unmap", &mut |twin, count| {
        for slot in &slots[..count] {
            let page = world.pages(*slot, 5..6);
            twin.call(map(page, MapFlags::FIXED_NOREPLACE));
            twin.call(Call::Munmap { addr: page.start, len: page.len() });
        }
    });
    row("calls: protect+restore", &mut |twin, count| {
        for slot in &slots[..count] {
            let page = world.pages(*slot, 1..2);
            for prot in [Prot::READ, Prot::RW] {
                twin.call(Call::Mprotect { addr: page.start, len: page.len(), prot });
            }
        }
    });
    row("calls: lookup", &mut |twin, count| {
        for slot in &slots[..count] {
            let found = twin.space.find(world.pages(*slot, 1..2).start);
            std::hint::black_box(found.map(|vma| vma.flags));
        }
    });
    let anywhere = AddrRange::new(VirtAddr(0), VirtAddr(WANTED));
    row("calls: map anywhere+unmap", &mut |twin, count| {
        for _ in 0..count {
            let addr = VirtAddr(twin.call(map(anywhere, MapFlags::NONE)));
            twin.call(Call::Munmap { addr, len: WANTED });
        }
    });
}
