//! A list as its difference to an earlier one: what to skip, what to copy, what is new.

use std::sync::Arc;

use abi::VirtAddr;

use super::leaf::Leaf;
use super::{Decoder, Encoder, Record};
use crate::columns::Col;
use crate::error::Malformed;

/// A list of things in ascending order of address.
pub(super) trait Placed: Record + PartialEq + Clone {
    /// Where the thing begins.
    fn start(&self) -> VirtAddr;
}

/// How to make one list out of another.
#[derive(Debug, PartialEq)]
pub(crate) struct Patch<T> {
    steps: Vec<Step>,
    fresh: Vec<T>,
}

/// Leave out `skip` things of the base, take over `copy`, then take `insert` new ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Step {
    skip: u64,
    copy: u64,
    insert: u64,
}

impl<T: Placed> Patch<T> {
    /// The difference of `list` to `base`. Any two lists can be told apart; ascending ones briefly.
    pub(super) fn between(base: &[T], list: &[T]) -> Self {
        let mut patch = Self { steps: Vec::new(), fresh: Vec::new() };
        let mut step = Step::default();
        let mut at = 0;
        for thing in list {
            let passed = base[at..].iter().take_while(|old| old.start() < thing.start()).count();
            if passed > 0 {
                patch.end_step(&mut step);
                step.skip = passed as u64;
                at += passed;
            }
            if base.get(at) == Some(thing) {
                if step.insert > 0 {
                    patch.end_step(&mut step);
                }
                step.copy += 1;
                at += 1;
            } else {
                step.insert += 1;
                patch.fresh.push(thing.clone());
            }
        }
        patch.end_step(&mut step);
        patch
    }

    fn end_step(&mut self, step: &mut Step) {
        let step = std::mem::take(step);
        if step != Step::default() {
            self.steps.push(step);
        }
    }

    /// How many things are new.
    pub(super) fn fresh(&self) -> usize {
        self.fresh.len()
    }

    /// Makes the list again; it may have at most `max` things.
    pub(super) fn apply(self, base: &[T], max: usize) -> Result<Arc<[T]>, Malformed> {
        let mut list = Vec::new();
        let mut base = base;
        let mut fresh = self.fresh.into_iter();
        for step in self.steps {
            base = split(base, step.skip)?.1;
            let (copied, rest) = split(base, step.copy)?;
            base = rest;
            if copied.len() + list.len() + fresh.len() > max {
                return Err(Malformed("a checkpoint is longer than any may be"));
            }
            list.extend_from_slice(copied);
            list.extend(fresh.by_ref().take(usize::try_from(step.insert).unwrap_or(usize::MAX)));
        }
        Ok(list.into())
    }

    pub(super) fn put(&self, out: &mut Encoder, col: Col) {
        (self.steps.len() as u64).put(out, col);
        for step in &self.steps {
            [step.skip, step.copy, step.insert].iter().for_each(|word| word.put(out, col));
        }
        self.fresh.iter().for_each(|thing| thing.put(out));
    }

    /// Reads a patch whose new things take at least a byte each of the column `of`.
    pub(super) fn get(input: &mut Decoder<'_>, col: Col, of: Col) -> Result<Self, Malformed> {
        let count = input.columns.get_count(col, col)?;
        let mut steps = Vec::with_capacity(count);
        let mut inserted: u64 = 0;
        for _ in 0..count {
            let mut word = || input.columns.get(col);
            let step = Step { skip: word()?, copy: word()?, insert: word()? };
            inserted = inserted.saturating_add(step.insert);
            steps.push(step);
        }
        let inserted = input.columns.check_count(inserted, of)?;
        let fresh = (0..inserted).map(|_| T::get(input)).collect::<Result<_, _>>()?;
        Ok(Self { steps, fresh })
    }
}

fn split<T>(base: &[T], at: u64) -> Result<(&[T], &[T]), Malformed> {
    let at = usize::try_from(at).ok().filter(|&at| at <= base.len());
    at.map(|at| base.split_at(at)).ok_or(Malformed("a checkpoint takes over more than there was"))
}
