//! The containers' rows: lookup, gap search, insertion and removal, snapshot.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;

use abi::{AddrRange, VirtAddr};
use memory_set::MemorySet;
use mm::set::VmaSet;
use rangemap::RangeMap;

use super::container::{Container, Mapping, NoPages};
use super::table::Table;
use super::world::{WANTED, World};
use crate::clock::{Contender, medians_ns};

/// Who is compared, in the table's order.
pub const WHO: [&str; 4] = ["vmatlas", "BTreeMap", "rangemap", "memory_set"];
const ROUNDS: usize = 9;
/// How many operations a batch has at most.
const MANY: usize = 20_000;

/// Runs the containers' rows over `mappings` mappings.
pub fn measure(table: &mut Table, mappings: u64) {
    let world = World { base: VirtAddr(0x7000_0000_0000), mappings };
    let ours = RefCell::new(filled::<VmaSet<Mapping>>(VmaSet::new(), world));
    let btree = RefCell::new(filled(BTreeMap::<u64, Mapping>::new(), world));
    let ranges = RefCell::new(filled(RangeMap::<u64, Mapping>::new(), world));
    let areas = RefCell::new(filled(MemorySet::<NoPages>::new(), world));
    let all: [&RefCell<dyn Container>; 4] = [&ours, &btree, &ranges, &areas];

    let slots = world.choices(MANY, mappings);
    let addresses: Vec<VirtAddr> = slots.iter().map(|slot| world.pages(*slot, 1..2).start).collect();
    let free: Vec<AddrRange> = slots.iter().map(|slot| world.pages(*slot, 5..6)).collect();
    compare(table, "set: lookup", mappings, &all, &|set, count| {
        let set = set.borrow();
        for addr in &addresses[..count] {
            black_box(set.find(*addr)).expect("a mapping is there");
        }
    });
    compare(table, "set: find a gap", mappings, &all, &|set, count| {
        let set = set.borrow();
        for _ in 0..count {
            black_box(set.gap(world.bounds(), black_box(WANTED))).expect("there is one");
        }
    });
    compare(table, "set: insert+remove", mappings, &all, &|set, count| {
        let mut set = set.borrow_mut();
        for range in &free[..count] {
            set.insert(*range);
            set.remove(*range);
        }
    });
    compare(table, "set: snapshot", mappings, &all[..3], &|set, count| {
        let set = set.borrow();
        for _ in 0..count {
            assert!(set.snapshot(), "this container can be copied");
        }
    });
}

fn filled<C: Container>(mut container: C, world: World) -> C {
    for range in world.ranges() {
        container.insert(range);
    }
    container
}

fn compare(
    table: &mut Table,
    what: &'static str,
    mappings: u64,
    all: &[&RefCell<dyn Container>],
    work: &dyn Fn(&RefCell<dyn Container>, usize),
) {
    let mut contenders: Vec<_> = all.iter().map(|set| Contender::new(|count| work(set, count))).collect();
    let medians = medians_ns(ROUNDS, MANY, &mut contenders);
    table.add(what, mappings, &WHO[..all.len()], &medians);
}
