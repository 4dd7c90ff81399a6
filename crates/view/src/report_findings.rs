//! What in a run wants attention, with the place in the program that is behind it.

use std::collections::HashMap;

use abi::Resource;
use recording::{MmId, StackId, Symbols};
use serde::Serialize;
use timeline::ledger::How;
use timeline::{Run, Site, SiteKey, Sites};

use crate::chains::{Chains, FrameWords, own_frame};
use crate::findings::{self, Finding, FindingKind, Limits};
use crate::words::{bytes, count, plural, time};

/// Something in a run that wants attention.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReportFinding {
    /// What sort of thing.
    pub kind: FindingKind,
    /// What was seen, and where.
    pub evidence: String,
    /// What it means and what to do.
    pub advice: String,
    /// The process; `None` if it is about more than one or is not known.
    pub pid: Option<i32>,
    /// When it was seen, in nanoseconds since the recording began.
    pub time_ns: Option<u64>,
    /// How many bytes it is about; 0 where it is not about bytes.
    pub bytes: u64,
    /// The call chain behind it, innermost first; empty where it is not about one.
    pub frames: Vec<FrameWords>,
}

/// Findings of one kind that are told; the largest are.
const OF_A_KIND_MAX: usize = 3;
/// A place is said to map and unmap again and again from so many times on, or from so many bytes on.
const CHURN_TIMES_MIN: u64 = 256;
const CHURN_BYTES_MIN: u64 = 256 << 20;
/// Less growth than this is not worth a remark, nor one by fewer mappings.
const GROWTH_BYTES_MIN: u64 = 8 << 20;
const GROWTH_TIMES_MIN: u64 = 8;
const GROWTH_SAMPLES_MIN: usize = 6;
/// So many faults, and a share of one part in so many of them, are a storm.
const STORM_FAULTS_MIN: u64 = 20_000;
const STORM_SHARE: u64 = 5;
/// Pages given up and taken again so often.
const DROPS_MIN: u64 = 256;
/// A place splits mappings, or keeps them apart, from so many on.
const SPLITS_MIN: u64 = 1_000;
const HUGE: u64 = 2 << 20;

/// Everything that findings are made of.
pub(crate) struct Seen<'a> {
    pub(crate) run: &'a Run,
    pub(crate) sites: &'a Sites,
    pub(crate) symbols: Option<&'a Symbols>,
    /// The process of each memory.
    pub(crate) pids: &'a HashMap<MmId, i32>,
}

/// Looks for everything that wants attention, most important first.
pub(crate) fn find(seen: &Seen<'_>) -> Vec<ReportFinding> {
    let mut found = of_map(seen);
    found.extend(too_many_mappings(seen));
    for find in [growth, churn, drops, splits, apart] {
        let mut hits: Vec<ReportFinding> =
            seen.sites.all().filter_map(|(key, site)| find(seen, key, site)).collect();
        hits.sort_by(|a, b| (b.bytes, &a.evidence).cmp(&(a.bytes, &b.evidence)));
        hits.truncate(OF_A_KIND_MAX);
        found.extend(hits);
    }
    found.extend(storms(seen));
    found.extend(unaligned(seen.run));
    found
}

/// What the map of the largest memory shows.
fn of_map(seen: &Seen<'_>) -> Vec<ReportFinding> {
    let run = seen.run;
    let Some(still) = run.largest_memory() else { return Vec::new() };
    let snapshot = run.snapshot(still);
    let leaves = snapshot::classify(&snapshot);
    let limit = |of| {
        let limits = run.header.run.limits.iter();
        limits
            .filter(|(resource, _)| *resource == of)
            .map(|(_, limit)| limit.soft)
            .find(|soft| *soft != u64::MAX)
    };
    let limits =
        Limits { stack: limit(Resource::STACK), size: limit(Resource::AS), mappings: mappings_max(run) };
    let pid = still.process.and_then(|no| run.processes.get(no.0)).map(|process| process.pid.0);
    let found = findings::find(&snapshot, &leaves, &limits).into_iter();
    // Of the whole run, not of this moment.
    let found = found.filter(|finding| finding.kind != FindingKind::ManyMappings);
    found
        .map(|Finding { kind, evidence, advice }| ReportFinding {
            kind,
            evidence,
            advice,
            pid,
            time_ns: Some(still.time.0),
            bytes: 0,
            frames: Vec::new(),
        })
        .map(
            |finding| {
                if finding.kind == FindingKind::HugePageBloat { with_toucher(seen, finding) } else { finding }
            },
        )
        .collect()
}

