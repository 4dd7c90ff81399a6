//! The pages of a memory as bytes.

use std::sync::Arc;

use abi::AddrRange;

use super::codec::{In, Out, Saved, saved, saved_enum, saved_number};
use crate::ledger::reading::Reading;
use crate::ledger::runs::{Runs, Stretch, bytes};
use crate::ledger::touchers::{How, Toucher, ToucherId, Touchers};
use crate::ledger::{Ledger, May};

saved_number! { May: u8, ToucherId: u32, recording::StackId: u32 }
saved_enum! { How { Fault, Call, Around, Before, Found } }
saved! {
    Toucher { tid, stack, how }
    Stretch { may, by, first, last, forked, copied }
}

impl Saved for Ledger {
    fn put(&self, out: &mut Out) {
        let Self { runs, touchers, reading } = self;
        let Reading { faulting, changed } = reading;
        faulting.iter().map(|(tid, range)| (*tid, *range)).collect::<Vec<_>>().put(out);
        changed.put(out);
        out.list(touchers.all().iter());
        out.number(runs.len() as u64);
        let mut last = 0;
        for (range, stretch) in runs.iter() {
            let (from, to) = crate::ledger::runs::pages(range);
            out.number(from - last);
            out.number(to - from);
            last = to;
            stretch.put(out);
        }
    }

    fn get(input: &mut In<'_>) -> Option<Self> {
        let faulting = Vec::<(abi::Tid, AddrRange)>::get(input)?.into_iter().collect();
        let reading = Reading { faulting, changed: Saved::get(input)? };
        let mut touchers = Touchers::default();
        for toucher in Vec::get(input)? {
            touchers.id(toucher);
        }
        let mut runs = Runs::default();
        let mut last = 0u64;
        for _ in 0..input.count()? {
            let from = last.checked_add(input.number()?)?;
            let to = from.checked_add(input.number()?)?;
            let stretch = Stretch::get(input)?;
            touchers.get(stretch.by)?;
            if let Some(copied) = stretch.copied {
                touchers.get(copied)?;
            }
            if to <= from || to > 1 << 52 {
                return None;
            }
            runs.update(bytes(from, to), |_| Some(stretch));
            last = to;
        }
        Some(Self { runs, touchers: Arc::new(touchers), reading })
    }
}
