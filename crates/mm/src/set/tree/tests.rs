//! The tree against a sorted vector, on random programs and on drawn ranges.

use alloc::vec::Vec;

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use proptest::prelude::*;

use super::Tree;
use super::leaf::LEAF;
use crate::set::Entry;

#[derive(Clone, Copy, PartialEq, Debug)]
struct Piece {
    range: AddrRange,
    mark: u32,
}

impl Entry for Piece {
    fn range(&self) -> AddrRange {
        self.range
    }
}

fn at(page: u64) -> VirtAddr {
    VirtAddr(page * PAGE_SIZE)
}

fn pages(start: u64, end: u64) -> AddrRange {
    AddrRange::new(at(start), at(end))
}

/// Makes a set from a drawing: each run of one letter is an entry, a dot is a free page.
fn drawn(picture: &str) -> Tree<Piece> {
    let cells: Vec<char> = picture.chars().collect();
    let mut tree = Tree::new();
    let mut page = 0;
    for run in cells.chunk_by(|a, b| a == b) {
        let end = page + run.len();
        if run[0] != '.' {
            tree.insert(Piece { range: pages(page as u64, end as u64), mark: run[0].into() });
        }
        page = end;
    }
    tree.validate();
    tree
}

#[test]
fn lookups_on_a_drawing() {
    //                0123456789
    let tree = drawn("..AABB.C..");
    let mark = |piece: Option<&Piece>| piece.map_or('-', |piece| char::from_u32(piece.mark).unwrap());
    let row = |lookup: &dyn Fn(VirtAddr) -> char| (0..10).map(|page| lookup(at(page))).collect::<Vec<_>>();
    let text = |cells: &str| cells.chars().collect::<Vec<_>>();
    assert_eq!(row(&|addr| mark(tree.find(addr))), text("--AABB-C--"));
    assert_eq!(row(&|addr| mark(tree.first_ending_after(addr))), text("AAAABBCC--"));
    assert_eq!(row(&|addr| mark(tree.last_starting_before(addr))), text("---AABBBCC"));
}

#[test]
fn gaps_are_cut_at_the_bounds() {
    //                0123456789
    let tree = drawn("..AA..B...");
    assert_eq!(tree.highest_gap(pages(0, 9), PAGE_SIZE), Some(pages(7, 9)));
    assert_eq!(tree.highest_gap(pages(0, 7), PAGE_SIZE), Some(pages(4, 6)));
    assert_eq!(tree.highest_gap(pages(0, 5), PAGE_SIZE), Some(pages(4, 5)));
    assert_eq!(tree.highest_gap(pages(1, 8), 2 * PAGE_SIZE), Some(pages(4, 6)));
    assert_eq!(tree.lowest_gap(pages(1, 10), PAGE_SIZE), Some(pages(1, 2)));
    assert_eq!(tree.lowest_gap(pages(1, 10), 2 * PAGE_SIZE), Some(pages(4, 6)));
    assert_eq!(tree.lowest_gap(pages(5, 10), 2 * PAGE_SIZE), Some(pages(7, 10)));
    assert_eq!(tree.lowest_gap(pages(2, 4), PAGE_SIZE), None);
}

#[test]
fn a_lone_gap_among_many_is_found_from_both_sides() {
    let count = (LEAF * LEAF * 3) as u64;
    for hole in [1, 40, count / 2, count - 2] {
        let tree: Tree<Piece> = (0..count)
            .filter(|page| *page != hole)
            .map(|page| Piece { range: pages(page, page + 1), mark: 0 })
            .collect();
        tree.validate();
        assert_eq!(tree.highest_gap(pages(0, count), PAGE_SIZE), Some(pages(hole, hole + 1)));
        assert_eq!(tree.lowest_gap(pages(0, count), PAGE_SIZE), Some(pages(hole, hole + 1)));
        assert_eq!(tree.highest_gap(pages(0, count), PAGE_SIZE + 1), None);
    }
}

#[test]
fn a_snapshot_keeps_what_it_held() {
    let mut tree: Tree<Piece> =
        (0..5000).rev().map(|page| Piece { range: pages(page * 2, page * 2 + 1), mark: 0 }).collect();
    let snapshot = tree.clone();
    for page in 0..5000 {
        tree.remove(at(page * 2));
    }
    tree.validate();
    snapshot.validate();
    assert_eq!((tree.len(), snapshot.len()), (0, 5000));
}

/// One step of a random program, over pages.
#[derive(Clone, Copy, Debug)]
enum Step {
    Insert { page: u64, len: u64 },
    Remove { page: u64 },
    Clear { page: u64, len: u64 },
    Update { page: u64, shrink_front: u64, grow_back: u64 },
    Divide { page: u64 },
    Absorb { page: u64, count: usize, more: u64 },
    Snapshot,
    Ask { page: u64, len: u64, want: u64 },
}