/// Says of huge pages that are hardly used who touched most of them first, and how little.
fn with_toucher(seen: &Seen<'_>, mut finding: ReportFinding) -> ReportFinding {
    let mm = seen.run.largest_memory().map(|still| still.mm);
    let Some(of) = seen.run.page_sums.iter().find(|of| Some(of.mm) == mm) else { return finding };
    let touchers = &of.sums.touchers;
    let Some(most) = touchers.iter().find(|toucher| toucher.who.how == How::Huge) else { return finding };
    let alike = touchers.iter().filter(|toucher| {
        toucher.who.how != How::Huge && (toucher.who.tid, toucher.who.stack) == (most.who.tid, most.who.stack)
    });
    let touched = match alike.map(|toucher| toucher.bytes).sum() {
        0 => String::new(),
        touched => format!(", {} of them by touches there", bytes(touched)),
    };
    finding.evidence.push_str(&format!("; most, {}, came from one place{touched}", bytes(most.bytes)));
    finding.bytes = most.bytes;
    finding.frames = Chains::new(seen.symbols).frames(most.who.stack);
    finding
}

/// How many mappings a process may have, where the recording tells.
pub(crate) fn mappings_max(run: &Run) -> Option<u64> {
    let sysctls = run.header.machine.sysctls.iter();
    let text = sysctls.filter(|(name, _)| *name == *"vm.max_map_count").map(|(_, text)| text).next()?;
    text.trim().parse().ok()
}

fn too_many_mappings(seen: &Seen<'_>) -> Option<ReportFinding> {
    let limit = mappings_max(seen.run)?;
    let largest = seen.run.processes.iter().max_by_key(|process| process.largest.mappings)?;
    let most = largest.largest.mappings;
    (u128::from(most) * 4 > u128::from(limit) * 3).then(|| ReportFinding {
        kind: FindingKind::ManyMappings,
        evidence: format!("{} of {} allowed", plural(most, "mapping"), count(limit)),
        advice: "At the limit mmap, mprotect and munmap fail with ENOMEM: raise vm.max_map_count, or see below who splits \
                 mappings."
            .into(),
        pid: Some(largest.pid.0),
        time_ns: None,
        bytes: 0,
        frames: Vec::new(),
    })
}

impl Seen<'_> {
    fn finding(
        &self,
        kind: FindingKind,
        (mm, stack): SiteKey,
        bytes: u64,
        evidence: String,
        advice: &str,
    ) -> ReportFinding {
        let frames = self.frames(stack);
        let place = own_frame(&frames).map_or_else(|| "an unknown place".into(), FrameWords::line_words);
        ReportFinding {
            kind,
            evidence: format!("{place}: {evidence}"),
            advice: advice.into(),
            pid: self.pids.get(&mm).copied(),
            time_ns: None,
            bytes,
            frames,
        }
    }

    fn frames(&self, stack: Option<StackId>) -> Vec<FrameWords> {
        Chains::new(self.symbols).frames(stack)
    }

    fn is_of_malloc(&self, stack: Option<StackId>) -> bool {
        let names = ["sysmalloc", "_int_malloc", "malloc", "calloc", "_int_free", "munmap_chunk"];
        let is_malloc = |frame: &FrameWords| names.iter().any(|name| frame.function.ends_with(name));
        self.frames(stack).iter().take(4).any(is_malloc)
    }
}

