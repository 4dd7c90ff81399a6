//! What is shown of a long recording before it is read whole: the states kept in it, looked at here and there.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use recording::ReadError;
use serde::Serialize;
use timeline::Seeker;

use super::{Atlas, AtlasBuilder, AtlasMemory, KindSample};
use crate::words::{command, printable};

/// Buckets of the counts of events.
const BUCKETS: u64 = 256;

/// A run as some of its moments show it. The mappings of those moments are true; when one came and went is known only to
/// the next look, and what lived between two looks is not there.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Draft {
    /// How many moments were looked at.
    pub looks: usize,
    /// The command line, where it was recorded.
    pub command: Option<String>,
    /// The program that the first process executed last.
    pub program: String,
    /// The kernel.
    pub kernel: String,
    /// How many events the recording holds.
    pub events: u64,
    /// How long the run was, in nanoseconds.
    pub duration_ns: u64,
    /// The moment of the largest memory.
    pub peak_ns: u64,
    /// The length of one bucket of `per_bucket`.
    pub bucket_ns: u64,
    /// Events of any kind in each stretch of the run.
    pub per_bucket: Vec<u64>,
    /// The memories seen.
    pub memories: Vec<AtlasMemory>,
    /// Resident bytes by kind at the moments looked at.
    pub series: Vec<KindSample>,
    /// The mappings at these moments.
    #[serde(skip)]
    pub atlas: Atlas,
}

/// Looks at about so many moments of a recording; `None` where no states are kept in it.
///
/// # Errors
/// If the recording is damaged there.
pub fn draft<R: Read + Seek>(
    seeker: &mut Seeker<R>,
    looks: usize,
    rects_max: usize,
) -> Result<Option<Draft>, ReadError> {
    if seeker.moments().is_empty() {
        return Ok(None);
    }
    let mut builder = AtlasBuilder::new(rects_max);
    let peak = seeker.peak().map(|(events, _)| events);
    let moments = seeker.moments().to_vec();
    // As many for each stretch of time, as a picture has them.
    let last = moments.last().map_or(0, |(_, time)| time.0);
    let at = |no: u64| {
        let time = u128::from(last) * u128::from(no) / looks.max(1) as u128;
        moments.partition_point(|(_, then)| u128::from(then.0) < time).min(moments.len() - 1)
    };
    let mut wanted: BTreeSet<u64> = (0..=looks as u64).map(|no| moments[at(no)].0).collect();
    wanted.extend(peak);
    wanted.insert(seeker.reader().len());
    let mut peak_ns = 0;
    for events in &wanted {
        let world = seeker.to_event(*events)?;
        builder.look(world);
        if Some(*events) == peak {
            peak_ns = world.now().0;
        }
    }
    let world = seeker.world();
    let (header, first) = (world.header(), world.processes().all().first());
    let program = first.and_then(|process| process.programs.last()).map(|program| printable(&program.path));
    let (duration_ns, events) = (world.now().0, world.counts().events);
    let curve: Vec<(u64, u64)> = moments.iter().map(|(events, time)| (time.0, *events)).collect();
    let (bucket_ns, per_bucket) = buckets(&curve, (duration_ns, events));
    let mut atlas = builder.finish();
    Ok(Some(Draft {
        looks: wanted.len(),
        command: header.run.command.as_ref().map(|words| command(words.iter().map(|word| &word[..]))),
        program: program.map(|path| path.rsplit('/').next().unwrap_or(&path).to_owned()).unwrap_or_default(),
        kernel: header.machine.kernel.clone(),
        events,
        duration_ns,
        peak_ns,
        bucket_ns,
        per_bucket,
        memories: std::mem::take(&mut atlas.memories),
        series: std::mem::take(&mut atlas.series),
        atlas,
    }))
}

/// How many events there were in each stretch of a run, by how many there were up to some moments.
fn buckets(moments: &[(u64, u64)], end: (u64, u64)) -> (u64, Vec<u64>) {
    let bucket_ns = (end.0 / BUCKETS).max(1);
    let mut edges = moments.iter().copied().chain([end]).peekable();
    let mut before = (0, 0);
    let mut until = |time: u64| {
        while let Some(edge) = edges.next_if(|edge| edge.0 <= time) {
            before = edge;
        }
        let Some(after) = edges.peek() else { return before.1 };
        let part = u128::from(time - before.0) * u128::from(after.1 - before.1);
        before.1 + u64::try_from(part / u128::from((after.0 - before.0).max(1))).unwrap_or(u64::MAX)
    };
    let mut events = 0;
    let count = end.0.div_ceil(bucket_ns);
    let per_bucket = (1..=count).map(|no| {
        let upto = until((no * bucket_ns).min(end.0));
        upto - std::mem::replace(&mut events, upto)
    });
    (bucket_ns, per_bucket.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_in_one_bucket() {
        let (bucket_ns, per_bucket) = buckets(&[(100, 10), (1000, 5000), (1000, 6000)], (2560, 6010));
        assert_eq!((bucket_ns, per_bucket.len()), (10, 256));
        assert_eq!(per_bucket.iter().sum::<u64>(), 6010);
        assert_eq!(per_bucket[..10].iter().sum::<u64>(), 10);
        assert_eq!(per_bucket[10..100].iter().sum::<u64>(), 5990);
        assert_eq!(buckets(&[], (0, 3)).1.iter().sum::<u64>(), 0);
        assert_eq!(buckets(&[], (7, 3)).1.iter().sum::<u64>(), 3);
    }
}
