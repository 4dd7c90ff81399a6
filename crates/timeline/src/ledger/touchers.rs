//! Who made pages come, each told once.

use std::collections::HashMap;

use abi::Tid;
use recording::StackId;

/// A toucher's place in the list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ToucherId(pub(crate) u32);

/// Who made pages come, and how.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Toucher {
    /// The thread.
    pub tid: Tid,
    /// From where.
    pub stack: Option<StackId>,
    /// How.
    pub how: How,
}

/// How pages came to be there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum How {
    /// By a page fault.
    Fault,
    /// By a call that brings pages in.
    Call,
    /// They came beside a page that was faulted in.
    Around,
    /// They were there when the memory was first seen.
    Before,
    /// A checkpoint found them: nothing had told of them.
    Found,
}

/// The list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Touchers {
    all: Vec<Toucher>,
    known: HashMap<Toucher, ToucherId>,
}

impl Touchers {
    pub(crate) fn id(&mut self, toucher: Toucher) -> ToucherId {
        let next = ToucherId(self.all.len() as u32);
        let all = &mut self.all;
        *self.known.entry(toucher).or_insert_with(|| {
            all.push(toucher);
            next
        })
    }

    pub(crate) fn get(&self, id: ToucherId) -> Option<Toucher> {
        self.all.get(id.0 as usize).copied()
    }

    pub(crate) fn all(&self) -> &[Toucher] {
        &self.all
    }
}
