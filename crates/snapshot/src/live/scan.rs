//! The pages of a running process by one scan of its page tables.

use std::fs::File;

use abi::AddrRange;
use sys::OsResult;
use sys::pagemap::{Categories, Files, Region, Scanner};

use crate::pages::{PageRun, PageState};

/// Returns all pages that are there or in swap, ascending.
pub(super) fn runs(pagemap: &File) -> OsResult<Vec<PageRun>> {
    let mut runs = Vec::new();
    Scanner::default().scan(pagemap, |region| push(&mut runs, region))?;
    Ok(runs)
}

/// The same within some ranges.
///
/// # Preconditions
/// The ranges are ascending and disjoint.
pub(super) fn runs_within(pagemap: &File, ranges: impl Iterator<Item = AddrRange>) -> OsResult<Vec<PageRun>> {
    let mut runs = Vec::new();
    let mut scanner = Scanner::default();
    for range in ranges {
        scanner.scan_range(pagemap, range, Files::Told, |region| push(&mut runs, region))?;
    }
    Ok(runs)
}

fn push(runs: &mut Vec<PageRun>, region: &Region) {
    let run = PageRun { range: region.range(), state: state(region) };
    match runs.last_mut().filter(|last| last.range.end == run.range.start && last.state == run.state) {
        Some(last) => last.range.end = run.range.end,
        None => runs.push(run),
    }
}

fn state(region: &Region) -> PageState {
    let categories = region.categories();
    PageState {
        present: categories.contains(Categories::PRESENT),
        swapped: categories.contains(Categories::SWAPPED),
        file: categories.contains(Categories::FILE),
        zero: categories.contains(Categories::ZERO),
        besides: None,
        huge: categories.contains(Categories::HUGE),
    }
}
