//! What the oracle knows: of each page everything, of anything else next to nothing.
//!
//! ```text
//! pages     . R R W W W . W        nothing mapped at `.`
//! begins      ^   ^   ^   ^        where a mapping begins: what merged or not is history, so it is kept
//! mappings    RR  WW  W   W        read off by walking
//! ```

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use abi::Errno;

use crate::flags::VmFlags;

/// The pages of the world; nothing can be mapped outside of it.
pub(super) const PAGES: usize = 48;
/// The number of the world's first page: the lowest that may be mapped.
pub(super) const FIRST: u64 = 16;
/// The end of the search from above; the pages behind it are found only from below.
pub(super) const TOP: usize = 44;
/// The start of the search from below.
pub(super) const LOW: usize = 4;
/// Where the heap starts.
pub(super) const HEAP: usize = 24;
/// The pages kept free below a growing stack.
pub(super) const GAP: usize = 3;
/// The pages of a huge page.
pub(super) const HUGE: usize = 4;
/// The pages of the file.
pub(super) const FILE: usize = 30;
/// The pages that may be promised at once.
pub(super) const PROMISED: usize = 14;
/// No limit, in pages.
pub(super) const UNLIMITED: usize = usize::MAX >> 12;

/// The value or errno of a call.
pub(super) type Answer = Result<u64, Errno>;

/// What a page is backed by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Object {
    Anonymous,
    /// Shared anonymous memory, one object each.
    Nameless(u64),
    /// An open file.
    File(u64),
}

/// The anon_vmas of a mapping: its own, and all it is linked to, the oldest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Chain {
    pub(super) own: usize,
    pub(super) links: Vec<usize>,
}

impl Chain {
    pub(super) fn is_forked(&self) -> bool {
        self.links.len() > 1
    }
}

/// A page that is mapped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Page {
    /// Whether a mapping begins with it.
    pub(super) begins: bool,
    pub(super) flags: VmFlags,
    pub(super) object: Object,
    pub(super) pgoff: u64,
    pub(super) chain: Option<Chain>,
    pub(super) name: Option<char>,
    /// Whether it is marked as a guard.
    pub(super) guard: bool,
}

impl Page {
    pub(super) fn has(&self, flags: VmFlags) -> bool {
        self.flags.intersects(flags)
    }

    /// Counts against `RLIMIT_DATA`.
    pub(super) fn is_data(&self) -> bool {
        self.has(VmFlags::WRITE) && !self.has(VmFlags::SHARED.with(VmFlags::GROWSDOWN))
    }
}

/// One process's memory.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) pages: Vec<Option<Page>>,
    /// The page at which the heap ends.
    pub(super) brk: usize,
    /// The pages that count as locked but are not any more.
    pub(super) unlocked_unseen: usize,
    /// The lock flags of what is mapped from now on.
    pub(super) future: VmFlags,
    pub(super) limits: Limits,
}

/// Limits in pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) address_space: usize,
    pub(super) data: usize,
    pub(super) stack: usize,
    pub(super) memlock: usize,
}

impl Memory {
    pub(super) fn new() -> Self {
        let limits = Limits { address_space: UNLIMITED, data: UNLIMITED, stack: 2048, memlock: 2048 };
        Self { pages: vec![None; PAGES], brk: HEAP, unlocked_unseen: 0, future: VmFlags::NONE, limits }
    }

    /// Returns the page at a place in the world.
    pub(super) fn page(&self, at: usize) -> Option<&Page> {
        self.pages.get(at).and_then(Option::as_ref)
    }

    pub(super) fn is_free(&self, range: Range<usize>) -> bool {
        range.end <= PAGES && range.into_iter().all(|at| self.pages[at].is_none())
    }

    /// Returns the first page that is mapped from a place on.
    pub(super) fn next_mapped(&self, at: usize) -> Option<usize> {
        (at..PAGES).find(|at| self.pages[*at].is_some())
    }

    /// Returns where the mapping around a mapped page begins.
    pub(super) fn start_of(&self, at: usize) -> usize {
        (0..=at).rev().find(|at| self.page(*at).is_some_and(|page| page.begins)).expect("it begins somewhere")
    }

    /// Returns where the mapping around a mapped page ends.
    pub(super) fn end_of(&self, at: usize) -> usize {
        (at + 1..PAGES).find(|at| self.page(*at).is_none_or(|page| page.begins)).unwrap_or(PAGES)
    }

    pub(super) fn mapping_of(&self, at: usize) -> Range<usize> {
        self.start_of(at)..self.end_of(at)
    }

    /// Returns where each mapping begins.
    pub(super) fn starts(&self) -> Vec<usize> {
        (0..PAGES).filter(|at| self.page(*at).is_some_and(|page| page.begins)).collect()
    }

    /// Counts pages.
    pub(super) fn count(&self, counts: impl Fn(&Page) -> bool) -> usize {
        self.pages.iter().flatten().filter(|page| counts(page)).count()
    }

    /// Changes every mapped page of a range.
    pub(super) fn change(&mut self, range: Range<usize>, change: impl FnMut(&mut Page)) {
        self.pages[range].iter_mut().flatten().for_each(change);
    }

    pub(super) fn total_vm(&self) -> usize {
        self.count(|_| true)
    }

    pub(super) fn data_vm(&self) -> usize {
        self.count(Page::is_data)
    }

    pub(super) fn stack_vm(&self) -> usize {
        self.count(|page| page.has(VmFlags::GROWSDOWN))
    }

    pub(super) fn exec_vm(&self) -> usize {
        let others = VmFlags::WRITE.with(VmFlags::GROWSDOWN);
        self.count(|page| page.has(VmFlags::EXEC) && !page.has(others))
    }

    pub(super) fn locked_vm(&self) -> usize {
        self.count(|page| page.has(VmFlags::LOCKED)) + self.unlocked_unseen
    }
}

/// All processes, and what they share.
#[derive(Clone, Debug)]
pub(super) struct Oracle {
    pub(super) memories: Vec<Memory>,
    /// The process that does the next step.
    pub(super) at: usize,
    /// The parent of each anon_vma there ever was; the first one's is itself.
    pub(super) parents: Vec<usize>,
    /// The pages of each object of shared anonymous memory there ever was.
    pub(super) objects: Vec<usize>,
    /// The pages that count as promised but are not any more.
    pub(super) promised_unseen: usize,
    pub(super) max_map_count: usize,
}

impl Oracle {
    pub(super) fn new() -> Self {
        Self {
            memories: vec![Memory::new()],
            at: 0,
            parents: Vec::new(),
            objects: Vec::new(),
            promised_unseen: 0,
            max_map_count: 65_530,
        }
    }

    /// Returns the memory of the process that does the next step.
    pub(super) fn now(&self) -> &Memory {
        &self.memories[self.at]
    }

    pub(super) fn now_mut(&mut self) -> &mut Memory {
        &mut self.memories[self.at]
    }

    /// Tells whether a page lies past the end of what it is backed by.
    pub(super) fn is_past_end(&self, page: &Page) -> bool {
        match page.object {
            Object::Anonymous => false,
            Object::Nameless(id) => page.pgoff >= self.objects[id as usize] as u64,
            Object::File(_) => page.pgoff >= FILE as u64,
        }
    }

    pub(super) fn map_count(&self) -> usize {
        self.now().starts().len()
    }

    /// Counts what is promised to all processes.
    pub(super) fn committed(&self) -> usize {
        let promised = |memory: &Memory| memory.count(|page| page.has(VmFlags::ACCOUNT));
        self.memories.iter().map(promised).sum::<usize>() + self.promised_unseen
    }
}
