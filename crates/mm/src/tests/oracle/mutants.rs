//! Which changed rules of the twin the oracle tells from the twin itself: it must know those that it is an oracle of.

extern crate std;

use alloc::vec::Vec;
use std::println;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::steps::Step;
use super::{agree, profile, programs};
use crate::mutation::{Mutation, Shown};
use crate::profile::Profile;

/// The programs tried against each.
const PROGRAMS: usize = 1500;

/// Rules of what the oracle's world does not have: NUMA policies and userfaultfds.
const UNKNOWN: [Mutation; 2] = [Mutation::PolicyIgnored, Mutation::UserfaultfdIgnored];

/// Makes the same programs on every run.
fn programs() -> Vec<Vec<Step>> {
    let mut runner = TestRunner::deterministic();
    let program = |_| programs::programs().new_tree(&mut runner).expect("nothing is rejected").current();
    (0..PROGRAMS).map(program).collect()
}

#[test]
fn every_changed_rule_of_the_map_is_caught() {
    let programs = programs();
    let mut missed = Vec::new();
    for mutation in Mutation::ALL.iter().copied() {
        let changed = || Profile { mutation: Some(mutation), ..profile() };
        let caught = programs.iter().position(|steps| agree(changed(), steps).is_err());
        match caught {
            Some(at) => println!("{mutation:?}: caught by program {}", at + 1),
            None => println!("{mutation:?}: not caught by {PROGRAMS} programs"),
        }
        let concerns = matches!(mutation.shows_in(), Shown::Map | Shown::OtherKernels);
        if caught.is_none() && concerns && !UNKNOWN.contains(&mutation) {
            missed.push(mutation);
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
