//! The pages of a memory as bytes.

use abi::{AddrRange, Tid};
use recording::TimeNs;

use super::codec::{In, Out, Saved, saved, saved_enum, saved_number};
use crate::ledger::reading::Reading;
use crate::ledger::runs::{Runs, Stretch, Written, pages};
use crate::ledger::touchers::{How, Toucher, ToucherId, Touchers};
use crate::ledger::{Ledger, May};

saved_number! { May: u8, ToucherId: u32, recording::StackId: u32 }
saved_enum! { How { Fault, Call, Around, Before, Found, Huge } }
saved! { Toucher { tid, stack, how } }

/// One past the last page that there can be.
const PAGES_END: u64 = 1 << 52;

impl Saved for Touchers {
    fn put(&self, out: &mut Out) {
        self.with_all(|all| out.list(all.iter()));
    }
    fn get(input: &mut In<'_>) -> Option<Self> {
        Some(Vec::<Toucher>::get(input)?.into_iter().collect())
    }
}

/// What neighbours mostly have in common, so that only differences to it are written.
#[derive(Default)]
struct Before {
    end: u64,
    by: u64,
    first: u64,
}

const LASTED: u64 = 1;
const FORKED: u64 = 2;
const COPIED: u64 = 4;
const MAY_SHIFT: u32 = 3;
const MAY_BITS: u32 = 6;
const WRITTEN_SHIFT: u32 = MAY_SHIFT + MAY_BITS;

impl Before {
    fn put(&mut self, out: &mut Out, (from, to): (u64, u64), stretch: &Stretch) {
        let Stretch { may, by, first, last, forked, copied, written } = *stretch;
        let flag = |is_set: bool, bit: u64| if is_set { bit } else { 0 };
        let flags = flag(last != first, LASTED)
            | flag(forked.is_some(), FORKED)
            | flag(copied.is_some(), COPIED)
            | u64::from(may.0) << MAY_SHIFT
            | (written as u64) << WRITTEN_SHIFT;
        out.number(from - self.end);
        out.number(to - from);
        out.number(flags);
        out.difference(u64::from(by.0), self.by);
        out.difference(first.0, self.first);
        if last != first {
            out.number(last.0.wrapping_sub(first.0));
        }
        forked.iter().for_each(|forked| forked.put(out));
        copied.iter().for_each(|copied| copied.put(out));
        *self = Self { end: to, by: u64::from(by.0), first: first.0 };
    }

    fn get(&mut self, input: &mut In<'_>) -> Option<(u64, (u64, Stretch))> {
        let from = self.end.checked_add(input.number()?)?;
        let to = from.checked_add(input.number()?).filter(|to| *to <= PAGES_END)?;
        let flags = input.number()?;
        let by = input.difference(self.by)?;
        let first = input.difference(self.first)?;
        let lasted = if flags & LASTED != 0 { input.number()? } else { 0 };
        let stretch = Stretch {
            may: May((flags >> MAY_SHIFT) as u8 & ((1 << MAY_BITS) - 1)),
            by: ToucherId(u32::try_from(by).ok()?),
            first: TimeNs(first),
            last: TimeNs(first.wrapping_add(lasted)),
            forked: if flags & FORKED != 0 { Some(Saved::get(input)?) } else { None },
            copied: if flags & COPIED != 0 { Some(Saved::get(input)?) } else { None },
            written: match flags >> WRITTEN_SHIFT {
                0 => Written::No,
                1 => Written::Maybe,
                2 => Written::Yes,
                _ => return None,
            },
        };
        *self = Self { end: to, by, first };
        Some((from, (to, stretch)))
    }
}

/// The touchers stand in the table that all states have in common: a ledger comes back without them.
impl Saved for Ledger {
    fn put(&self, out: &mut Out) {
        let Self { runs, touchers: _, reading, hoped } = self;
        let Reading { faulting, changed } = reading;
        faulting.iter().map(|(tid, range)| (*tid, *range)).collect::<Vec<_>>().put(out);
        changed.put(out);
        hoped.iter().copied().collect::<Vec<u64>>().put(out);
        out.number(runs.len() as u64);
        let mut before = Before::default();
        runs.iter().for_each(|(range, stretch)| before.put(out, pages(range), stretch));
    }

    fn get(input: &mut In<'_>) -> Option<Self> {
        let faulting = Vec::<(Tid, AddrRange)>::get(input)?.into_iter().collect();
        let reading = Reading { faulting, changed: Saved::get(input)? };
        let hoped = Vec::<u64>::get(input)?.into_iter().collect();
        let mut before = Before::default();
        let count = input.count()?;
        let runs: Option<Vec<_>> = (0..count).map(|_| before.get(input)).collect();
        Some(Self { runs: Runs::of_sorted(runs?)?, touchers: Touchers::default(), reading, hoped })
    }
}

impl Ledger {
    /// Gives a ledger that was read back the list its ids are of; `None` if it has one of another list.
    pub(crate) fn with_touchers(self, touchers: &Touchers) -> Option<Self> {
        let len = touchers.len();
        let is_known = |id: ToucherId| (id.0 as usize) < len;
        let all = self.runs.iter().all(|(_, run)| is_known(run.by) && run.copied.is_none_or(is_known));
        all.then(|| Self { touchers: touchers.clone(), ..self })
    }
}
