//! The memory of one process at one moment: by kind and mapping by mapping.

mod agreement;
mod lines;
mod sums;

use serde::{Deserialize, Serialize};
use snapshot::{MappingSums, Moment, Snapshot, Totals, classify};

use agreement::{compared, status_differs};
pub use lines::{LeafLine, MappingLine, ProcessLine};
pub(crate) use lines::{leaf_line, permissions, permissions_of};
pub use sums::{MapSums, StatusSums};

use crate::build::memory::objects;
use crate::findings::{self, Finding, Limits};
use crate::heap::HeapView;
use crate::report::{Note, NoteKind, ObjectRow};
use crate::saved;
use crate::stacks::{self, StackRow};
use crate::words::{Word, time};

/// The memory of one process at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MapView {
    /// What was asked for: a process id or a file.
    pub target: String,
    /// The process, where it is known.
    pub pid: Option<i32>,
    /// Its name, empty where it is not known.
    pub program: String,
    /// All together: the sums of `kinds`.
    pub total: MapSums,
    /// The kernel's own total (`smaps_rollup`), where it was read.
    pub kernel_total: Option<MapSums>,
    /// By kind, in the order of showing.
    pub kinds: Vec<MapKind>,
    /// The static part by object, largest first.
    pub objects: Vec<ObjectRow>,
    /// The stacks, the main thread's first.
    pub stacks: Vec<StackRow>,
    /// What glibc's allocator holds; `None` where it was not read, or the program's is another.
    pub heap: Option<HeapView>,
    /// Every mapping, ascending; empty if only a summary was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<MappingLine>,
    /// The processes of a map of several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessLine>,
    /// Page tables in bytes, where that is known.
    pub page_tables: Option<u64>,
    /// What `/proc/PID/status` says, where it was read.
    #[serde(default)]
    pub status: Option<StatusSums>,
    /// How many mappings the process may have, where that is known.
    #[serde(default)]
    pub mappings_max: Option<u64>,
    /// The largest resident size so far in bytes, where that is known.
    pub rss_peak: Option<u64>,
    /// The largest range below the highest user address that nothing is mapped in, in bytes.
    pub largest_hole: u64,
    /// What wants attention.
    pub findings: Vec<Finding>,
    /// Remarks on the numbers.
    pub notes: Vec<Note>,
}

/// The sums of a kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MapKind {
    /// The kind's name for programs.
    #[serde(deserialize_with = "saved::kind")]
    pub kind: Word,
    /// The group's name for programs.
    #[serde(deserialize_with = "saved::group")]
    pub group: Word,
    /// The kind's name for people.
    #[serde(skip)]
    pub name: Word,
    /// The group's name for people.
    #[serde(skip)]
    pub group_name: Word,
    /// Whether some of it is a good guess rather than known.
    pub inferred: bool,
    /// Whether some of its sums are shares of a mapping that holds several kinds.
    pub divided: bool,
    /// Its sums.
    #[serde(flatten)]
    pub sums: MapSums,
}

/// What is known of a target besides its snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MapFacts {
    /// What was asked for.
    pub target: String,
    /// The process.
    pub pid: Option<i32>,
    /// Its name.
    pub program: String,
    /// The kernel's own total.
    pub kernel_total: Option<MappingSums>,
    /// Page tables in bytes.
    pub page_tables: Option<u64>,
    /// The largest resident size so far in bytes.
    pub rss_peak: Option<u64>,
    /// What `/proc/PID/status` says.
    pub status: Option<StatusSums>,
    /// The limits in force.
    pub limits: Limits,
    /// What a core file tells of its end and its maker, in sentences.
    pub core: Vec<String>,
}

/// How much of a map is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// The sums.
    Summary,
    /// The sums and every mapping.
    Mappings,
}

/// The end of user addresses with four-level page tables.
const USER_END: u64 = 0x7fff_ffff_f000;

impl MapView {
    /// Classifies a snapshot and adds it up.
    pub fn new(facts: MapFacts, snapshot: &Snapshot, detail: Detail) -> Self {
        let leaves = classify(snapshot);
        let totals = Totals::of(snapshot, &leaves);
        let kinds = totals.kinds.iter().map(|total| MapKind {
            kind: total.kind.slug(),
            group: total.kind.group().slug(),
            name: total.kind.name(),
            group_name: total.kind.group().name(),
            inferred: total.inferred,
            divided: total.amounts.divided,
            sums: MapSums::of(&total.amounts),
        });
        let total = MapSums::of(&totals.all);
        let kernel_total =
            facts.kernel_total.map(|sums| MapSums::from_kernel(total.size, total.mappings, sums));
        Self {
            kinds: kinds.collect(),
            objects: objects(snapshot, &totals),
            stacks: stacks::stacks(snapshot, &leaves, facts.limits.stack),
            heap: snapshot.malloc.as_ref().map(HeapView::new),
            mappings: match detail {
                Detail::Summary => Vec::new(),
                Detail::Mappings => lines::mappings(snapshot, &leaves),
            },
            processes: Vec::new(),
            largest_hole: largest_hole(snapshot),
            findings: findings::find(snapshot, &leaves, &facts.limits),
            notes: notes(snapshot, &total, kernel_total.as_ref(), &facts),
            total,
            kernel_total,
            target: facts.target,
            pid: facts.pid,
            program: facts.program,
            page_tables: facts.page_tables,
            status: facts.status,
            mappings_max: facts.limits.mappings,
            rss_peak: facts.rss_peak,
        }
    }
}

