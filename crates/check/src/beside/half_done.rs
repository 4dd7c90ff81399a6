//! Differences that a call under way explains, if the kernel has done it in part.
//!
//! ```text
//! the twin now        |----------A----------|        the twin after the call   |--A--|----B----|--A--|
//! the kernel          |--A--|--B--|----A----|        each address as before or as after, each border one of either
//! ```
//! A call that changes no map explains nothing.

use std::collections::BTreeSet;

use abi::{AddrRange, FileId, Prot, VirtAddr};
use recording::MapRow;
use timeline::twin::{Shared, Told, Twin};
use timeline::{Difference, touched};

use super::under_way::UnderWay;

/// What calls under way may make of a map.
pub(super) struct HalfDone {
    /// What they are about.
    ranges: Vec<AddrRange>,
    /// The lines now, and after them.
    states: Vec<Vec<MapRow>>,
}

impl HalfDone {
    /// What calls may make of the twin's map, each by itself and all of them.
    pub(super) fn of<'a>(twin: &Twin, shared: &Shared, calls: impl Iterator<Item = &'a UnderWay>) -> Self {
        let mut half_done = Self { ranges: Vec::new(), states: vec![twin.rows()] };
        let (mut all, mut all_shared) = (twin.clone(), shared.clone());
        for UnderWay { tid, call, input, .. } in calls {
            all_shared.set_caller(*tid);
            all.call(&mut all_shared, *call, input, Told::Nothing);
            let (mut after, mut shared) = (twin.clone(), shared.clone());
            shared.set_caller(*tid);
            if let Some(predicted) = after.call(&mut shared, *call, input, Told::Nothing) {
                let ranges = touched(*call, predicted.result.ok(), twin.brk());
                half_done.ranges.extend(ranges.into_iter().flatten());
                half_done.states.push(after.rows());
            }
        }
        half_done.states.push(all.rows());
        half_done
    }

    /// Tells whether a difference is one that they make half done.
    pub(super) fn explains(&self, one: &Difference) -> bool {
        let is_inside = |range: &AddrRange| range.overlaps(one.range);
        self.ranges.iter().any(is_inside) && explains(&self.states, one)
    }
}

fn explains(states: &[Vec<MapRow>], one: &Difference) -> bool {
    let borders = |rows: &[MapRow]| -> BTreeSet<VirtAddr> {
        rows.iter().flat_map(|row| [row.range.start, row.range.end]).collect()
    };
    let kernel = borders(inside(&one.kernel, one.range));
    let states: Vec<&[MapRow]> = states.iter().map(|rows| inside(rows, one.range)).collect();
    let known: Vec<BTreeSet<VirtAddr>> = states.iter().map(|rows| borders(rows)).collect();
    if !kernel.iter().all(|border| known.iter().any(|known| known.contains(border))) {
        return false;
    }
    let mut cuts: BTreeSet<VirtAddr> = known.into_iter().flatten().chain(kernel).collect();
    cuts.extend([one.range.start, one.range.end]);
    let cuts = cuts.into_iter().filter(|cut| one.range.contains(*cut));
    let is_known =
        |at: VirtAddr| states.iter().any(|rows| what_is_at(rows, at) == what_is_at(&one.kernel, at));
    cuts.into_iter().all(is_known)
}

/// The lines of a map, which ascend, that share an address with a range.
fn inside(rows: &[MapRow], range: AddrRange) -> &[MapRow] {
    let first = rows.partition_point(|row| row.range.end <= range.start);
    let end = rows.partition_point(|row| row.range.start < range.end);
    &rows[first..end.max(first)]
}

/// What a line says of an address. Which file it is, the twin may not know yet of a new mapping.
fn what_is_at(rows: &[MapRow], at: VirtAddr) -> Option<(Prot, bool, Option<u64>, &[u8])> {
    let row = rows[rows.partition_point(|row| row.range.end <= at)..].first()?;
    if !row.range.contains(at) {
        return None;
    }
    // A line without a file says 0 wherever it begins.
    let offset = (row.file != FileId::default()).then(|| row.offset.0.wrapping_add(at.0 - row.range.start.0));
    Some((row.prot, row.shared, offset, &row.name))
}

#[cfg(test)]
mod tests {
    use abi::FileOff;

    use super::*;

    fn row(start: u64, end: u64, prot: Prot) -> MapRow {
        let range = AddrRange { start: VirtAddr(start), end: VirtAddr(end) };
        let (file, name) = Default::default();
        MapRow { range, prot, shared: false, offset: FileOff(0), file, name }
    }

    #[test]
    fn each_address_is_as_before_or_as_after_and_each_border_is_known() {
        let (read, write) = (Prot::READ, Prot::WRITE);
        let before = vec![row(0x1000, 0x9000, read)];
        let after = vec![row(0x1000, 0x3000, read), row(0x3000, 0x6000, write), row(0x6000, 0x9000, read)];
        let explained = |kernel: Vec<MapRow>, after: &Vec<MapRow>| {
            let range = AddrRange { start: VirtAddr(0x1000), end: VirtAddr(0x9000) };
            explains(&[before.clone(), after.clone()], &Difference { range, kernel, twin: before.clone() })
        };
        assert!(explained(after.clone(), &after));
        // Split, and not changed yet.
        assert!(explained(vec![row(0x1000, 0x3000, read), row(0x3000, 0x9000, read)], &after));
        let elsewhere = vec![row(0x1000, 0x2000, read), row(0x2000, 0x9000, read)];
        assert!(!explained(elsewhere.clone(), &after));
        assert!(!explained(vec![row(0x1000, 0x3000, read), row(0x3000, 0x6000, Prot::EXEC)], &after));
        // A call that changes no map.
        assert!(!explained(elsewhere, &before));
    }
}
