//! Timing: contenders take turns, and each gets the median of its turns.

use std::time::{Duration, Instant};

/// One of those compared.
pub struct Contender<'a> {
    /// Does so many operations; what they need is prepared before.
    pub work: Box<dyn FnMut(usize) + 'a>,
}

impl<'a> Contender<'a> {
    /// Takes what is to be timed.
    pub fn new(work: impl FnMut(usize) + 'a) -> Self {
        Self { work: Box::new(work) }
    }
}

/// How long a batch is at least, unless it has all the operations there are.
const BATCH: Duration = Duration::from_millis(4);

/// Lets the contenders work in turn, `rounds` times, and returns the median time of one operation of each, in
/// nanoseconds, in the contenders' order.
///
/// A batch has up to `operations` operations, fewer for a contender whose operations take long.
pub fn medians_ns(rounds: usize, operations: usize, contenders: &mut [Contender<'_>]) -> Vec<f64> {
    let batches: Vec<usize> = contenders.iter_mut().map(|contender| batch(contender, operations)).collect();
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for ((contender, batch), times) in contenders.iter_mut().zip(&batches).zip(&mut times) {
            times.push(timed(contender, *batch).as_nanos() as f64 / *batch as f64);
        }
    }
    times.iter_mut().map(|times| median(times)).collect()
}

/// Finds out how many operations make a batch long enough to measure.
fn batch(contender: &mut Contender<'_>, operations: usize) -> usize {
    let mut count = 1;
    while count < operations && timed(contender, count) < BATCH {
        count = (count * 2).min(operations);
    }
    count
}

fn timed(contender: &mut Contender<'_>, operations: usize) -> Duration {
    let begin = Instant::now();
    (contender.work)(operations);
    begin.elapsed()
}

/// Returns the median; the mean of the middle two of an even number.
///
/// # Panics
/// If there are no values.
pub fn median(values: &mut [f64]) -> f64 {
    assert!(!values.is_empty(), "a median needs values");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
