//! What each place in the program did to memory over a whole run: how often it mapped and unmapped, how much of that stayed,
//! the faults on what it mapped and by itself, the mappings it split.

use std::collections::{BTreeMap, HashMap};

use abi::{Advice, Call};
use recording::{Body, Event, MmId, StackId, TimeNs};

use crate::origins::Origins;
use crate::world::World;

/// Places kept; of more nothing is noted.
const SITES_MAX: usize = 1 << 17;
/// Samples of what lives, at most; where there are more every other one goes.
pub const SAMPLES_MAX: usize = 32;
/// Events between two samples at first.
const EVENTS_BETWEEN: u64 = 64;

/// A place in the program, in one memory; without a stack all places together that are not known.
pub type SiteKey = (MmId, Option<StackId>);

/// What the places of a run did.
#[derive(Default)]
pub struct Sites {
    origins: Origins,
    by: HashMap<SiteKey, Site>,
    /// When samples were taken.
    samples: Vec<TimeNs>,
    between: u64,
    until_sample: u64,
    /// Mappings of each memory after the last event.
    mappings: HashMap<MmId, u64>,
    period: u64,
    /// Places of which nothing was noted.
    dropped: u64,
}

/// What one place did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Site {
    /// When it did something first.
    pub first: TimeNs,
    /// And last.
    pub last: TimeNs,
    /// Mappings it made.
    pub mapped: u64,
    /// Their bytes.
    pub mapped_bytes: u64,
    /// Of these, unmapped again, by whomever.
    pub unmapped_bytes: u64,
    /// Faults on what it mapped, as estimated where not every one was recorded.
    pub faults_on: u64,
    /// Faults that it took itself, as estimated.
    pub faults_by: u64,
    /// Times it gave pages up and kept the mapping (`MADV_DONTNEED` and the like).
    pub drops: u64,
    /// By how many mappings its calls other than those that map made the map longer.
    pub splits: u64,
    /// Mappings it made that were not merged with a neighbour, by the twin's reason.
    pub apart: BTreeMap<String, u64>,
    /// Bytes that lived at each sample from its first on.
    live: Vec<u64>,
}

impl Site {
    /// Bytes it mapped that were not unmapped.
    pub fn live_bytes(&self) -> u64 {
        self.mapped_bytes.saturating_sub(self.unmapped_bytes)
    }
}

impl Sites {
    /// Takes in an event and the world after it.
    pub fn see(&mut self, no: u64, event: &Event, world: &World) {
        let before = match &event.body {
            Body::Call(_) => self.mappings.get(&event.mm).copied(),
            _ => None,
        };
        self.origins.see(no, event, world);
        self.take_churn(event);
        let key = |stack| (event.mm, stack);
        match &event.body {
            Body::FaultPeriod { period } => self.period = u64::from(*period),
            Body::Fault(fault) => {
                let count = self.period.max(1);
                self.at(key(fault.stack), event.time, |site| site.faults_by += count);
                if let Some(owner) = self.origins.owner(event.mm, fault.addr) {
                    self.at(key(owner.stack), event.time, |site| site.faults_on += count);
                }
            }
            Body::Call(call) => {
                let now = world.memory(event.mm).map(|memory| memory.sample().mappings);
                self.call(key(call.stack), event.time, call.call, world, before.zip(now));
                if let Some(now) = now {
                    self.mappings.insert(event.mm, now);
                }
            }
            _ if world.memory(event.mm).is_none() => {
                self.mappings.remove(&event.mm);
            }
            _ => {}
        }
        self.sample(event.time);
    }

    fn call(&mut self, key: SiteKey, time: TimeNs, call: Call, world: &World, mappings: Option<(u64, u64)>) {
        let maps =
            matches!(call, Call::Mmap { .. } | Call::Mremap { .. } | Call::Shmat { .. } | Call::Brk { .. });
        let gives_up = matches!(
            call,
            Call::Madvise { advice: Advice::DONTNEED | Advice::DONTNEED_LOCKED | Advice::FREE, .. }
        );
        let split = mappings.map_or(0, |(before, after)| after.saturating_sub(before));
        // A mapping that does not touch its neighbours has nothing to merge with.
        let reason = |note: mm::MergeNote| note.bar.filter(|bar| *bar != mm::MergeBar::NotAdjacent);
        let apart: Vec<String> = match (maps && split > 0, world.why()) {
            (true, Some(why)) => why.merges().filter_map(reason).map(|bar| bar.to_string()).collect(),
            _ => Vec::new(),
        };
        if !gives_up && (maps || split == 0) && apart.is_empty() {
            return;
        }
        self.at(key, time, |site| {
            site.drops += u64::from(gives_up);
            if !maps {
                site.splits += split;
            }
            for reason in apart {
                *site.apart.entry(reason).or_default() += 1;
            }
        });
    }

    /// Takes over what the last event mapped and unmapped.
    fn take_churn(&mut self, event: &Event) {
        for (stack, churn) in std::mem::take(&mut self.origins.churn) {
            self.at((event.mm, stack), event.time, |site| {
                site.mapped += churn.mapped;
                site.mapped_bytes += churn.bytes;
                site.unmapped_bytes += churn.unmapped_bytes;
            });
        }
    }

    fn at(&mut self, key: SiteKey, time: TimeNs, note: impl FnOnce(&mut Site)) {
        if !self.by.contains_key(&key) && self.by.len() == SITES_MAX {
            self.dropped += 1;
            return;
        }
        let site = self.by.entry(key).or_insert_with(|| Site { first: time, ..Site::default() });
        site.last = site.last.max(time);
        note(site);
    }

    fn sample(&mut self, time: TimeNs) {
        self.between = self.between.max(EVENTS_BETWEEN);
        self.until_sample += 1;
        if self.until_sample < self.between {
            return;
        }
        self.until_sample = 0;
        if self.samples.len() == SAMPLES_MAX {
            self.between *= 2;
            let mut no = 0;
            self.samples.retain(|_| {
                no += 1;
                no % 2 == 0
            });
            for site in self.by.values_mut() {
                // Counted from the end, where all of them stand together.
                let of = site.live.len();
                let mut no = 0;
                site.live.retain(|_| {
                    no += 1;
                    (of - no) % 2 == 0
                });
            }
        }
        self.samples.push(time);
        let samples = self.samples.len();
        for site in self.by.values_mut() {
            if site.live.len() < samples {
                site.live.push(site.mapped_bytes.saturating_sub(site.unmapped_bytes));
            }
        }
    }

    /// Every place and what it did, in no order.
    pub fn all(&self) -> impl Iterator<Item = (SiteKey, &Site)> {
        self.by.iter().map(|(key, site)| (*key, site))
    }

    /// What lived of a place's mappings at each sample between the first and the last thing that it did.
    pub fn life<'a>(&self, site: &'a Site) -> &'a [u64] {
        let after = self.samples.len() - self.samples.partition_point(|time| *time <= site.last);
        &site.live[..site.live.len().saturating_sub(after)]
    }

    /// Times that something was not noted because there are too many places.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
