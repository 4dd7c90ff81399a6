//! The memory of one process at one moment: by kind and mapping by mapping.

use abi::{AddrRange, Prot};
use serde::{Deserialize, Serialize};
use snapshot::{Amounts, Leaf, Mapping, MappingSums, Moment, Owner, PageSums, Snapshot, Totals, classify};

use crate::build::memory::objects;
use crate::findings::{self, Finding, Limits};
use crate::heap::HeapView;
use crate::report::{Note, NoteKind, ObjectRow};
use crate::saved;
use crate::stacks::{self, StackRow};
use crate::together::ProcessLine;
use crate::words::{Word, bytes, printable, time};

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

/// Sums over a part of the map, in bytes; `None` where the target does not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MapSums {
    /// Virtual size.
    pub size: u64,
    /// Whose contents the core file holds; `None` for any other target.
    pub in_core: Option<u64>,
    /// Resident.
    pub rss: Option<u64>,
    /// For several processes: resident, each page that more than one maps counted once.
    pub once: Option<u64>,
    /// Resident, each page divided by the number of its users.
    pub pss: Option<u64>,
    /// Resident in this process alone.
    pub uss: Option<u64>,
    /// Resident and written to.
    pub dirty: Option<u64>,
    /// Resident and of no file.
    pub anonymous: Option<u64>,
    /// In swap.
    pub swap: Option<u64>,
    /// In huge pages.
    pub huge: Option<u64>,
    /// Locked.
    pub locked: Option<u64>,
    /// Resident in small pages where huge ones are allowed.
    pub huge_possible: Option<u64>,
    /// Virtual size that counts against the commit limit.
    pub charged: Option<u64>,
    /// Mappings; one of several kinds counts for the kind of its first byte.
    pub mappings: u64,
}

/// What `/proc/PID/status` says of a process, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StatusSums {
    /// Virtual size (`VmSize`).
    pub vm_size: Option<u64>,
    /// Resident (`VmRSS`).
    pub vm_rss: Option<u64>,
    /// In swap (`VmSwap`).
    pub vm_swap: Option<u64>,
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

/// A mapping.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MappingLine {
    /// Where.
    #[serde(skip)]
    pub range: AddrRange,
    /// Its first address, in hex.
    pub start: String,
    /// The address past its end, in hex.
    pub end: String,
    /// Its permissions as the kernel writes them: `rw-p`.
    pub permissions: String,
    /// Offset into the file in bytes.
    pub offset: u64,
    /// Its device as the kernel writes it.
    pub device: String,
    /// Its inode, 0 for none.
    pub inode: u64,
    /// Its name as the kernel writes it, empty for none.
    pub name: String,
    /// Bytes between the end of the mapping before and this one.
    pub gap_before: u64,
    /// Its sums.
    #[serde(flatten)]
    pub sums: MapSums,
    /// What it holds, ascending; at least one.
    pub leaves: Vec<LeafLine>,
}

/// A range of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeafLine {
    /// Its first address, in hex.
    pub start: String,
    /// The address past its end, in hex.
    pub end: String,
    /// Its size in bytes.
    pub size: u64,
    /// The kind's name for programs.
    #[serde(deserialize_with = "saved::kind")]
    pub kind: Word,
    /// The kind's name for people.
    #[serde(skip)]
    pub name: Word,
    /// To whom it belongs, empty if that is not known.
    pub owner: String,
    /// Why it is of this kind.
    pub rule: String,
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
                Detail::Mappings => mappings(snapshot, &leaves),
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

impl MapView {
    /// Tells whether the sums are the kernel's own, as far as both are known.
    pub fn equals_kernel(&self) -> bool {
        self.kernel_total.is_none_or(|kernel| differences(&self.total, &kernel).is_empty())
    }
}

impl MapSums {
    fn of(amounts: &Amounts) -> Self {
        let sums = amounts.sums.or(amounts.pages.map(from_pages)).unwrap_or_default();
        Self { in_core: amounts.held, ..Self::from_kernel(amounts.size, amounts.mappings as u64, sums) }
    }

