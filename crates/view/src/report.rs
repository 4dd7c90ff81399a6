//! The report of a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::chains::FrameWords;
use crate::curve::CurvePoint;
use crate::report_findings::ReportFinding;
use crate::resident::Resident;

/// Where the memory of a run went.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// What ran.
    pub run: Run,
    /// The recording itself.
    pub recording: RecordingFacts,
    /// The memory of the process with the largest peak; `None` if the recording holds no map.
    pub memory: Option<Memory>,
    /// The memory of the run over time, ascending.
    pub curve: Vec<CurvePoint>,
    /// The largest growths of virtual size, largest first.
    pub growths: Vec<Growth>,
    /// Every process, in order of appearance.
    pub processes: Vec<Process>,
    /// What the pages of that memory were, and who touched them first; `None` if the recording holds no pages.
    pub resident: Option<Resident>,
    /// What wants attention, most important first.
    pub findings: Vec<ReportFinding>,
    /// How far the twin agrees with the kernel.
    pub proof: Proof,
    /// What is missing, and what the numbers do not say.
    pub notes: Vec<Note>,
}

/// What ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Run {
    /// The command line, quoted for a shell; `None` if it was left out of the recording.
    pub command: Option<String>,
    /// The name of the first program.
    pub program: String,
    /// How long, in nanoseconds.
    pub duration_ns: u64,
    /// How the first process ended.
    pub end: End,
    /// How many processes ran.
    pub processes: u64,
    /// How many threads ran, first threads included.
    pub threads: u64,
    /// How many memory calls were made.
    pub calls: u64,
    /// The same by name, most frequent first.
    pub calls_by_name: Vec<CallCount>,
    /// Page faults.
    pub faults: Faults,
    /// The kernel's release.
    pub kernel: String,
    /// The most mappings that one process had.
    pub mappings: u64,
    /// How many one process may have (`vm.max_map_count`), where that is known.
    pub mappings_max: Option<u64>,
    /// The architecture.
    pub arch: String,
    /// The user's number.
    pub uid: u32,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// It had not when the recording ended.
    Running,
}

/// How often a call was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CallCount {
    /// Its C name.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// Page faults.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Faults {
    /// Those in the recording.
    pub recorded: u64,
    /// Those that the recorded ones stand for, where only one in so many was recorded.
    pub estimated: Option<u64>,
    /// The kernel's own count of minor faults, where it was read.
    pub minor: Option<u64>,
    /// The kernel's own count of major faults, where it was read.
    pub major: Option<u64>,
}

/// The recording itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RecordingFacts {
    /// Its path, as given.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its events, as far as they were read.
    pub events: u64,
    /// `None` if it was finished properly; otherwise what is missing.
    pub incomplete: Option<String>,
}

/// The memory of one process at one moment.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Memory {
    /// The process.
    pub pid: Option<i32>,
    /// Its program.
    pub program: String,
    /// When the mappings were as shown, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// When the pages were as shown; `None` if they were never read.
    pub pages_time_ns: Option<u64>,
    /// At how many moments the process's pages were read.
    pub page_checkpoints: u64,
    /// The largest virtual size of the process.
    pub peak_size: Option<Peak>,
    /// The largest resident size of the process at any page checkpoint.
    pub peak_resident: Option<Peak>,
    /// The kernel's own high-water mark of the resident size (`VmHWM`), where it was read.
    pub kernel_peak_resident: Option<u64>,
    /// All together.
    pub total: Row,
    /// By group and kind.
    pub groups: Vec<GroupRow>,
    /// By object, largest first.
    pub objects: Vec<ObjectRow>,
}

/// The moment of a largest value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Peak {
    /// When, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// How much, in bytes.
    pub bytes: u64,
}

