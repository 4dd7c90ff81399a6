//! The memory of the largest process at its peak, by group, kind and object.

use snapshot::{Amounts, Group, Kind, Moment, Snapshot, Totals, classify};
use timeline::{Run, Still};

use super::peaks::{KindPeaks, Peaks};
use super::run::program_name;
use crate::report::{GroupRow, KindRow, Memory, ObjectRow, Peak, Row};
use crate::words::printable;

pub(super) fn memory(run: &Run, still: &Still, peaks: &KindPeaks) -> Memory {
    let snapshot = run.snapshot(still);
    let leaves = classify(&snapshot);
    let totals = Totals::of(&snapshot, &leaves);
    let peaks = peaks.of(still.mm);
    let process = still.process.and_then(|no| run.processes.get(no.0));
    let largest = process.map(|process| process.largest).unwrap_or_default();
    let moment = |(bytes, time): (u64, recording::TimeNs)| Peak { time_ns: time.0, bytes };
    // The kernel's mark is of the process's last memory: another program's, if it executed one since.
    let counters = process.filter(|process| process.mm == still.mm).and_then(|process| process.last_counters);
    Memory {
        pid: process.map(|process| process.pid.0),
        program: process.map(program_name).unwrap_or_default(),
        time_ns: still.time.0,
        pages_time_ns: match snapshot.pages_moment {
            Moment::At(time) => Some(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            Moment::Now | Moment::Unknown => None,
        },
        page_checkpoints: peaks.map_or(0, |peaks| peaks.checkpoints),
        peak_size: (largest.virtual_bytes.0 > 0).then(|| moment(largest.virtual_bytes)),
        peak_resident: largest.resident_bytes.map(moment),
        kernel_peak_resident: counters.map(|(_, sums)| sums.rss_peak).filter(|bytes| *bytes > 0),
        total: row(&totals.all, peaks.map(|peaks| peaks.all)),
        groups: groups(&totals, peaks),
        objects: objects(&snapshot, &totals),
    }
}

fn row(amounts: &Amounts, peak: Option<u64>) -> Row {
    Row {
        size: amounts.size,
        resident: amounts.pages.map(|pages| pages.resident),
        anonymous: amounts.pages.map(|pages| pages.anonymous),
        shared_by_fork: amounts.pages.map(|pages| pages.shared_by_fork),
        written: amounts.pages.map(|pages| pages.written),
        maybe_written: amounts.pages.map(|pages| pages.maybe_written),
        peak,
        swapped: amounts.pages.map(|pages| pages.swapped),
        mappings: amounts.mappings as u64,
    }
}

fn groups(totals: &Totals, peaks: Option<&Peaks>) -> Vec<GroupRow> {
    let mut groups = Vec::new();
    for group in Group::ALL {
        let mut sum = Amounts::default();
        let mut kinds = Vec::new();
        for total in totals.kinds.iter().filter(|total| total.kind.group() == group) {
            sum.add(total.amounts);
            kinds.push(KindRow {
                kind: total.kind.slug(),
                name: total.kind.name(),
                inferred: total.inferred,
                row: row(&total.amounts, peaks.map(|peaks| peaks.kind(total.kind))),
            });
        }
        if !kinds.is_empty() {
            let row = row(&sum, peaks.map(|peaks| peaks.group(group)));
            groups.push(GroupRow { group: group.slug(), name: group.name(), row, kinds });
        }
    }
    groups
}

/// The static part by object, largest first.
pub(crate) fn objects(snapshot: &Snapshot, totals: &Totals) -> Vec<ObjectRow> {
    let mut rows: Vec<ObjectRow> = Vec::new();
    for of_one in totals.objects.chunk_by(|a, b| a.object == b.object) {
        let object = &snapshot.objects[of_one[0].object];
        let size_of = |kind| of_one.iter().filter(|t| t.kind == kind).map(|t| t.amounts.size).sum();
        let mut sum = Amounts::default();
        for total in of_one {
            sum.add(total.amounts);
        }
        rows.push(ObjectRow {
            path: printable(&object.path),
            build_id: object.build_id.iter().map(|byte| format!("{byte:02x}")).collect(),
            soname: printable(&object.soname),
            size: sum.size,
            swapped: match sum.sums {
                Some(sums) => sums.swap,
                None => sum.pages.map(|pages| pages.swapped),
            },
            // A live target's pages are read only where a mapping is divided: its sums come first.
            resident: match sum.sums {
                Some(sums) => sums.rss,
                None => sum.pages.map(|pages| pages.resident),
            },
            text: size_of(Kind::Text),
            rodata: size_of(Kind::ReadOnlyData),
            relro: size_of(Kind::Relro),
            data: size_of(Kind::Data),
            bss: size_of(Kind::Bss),
        });
    }
    rows.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.path.cmp(&b.path)));
    rows
}
