//! Pages that are alike, kept as runs.
//!
//! ```text
//! page     0 1 2 3 4 5 6 7 8
//! before   . A A A A . . B B     two runs
//! update       [     ]           of 2..6 to C
//! after    . A C C C C . B B     three: a border inside a run splits it, neighbours that are alike join
//! ```

use std::collections::BTreeMap;

use abi::{AddrRange, PAGE_SIZE, VirtAddr};
use recording::{MmId, TimeNs};

use super::may::May;
use super::touchers::ToucherId;

/// What is known of the pages of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// What they may be.
    pub may: May,
    /// Who touched them first.
    pub by: ToucherId,
    /// When the first of them came.
    pub first: TimeNs,
    /// When the last of them came.
    pub last: TimeNs,
    /// The memory that a fork made with them last, by a copy of the page tables; `None`: no fork had them.
    pub forked: Option<MmId>,
    /// Who wrote to them here since then, so that they are this memory's own again.
    pub copied: Option<ToucherId>,
    /// Of pages of files and shared memory: whether they were written to through this memory.
    pub written: Written,
}

/// Whether a page that others have too was written to through one memory's mappings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Written {
    /// No event tells of it.
    #[default]
    No,
    /// The fault that brought it in did not say whether it wrote.
    Maybe,
    /// It was. Since then the kernel may have written it back.
    Yes,
}

impl Stretch {
    /// Pages that nobody has touched before.
    pub(crate) fn new(may: May, by: ToucherId, time: TimeNs) -> Self {
        Self { may, by, first: time, last: time, forked: None, copied: None, written: Written::No }
    }

    /// Whether they are in memory, as far as is known.
    pub fn is_there(&self) -> bool {
        self.may.intersects(May::ANON.or(May::FILE)) && !self.may.contains(May::ABSENT)
    }

    /// Whether they are anonymous for sure: the memory's own, written to, and nowhere else.
    pub fn is_anonymous(&self) -> bool {
        self.may == May::ANON
    }

    /// Whether a fork left them in two memories, and nothing was told of a write since.
    pub fn is_shared_by_fork(&self) -> bool {
        self.forked.is_some() && self.copied.is_none()
    }

    fn joins(&self, other: &Self) -> bool {
        let Self { may, by, first: _, last: _, forked, copied, written } = *self;
        (may, by, forked, copied, written) == (other.may, other.by, other.forked, other.copied, other.written)
    }

