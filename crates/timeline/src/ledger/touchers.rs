//! Who made pages come, each told once.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use abi::Tid;
use foldhash::HashMap as QuickMap;
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
    /// They came as a part of a huge page of which another was touched, or asked for by a call.
    Huge,
    /// They were there when the memory was first seen.
    Before,
    /// A checkpoint found them: nothing had told of them.
    Found,
}

/// The list, one for all memories of a recording: it only grows, so that an id is for ever, in every state kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touchers(Arc<RwLock<List>>);

#[derive(Debug, Default)]
struct List {
    all: Vec<Toucher>,
    known: QuickMap<Toucher, ToucherId>,
}

/// Alike as far as both have come.
impl PartialEq for Touchers {
    fn eq(&self, other: &Self) -> bool {
        let alike = |one: &[Toucher], two: &[Toucher]| one.iter().zip(two).all(|(one, two)| one == two);
        Arc::ptr_eq(&self.0, &other.0) || self.with_all(|one| other.with_all(|two| alike(one, two)))
    }
}

impl Touchers {
    pub(crate) fn id(&self, toucher: Toucher) -> ToucherId {
        if let Some(id) = self.read().known.get(&toucher) {
            return *id;
        }
        let mut list = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let next = ToucherId(list.all.len() as u32);
        let List { all, known } = &mut *list;
        *known.entry(toucher).or_insert_with(|| {
            all.push(toucher);
            next
        })
    }

    pub(crate) fn get(&self, id: ToucherId) -> Option<Toucher> {
        self.read().all.get(id.0 as usize).copied()
    }

    /// Shows the whole list, in the order of its ids.
    pub(crate) fn with_all<T>(&self, show: impl FnOnce(&[Toucher]) -> T) -> T {
        show(&self.read().all)
    }

    pub(crate) fn len(&self) -> usize {
        self.read().all.len()
    }

    fn read(&self) -> RwLockReadGuard<'_, List> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FromIterator<Toucher> for Touchers {
    fn from_iter<T: IntoIterator<Item = Toucher>>(all: T) -> Self {
        let touchers = Self::default();
        all.into_iter().for_each(|toucher| {
            touchers.id(toucher);
        });
        touchers
    }
}
