//! Timing: medians of repeated batches.

use std::time::Instant;

/// Runs `batch` `rounds` times and returns the median time of one of the `operations` that a batch does, in
/// nanoseconds. `prepare` runs untimed before each batch.
pub fn median_ns<S>(
    rounds: usize,
    operations: usize,
    mut prepare: impl FnMut() -> S,
    mut batch: impl FnMut(&mut S),
) -> f64 {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let mut state = prepare();
            let begin = Instant::now();
            batch(&mut state);
            begin.elapsed().as_nanos() as f64 / operations as f64
        })
        .collect();
    median(&mut times)
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
