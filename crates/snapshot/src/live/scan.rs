//! The pages of a running process by one scan of its page tables.

use std::fs::File;

use sys::OsResult;
use sys::pagemap::{Categories, Region, Scanner};

use crate::pages::{PageRun, PageState};

/// Returns all pages that are there or in swap, ascending.
pub(super) fn runs(pagemap: &File) -> OsResult<Vec<PageRun>> {
    let mut runs: Vec<PageRun> = Vec::new();
    Scanner::default().scan(pagemap, |region| {
        let run = PageRun { range: region.range(), state: state(region) };
        match runs.last_mut().filter(|last| last.range.end == run.range.start && last.state == run.state) {
            Some(last) => last.range.end = run.range.end,
            None => runs.push(run),
        }
    })?;
    Ok(runs)
}

fn state(region: &Region) -> PageState {
    let categories = region.categories();
    PageState {
        present: categories.contains(Categories::PRESENT),
        swapped: categories.contains(Categories::SWAPPED),
        file: categories.contains(Categories::FILE),
        zero: categories.contains(Categories::ZERO),
        huge: categories.contains(Categories::HUGE),
    }
}
