//! Call chains, each kept once.

use std::sync::Arc;

use abi::VirtAddr;
use foldhash::HashMap as QuickMap;
use recording::StackId;

/// Addresses kept for all chains together; beyond, new chains are no longer recorded (32 MiB).
const ADDRESSES_MAX: usize = 4 << 20;

/// Numbers call chains in the order in which they are first seen.
///
/// What is new is kept until it is taken: the recorder writes [`StackTable::take_new`] before each event that
/// may name a chain, so that the n-th chain in the recording is `StackId(n)` whatever the order of events.
#[derive(Debug, Default)]
pub struct StackTable {
    known: QuickMap<Arc<[VirtAddr]>, StackId>,
    fresh: Vec<Arc<[VirtAddr]>>,
    addresses: usize,
}

impl StackTable {
    /// Returns the number of a chain (innermost address first); `None` for an empty one, and for a new one when
    /// the table is full.
    pub fn intern(&mut self, chain: &[VirtAddr]) -> Option<StackId> {
        if chain.is_empty() {
            return None;
        }
        if let Some(id) = self.known.get(chain) {
            return Some(*id);
        }
        if self.addresses + chain.len() > ADDRESSES_MAX {
            return None;
        }
        self.addresses += chain.len();
        let id = StackId(u32::try_from(self.known.len()).ok()?);
        let chain: Arc<[VirtAddr]> = chain.into();
        self.fresh.push(chain.clone());
        self.known.insert(chain, id);
        Some(id)
    }

    /// Takes the chains that are new since the last time, in the order of their numbers.
    pub fn take_new(&mut self) -> impl Iterator<Item = Arc<[VirtAddr]>> {
        self.fresh.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_one_number() {
        let mut table = StackTable::default();
        let (a, b) = ([VirtAddr(1), VirtAddr(2)], [VirtAddr(1)]);
        assert_eq!(table.intern(&a), Some(StackId(0)));
        assert_eq!(table.intern(&b), Some(StackId(1)));
        assert_eq!(table.intern(&a), Some(StackId(0)));
        assert_eq!(table.intern(&[]), None);
        assert_eq!(table.take_new().map(|chain| chain.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(table.take_new().count(), 0);
    }

    #[test]
    fn a_full_table_knows_what_it_knew() {
        let mut table = StackTable { addresses: ADDRESSES_MAX - 1, ..StackTable::default() };
        assert_eq!(table.intern(&[VirtAddr(1)]), Some(StackId(0)));
        assert_eq!(table.intern(&[VirtAddr(2)]), None);
        assert_eq!(table.intern(&[VirtAddr(1)]), Some(StackId(0)));
    }
}
