//! The rows of `pages`: loads and stores through the twin beside a slice, its faults and its fork beside the kernel's.

mod kernel;
mod twin;

use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::clock::median;
use crate::{Options, Save, run_dir};

/// Rounds in which all take their turn.
const ROUNDS: usize = 9;
/// Pages faulted in one after the other: few enough that they and their copies stay in a processor's second cache, so that
/// zeroing them is not a test of the memory.
const FAULTS: u64 = 128;
/// The same where frames are new: so many that they come straight from the host.
const FRESH: u64 = 4096;
/// Resident pages of a process that forks.
const FORKED: u64 = 100_000;

/// Measures and prints every row; with `--save` writes `pages.md`.
pub fn run(options: &Options) -> Result<()> {
    let mut text = String::from(
        "Medians in nanoseconds of this thread's processor time, the kernel's included.\n\n| what | vmatlas | beside | | target | |\n",
    );
    text.push_str("|---|---:|---:|---|---|---|\n");
    let (load, store) = (twin::loads(), twin::stores());
    row(&mut text, "load of a present page", load, "a slice", ("4 times that", 4.0 * load.1));
    row(&mut text, "store to a present page", store, "a slice", ("4 times that", 4.0 * store.1));
    let kernel = kernel::faults()?;
    let (zeroed, copied) = twin::floor();
    let zero = twin::demand_zero(twin::Frames::Resident);
    row(&mut text, "demand-zero fault", (zero, kernel.demand_zero), "the kernel", ("150 ns", 150.0));
    let fresh = twin::demand_zero(twin::Frames::Fresh);
    row(
        &mut text,
        "the same, fresh host memory",
        (fresh, kernel.demand_zero),
        "the kernel",
        ("none", f64::MAX),
    );
    let copy = twin::copy_on_write();
    row(&mut text, "copy-on-write fault", (copy, kernel.copy_on_write), "the kernel", ("300 ns", 300.0));
    let fork = twin::fork();
    row(&mut text, "fork of 100,000 resident pages", (fork, kernel.fork), "the kernel", ("1 ms", 1e6));
    let _ = writeln!(
        text,
        "\nZeroing as many pages alone takes {zeroed:.1} ns each, copying them {copied:.1} ns."
    );
    print!("{text}");
    if options.save == Save::Yes {
        let dir = run_dir::create()?;
        let page = format!("# `cargo xtask bench pages --save`; machine: setup.md.\n\n{text}");
        std::fs::write(dir.join("pages.md"), page).context("writing pages.md")?;
        println!("\nsaved in {}", dir.display());
    }
    Ok(())
}

fn row(
    text: &mut String,
    what: &str,
    (ours, theirs): (f64, f64),
    beside: &str,
    (target, limit): (&str, f64),
) {
    let word = if ours <= limit { "met" } else { "MISSED" };
    let _ = writeln!(text, "| {what} | {ours:.1} | {theirs:.1} | {beside} | {target} | {word} |");
}

/// Returns the processor time of this thread: what others do on the machine does not count.
fn cpu_ns() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is there to be written.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Returns the median over the rounds of the time of one of `count` operations; what `prepare` does is not timed.
fn timed<T>(count: u64, mut prepare: impl FnMut() -> T, mut work: impl FnMut(&mut T)) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let mut prepared = prepare();
            let begin = cpu_ns();
            work(&mut prepared);
            (cpu_ns() - begin) / count as f64
        })
        .collect();
    median(&mut times)
}
