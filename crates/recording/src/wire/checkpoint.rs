//! Checkpoints: in full, or as the difference to an earlier full one of the same memory.

use std::collections::VecDeque;
use std::sync::Arc;

use abi::{Tid, VirtAddr};

use super::leaf::{Leaf, records};
use super::patch::{Patch, Placed};
use super::{Decoder, Encoder, Record};
use crate::columns::Col;
use crate::error::Malformed;
use crate::event::{Checkpoint, Counters, MapRow, MmId, PageRun, PageState, Reason};
use crate::limits::{BASES_MAX, MAP_ROWS_MAX, PAGE_RUNS_MAX};

records! {
    MapRow {
        range: RowRange, prot: RowProt, shared: RowShared, offset: RowOffset, file: RowFile, name: RowName,
    }
    PageRun { range: RunRange, state: RunState }
}

impl Placed for MapRow {
    fn start(&self) -> VirtAddr {
        self.range.start
    }
}

impl Placed for PageRun {
    fn start(&self) -> VirtAddr {
        self.range.start
    }
}

impl Leaf for PageState {
    fn put(&self, out: &mut Encoder, col: Col) {
        u32::from(self.0).put(out, col);
    }
    fn get(input: &mut Decoder<'_>, col: Col) -> Result<Self, Malformed> {
        let word = u32::get(input, col)?;
        u8::try_from(word).map(Self).map_err(|_| Malformed("a page's state has unknown bits"))
    }
}

/// A full checkpoint that others may lean on.
#[derive(Clone)]
pub(crate) struct Base {
    /// The number of its event.
    pub(crate) event: u64,
    maps: Arc<[MapRow]>,
    pages: Option<Arc<[PageRun]>>,
}

impl Base {
    pub(crate) fn new(event: u64, checkpoint: &Checkpoint) -> Self {
        Self { event, maps: checkpoint.maps.clone(), pages: checkpoint.pages.clone() }
    }
}

/// The last full checkpoint of each memory, for the memories that had one last.
#[derive(Default)]
pub(crate) struct Bases(VecDeque<(MmId, Base)>);

impl Bases {
    /// Remembers a full checkpoint in place of the memory's last.
    pub(crate) fn set(&mut self, mm: MmId, base: Base) {
        self.0.retain(|(of, _)| *of != mm);
        if self.0.len() == BASES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((mm, base));
    }

    /// The memory's last full checkpoint.
    pub(crate) fn get(&self, mm: MmId) -> Option<&Base> {
        self.0.iter().find(|(of, _)| *of == mm).map(|(_, base)| base)
    }
}

/// A checkpoint as it is stored.
pub(crate) struct CodedCheckpoint {
    /// How many events back the full checkpoint is that it leans on; 0: it is one itself.
    pub(crate) distance: u64,
    reason: Reason,
    counters: Counters,
    in_flight: Arc<[Tid]>,
    maps: Patch<MapRow>,
    pages: Option<Patch<PageRun>>,
}

impl CodedCheckpoint {
    /// Codes a checkpoint that is event number `event`, leaning on `base` where that is shorter.
    pub(crate) fn new(checkpoint: &Checkpoint, event: u64, base: Option<&Base>) -> Self {
        let Checkpoint { reason, maps, pages, counters, in_flight } = checkpoint;
        let things = maps.len() + pages.as_ref().map_or(0, |pages| pages.len());
        let code = |base: Option<&Base>| {
            let old_pages = base.and_then(|base| base.pages.as_deref()).unwrap_or_default();
            Self {
                distance: base.map_or(0, |base| event - base.event),
                reason: *reason,
                counters: *counters,
                in_flight: in_flight.clone(),
                maps: Patch::between(base.map_or(&[], |base| &base.maps), maps),
                pages: pages.as_ref().map(|pages| Patch::between(old_pages, pages)),
            }
        };
        let fresh = |coded: &Self| coded.maps.fresh() + coded.pages.as_ref().map_or(0, Patch::fresh);
        base.map(|base| code(Some(base)))
            .filter(|coded| fresh(coded) * 2 <= things)
            .unwrap_or_else(|| code(None))
    }

    /// Makes the checkpoint again from the full one it leans on (`None`: from nothing).
    pub(crate) fn apply(self, base: Option<&Base>) -> Result<Checkpoint, Malformed> {
        let old_pages = base.and_then(|base| base.pages.as_deref()).unwrap_or_default();
        Ok(Checkpoint {
            reason: self.reason,
            maps: self.maps.apply(base.map_or(&[], |base| &base.maps), MAP_ROWS_MAX)?,
            pages: self.pages.map(|patch| patch.apply(old_pages, PAGE_RUNS_MAX)).transpose()?,
            counters: self.counters,
            in_flight: self.in_flight,
        })
    }
}

impl Record for CodedCheckpoint {
    fn put(&self, out: &mut Encoder) {
        let Self { distance, reason, counters, in_flight, maps, pages } = self;
        distance.put(out, Col::CheckBase);
        reason.put(out, Col::CheckReason);
        counters.put(out);
        (in_flight.len() as u64).put(out, Col::CheckFlights);
        in_flight.iter().for_each(|tid| tid.put(out, Col::CheckFlight));
        maps.put(out, Col::RowPatch);
        pages.is_some().put(out, Col::RunPatch);
        if let Some(pages) = pages {
            pages.put(out, Col::RunPatch);
        }
    }

    fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let distance = u64::get(input, Col::CheckBase)?;
        let reason = Leaf::get(input, Col::CheckReason)?;
        let counters = Counters::get(input)?;
        let count = input.columns.get_count(Col::CheckFlights, Col::CheckFlight)?;
        let in_flight = (0..count).map(|_| Leaf::get(input, Col::CheckFlight)).collect::<Result<_, _>>()?;
        let maps = Patch::get(input, Col::RowPatch, Col::RowRange)?;
        let has_pages = bool::get(input, Col::RunPatch)?;
        let pages = has_pages.then(|| Patch::get(input, Col::RunPatch, Col::RunRange)).transpose()?;
        Ok(Self { distance, reason, counters, in_flight, maps, pages })
    }
}

impl Record for Counters {
    fn put(&self, out: &mut Encoder) {
        let Self {
            vm_size,
            rss_anon,
            rss_file,
            rss_shmem,
            rss_peak,
            swap,
            data,
            stack,
            locked,
            page_tables,
            minor_faults,
            major_faults,
        } = *self;
        let words = [
            vm_size,
            rss_anon,
            rss_file,
            rss_shmem,
            rss_peak,
            swap,
            data,
            stack,
            locked,
            page_tables,
            minor_faults,
            major_faults,
        ];
        words.iter().for_each(|word| word.put(out, Col::CheckCounter));
    }

    fn get(input: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let mut word = || input.columns.get(Col::CheckCounter);
        Ok(Self {
            vm_size: word()?,
            rss_anon: word()?,
            rss_file: word()?,
            rss_shmem: word()?,
            rss_peak: word()?,
            swap: word()?,
            data: word()?,
            stack: word()?,
            locked: word()?,
            page_tables: word()?,
            minor_faults: word()?,
            major_faults: word()?,
        })
    }
}
