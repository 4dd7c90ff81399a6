//! Limits: tiny ones, so that every one is hit.

use abi::{Call, PAGE_SIZE, Resource, Rlimit, VirtAddr};

use super::Choice;
use crate::fuzz::line::Act;

impl Choice<'_> {
    pub(super) fn limit(&mut self) -> Act {
        let resource = self.rng.pick(&Resource::OF_MEMORY);
        let counters = self.space.counters();
        let pages = match resource {
            Resource::AS => counters.total_vm,
            Resource::DATA => counters.data_vm,
            Resource::MEMLOCK => counters.locked_vm,
            _ => counters.stack_vm,
        };
        let soft = match self.rng.below(10) {
            0 => 0,
            1 => PAGE_SIZE * self.rng.below(20),
            2 => Rlimit::INFINITY,
            3 => 1 << 30,
            4 => PAGE_SIZE * pages + self.rng.below(PAGE_SIZE),
            _ => PAGE_SIZE * (pages + self.rng.below(12)),
        };
        let hard = match self.rng.below(20) {
            0 => soft.saturating_sub(1),
            1 => soft,
            _ => self.space.limit(resource).map_or(Rlimit::INFINITY, |limit| limit.hard),
        };
        if self.rng.percent(30) {
            let call = Call::Setrlimit { resource, limit: VirtAddr::NULL };
            return Act::Pointed { call, arg: 1, words: vec![soft, hard] };
        }
        Act::Limit(resource, Rlimit { soft, hard })
    }
}
