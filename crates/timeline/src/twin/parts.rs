//! The twins of all memories taken apart and put together again.

use std::collections::BTreeMap;
use std::sync::Arc;

use abi::{Fd, FileId, Tid};
use mm::{AddressSpace, SpaceState, System, SystemState, Uffd};
use recording::{Bytes, Header, MmId};

use super::callers::{Callers, CallersState};
use super::{Base, Shared, Twin, profile};
use crate::saved::codec::{In, Out, Saved, saved};

/// What a twin holds.
pub(crate) struct Parts {
    mm: MmId,
    space: SpaceState,
    paths: Vec<(FileId, Bytes)>,
    nameless: Vec<(u64, FileId)>,
    base: Base,
    uffds: Vec<(Fd, Uffd)>,
}

saved! {
    Parts { mm, space, paths, nameless, base, uffds }
}

impl Saved for Base {
    fn put(&self, out: &mut Out) {
        (*self == Self::Known).put(out);
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        Some(if bool::get(input)? { Self::Known } else { Self::ToBeLearned })
    }
}

impl Twin {
    /// Takes it apart.
    pub(crate) fn parts(&self) -> Parts {
        let Self { mm, space, paths, nameless, base, uffds } = self;
        Parts {
            mm: *mm,
            space: space.state(),
            paths: paths.iter().map(|(file, path)| (*file, path.clone())).collect(),
            nameless: nameless.iter().map(|(no, file)| (*no, *file)).collect(),
            base: *base,
            uffds: uffds.iter().map(|(fd, uffd)| (*fd, *uffd)).collect(),
        }
    }
}

impl Shared {
    /// Takes apart what the memories share.
    pub(crate) fn state(&self) -> (SystemState, CallersState) {
        (self.sys.state(), self.callers.state())
    }

    /// Puts all memories of a recording together; `None` if the parts contradict each other.
    pub(crate) fn of_parts(
        header: &Header,
        (state, callers): (SystemState, CallersState),
        mut twins: Vec<Option<Parts>>,
    ) -> Option<(Self, Vec<Option<Twin>>)> {
        let profile = profile::of(&header.machine);
        let placing = profile::placing(&header.machine, &profile);
        let spaces = twins.iter_mut().flatten().map(|parts| std::mem::take(&mut parts.space)).collect();
        let (sys, spaces) = System::of_state(profile, state, spaces)?;
        let mut spaces = spaces.into_iter();
        let mut twin = |parts: Option<Parts>| match parts {
            None => Some(None),
            Some(parts) => Some(Some(Twin::of_parts(parts, spaces.next()?))),
        };
        let twins = twins.into_iter().map(&mut twin).collect::<Option<_>>()?;
        let caps = profile::caps(header.run.capabilities);
        let inherited = profile::inherited(&header.run.settings);
        let (committed, special_flags) = (None, None);
        let callers = Arc::new(Callers::of_state(header, callers));
        let caller = Tid::default();
        Some((Self { sys, caps, committed, special_flags, placing, inherited, callers, caller }, twins))
    }
}

impl Twin {
    fn of_parts(parts: Parts, space: AddressSpace) -> Self {
        let Parts { mm, space: _, paths, nameless, base, uffds } = parts;
        Self {
            mm,
            space,
            paths: Arc::new(BTreeMap::from_iter(paths)),
            nameless: Arc::new(BTreeMap::from_iter(nameless)),
            base,
            uffds: BTreeMap::from_iter(uffds),
        }
    }
}
