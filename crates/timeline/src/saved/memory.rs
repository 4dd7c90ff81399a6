//! One memory at one event.

use abi::Tid;
use mm::Settings;
use recording::{Counters, HugeZeros, MmId, TimeNs};

use super::codec::saved;
use crate::curve::Sample;
use crate::grown::Grown;
use crate::growth::StackGrowth;
use crate::ledger::Ledger;
use crate::memory::{Largest, Memory, PagesRead, ThreadStack, UnderWay};
use crate::twin::{Parts, Twin};

saved! {
    HugeZeros { looked_at, zeros }
    Sample { virtual_bytes, resident_bytes, mappings }
    ThreadStack { range, mapped_by, thread }
    UnderWay { event, time, call, input, predicted, ranges, is_confirmed }
}

/// Makes [`MemoryState`] and the ways there and back from the one list of fields that are kept as they are.
macro_rules! memory_state {
    ($($alike:ident: $type:ty),* $(,)?) => {
        /// One memory at one event. Its pages and its program are named by the events that told them.
        pub(crate) struct MemoryState {
            pub(crate) id: MmId,
            pub(crate) pages_event: Option<u64>,
            pub(crate) twin: Option<Parts>,
            under_way: Vec<(Tid, UnderWay)>,
            $(pub(crate) $alike: $type,)*
        }

        saved! { MemoryState { id, pages_event, twin, under_way, $($alike),* } }

        impl Memory {
            /// Takes it apart; the calls kept for telling which one came before a difference are left out.
            pub(crate) fn state(&self) -> MemoryState {
                let Self {
                    id, exec: _, pages, twin, under_way, recent: _, sums: _, arguments: _, raced_at_fork: _, $($alike),*
                } = self;
                let mut under_way: Vec<_> = under_way.iter().map(|(tid, call)| (*tid, call.clone())).collect();
                under_way.sort_unstable_by_key(|(tid, _)| *tid);
                MemoryState {
                    id: *id,
                    pages_event: pages.as_ref().map(|pages| pages.event),
                    twin: twin.as_ref().map(Twin::parts),
                    under_way,
                    $($alike: Clone::clone($alike),)*
                }
            }

            /// Puts it together.
            pub(crate) fn of_state(state: MemoryState, twin: Option<Twin>, pages: Option<PagesRead>) -> Self {
                let MemoryState { id, pages_event: _, twin: _, under_way, $($alike),* } = state;
                Self {
                    pages,
                    twin,
                    under_way: under_way.into_iter().collect(),
                    $($alike,)*
                    ..Self::new(id, None)
                }
            }
        }
    };
}

memory_state! {
    exec_event: Option<u64>,
    inherited: Settings,
    counters: Option<(TimeNs, Counters)>,
    stack: Option<StackGrowth>,
    largest: Largest,
    page_checkpoints: u64,
    stack_areas: Vec<ThreadStack>,
    counted: Sample,
    is_unmodelled: bool,
    is_raced: bool,
    grown: Grown,
    ledger: Option<Ledger>,
    has_gaps: bool,
    huge_zeros: Option<HugeZeros>,
}
