//! The fuzzer itself, on the running kernel.

use std::time::Duration;

use check::fuzz::{self, Plan};

#[test]
fn programs_are_run_to_their_end_on_both_sides() {
    let plan = Plan { seed: 7, programs: 24, time: Duration::from_secs(60), ..Plan::default() };
    let summary = fuzz::run(&plan, &|_| {}).expect("a world");
    assert_eq!(summary.failures, []);
    assert_eq!(summary.programs, 24);
    assert!(summary.counted.calls > 200 && summary.counted.maps > 200, "{summary:?}");
}

#[test]
fn the_same_seed_makes_the_same_program() {
    let text = |index| fuzz::program_text(3, index).expect("a world").to_string();
    assert_eq!(text(4), text(4));
    assert_ne!(text(4), text(5));
}

#[test]
fn every_program_of_one_call_in_a_small_world_agrees() {
    let done = fuzz::run_small_world(1, 0, 1).expect("a world");
    assert!(done.divergence.is_none(), "{:?}", done.divergence);
    assert!(done.programs > 1000, "{done:?}");
}
