//! Children: a copy page by page, with anon_vmas that are linked to the parent's.
//!
//! ```text
//! parent   AAA  D...      [p]      its own is p
//! child    AAA            [p, c]   its own is c; D is not copied
//! ```

use abi::Errno;

use super::map::may_promise;
use super::model::{Answer, Chain, Memory, Oracle, PAGES, Page};
use crate::flags::VmFlags;

/// Processes there may be at once.
const PROCESSES: usize = 4;

impl Oracle {
    /// Answers whether there is room for one more process.
    pub(super) fn may_fork(&self) -> bool {
        self.memories.len() < PROCESSES
    }

    /// Makes a child, the last of the processes.
    ///
    /// Linux: `mm/mmap.c: dup_mmap`.
    pub(super) fn fork(&mut self) -> Answer {
        let parent = self.now().clone();
        let child = self.memories.len();
        let fresh = Memory::new();
        self.memories.push(Memory { brk: parent.brk, limits: parent.limits, ..fresh });
        for start in parent.starts() {
            let whole = start..parent.end_of(start);
            let first = parent.page(start).expect("a mapping begins there");
            if first.has(VmFlags::DONTCOPY) {
                continue;
            }
            if first.has(VmFlags::ACCOUNT) && may_promise(whole.len()).is_err() {
                self.memories.pop();
                return Err(Errno::ENOMEM);
            }
            let wiped = first.has(VmFlags::WIPEONFORK);
            let chain = first.chain.as_ref().filter(|_| !wiped).map(|chain| self.fork_chain(chain));
            for at in whole {
                let page = parent.page(at).expect("the mapping goes on");
                self.memories[child].pages[at] = Some(Page {
                    flags: page.flags.without(VmFlags::LOCKED_MASK),
                    chain: chain.clone(),
                    guard: page.guard && !wiped,
                    ..page.clone()
                });
            }
        }
        Ok(0)
    }

    /// Makes a child's chain: the first of the parent's that nobody has as its own and that has at most one child
    /// becomes its own, else a new one.
    ///
    /// Linux: `mm/rmap.c: anon_vma_fork`, `anon_vma_clone`.
    fn fork_chain(&mut self, parent: &Chain) -> Chain {
        let mut links = parent.links.clone();
        let vacant = links.iter().copied().find(|id| self.children(*id) < 2 && !self.is_own(*id));
        let own = vacant.unwrap_or(self.parents.len());
        if vacant.is_none() {
            self.parents.push(parent.own);
            links.push(own);
        }
        Chain { own, links }
    }

    /// Returns every page of every process.
    fn everywhere(&self) -> impl Iterator<Item = &Page> {
        self.memories.iter().flat_map(|memory| (0..PAGES).filter_map(|at| memory.page(at)))
    }

    fn is_own(&self, id: usize) -> bool {
        self.everywhere().any(|page| page.chain.as_ref().is_some_and(|chain| chain.own == id))
    }

    /// Counts the anon_vmas below one that a mapping is linked to; one without a parent is its own child.
    fn children(&self, id: usize) -> usize {
        let alive = |one: &usize| {
            self.everywhere().any(|page| page.chain.as_ref().is_some_and(|chain| chain.links.contains(one)))
        };
        (0..self.parents.len()).filter(|one| self.parents[*one] == id).filter(alive).count()
    }
}