/// The sums of a part of the map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Row {
    /// Virtual size in bytes.
    pub size: u64,
    /// Resident size in bytes at the page checkpoint.
    pub resident: Option<u64>,
    /// Of these, bytes of pages of its own: anonymous, written to (dirty), shared with nobody but forked relatives that have
    /// not written either. The rest are pages of files and shared memory, which all share who map them.
    pub anonymous: Option<u64>,
    /// Of `anonymous`, bytes that a forked relative has too, for neither has written since; the rest is this memory's alone.
    pub shared_by_fork: Option<u64>,
    /// Of pages of files and shared memory, bytes written to through this memory; the kernel may have written them back.
    pub written: Option<u64>,
    /// Of these, bytes of which it is not told whether they were written to: writes to shared memory that is there raise no
    /// fault, and without privilege no fault tells whether it wrote.
    pub maybe_written: Option<u64>,
    /// The largest resident size in bytes at any page checkpoint of the process.
    pub peak: Option<u64>,
    /// In swap, in bytes, at the page checkpoint.
    pub swapped: Option<u64>,
    /// Mappings.
    pub mappings: u64,
}

/// A group of kinds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GroupRow {
    /// Its name for programs.
    pub group: &'static str,
    /// Its name for people.
    #[serde(skip)]
    pub name: &'static str,
    /// Its sums.
    #[serde(flatten)]
    pub row: Row,
    /// Its kinds.
    pub kinds: Vec<KindRow>,
}

/// A kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct KindRow {
    /// Its name for programs.
    pub kind: &'static str,
    /// Its name for people.
    #[serde(skip)]
    pub name: &'static str,
    /// Whether some of it is a good guess rather than known.
    pub inferred: bool,
    /// Its sums.
    #[serde(flatten)]
    pub row: Row,
}

/// The static part of an executable or library.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ObjectRow {
    /// Its path.
    pub path: String,
    /// Its build id in hex, empty if none is known.
    pub build_id: String,
    /// The name it gives itself (`DT_SONAME`), empty if none is known.
    #[serde(default)]
    pub soname: String,
    /// Virtual size in bytes.
    pub size: u64,
    /// Resident size in bytes at the page checkpoint.
    pub resident: Option<u64>,
    /// In swap, in bytes.
    #[serde(default)]
    pub swapped: Option<u64>,
    /// Text in bytes.
    pub text: u64,
    /// Read-only data in bytes.
    pub rodata: u64,
    /// RELRO in bytes.
    pub relro: u64,
    /// Data in bytes.
    pub data: u64,
    /// Bss in bytes.
    pub bss: u64,
}

/// A growth of virtual size.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Growth {
    /// When, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// By how many bytes.
    pub bytes: u64,
    /// The process; `None` if it is not known.
    pub pid: Option<i32>,
    /// The thread.
    pub tid: i32,
    /// The program that grew, empty if it is not known.
    pub program: String,
    /// The call as C would write it, or what else made it grow.
    pub cause: String,
}

/// A process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent, where that is in the recording.
    pub parent: Option<i32>,
    /// Its last program.
    pub program: String,
    /// What it executed, in order: paths.
    pub programs: Vec<String>,
    /// What it shares with its maker, if it was forked; `None` also where pages were not known.
    pub fork: Option<Fork>,
    /// When it began, in nanoseconds since the recording began.
    pub start_ns: u64,
    /// When it ended; `None` if it had not when the recording ended.
    pub end_ns: Option<u64>,
    /// How.
    pub end: End,
    /// Threads that ran in it.
    pub threads: u64,
    /// Memory calls it made.
    pub calls: u64,
    /// Faults of it in the recording.
    pub faults: u64,
    /// Its largest virtual size in bytes.
    pub peak_size: u64,
    /// Its largest resident size in bytes at any page checkpoint.
    pub peak_resident: Option<u64>,
    /// Its resident size in bytes at its last page checkpoint.
    pub last_resident: Option<u64>,
    /// When that was, in nanoseconds since the recording began.
    pub last_resident_time_ns: Option<u64>,
}

/// What a fork shared, and what was copied since: anonymous pages, in bytes. Copied are those whose faults are in the
/// recording; where nobody else had a page any longer it was taken over without a copy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Fork {
    /// When, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// Pages that both had then.
    pub shared: u64,
    /// Of these, written to by the child since.
    pub copied_by_child: u64,
    /// Of these, written to by its maker since.
    pub copied_by_parent: u64,
    /// Who wrote most, largest first.
    pub writers: Vec<Writer>,
}

/// Who wrote to pages that a fork had shared.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Writer {
    /// The thread; 0 for the rest where there are many.
    pub tid: i32,
    /// Whether it is of the child.
    pub in_child: bool,
    /// How much, in bytes.
    pub bytes: u64,
    /// The call chain, innermost first; empty where it is not known.
    pub frames: Vec<FrameWords>,
}

