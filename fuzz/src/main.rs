//! Mutation fuzzing without nightly: `cargo run --release -- TARGET [--seconds N] [--seed S]`.
//!
//! A target takes a seed, makes a good input, damages it and reads it. A panic stops the run; the line printed before it
//! repeats it. Memory is bounded too: the run fails if the process ever had more than 512 MiB resident.

mod core_file;
mod damage;
mod elf_file;
mod random;
mod recording_file;
mod saved_map;
mod texts;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use random::Random;

/// Resident memory a run may ever have, in KiB: one block unpacked, its columns and one checkpoint.
const RESIDENT_MAX_KIB: u64 = 512 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(target) = target(&arguments) else {
        eprintln!("usage: vmatlas-fuzz core|elf|map|recording|texts [--seconds N] [--seed S]");
        return ExitCode::from(2);
    };
    let seconds = number(&arguments, "--seconds").unwrap_or(10);
    let first_seed = number(&arguments, "--seed").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seed = first_seed;
    while Instant::now() < end {
        let outcome = std::panic::catch_unwind(|| target(&mut Random::new(seed)));
        if outcome.is_err() {
            eprintln!("repeat with: --seconds 1 --seed {seed}");
            return ExitCode::from(1);
        }
        seed += 1;
    }
    elf_file::clean();
    let resident = peak_resident_kib();
    println!("{} inputs, seeds {first_seed}..{seed}, at most {resident} KiB resident", seed - first_seed);
    if resident > RESIDENT_MAX_KIB || seed == first_seed { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

fn target(arguments: &[String]) -> Option<fn(&mut Random)> {
    match arguments.first()?.as_str() {
        "core" => Some(core_file::target),
        "elf" => Some(elf_file::target),
        "map" => Some(saved_map::target),
        "recording" => Some(recording_file::target),
        "texts" => Some(texts::target),
        _ => None,
    }
}

fn number(arguments: &[String], name: &str) -> Option<u64> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1)?.parse().ok()
}

fn peak_resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}