    fn from_kernel(size: u64, mappings: u64, sums: MappingSums) -> Self {
        let MappingSums {
            rss,
            pss,
            uss,
            dirty,
            anonymous,
            swap,
            swap_pss: _,
            huge,
            locked,
            huge_possible,
            charged,
        } = sums;
        Self {
            size,
            in_core: None,
            once: None,
            rss,
            pss,
            uss,
            dirty,
            anonymous,
            swap,
            huge,
            locked,
            huge_possible,
            charged,
            mappings,
        }
    }

    /// What its bar shows: what is resident, or in the core, or the size where neither is known.
    pub fn weight(&self) -> u64 {
        self.in_core.or(self.once).or(self.rss).unwrap_or(self.size)
    }

    /// Adds sums up; `None` if there are none.
    pub fn sum(sums: impl IntoIterator<Item = Self>) -> Option<Self> {
        sums.into_iter().reduce(|mut all, more| {
            all.add(more);
            all
        })
    }

    /// Adds other sums; what is not known of both is not known of the sum.
    fn add(&mut self, other: Self) {
        let plus = |a: Option<u64>, b: Option<u64>| a.zip(b).map(|(a, b)| a + b);
        let Self {
            size,
            in_core,
            once,
            rss,
            pss,
            uss,
            dirty,
            anonymous,
            swap,
            huge,
            locked,
            huge_possible,
            charged,
            mappings,
        } = other;
        *self = Self {
            size: self.size + size,
            in_core: plus(self.in_core, in_core),
            once: plus(self.once, once),
            rss: plus(self.rss, rss),
            pss: plus(self.pss, pss),
            uss: plus(self.uss, uss),
            dirty: plus(self.dirty, dirty),
            anonymous: plus(self.anonymous, anonymous),
            swap: plus(self.swap, swap),
            huge: plus(self.huge, huge),
            locked: plus(self.locked, locked),
            huge_possible: plus(self.huge_possible, huge_possible),
            charged: plus(self.charged, charged),
            mappings: self.mappings + mappings,
        };
    }
}

/// What pages alone tell.
fn from_pages(pages: PageSums) -> MappingSums {
    let PageSums { resident, anonymous, huge, swapped } = pages;
    MappingSums {
        rss: Some(resident),
        anonymous: Some(anonymous),
        huge: Some(huge),
        swap: Some(swapped),
        ..MappingSums::default()
    }
}

fn mappings(snapshot: &Snapshot, leaves: &[Leaf]) -> Vec<MappingLine> {
    let mut before = abi::VirtAddr::NULL;
    let lines = leaves.chunk_by(|a, b| a.mapping == b.mapping).map(|of_one| {
        let index = of_one[0].mapping;
        let mapping = &snapshot.mappings[index];
        let gap_before = mapping.range.start.0 - before.0;
        before = mapping.range.end;
        let of_pages = || Some(from_pages(PageSums::within(snapshot.pages.as_ref()?, mapping.range)));
        let sums = snapshot.sums.get(index).copied().or_else(of_pages).unwrap_or_default();
        MappingLine {
            range: mapping.range,
            start: mapping.range.start.to_string(),
            end: mapping.range.end.to_string(),
            permissions: permissions(mapping),
            offset: mapping.offset.0,
            device: mapping.file.dev.to_string(),
            inode: mapping.file.ino,
            name: printable(&mapping.name),
            gap_before,
            sums: MapSums {
                in_core: snapshot.held_within(mapping.range),
                ..MapSums::from_kernel(mapping.range.len(), 1, sums)
            },
            leaves: of_one.iter().map(|leaf| leaf_line(snapshot, leaf)).collect(),
        }
    });
    lines.collect()
}

/// The permissions as the kernel writes them.
pub(crate) fn permissions(mapping: &Mapping) -> String {
    permissions_of(mapping.prot, mapping.shared)
}