const WORLD: u64 = 9000;

fn step() -> impl Strategy<Value = Step> {
    let page = 0..WORLD;
    prop_oneof![
        5 => (page.clone(), 1u64..4).prop_map(|(page, len)| Step::Insert { page, len }),
        3 => page.clone().prop_map(|page| Step::Remove { page }),
        1 => (page.clone(), 1u64..WORLD / 2).prop_map(|(page, len)| Step::Clear { page, len }),
        3 => (page.clone(), 0u64..2, 0u64..4)
            .prop_map(|(page, shrink_front, grow_back)| Step::Update { page, shrink_front, grow_back }),
        3 => page.clone().prop_map(|page| Step::Divide { page }),
        2 => (page.clone(), 0usize..5, 0u64..3)
            .prop_map(|(page, count, more)| Step::Absorb { page, count, more }),
        1 => Just(Step::Snapshot),
        4 => (page, 1u64..WORLD, 1u64..200).prop_map(|(page, len, want)| Step::Ask { page, len, want }),
    ]
}

/// The same set as a sorted vector, each answer by looking at every entry.
#[derive(Clone, Default)]
struct Oracle(Vec<Piece>);

impl Oracle {
    fn index_ending_after(&self, addr: VirtAddr) -> Option<usize> {
        self.0.iter().position(|piece| piece.range.end > addr)
    }

    fn is_free(&self, range: AddrRange) -> bool {
        self.0.iter().all(|piece| !piece.range.overlaps(range))
    }

    fn insert(&mut self, piece: Piece) {
        self.0.push(piece);
        self.0.sort_by_key(|piece| piece.range.start);
    }

    /// All gaps long enough within bounds, rising.
    fn gaps(&self, bounds: AddrRange, len: u64) -> Vec<AddrRange> {
        let mut edges: Vec<AddrRange> = self.0.iter().map(|piece| piece.range).collect();
        edges.insert(0, AddrRange::new(VirtAddr(0), VirtAddr(0)));
        edges.push(pages(WORLD * 2, WORLD * 2));
        let between = edges.windows(2).map(|pair| AddrRange::new(pair[0].end, pair[1].start));
        between.filter_map(|gap| gap.intersection(bounds)).filter(|gap| gap.len() >= len).collect()
    }
}

/// Both, and every snapshot taken of them.
struct World {
    tree: Tree<Piece>,
    oracle: Oracle,
    snapshots: Vec<(Tree<Piece>, Oracle)>,
    mark: u32,
}

impl World {
    fn new(filled: u64, stride: u64) -> Self {
        let mut world = Self { tree: Tree::new(), oracle: Oracle::default(), snapshots: Vec::new(), mark: 0 };
        for index in 0..filled {
            let page = index * stride % WORLD;
            world.insert(pages(page, page + 1));
        }
        world
    }

    fn insert(&mut self, range: AddrRange) {
        if !self.oracle.is_free(range) {
            return;
        }
        self.mark += 1;
        let piece = Piece { range, mark: self.mark };
        self.tree.insert(piece);
        self.oracle.insert(piece);
    }