    fn join(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// Runs of pages by their first page's number; pages in no run are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Runs(BTreeMap<u64, (u64, Stretch)>);

impl Runs {
    /// The run that a page is in.
    pub(crate) fn at(&self, addr: VirtAddr) -> Option<&Stretch> {
        let page = addr.0 / PAGE_SIZE;
        let (_, (end, stretch)) = self.0.range(..=page).next_back()?;
        (page < *end).then_some(stretch)
    }

    /// Every run, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (AddrRange, &Stretch)> {
        self.0.iter().map(|(from, (to, stretch))| (bytes(*from, *to), stretch))
    }

    /// Takes runs that are in order, each with its first page and the one after its last; `None` if they are not.
    pub(crate) fn of_sorted(runs: Vec<(u64, (u64, Stretch))>) -> Option<Self> {
        let is_sorted = runs.is_sorted_by(|(_, (end, _)), (start, _)| end <= start);
        let are_whole = runs.iter().all(|(start, (end, _))| start < end);
        (is_sorted && are_whole).then(|| Self(runs.into_iter().collect()))
    }

    /// How many runs there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The runs inside a range, cut at its borders.
    pub(crate) fn within(&self, range: AddrRange) -> Vec<(AddrRange, Stretch)> {
        let (from, to) = pages(range);
        let first = self.0.range(..from).next_back().filter(|(_, (end, _))| *end > from);
        let rest = self.0.range(from..to.max(from));
        let cut = |(start, (end, stretch)): (&u64, &(u64, Stretch))| {
            (bytes(from.max(*start), to.min(*end)), *stretch)
        };
        first.into_iter().chain(rest).map(cut).collect()
    }

    /// Makes every page of a range what `f` says of what it was; `None` stands for absent.
    pub(crate) fn update(&mut self, range: AddrRange, mut f: impl FnMut(Option<Stretch>) -> Option<Stretch>) {
        let (from, to) = pages(range);
        if from >= to {
            return;
        }
        // Mostly all of it is alike: absent, or inside one run.
        match self.0.range(..to).next_back() {
            Some((start, (end, old))) if *start <= from && *end >= to => {
                let (old, new) = (*old, f(Some(*old)));
                if new != Some(old) {
                    self.take(from, to);
                    new.into_iter().for_each(|new| self.put(from, to, new));
                }
            }
            Some((_, (end, _))) if *end > from => self.update_each(from, to, f),
            _ => f(None).into_iter().for_each(|new| self.put(from, to, new)),
        }
    }

    fn update_each(&mut self, from: u64, to: u64, mut f: impl FnMut(Option<Stretch>) -> Option<Stretch>) {
        let old = self.take(from, to);
        let mut at = from;
        let mut new: Vec<(u64, u64, Stretch)> = Vec::with_capacity(old.len() + 2);
        let mut add = |from: u64, to: u64, stretch: Option<Stretch>| match (new.last_mut(), stretch) {
            (_, None) => {}
            (Some((_, end, last)), Some(stretch)) if *end == from && last.joins(&stretch) => {
                last.join(&stretch);
                *end = to;
            }
            (_, Some(stretch)) => new.push((from, to, stretch)),
        };
        for (start, end, stretch) in old {
            if at < start {
                add(at, start, f(None));
            }
            add(start, end, f(Some(stretch)));
            at = end;
        }
        if at < to {
            add(at, to, f(None));
        }
        new.into_iter().for_each(|(from, to, stretch)| self.put(from, to, stretch));
    }

    /// Makes a range absent.
    pub(crate) fn clear(&mut self, range: AddrRange) {
        let (from, to) = pages(range);
        if from < to {
            self.take(from, to);
        }
    }

    /// Takes the runs of a range out, cut at its borders.
    fn take(&mut self, from: u64, to: u64) -> Vec<(u64, u64, Stretch)> {
        let mut taken = Vec::new();
        if let Some((start, (end, stretch))) = self.0.range_mut(..from).next_back()
            && *end > from
        {
            let (start, was, stretch) = (*start, *end, *stretch);
            debug_assert!(start < from);
            *end = from;
            taken.push((from, was.min(to), stretch));
            if was > to {
                self.0.insert(to, (was, stretch));
            }
        }
        while let Some((start, (end, stretch))) = self.0.range(from..to).next() {
            let (start, end, stretch) = (*start, *end, *stretch);
            self.0.remove(&start);
            taken.push((start, end.min(to), stretch));
            if end > to {
                self.0.insert(to, (end, stretch));
            }
        }
        taken
    }

    /// Puts a run where nothing is, joined to its neighbours.
    pub(crate) fn put(&mut self, from: u64, to: u64, mut stretch: Stretch) {
        let mut end = to;
        if let Some((until, right)) = self.0.get(&to)
            && right.joins(&stretch)
        {
            stretch.join(right);
            end = *until;
            self.0.remove(&to);
        }
        match self.0.range_mut(..from).next_back() {
            Some((_, (until, left))) if *until == from && left.joins(&stretch) => {
                left.join(&stretch);
                *until = end;
            }
            _ => {
                self.0.insert(from, (end, stretch));
            }
        }
    }
}

/// The numbers of the pages of a range: the first and the one after the last.
pub(crate) fn pages(range: AddrRange) -> (u64, u64) {
    (range.start.0 / PAGE_SIZE, range.end.0.div_ceil(PAGE_SIZE))
}

/// The addresses of pages.
pub(crate) fn bytes(from: u64, to: u64) -> AddrRange {
    AddrRange::new(VirtAddr(from * PAGE_SIZE), VirtAddr(to * PAGE_SIZE))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretch(may: u8) -> Stretch {
        Stretch::new(May(1 << may), ToucherId(0), TimeNs(0))
    }

    proptest! {
        #[test]
        fn runs_are_what_an_array_of_pages_is(
            changes in prop::collection::vec((0u64..40, 0u64..12, prop::option::of(0u8..3)), 0..60)
        ) {
            let mut runs = Runs::default();
            let mut plain = [None; 64];
            for (from, len, may) in changes {
                let to = from + len;
                match may {
                    Some(may) => runs.update(bytes(from, to), |_| Some(stretch(may))),
                    None => runs.clear(bytes(from, to)),
                }
                plain[from as usize..to as usize].fill(may);
                for (page, may) in plain.iter().enumerate() {
                    let found = runs.at(VirtAddr(page as u64 * PAGE_SIZE)).copied();
                    prop_assert_eq!(found, may.map(stretch));
                }
                let all: Vec<_> = runs.iter().map(|(range, stretch)| (range, *stretch)).collect();
                for pair in all.windows(2) {
                    let ((left, a), (right, b)) = (pair[0], pair[1]);
                    prop_assert!(left.end < right.start || left.end == right.start && a.may != b.may);
                }
                let inside = runs.within(bytes(3, 30));
                prop_assert!(inside.iter().all(|(range, _)| bytes(3, 30).covers(*range) && !range.is_empty()));
                let pages: u64 = inside.iter().map(|(range, _)| range.pages()).sum();
                prop_assert_eq!(pages, plain[3..30].iter().flatten().count() as u64);
            }
        }
    }
}