/// What a place maps grows from beginning to end, and hardly any of it goes.
fn growth(seen: &Seen<'_>, key: SiteKey, site: &Site) -> Option<ReportFinding> {
    let live = site.live_bytes();
    let samples = seen.sites.life(site);
    if live < GROWTH_BYTES_MIN
        || site.mapped < GROWTH_TIMES_MIN
        || site.unmapped_bytes > site.mapped_bytes / 10
        || samples.len() < GROWTH_SAMPLES_MIN
    {
        return None;
    }
    let at = |third: usize| samples[(samples.len() - 1) * third / 3];
    let step = live / 8;
    if at(1) < step || at(2) < at(1) + step || live < at(2) + step {
        return None;
    }
    let evidence = format!(
        "{} in {} from {} to {}, {} of it unmapped; it grew in each third of that time",
        bytes(site.mapped_bytes),
        plural(site.mapped, "mapping"),
        time(site.first.0),
        time(site.last.0),
        bytes(site.unmapped_bytes),
    );
    let advice = "It grows like a leak. Growth that is meant (a cache, a log kept in memory) should have a bound; else look for \
                  what is not freed above this place. vmatlas diff FILE@T1 FILE@T2 shows what grew between two moments.";
    Some(seen.finding(FindingKind::Growth, key, live, evidence, advice))
}

/// A place maps what is soon unmapped, again and again.
fn churn(seen: &Seen<'_>, key: SiteKey, site: &Site) -> Option<ReportFinding> {
    let is_gone = site.unmapped_bytes >= site.mapped_bytes / 10 * 9;
    let is_much =
        site.mapped >= CHURN_TIMES_MIN || (site.mapped >= 16 && site.mapped_bytes >= CHURN_BYTES_MIN);
    if !is_gone || !is_much {
        return None;
    }
    let evidence = format!(
        "mapped and unmapped {} times, {} in all, {} a time; {} on it",
        count(site.mapped),
        bytes(site.mapped_bytes),
        bytes(site.mapped_bytes / site.mapped.max(1)),
        plural(site.faults_on, "fault"),
    );
    let advice = if seen.is_of_malloc(key.1) {
        "malloc maps each block of this size and unmaps it when it is freed: a larger threshold keeps them \
         (GLIBC_TUNABLES=glibc.malloc.mmap_threshold=BYTES and trim_threshold), as does using a block again."
    } else {
        "Each time costs two calls, a fault for each page touched and the zeroing of it: keep the mapping and use it again."
    };
    Some(seen.finding(FindingKind::Churn, key, site.mapped_bytes, evidence, advice))
}

/// Many faults at one place: the chains of faults are not always whole, so those that begin alike count together.
fn storms(seen: &Seen<'_>) -> Vec<ReportFinding> {
    let all = seen.run.counts.faults.estimated;
    let mut places: HashMap<(MmId, Option<FrameWords>), (u64, u64, SiteKey)> = HashMap::new();
    for (key, site) in seen.sites.all().filter(|(_, site)| site.faults_by > all / 1_000) {
        let first = seen.frames(key.1).into_iter().next();
        let (sum, most, whose) = places.entry((key.0, first)).or_insert((0, 0, key));
        *sum += site.faults_by;
        if site.faults_by > *most {
            (*most, *whose) = (site.faults_by, key);
        }
    }
    let is_storm = |faults: u64| faults >= STORM_FAULTS_MIN && faults >= all / STORM_SHARE;
    let mut storms: Vec<_> = places.into_values().filter(|(sum, ..)| is_storm(*sum)).collect();
    storms.sort_by_key(|(sum, ..)| std::cmp::Reverse(*sum));
    let storm = |(faults, _, key): (u64, u64, SiteKey)| {
        let percent = faults as f64 * 100.0 / all.max(1) as f64;
        let evidence = format!("{} by this place, {percent:.0} % of all", plural(faults, "fault"));
        let advice = "Each first touch of a page is a trip into the kernel: fill large mappings at once (MAP_POPULATE, \
                      MADV_POPULATE_WRITE), use huge pages (MADV_HUGEPAGE), or use memory again instead of mapping it afresh.";
        let size = faults.saturating_mul(abi::PAGE_SIZE);
        seen.finding(FindingKind::FaultStorm, key, size, evidence, advice)
    };
    storms.into_iter().take(OF_A_KIND_MAX).map(storm).collect()
}

