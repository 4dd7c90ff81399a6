//! One memory at one event.

use abi::{Resource, Rlimit, Tid};
use recording::{Counters, MmId, TimeNs};

use super::codec::saved;
use crate::curve::Sample;
use crate::growth::StackGrowth;
use crate::ledger::Ledger;
use crate::memory::{Largest, Memory, PagesRead, ThreadStack, UnderWay};
use crate::twin::{Parts, Twin};

/// One memory at one event. Its pages and its program are named by the events that told them.
pub(crate) struct MemoryState {
    pub(crate) id: MmId,
    pub(crate) exec_event: Option<u64>,
    pub(crate) pages_event: Option<u64>,
    pub(crate) twin: Option<Parts>,
    counters: Option<(TimeNs, Counters)>,
    stack: Option<StackGrowth>,
    largest: Largest,
    page_checkpoints: u64,
    stack_areas: Vec<ThreadStack>,
    counted: Sample,
    limits: Vec<(Resource, Rlimit)>,
    under_way: Vec<(Tid, UnderWay)>,
    is_unmodelled: bool,
    is_raced: bool,
    ledger: Option<Ledger>,
    has_gaps: bool,
}

saved! {
    Sample { virtual_bytes, resident_bytes, mappings }
    ThreadStack { range, mapped_by, thread }
    UnderWay { event, time, call, input, predicted, ranges, is_confirmed }
    MemoryState {
        id, exec_event, pages_event, twin, counters, stack, largest, page_checkpoints, stack_areas, counted,
        limits, under_way, is_unmodelled, is_raced, ledger, has_gaps,
    }
}

impl Memory {
    /// Takes it apart; the calls kept for telling which one came before a difference are left out.
    pub(crate) fn state(&self) -> MemoryState {
        let Self {
            id,
            exec: _,
            exec_event,
            pages,
            counters,
            stack,
            largest,
            page_checkpoints,
            stack_areas,
            counted,
            twin,
            limits,
            under_way,
            is_unmodelled,
            is_raced,
            recent: _,
            ledger,
            has_gaps,
            sums: _,
        } = self;
        let mut limits: Vec<_> = limits.iter().map(|(resource, limit)| (*resource, *limit)).collect();
        limits.sort_unstable_by_key(|(resource, _)| *resource);
        let mut under_way: Vec<_> = under_way.iter().map(|(tid, call)| (*tid, call.clone())).collect();
        under_way.sort_unstable_by_key(|(tid, _)| *tid);
        MemoryState {
            id: *id,
            exec_event: *exec_event,
            pages_event: pages.as_ref().map(|pages| pages.event),
            twin: twin.as_ref().map(Twin::parts),
            counters: *counters,
            stack: *stack,
            largest: *largest,
            page_checkpoints: *page_checkpoints,
            stack_areas: stack_areas.clone(),
            counted: *counted,
            limits,
            under_way,
            is_unmodelled: *is_unmodelled,
            is_raced: *is_raced,
            ledger: ledger.clone(),
            has_gaps: *has_gaps,
        }
    }

    /// Puts it together.
    pub(crate) fn of_state(state: MemoryState, twin: Option<Twin>, pages: Option<PagesRead>) -> Self {
        let MemoryState {
            id,
            exec_event,
            pages_event: _,
            twin: _,
            counters,
            stack,
            largest,
            page_checkpoints,
            stack_areas,
            counted,
            limits,
            under_way,
            is_unmodelled,
            is_raced,
            ledger,
            has_gaps,
        } = state;
        Self {
            exec_event,
            pages,
            counters,
            stack,
            largest,
            page_checkpoints,
            stack_areas,
            counted,
            twin,
            under_way: under_way.into_iter().collect(),
            is_unmodelled,
            is_raced,
            ledger,
            has_gaps,
            ..Self::new(id, None, limits.into_iter().collect())
        }
    }
}