/// The permissions as the kernel writes them.
pub(crate) fn permissions_of(prot: Prot, is_shared: bool) -> String {
    let letter = |bit, letter| if prot.contains(bit) { letter } else { '-' };
    let letters = [letter(Prot::READ, 'r'), letter(Prot::WRITE, 'w'), letter(Prot::EXEC, 'x')];
    letters.into_iter().chain([if is_shared { 's' } else { 'p' }]).collect()
}

/// A leaf in words.
pub(crate) fn leaf_line(snapshot: &Snapshot, leaf: &Leaf) -> LeafLine {
    LeafLine {
        start: leaf.range.start.to_string(),
        end: leaf.range.end.to_string(),
        size: leaf.range.len(),
        kind: leaf.kind.slug(),
        name: leaf.kind.name(),
        owner: owner(snapshot, leaf),
        rule: leaf.rule.to_string(),
    }
}

fn owner(snapshot: &Snapshot, leaf: &Leaf) -> String {
    match leaf.owner {
        Some(Owner::Object(object)) => printable(&snapshot.objects[object].path),
        Some(Owner::Thread(tid)) => {
            let name = snapshot.threads.iter().find(|thread| thread.tid == tid).map(|thread| &thread.name);
            let name = name.filter(|name| !name.is_empty());
            name.map_or_else(|| format!("thread {tid}"), |name| format!("thread {tid} ({})", printable(name)))
        }
        None => String::new(),
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

/// By how much sums differ from the kernel's own total. Not compared: PSS and Locked, which the kernel rounds
/// down mapping by mapping.
fn differences(total: &MapSums, kernel: &MapSums) -> Vec<String> {
    let named = |sums: &MapSums| {
        let MapSums { rss, uss, dirty, anonymous, swap, huge, .. } = *sums;
        [
            ("RSS", rss),
            ("USS", uss),
            ("dirty", dirty),
            ("anonymous", anonymous),
            ("swap", swap),
            ("huge", huge),
        ]
    };
    let pairs = named(total).into_iter().zip(named(kernel));
    pairs
        .filter_map(|((name, ours), (_, theirs))| {
            let difference = ours?.abs_diff(theirs?);
            (difference > 0).then(|| format!("{name} by {}", bytes(difference)))
        })
        .collect()
}

/// How the sums differ from `status`, in words; `None` if they don't. The page of legacy system calls is in no
/// size that the kernel counts.
fn status_differs(snapshot: &Snapshot, total: &MapSums, status: StatusSums) -> Option<String> {
    let gate = snapshot.mappings.iter().filter(|mapping| *mapping.name == *b"[vsyscall]");
    let size = total.size - gate.map(|mapping| mapping.range.len()).sum::<u64>();
    let pairs = [
        ("VmSize", Some(size), status.vm_size),
        ("VmRSS", total.rss, status.vm_rss),
        ("VmSwap", total.swap, status.vm_swap),
    ];
    let differing: Vec<String> = pairs
        .into_iter()
        .filter_map(|(name, ours, theirs)| {
            let difference = ours?.abs_diff(theirs?);
            (difference > 0).then(|| format!("{name} by {}", bytes(difference)))
        })
        .collect();
    (!differing.is_empty()).then(|| format!("different from the kernel's status: {}", differing.join(", ")))
}

/// How the sums stand to the kernel's own total, in words.
fn compared(total: &MapSums, kernel: &MapSums) -> String {
    let differing = differences(total, kernel);
    if differing.is_empty() {
        let pss = kernel.pss.map_or_else(|| "not told".to_owned(), bytes);
        return format!("all sums equal the kernel's smaps_rollup; its PSS, not rounded by mapping: {pss}");
    }
    let differing = differing.join(", ");
    format!(
        "different from the kernel's smaps_rollup: {differing}; the process, or one it shares pages with, went on \
         between both readings"
    )
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
