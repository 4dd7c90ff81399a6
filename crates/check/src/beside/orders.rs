//! Calls of several threads at the same time: in which order the kernel did them.
//!
//! ```text
//! thread 1   |--munmap-----------------------|   its end is not seen yet
//! thread 2            |--mprotect--|             compared here: was the munmap done before, after, or not at all?
//! ```
//! The twin does each order on a copy; one that gives the kernel's answer and its whole map is taken. Where none does
//! because a call is half done, what that explains is left out and counted: its end compares it, or else it has diverged.

use std::collections::HashMap;
use std::io;

use abi::{AddrRange, Tid};
use timeline::twin::{Shared, Told};
use timeline::{Difference, touched};

use super::found::Found;
use super::half_done::HalfDone;
use super::memory::Memory;
use super::under_way::{Answered, Early, Ending, OpenCalls, UnderWay, raw};

/// At most so many orders are tried in one pass: all of those of four others.
const ORDERS_MAX: usize = 1 << 12;

/// How often all orders are tried.
const PASSES: usize = 3;

/// What the others may have done when a call's end was seen; the rest of their calls is not done yet.
struct Order {
    /// Whose calls are done, one after another.
    done: Vec<Tid>,
    /// How many of them came before the call, the others after it.
    before: usize,
}

/// Whether first writes that were seen only after a call are taken to have come before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FirstWrites {
    Before,
    After,
}

impl Memory {
    /// Tries what may have come before the call: first writes of other threads, and their calls that are under way.
    /// The one order that agrees with the kernel in everything is taken; if none does, all stays as it was.
    pub(super) fn try_orders(
        &mut self,
        shared: &mut Shared,
        found: &mut Found,
        ending: &mut Ending<'_>,
    ) -> io::Result<Option<Answered>> {
        let before = (self.twin.clone(), shared.clone());
        let others: Vec<Tid> =
            ending.others.iter().filter(|(_, other)| other.early.is_none()).map(|(tid, _)| *tid).collect();
        // While orders are tried the others go on: what fits no order may have been seen half way.
        let passes = if others.is_empty() { 1 } else { PASSES };
        for Order { done, before: count } in (0..passes).flat_map(|_| orders(&others)) {
            let (earlier, later) = done.split_at(count);
            for writes in [FirstWrites::Before, FirstWrites::After] {
                (self.twin, *shared) = before.clone();
                if writes == FirstWrites::Before {
                    self.learn_anonymous(shared)?;
                }
                let early = self.do_early(shared, ending, earlier);
                let Some(answered) = self.answer(shared, found, &ending.done, ending.kernel) else {
                    continue;
                };
                let late = self.do_early(shared, ending, later);
                let (Some(early), Some(late)) = (early, late) else { continue };
                if answered.agrees && self.compare_whole(found)?.is_empty() {
                    for (tid, early) in early.into_iter().chain(late) {
                        if let Some(other) = ending.others.get_mut(&tid) {
                            other.early = Some(early);
                            // The whole map agrees with what it has done.
                            other.owes.clear();
                        }
                    }
                    return Ok(Some(answered));
                }
            }
        }
        (self.twin, *shared) = before;
        Ok(None)
    }

    /// Of calls that are the same it is not seen which of them came first: one whose end tells another's answer takes that
    /// one's place.
    pub(super) fn tell_apart(ending: &mut Ending<'_>) {
        let UnderWay { call, input, early, .. } = &ending.done;
        if early.as_ref().is_some_and(|early| raw(&early.predicted) == ending.kernel) {
            return;
        }
        let same = |other: &&mut UnderWay| other.call == *call && other.input == *input;
        let told = |other: &mut &mut UnderWay| {
            other.early.as_ref().is_some_and(|early| raw(&early.predicted) == ending.kernel)
        };
        let mut others: Vec<&mut UnderWay> = ending.others.values_mut().filter(same).collect();
        let at = others.iter_mut().position(told);
        // Else the effect that was seen was of one whose end is still to come.
        let at = at.or_else(|| others.iter().position(|other| early.is_some() && other.early.is_none()));
        if let Some(other) = at.map(|at| others.swap_remove(at)) {
            std::mem::swap(&mut other.early, &mut ending.done.early);
        }
    }

    /// Does calls of others one after another; `None` where one can't be told before its end, for what it answers is an
    /// input.
    fn do_early(
        &mut self,
        shared: &mut Shared,
        ending: &Ending<'_>,
        tids: &[Tid],
    ) -> Option<Vec<(Tid, Early)>> {
        let mut done = Vec::new();
        for tid in tids {
            let UnderWay { call, input, .. } = ending.others.get(tid)?;
            shared.set_caller(*tid);
            let brk = self.twin.brk();
            let predicted = self.twin.call(shared, *call, input, Told::Nothing)?;
            if predicted.input.is_some() {
                return None;
            }
            let ranges = touched(*call, predicted.result.ok(), brk);
            done.push((*tid, Early { predicted, ranges }));
        }
        Some(done)
    }

