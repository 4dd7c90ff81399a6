//! The twin of one memory: the only module that talks to it.

use std::collections::HashMap;
use std::sync::Arc;

use abi::{AddrRange, Call, Errno, Resource, Rlimit, VirtAddr};
use recording::{CallInput, ExecEvent, Header, MapRow};

/// What all memories share.
pub(crate) struct Shared {}

impl Shared {
    pub(crate) fn new(_header: &Header) -> Self {
        Self {}
    }
}

#[derive(Clone)]
pub(crate) struct Twin {
    rows: Arc<[MapRow]>,
}

impl Twin {
    pub(crate) fn adopt(
        _shared: &mut Shared,
        _exec: Option<&ExecEvent>,
        _limits: &HashMap<Resource, Rlimit>,
        rows: &[MapRow],
    ) -> Self {
        Self { rows: rows.into() }
    }
    pub(crate) fn rows(&self) -> Vec<MapRow> {
        self.rows.to_vec()
    }
    pub(crate) fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.range.len()).sum()
    }
    pub(crate) fn mappings(&self) -> u64 {
        self.rows.len() as u64
    }
    pub(crate) fn brk(&self) -> VirtAddr {
        self.heap().map_or(VirtAddr::NULL, |heap| heap.end)
    }
    fn named(&self, name: &[u8]) -> Option<AddrRange> {
        self.rows.iter().find(|row| *row.name == *name).map(|row| row.range)
    }
    pub(crate) fn heap(&self) -> Option<AddrRange> {
        self.named(b"[heap]")
    }
    pub(crate) fn stack(&self) -> Option<AddrRange> {
        self.named(b"[stack]")
    }
    pub(crate) fn is_mapped(&self, range: AddrRange) -> bool {
        self.rows.iter().any(|row| row.range.overlaps(range))
    }
    /// Applies a call; `None` if it is not modelled.
    pub(crate) fn call(&mut self, _: &mut Shared, _: Call, _: &CallInput) -> Option<Result<u64, Errno>> {
        None
    }
    pub(crate) fn fork(&mut self, _shared: &mut Shared) -> Option<Self> {
        Some(self.clone())
    }
    pub(crate) fn exit(self, _shared: &mut Shared) {}
    pub(crate) fn touch(&mut self, _shared: &mut Shared, _addr: VirtAddr) {}
    pub(crate) fn grow_stack(&mut self, _shared: &mut Shared, _range: AddrRange) {}
    pub(crate) fn learn_anonymous(&mut self, _shared: &mut Shared, _range: AddrRange) {}
    pub(crate) fn set_limit(&mut self, _resource: Resource, _limit: Rlimit) {}
    pub(crate) fn place(&mut self, _: &mut Shared, _: Call, _: Result<u64, Errno>, _: VirtAddr) {}
    pub(crate) fn undo(&mut self, _: &mut Shared, _: Call, _: Result<u64, Errno>) {}
    pub(crate) fn replace(&mut self, _shared: &mut Shared, range: AddrRange, rows: &[MapRow]) {
        let mut all: Vec<MapRow> =
            self.rows.iter().filter(|row| !row.range.overlaps(range)).cloned().collect();
        all.extend_from_slice(rows);
        all.sort_by_key(|row| row.range);
        self.rows = all.into();
    }
}