/// How far the twin agrees with the kernel.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Proof {
    /// Whether nothing differed anywhere and nothing is unmodelled.
    pub whole: bool,
    /// Maps of the kernel that the twin was compared with.
    pub checkpoints: u64,
    /// Those it matched wholly.
    pub checkpoints_matched: u64,
    /// Lines of those maps.
    pub mappings: u64,
    /// Those it matched.
    pub mappings_matched: u64,
    /// Lines that only the twin had.
    pub mappings_extra: u64,
    /// Lines that could not be compared because a call was under way.
    pub mappings_in_flight: u64,
    /// Lines whose file has another path than when it was mapped; they count as matched.
    pub mappings_renamed: u64,
    /// Calls that the twin replayed.
    pub calls: u64,
    /// Those of them whose result the kernel's word confirmed.
    pub calls_confirmed: u64,
    /// Those of them whose result the kernel's word corrected.
    pub calls_corrected: u64,
    /// Calls that may have changed memory and are not modelled.
    pub calls_unmodelled: u64,
    /// Calls in memories whose map is not known.
    pub calls_unknown: u64,
    /// How often the kernel's map replaced the twin's.
    pub resyncs: u64,
    /// What was read from the kernel because no rule decides it, by name.
    pub inputs: BTreeMap<String, u64>,
    /// The first differences, in order.
    pub differences: Vec<Difference>,
    /// The first corrections, in words.
    pub corrections: Vec<String>,
    /// How far pages were predicted; `None` where none were read.
    pub pages: Option<PageProof>,
}

/// How far the pages of a recording were predicted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PageProof {
    /// Checkpoints whose pages were compared.
    pub checkpoints: u64,
    /// Of these, where the twin's pages, as taken over, come to `RssAnon` and `RssFile + RssShmem`; where pages came and went
    /// meanwhile, those that were read.
    pub totals_matched: u64,
    /// Of these, where they do not, by less than what came and went while they were read.
    pub totals_moving: u64,
    /// At every checkpoint.
    pub all: PagesHeld,
    /// At those of memories about to end.
    pub at_exit: PagesHeld,
    /// The first checkpoints where pages differ and nothing explains it.
    pub differed: Vec<String>,
    /// The first checkpoints whose totals are neither the kernel's nor off by less than what came or went.
    pub totals_differed: Vec<String>,
}

/// Pages for which the kernel had to be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Resynced {
    /// Why.
    pub why: String,
    /// How many.
    pub pages: u64,
}

/// Pages of the kernel's beside those of the twin: counts of pages.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct PagesHeld {
    /// Compared: there by the kernel or by the twin.
    pub compared: u64,
    /// Known before and as the kernel has them.
    pub predicted: u64,
    /// Where the kernel had to be asked.
    pub resynced: u64,
    /// The same by why.
    pub resynced_by: Vec<Resynced>,
    /// Other than the twin says, and nothing explains it.
    pub differing: u64,
    /// Anonymous pages compared.
    pub anonymous_compared: u64,
    /// Anonymous pages known before and as the kernel has them.
    pub anonymous_predicted: u64,
    /// Anonymous pages where the kernel had to be asked.
    pub anonymous_resynced: u64,
    /// Anonymous pages that differ, and nothing explains it.
    pub anonymous_differing: u64,
    /// Not compared: they came or went while they were read.
    pub moving: u64,
    /// Not compared: pages of the kernel's own mappings, of devices, of hugetlbfs, under userfaultfd.
    pub other_rules: u64,
}

/// A difference between twin and kernel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// When, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// The process; `None` if it is not known whose memory it was.
    pub pid: Option<i32>,
    /// The kernel's lines there.
    pub kernel: Vec<String>,
    /// The twin's lines there.
    pub twin: Vec<String>,
    /// The call that touched the range last, where one is known.
    pub last_call: Option<String>,
    /// Why that may be.
    pub reason: String,
}

/// A remark on the numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// Of what kind.
    pub kind: NoteKind,
    /// One sentence.
    pub text: String,
}

/// Of what kind a remark is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// Something happened that the recording does not hold.
    Lost,
    /// Something that the recorder could not see.
    NotSeen,
    /// What a number means.
    Meaning,
}