    /// Leaves out the differences that calls under way explain if they are half done. Their ends owe the comparison.
    pub(super) fn leave_out(
        &self,
        shared: &Shared,
        found: &mut Found,
        others: &mut HashMap<Tid, UnderWay>,
        maps: Vec<Difference>,
    ) -> Vec<Difference> {
        if maps.is_empty() {
            return maps;
        }
        let is_open = |other: &&UnderWay| other.early.is_none();
        let half_done = HalfDone::of(&self.twin, shared, others.values().filter(is_open));
        if !maps.iter().all(|one| half_done.explains(one)) {
            return maps;
        }
        found.order_uncertain += 1;
        found.ranges_left_out += maps.len() as u64;
        for UnderWay { owes, .. } in others.values_mut().filter(|other| other.early.is_none()) {
            let new: Vec<Difference> = maps.iter().filter(|one| !owes.contains(one)).cloned().collect();
            owes.extend(new);
        }
        Vec::new()
    }

    /// The ranges that calls are about, if each is the next.
    pub(super) fn ranges_of<'a>(
        &self,
        shared: &Shared,
        calls: impl Iterator<Item = &'a UnderWay>,
    ) -> Vec<AddrRange> {
        let ranges = |UnderWay { tid, call, input, early, .. }: &UnderWay| {
            if let Some(early) = early {
                return early.ranges;
            }
            let (mut twin, mut shared) = (self.twin.clone(), shared.clone());
            shared.set_caller(*tid);
            let brk = twin.brk();
            let result = twin.call(&mut shared, *call, input, Told::Nothing);
            touched(*call, result.and_then(|predicted| predicted.result.ok()), brk)
        };
        calls.flat_map(ranges).flatten().collect()
    }

    /// Tries the calls whose end nobody has seen; returns the differences that stay.
    pub(super) fn try_open(
        &mut self,
        shared: &mut Shared,
        found: &mut Found,
        open: OpenCalls<'_>,
        mut maps: Vec<Difference>,
    ) -> io::Result<Vec<Difference>> {
        let (OpenCalls::CutOff(calls) | OpenCalls::UnderWay(calls)) = open;
        let mut done = 0;
        let before = (self.twin.clone(), shared.clone());
        // Neighbours that are made by two calls differ until both are done.
        for UnderWay { tid, call, input, .. } in calls.values().filter(|call| call.early.is_none()) {
            shared.set_caller(*tid);
            self.twin.call(shared, *call, input, Told::Nothing);
            done += 1;
        }
        if done > 1 && self.compare_whole(found)?.is_empty() {
            count_done(found, open, done);
            return Ok(Vec::new());
        }
        (self.twin, *shared) = before;
        for UnderWay { tid, call, input, .. } in calls.values().filter(|call| call.early.is_none()) {
            shared.set_caller(*tid);
            let before = (self.twin.clone(), shared.clone());
            self.twin.call(shared, *call, input, Told::Nothing);
            let differences = self.compare_whole(found)?;
            if differences.len() < maps.len() {
                count_done(found, open, 1);
                maps = differences;
            } else {
                (self.twin, *shared) = before;
            }
        }
        Ok(maps)
    }
}

/// So many calls whose end nobody has seen were done all the same.
fn count_done(found: &mut Found, open: OpenCalls<'_>, calls: u64) {
    match open {
        OpenCalls::UnderWay(_) => found.order_uncertain += calls,
        OpenCalls::CutOff(_) => found.input("call cut off by a signal", calls),
    }
}

/// The orders in which some of the others' calls may be done, before or after the one compared; those with few first.
fn orders(others: &[Tid]) -> impl Iterator<Item = Order> {
    let mut rows = vec![Vec::new()];
    let of_length = move |_| {
        let longer = |row: &Vec<Tid>| {
            let next = others.iter().filter(|tid| !row.contains(tid));
            next.map(|tid| [row.as_slice(), &[*tid]].concat()).collect::<Vec<_>>()
        };
        let longer = rows.iter().flat_map(longer).take(ORDERS_MAX).collect();
        std::mem::replace(&mut rows, longer)
    };
    let placed =
        |done: Vec<Tid>| (0..=done.len()).rev().map(move |before| Order { done: done.clone(), before });
    (0..=others.len()).flat_map(of_length).flat_map(placed).take(ORDERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_of_some_of_the_others_is_tried_once() {
        let told = |Order { done, before }: Order| {
            let mut row: Vec<String> = done.iter().map(|tid| tid.0.to_string()).collect();
            row.insert(before, "*".to_string());
            row.concat()
        };
        let all = |tids: &[Tid]| orders(tids).map(told).collect::<Vec<_>>().join(" ");
        assert_eq!(all(&[]), "*");
        assert_eq!(all(&[Tid(1), Tid(2)]), "* 1* *1 2* *2 12* 1*2 *12 21* 2*1 *21");
        let four: Vec<Tid> = (1..=4).map(Tid).collect();
        assert_eq!(orders(&four).count(), 1 + 4 * 2 + 12 * 3 + 24 * 4 + 24 * 5);
        let many: Vec<Tid> = (1..=40).map(Tid).collect();
        assert_eq!(orders(&many).count(), ORDERS_MAX);
    }
}
