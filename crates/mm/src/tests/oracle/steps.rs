//! What is done to both.

use abi::{Advice, MapFlags, MlockallFlags, RemapFlags, Resource};

/// What is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Private,
    /// Private memory that grows down.
    Stack,
    Shared,
    /// A file from a page on; the second one is open for reading only.
    File {
        file: u64,
        shared: bool,
        pgoff: u64,
    },
    /// A descriptor that is not open.
    Closed,
}

/// Where something is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Where {
    /// There, in the place of what is there.
    Fixed(usize),
    /// There, if nothing is.
    Free(usize),
    /// Anywhere, best there.
    Hint(usize),
    Anywhere,
}

/// One mapping that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ask {
    pub(super) place: Where,
    pub(super) pages: usize,
    pub(super) prot: u64,
    pub(super) kind: Kind,
    /// `MAP_LOCKED`, `MAP_POPULATE`, `MAP_NORESERVE`.
    pub(super) flags: MapFlags,
}

/// A mapping that is to change its size or place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Remap {
    pub(super) at: usize,
    pub(super) old: usize,
    pub(super) new: usize,
    pub(super) flags: RemapFlags,
    pub(super) to: usize,
}

/// Pages in a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) pages: usize,
}

impl Span {
    pub(super) const fn range(self) -> core::ops::Range<usize> {
        self.at..self.at + self.pages
    }
}

/// What is done to both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Map(Ask),
    Unmap(Span),
    /// Protects; with `down`, from the start of the stack on.
    Protect {
        span: Span,
        prot: u64,
        down: bool,
    },
    /// Names, or takes the name.
    Name {
        span: Span,
        name: Option<char>,
    },
    Advise {
        span: Span,
        advice: Advice,
    },
    Lock {
        span: Span,
        on_fault: bool,
    },
    Unlock(Span),
    LockAll(MlockallFlags),
    UnlockAll,
    Seal(Span),
    /// Lets the heap have so many pages.
    Brk(usize),
    Remap(Remap),
    /// Writes or reads a byte.
    Touch {
        at: usize,
        write: bool,
    },
    /// Makes a child, which does the next step or not.
    Fork {
        follow: bool,
    },
    /// Lets another process do the next step.
    Process(usize),
    /// Ends the process, if it is not the last one.
    Exit,
    /// Sets a limit.
    Limit {
        resource: Resource,
        bound: Bound,
    },
    /// Sets the limit of mappings.
    Mappings(Bound),
}

/// A limit, in pages or mappings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bound {
    None,
    Zero,
    /// So much more than there is now.
    Spare(usize),
}

/// Tells with which others a step goes along.
pub(super) const fn family(step: Step) -> u32 {
    match step {
        Step::Map(_) | Step::Touch { .. } => 0,
        Step::Unmap(_) | Step::Brk(_) => 1,
        Step::Protect { .. } => 2,
        Step::Name { .. } | Step::Advise { .. } => 3,
        Step::Lock { .. } | Step::Unlock(_) | Step::LockAll(_) | Step::UnlockAll => 4,
        Step::Seal(_) => 5,
        Step::Remap(_) => 6,
        Step::Fork { .. } | Step::Process(_) | Step::Exit => 7,
        Step::Limit { .. } | Step::Mappings(_) => 8,
    }
}