    fn remove(&mut self, index: usize) {
        let piece = self.oracle.0.remove(index);
        assert_eq!(self.tree.remove(piece.range.start), Some(piece));
        assert_eq!(self.tree.remove(piece.range.start), None);
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Insert { page, len } => self.insert(pages(page, page + len)),
            Step::Remove { page } => {
                if let Some(index) = self.oracle.index_ending_after(at(page)) {
                    self.remove(index);
                }
            }
            Step::Clear { page, len } => {
                while let Some(index) = self.oracle.index_ending_after(at(page))
                    && self.oracle.0[index].range.start < at(page + len)
                {
                    self.remove(index);
                }
            }
            Step::Update { page, shrink_front, grow_back } => self.update(page, shrink_front, grow_back),
            Step::Divide { page } => self.divide(page),
            Step::Absorb { page, count, more } => self.absorb(page, count, more),
            Step::Snapshot => self.snapshots.push((self.tree.clone(), self.oracle.clone())),
            Step::Ask { page, len, want } => self.ask(pages(page, page + len), want * PAGE_SIZE),
        }
    }

    fn update(&mut self, page: u64, shrink_front: u64, grow_back: u64) {
        let Some(index) = self.oracle.index_ending_after(at(page)) else { return };
        let old = self.oracle.0[index].range;
        let room = self.oracle.0.get(index + 1).map_or(at(WORLD * 2), |next| next.range.start);
        let start = VirtAddr((old.start.0 + shrink_front * PAGE_SIZE).min(old.end.0 - PAGE_SIZE));
        let end = VirtAddr(old.end.0 + grow_back * PAGE_SIZE).min(room);
        self.mark += 1;
        let new = Piece { range: AddrRange::new(start, end), mark: self.mark };
        self.oracle.0[index] = new;
        let before = self.tree.update(old.start, |piece| core::mem::replace(piece, new));
        assert_eq!(before.map(|piece| piece.range), Some(old));
    }

    /// Divides an entry at each page of it where there are two or three, else in the middle.
    fn divide(&mut self, page: u64) {
        let Some(index) = self.oracle.index_ending_after(at(page)) else { return };
        let old = self.oracle.0[index].range;
        let nowhere = VirtAddr(old.start.0 + 1);
        assert!(!self.tree.divide(nowhere, 2, |_, _| unreachable!(), |_| unreachable!()));
        let count = old.pages().min(3);
        if count < 2 {
            return;
        }
        let edge = |part: u64| if part == count { old.end } else { VirtAddr(old.start.0 + part * PAGE_SIZE) };
        self.mark += 1;
        let mark = self.mark;
        let piece = |part: u64| Piece { range: AddrRange::new(edge(part), edge(part + 1)), mark };
        self.oracle.0[index].range.end = edge(1);
        (1..count).for_each(|part| self.oracle.insert(piece(part)));
        let upper = |part, _: &Piece| piece(part as u64);
        assert!(self.tree.divide(old.start, count as usize, upper, |lowest| lowest.range.end = edge(1)));
    }

    fn absorb(&mut self, page: u64, count: usize, more: u64) {
        let Some(index) = self.oracle.index_ending_after(at(page)) else { return };
        let last = (index + count).min(self.oracle.0.len() - 1);
        let room = self.oracle.0.get(last + 1).map_or(at(WORLD * 2), |next| next.range.start);
        let end = VirtAddr(self.oracle.0[last].range.end.0 + more * PAGE_SIZE).min(room);
        let expected: Vec<Piece> = self.oracle.0.drain(index + 1..=last).collect();
        self.oracle.0[index].range.end = end;
        let mut gone = Vec::new();
        let start = self.oracle.0[index].range.start;
        self.tree.absorb(start, end, |piece| piece.range.end = end, |piece| gone.push(*piece));
        assert_eq!(gone, expected);
    }

    fn ask(&self, bounds: AddrRange, len: u64) {
        let gaps = self.oracle.gaps(bounds, len);
        assert_eq!(self.tree.lowest_gap(bounds, len).as_ref(), gaps.first());
        assert_eq!(self.tree.highest_gap(bounds, len).as_ref(), gaps.last());
        let next = self.oracle.index_ending_after(bounds.start).map(|index| &self.oracle.0[index]);
        assert_eq!(self.tree.first_ending_after(bounds.start), next);
        assert_eq!(self.tree.find(bounds.start), next.filter(|piece| piece.range.contains(bounds.start)));
        let before = self.oracle.0.iter().rfind(|piece| piece.range.start < bounds.start);
        assert_eq!(self.tree.last_starting_before(bounds.start), before);
        if let Some(range) = next.map(|next| next.range) {
            self.ask_touching(range);
            let below = before.map_or(VirtAddr(0), |before| before.range.end).max(bounds.start);
            self.ask_touching(AddrRange::new(below.min(range.start), range.start));
        }
        let inside: Vec<&Piece> = self.oracle.0.iter().filter(|piece| piece.range.overlaps(bounds)).collect();
        assert!(self.tree.range(bounds).eq(inside));
    }

    fn ask_touching(&self, range: AddrRange) {
        let mut all = self.oracle.0.iter();
        let below = all.clone().find(|piece| piece.range.end == range.start);
        let above = all.find(|piece| piece.range.start == range.end);
        assert_eq!(self.tree.touching(range), [below, above]);
    }

    fn check(&self) {
        self.tree.validate();
        assert!(self.tree.iter().eq(&self.oracle.0));
        for (tree, oracle) in &self.snapshots {
            tree.validate();
            assert!(tree.iter().eq(&oracle.0), "a snapshot keeps what it held");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Strides fill the world from below, from above or all over.
    #[test]
    fn agrees_with_the_oracle(
        filled in 0u64..2500,
        stride in prop_oneof![Just(2), Just(3), Just(WORLD - 1), Just(WORLD - 3), Just(3571)],
        is_made_at_once: bool,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(filled, stride);
        if is_made_at_once {
            world.tree = Tree::of_sorted(world.oracle.0.iter().copied());
        }
        world.check();
        for (index, step) in steps.into_iter().enumerate() {
            world.apply(step);
            if index % 8 == 0 {
                world.tree.validate();
            }
        }
        world.check();
    }
}