fn largest_hole(snapshot: &Snapshot) -> u64 {
    let mut before = 0;
    let mut largest = 0;
    for mapping in snapshot.mappings.iter().filter(|m| m.range.start.0 < USER_END) {
        largest = largest.max(mapping.range.start.0 - before);
        before = mapping.range.end.0;
    }
    largest.max(USER_END.saturating_sub(before))
}

fn notes(snapshot: &Snapshot, total: &MapSums, kernel: Option<&MapSums>, facts: &MapFacts) -> Vec<Note> {
    let meaning = |text: String| Note { kind: NoteKind::Meaning, text };
    if total.in_core.is_some() {
        return facts.core.iter().cloned().map(meaning).collect();
    }
    let at = |moment| match moment {
        Moment::At(since) => Some(time(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))),
        Moment::Now | Moment::Unknown => None,
    };
    let mut notes = Vec::new();
    match (at(snapshot.moment), at(snapshot.pages_moment)) {
        (Some(map), Some(_)) if snapshot.moment == snapshot.pages_moment => {
            notes.push(meaning(format!(
                "from a recording: map and pages by the twin at {map}; what lies beside touched pages of files is \
                 taken to have come along"
            )));
        }
        (Some(map), Some(pages)) => notes.push(meaning(format!(
            "from a recording: the map by the twin at {map}, RSS as of the page checkpoint at {pages}"
        ))),
        (Some(map), None) => {
            notes.push(meaning(format!(
                "from a recording: the map by the twin at {map}; pages were not read"
            )));
        }
        (None, _) if snapshot.moment == Moment::Now && total.pss.is_none() && total.rss.is_some() => {
            notes.push(meaning(
                "read fast, by mappings and page tables: PSS, USS and dirty are not known".into(),
            ));
        }
        (None, _) if total.rss.is_none() => {
            notes.push(meaning("a text of maps only: it tells sizes, not what is resident".into()));
        }
        (None, _) => {}
    }
    notes.extend(kernel.map(|kernel| meaning(compared(total, kernel))));
    notes.extend(facts.status.and_then(|status| status_differs(snapshot, total, status)).map(meaning));
    notes
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::text::{Canvas, Glyphs, map, mappings};

    const SMAPS: &[u8] = b"\
00400000-00402000 r-xp 00000000 08:01 7                                  /opt/a b\n\
Rss: 8 kB\nPss: 4 kB\nShared_Clean: 8 kB\nShared_Dirty: 0 kB\nPrivate_Clean: 0 kB\nPrivate_Dirty: 0 kB\n\
01000000-01100000 rw-p 00000000 00:00 0                                  [heap]\n\
Rss: 512 kB\nPss: 512 kB\nShared_Clean: 0 kB\nShared_Dirty: 0 kB\nPrivate_Clean: 0 kB\nPrivate_Dirty: 512 kB\n\
7f0000000000-7f0040000000 ---p 00000000 00:00 0 \n\
Rss: 0 kB\nPss: 0 kB\nShared_Clean: 0 kB\nShared_Dirty: 0 kB\nPrivate_Clean: 0 kB\nPrivate_Dirty: 0 kB\n";

    fn view() -> MapView {
        let snapshot = Snapshot::from_maps_text(SMAPS).expect("good text");
        MapView::new(
            MapFacts { target: "saved.txt".into(), ..MapFacts::default() },
            &snapshot,
            Detail::Mappings,
        )
    }

    fn drawn(lines: &[crate::text::Line], columns: usize) -> String {
        assert!(lines.iter().all(|line| line.plain().chars().count() <= columns));
        lines.iter().map(|line| line.plain() + "\n").collect()
    }

    #[test]
    fn kinds_add_up_to_the_total() {
        let view = view();
        assert_eq!(MapSums::sum(view.kinds.iter().map(|kind| kind.sums)), Some(view.total));
        // Swap is in no block of the text, so it is not known; zero would be a lie.
        assert_eq!(
            (view.total.rss, view.total.uss, view.total.swap),
            (Some(520 << 10), Some(512 << 10), None)
        );
    }

    #[test]
    fn the_summary() {
        let canvas = Canvas { columns: 80, glyphs: Glyphs::Ascii };
        expect![[r#"
            Memory of saved.txt
              KIND                      SIZE      RSS      PSS    DIRTY  MAPS  OF RSS
              static                   8 KiB    8 KiB    4 KiB      0 B     1
                text ~                 8 KiB    8 KiB    4 KiB      0 B     1  #
              heap                   1.0 MiB  512 KiB  512 KiB  512 KiB     1  #############
              anonymous              1.0 GiB      0 B      0 B      0 B     1
                reservations         1.0 GiB      0 B      0 B      0 B     1
              total                  1.0 GiB  520 KiB  516 KiB  512 KiB     3
              largest hole 127 TiB
              ~ is partly inferred from shape or protection.
        "#]]
        .assert_eq(&drawn(&map(&view(), canvas), 80));
        expect![[r#"
            ADDRESSES                 PERM      SIZE      RSS  KIND             NAME
            400000-402000             r-xp     8 KiB    8 KiB  text             /opt/a b
            1000000-1100000           rw-p   1.0 MiB  512 KiB  heap             [heap]
              nothing for 127 TiB
            7f0000000000-7f0040000000 ---p   1.0 GiB      0 B  reservations
        "#]]
        .assert_eq(&drawn(&mappings(&view(), canvas), 80));
    }
}