/// A place gives pages up that are touched again.
fn drops(seen: &Seen<'_>, key: SiteKey, site: &Site) -> Option<ReportFinding> {
    if site.drops < DROPS_MIN {
        return None;
    }
    let evidence = format!("pages were given up {} times", count(site.drops));
    let advice = "What is touched again afterwards faults and is zeroed again: let the allocator keep pages longer (its decay \
                  or purge time), or give larger pieces up less often.";
    Some(seen.finding(FindingKind::PagesGivenUp, key, 0, evidence, advice))
}

/// A place cuts mappings in pieces.
fn splits(seen: &Seen<'_>, key: SiteKey, site: &Site) -> Option<ReportFinding> {
    if site.splits < SPLITS_MIN {
        return None;
    }
    let evidence = format!(
        "its calls made {} more out of those there were{}",
        plural(site.splits, "mapping"),
        of_limit(seen)
    );
    let advice = "Each change of a part of a mapping (its protection, its advice) cuts it in up to three: change whole \
                  mappings, or neighbours together.";
    Some(seen.finding(FindingKind::SplitMappings, key, 0, evidence, advice))
}

/// A place makes mappings that touch their neighbours and don't become one with them.
fn apart(seen: &Seen<'_>, key: SiteKey, site: &Site) -> Option<ReportFinding> {
    let (reason, most) = site.apart.iter().max_by_key(|(_, times)| **times)?;
    if *most < SPLITS_MIN {
        return None;
    }
    let evidence = format!(
        "{} it made touch a neighbour and were not merged with it{}: {reason}",
        plural(*most, "mapping"),
        of_limit(seen)
    );
    let advice = "By the kernel's rule named there the two can't be one: map both alike (rights, flags, names, file offsets that \
                  continue), or map them as one.";
    Some(seen.finding(FindingKind::MappingsKeptApart, key, 0, evidence, advice))
}

fn of_limit(seen: &Seen<'_>) -> String {
    let limit = mappings_max(seen.run).map(|limit| format!(" (limit {})", count(limit)));
    limit.unwrap_or_default()
}

/// Mappings large enough for a huge page and placed so that none fits.
fn unaligned(run: &Run) -> Option<ReportFinding> {
    let still = run.largest_memory()?;
    let runs = still.page_runs();
    let rows = still.rows();
    let missed = rows.iter().filter(|row| {
        let range = row.range;
        let first = range.start.0.next_multiple_of(HUGE);
        row.file.ino == 0
            && row.name.is_empty()
            && row.prot.contains(abi::Prot::WRITE)
            && range.len() >= HUGE
            && first.checked_add(HUGE).is_none_or(|end| end > range.end.0)
            && still.allows_huge(&run.header.machine, range.start)
            && timeline::resident(runs, range) > range.len() / 2
    });
    let missed: Vec<_> = missed.map(|row| row.range).collect();
    let sum: u64 = missed.iter().map(|range| range.len()).sum();
    let first = missed.iter().max_by_key(|range| range.len())?;
    (sum >= GROWTH_BYTES_MIN).then(|| ReportFinding {
        kind: FindingKind::MissedHugePages,
        evidence: format!(
            "{} in {} of 2 MiB or more that hold no aligned 2 MiB: {} of {} begins {} after a border of 2 MiB",
            bytes(sum),
            plural(missed.len() as u64, "mapping"),
            first.start,
            bytes(first.len()),
            bytes(first.start.0 % HUGE)
        ),
        advice:
            "No huge page fits there: map 2 MiB more and align, or take one large mapping instead of many."
                .into(),
        pid: still.process.and_then(|no| run.processes.get(no.0)).map(|process| process.pid.0),
        time_ns: Some(still.time.0),
        bytes: sum,
        frames: Vec::new(),
    })
}
