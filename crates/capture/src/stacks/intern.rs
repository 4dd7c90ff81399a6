//! Call chains and the places of their frames, each kept once.

use std::sync::Arc;

use abi::VirtAddr;
use foldhash::HashMap as QuickMap;
use recording::StackId;
use stacks::{CodeMap, ObjectAddr, ObjectFile};

/// Frames kept for all chains together; beyond, new chains are no longer recorded.
const FRAMES_MAX: usize = 4 << 20;

/// A place in code: a file and its address there, or an address where there is no file.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) object: Option<Arc<ObjectFile>>,
    pub(super) address: u64,
}

/// The chains of a recording.
#[derive(Debug, Default)]
pub(super) struct Chains {
    known: QuickMap<Box<[u32]>, StackId>,
    /// By the object's place in our memory, which it keeps, its address there, and the frame's own address.
    places: QuickMap<(Option<usize>, u64, u64), u32>,
    pub(super) at: Vec<At>,
    pub(super) chains: Vec<Box<[u32]>>,
    frames: usize,
    /// The chain that is being looked up.
    asked: Vec<u32>,
}

/// A chain and whether it is new.
pub(super) enum Interned {
    New(StackId),
    Known(StackId),
    /// There are too many.
    Full,
}

impl Chains {
    /// Numbers a chain.
    pub(super) fn intern(&mut self, frames: &[VirtAddr], code: Option<&CodeMap>) -> Interned {
        let mut places = std::mem::take(&mut self.asked);
        places.clear();
        // All but the innermost are addresses behind a call.
        places.extend(
            frames.iter().enumerate().map(|(no, frame)| {
                self.place(*frame, VirtAddr(frame.0.wrapping_sub(u64::from(no > 0))), code)
            }),
        );
        let interned = self.number(&places);
        self.asked = places;
        interned
    }

    fn number(&mut self, places: &[u32]) -> Interned {
        if let Some(id) = self.known.get(places) {
            return Interned::Known(*id);
        }
        if places.is_empty() || self.frames + places.len() > FRAMES_MAX {
            return Interned::Full;
        }
        self.frames += places.len();
        let id = StackId(self.chains.len() as u32);
        self.known.insert(places.into(), id);
        self.chains.push(places.into());
        Interned::New(id)
    }

    fn place(&mut self, frame: VirtAddr, inside: VirtAddr, code: Option<&CodeMap>) -> u32 {
        let found = code.and_then(|code| code.locate(inside));
        let (object, address) = match found {
            Some((object, ObjectAddr(address))) => (Some(object), address),
            None => (None, inside.0),
        };
        // The address of the process is part of the key: a chain is recorded by its addresses too.
        let key = (object.map(|object| Arc::as_ptr(object).addr()), address, frame.0);
        let fresh = self.at.len() as u32;
        let no = *self.places.entry(key).or_insert(fresh);
        if no == fresh {
            self.at.push(At { object: object.cloned(), address });
        }
        no
    }
}
