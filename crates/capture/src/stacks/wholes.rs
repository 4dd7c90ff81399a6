//! The whole stacks of each thread: what a copy that was cut is led on by.
//!
//! ```text
//! whole   main 9f0 │ outer 9c0 │ middle 980 │ leaf 940            the stack pointer in each frame
//! cut                            middle 980 │ other 930 │ leaf 900
//! joined  main 9f0 │ outer 9c0 │ middle 980 │ other 930 │ leaf 900
//! ```
//!
//! A frame with the same return address at the same stack pointer has the callers that it had, unless the thread has left
//! it meanwhile and come back to the same place at the same depth by another way. So nothing is joined where the frames
//! differ, nor at two frames that have been seen with different callers, unless four tell; what was joined is counted
//! apart. How often that is wrong is tried out on stacks that were copied whole.

use abi::{Tid, VirtAddr};
use foldhash::HashMap as QuickMap;
use stacks::{Chain, End, FRAMES_MAX};

use super::contexts::{Callers, Contexts, FEW, Frame, MORE};

/// Threads of which stacks are kept; when there are more all are dropped.
const THREADS_MAX: usize = 1 << 12;
/// Threads of which more than the last one is kept, likewise.
const CONTEXTS_MAX: usize = 1 << 6;
/// So many of the outermost frames copied must stand where they stood: a return address and the one behind it.
const ALIKE: usize = FEW;

/// The whole stacks seen.
#[derive(Debug, Default)]
pub(super) struct Wholes {
    of: QuickMap<Tid, Vec<Frame>>,
    contexts: QuickMap<Tid, Contexts>,
}

/// How a join that was tried on a whole stack came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tried {
    /// Nothing was joined.
    NotJoined,
    /// The callers are those that the whole stack has.
    Right,
    /// They are others.
    Wrong,
}

impl Wholes {
    /// Keeps a chain that has reached the thread's first function, unless the places of some frames are not known.
    pub(super) fn keep(&mut self, tid: Tid, chain: &Chain) {
        if chain.end != End::Root || chain.stack.len() < chain.frames.len() {
            return;
        }
        if self.of.len() >= THREADS_MAX && !self.of.contains_key(&tid) {
            self.of.clear();
        }
        let known = self.of.entry(tid).or_default();
        own_frames(chain, known);
        if self.contexts.len() >= CONTEXTS_MAX && !self.contexts.contains_key(&tid) {
            self.contexts.clear();
        }
        self.contexts.entry(tid).or_default().keep(known);
    }

    /// Leads a chain on that ends where its copy does; tells whether it could. `is_same` tells whether two addresses lie
    /// in one function.
    pub(super) fn join(
        &mut self,
        tid: Tid,
        chain: &mut Chain,
        is_same: impl FnOnce(VirtAddr, VirtAddr) -> bool,
    ) -> bool {
        let last = self.of.get(&tid).map_or(&[][..], Vec::as_slice);
        let Some(outer) = self.outer(tid, last, chain, is_same) else { return false };
        lead_on(chain, outer);
        true
    }

    /// The same by another whole stack of the thread.
    pub(super) fn join_to(
        &self,
        tid: Tid,
        whole: &[Frame],
        chain: &mut Chain,
        is_same: impl FnOnce(VirtAddr, VirtAddr) -> bool,
    ) -> bool {
        let Some(outer) = self.outer(tid, whole, chain, is_same) else { return false };
        lead_on(chain, outer);
        true
    }

    /// Leads a chain on whose last frames frame pointers have told, so many of them: of these the stack pointers are not
    /// known, so the last ones must stand at one place only of the thread's last whole stack, and that must always have had
    /// the same callers.
    pub(super) fn join_led(&self, tid: Tid, chain: &mut Chain, led: usize) -> bool {
        let Some(outer) = self.outer_of_led(tid, chain, led) else { return false };
        chain.frames.extend(outer.iter().map(|(frame, _)| *frame));
        chain.end = End::Root;
        true
    }

    fn outer_of_led(&self, tid: Tid, chain: &Chain, led: usize) -> Option<&[Frame]> {
        let last = chain.frames.len().checked_sub(FEW).filter(|_| led >= FEW)?;
        let last = chain.frames.get(last..)?;
        let whole = self.of.get(&tid)?;
        // The innermost is an instruction, no return address.
        let is_there = |at: &usize| whole[*at..][..FEW].iter().map(|(frame, _)| frame).eq(last);
        let mut places = (1..(whole.len() + 1).saturating_sub(FEW)).filter(is_there);
        let (Some(at), None) = (places.next(), places.next()) else { return None };
        let (inner, outer) = whole.split_at(at + FEW);
        let callers = self.contexts.get(&tid)?.callers(inner, FEW);
        let fits = chain.frames.len() + outer.len() <= FRAMES_MAX;
        (fits && callers == Callers::One && !outer.is_empty()).then_some(outer)
    }

    /// Tries out on a whole stack, before it is kept, what would have come of so many bytes of it; `None` where they
    /// reach its end.
    pub(super) fn try_out(
        &self,
        tid: Tid,
        whole: &Chain,
        bytes: u64,
        is_same: impl FnOnce(VirtAddr, VirtAddr) -> bool,
    ) -> Option<Tried> {
        let missing = VirtAddr(whole.stack.first()?.0.checked_add(bytes)?);
        if whole.end != End::Root || whole.frames.len() != whole.stack.len() || !whole.stack.is_sorted() {
            return None;
        }
        // A return address lies right below where the stack pointer is after it.
        let copied = whole.stack.partition_point(|sp| *sp <= missing);
        let (frames, stack) = (whole.frames.get(..copied)?.to_vec(), whole.stack.get(..copied)?.to_vec());
        let truth = whole.frames.get(copied..).filter(|rest| !rest.is_empty())?;
        let cut = Chain { frames, stack, end: End::Cut { missing } };
        let last = self.of.get(&tid).map_or(&[][..], Vec::as_slice);
        Some(match self.outer(tid, last, &cut, is_same) {
            None => Tried::NotJoined,
            Some(outer) if outer.iter().map(|(frame, _)| frame).eq(truth) => Tried::Right,
            Some(_) => Tried::Wrong,
        })
    }

    /// The callers of a cut chain's last frame, as a whole stack has them.
    fn outer<'a>(
        &self,
        tid: Tid,
        whole: &'a [Frame],
        chain: &Chain,
        is_same: impl FnOnce(VirtAddr, VirtAddr) -> bool,
    ) -> Option<&'a [Frame]> {
        let End::Cut { missing } = chain.end else { return None };
        let outer = outer_in(whole, chain, missing, is_same)?;
        let returns = returns(chain);
        let callers = |count| match self.contexts.get(&tid) {
            Some(contexts) => contexts.callers(&returns, count),
            None => Callers::Unknown,
        };
        let may_be_others = callers(FEW) == Callers::Several && callers(MORE) != Callers::One;
        let fits = chain.frames.len() + outer.len() <= FRAMES_MAX;
        (fits && !may_be_others).then_some(outer)
    }

    /// A forked child stands where its maker does.
    pub(super) fn fork(&mut self, parent: Tid, child: Tid) {
        self.contexts.remove(&child);
        match self.of.get(&parent).cloned() {
            Some(known) => self.of.insert(child, known),
            None => self.of.remove(&child),
        };
    }

    /// A thread has ended, begins, or runs another program.
    pub(super) fn forget(&mut self, tid: Tid) {
        self.of.remove(&tid);
        self.contexts.remove(&tid);
    }
}

/// The frames of a whole chain, innermost first. Of one that began on another stack (a signal handler's) the part on the
/// thread's own.
pub(super) fn own_frames(chain: &Chain, into: &mut Vec<Frame>) {
    into.clear();
    into.extend(chain.frames.iter().copied().zip(chain.stack.iter().copied()));
    let ascends = |pair: &[Frame]| pair[0].1 < pair[1].1;
    let own = into.windows(2).rposition(|pair| !ascends(pair)).map_or(0, |at| at + 1);
    into.drain(..own);
}

/// The outermost return addresses of a chain.
fn returns(chain: &Chain) -> Vec<Frame> {
    let count = chain.frames.len().min(chain.stack.len());
    let from = count.saturating_sub(MORE).max(1);
    let frame = |no: usize| Some((*chain.frames.get(no)?, *chain.stack.get(no)?));
    (from..count).filter_map(frame).collect()
}

fn lead_on(chain: &mut Chain, outer: &[Frame]) {
    for (frame, sp) in outer {
        chain.frames.push(*frame);
        chain.stack.push(*sp);
    }
    chain.end = End::Root;
}

/// The callers of a cut chain's last frame, as a whole stack has them.
fn outer_in<'a>(
    known: &'a [Frame],
    chain: &Chain,
    missing: VirtAddr,
    is_same: impl FnOnce(VirtAddr, VirtAddr) -> bool,
) -> Option<&'a [Frame]> {
    let (last, sp) = (*chain.frames.last()?, *chain.stack.last()?);
    let at = known.partition_point(|(_, known)| *known < sp);
    let copied = chain.frames.len().min(chain.stack.len()) - 1;
    // The innermost frame is an instruction that changes all the time, no return address.
    let returns = copied >= ALIKE && at + 1 >= ALIKE && at < known.len();
    let is_alike = returns
        && (0..ALIKE).all(|back| {
            let no = copied - back;
            known[at - back] == (chain.frames[no], chain.stack[no])
        });
    if is_alike {
        return known.get(at + 1..);
    }
    // Or the same function has the same frame, and stands elsewhere in its code by now, or has made only a part of its
    // frame yet: what is missing is where it returns to, below the end of its frame.
    let behind = VirtAddr(missing.0.wrapping_add(size_of::<u64>() as u64));
    let ends_there = known.partition_point(|(_, known)| *known < behind);
    let at =
        if known.get(at).is_some_and(|(_, start)| *start == sp) { at } else { ends_there.checked_sub(1)? };
    let ((frame, start), (_, end)) = (known.get(at)?, known.get(at + 1)?);
    let is_frame = *start == sp && sp <= missing && missing < *end || *start < *end && *end == behind;
    let inside = |no: usize, addr: VirtAddr| VirtAddr(addr.0.wrapping_sub(u64::from(no > 0)));
    (is_frame && is_same(inside(copied, last), inside(at, *frame))).then(|| known.get(at + 1..))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const TID: Tid = Tid(7);

    fn chain(frames: &[(u64, u64)], end: End) -> Chain {
        let of = |part: fn(&(u64, u64)) -> u64| frames.iter().map(|frame| VirtAddr(part(frame))).collect();
        Chain { frames: of(|frame| frame.0), stack: of(|frame| frame.1), end }
    }

    fn cut(frames: &[(u64, u64)]) -> Chain {
        chain(frames, End::Cut { missing: VirtAddr(0) })
    }

    fn never(_: VirtAddr, _: VirtAddr) -> bool {
        false
    }

    fn wholes() -> Wholes {
        let mut wholes = Wholes::default();
        wholes.keep(TID, &chain(&[(1, 0x10), (2, 0x20), (3, 0x30), (4, 0x40), (5, 0x50)], End::Root));
        wholes
    }

    #[test]
    fn a_cut_chain_goes_on_where_both_stand_at_the_same_place() {
        let mut wholes = wholes();
        let mut found = cut(&[(9, 0x08), (8, 0x18), (2, 0x20), (3, 0x30)]);
        assert!(wholes.join(TID, &mut found, never));
        let expected = [(9, 0x08), (8, 0x18), (2, 0x20), (3, 0x30), (4, 0x40), (5, 0x50)];
        assert_eq!(found, chain(&expected, End::Root));
        // What was joined may be kept as the last whole stack.
        wholes.keep(TID, &found);
        let mut again = cut(&[(9, 0x04), (8, 0x18), (2, 0x20)]);
        assert!(wholes.join(TID, &mut again, never));
        assert_eq!(again.frames.len(), 6);
    }

    #[test]
    fn nothing_is_joined_where_the_two_differ() {
        for frames in [
            &[(9, 0x08), (2, 0x20), (3, 0x38)][..],
            &[(9, 0x08), (2, 0x28), (3, 0x30)],
            &[(9, 0x08), (7, 0x20), (3, 0x30)],
            &[(9, 0x08), (2, 0x20), (7, 0x30)],
            &[(9, 0x08), (3, 0x30)],
            &[(2, 0x20), (3, 0x30)],
            &[(9, 0x50), (8, 0x60), (7, 0x70)],
            &[(3, 0x30)],
        ] {
            let mut found = cut(frames);
            assert!(!wholes().join(TID, &mut found, never), "{frames:?}");
            assert_eq!(found, cut(frames));
            assert!(!wholes().join(Tid(8), &mut found, never));
        }
        let mut lost = chain(&[(9, 0x08), (2, 0x20), (3, 0x30)], End::Lost);
        assert!(!wholes().join(TID, &mut lost, never));
    }

    #[test]
    fn a_frame_of_the_same_function_has_its_callers_wherever_it_stands() {
        let at = |missing, frame| chain(&[frame], End::Cut { missing: VirtAddr(missing) });
        let mut found = at(0x38, (33, 0x30));
        assert!(!wholes().join(TID, &mut found, never));
        let same = |one: VirtAddr, other: VirtAddr| (one.0, other.0) == (33, 2);
        assert!(wholes().join(TID, &mut found, same));
        assert_eq!(found, chain(&[(33, 0x30), (4, 0x40), (5, 0x50)], End::Root));
        for (missing, sp) in [(0x48, 0x30), (0x28, 0x30), (0x30, 0x28), (0x58, 0x50)] {
            assert!(!wholes().join(TID, &mut at(missing, (33, sp)), |_, _| true), "{missing:x} {sp:x}");
        }
    }

    #[test]
    fn a_function_that_has_made_a_part_of_its_frame_returns_to_where_it_did() {
        let at = |missing, frame| chain(&[frame], End::Cut { missing: VirtAddr(missing) });
        let same = |one: VirtAddr, other: VirtAddr| (one.0, other.0) == (33, 2);
        let mut found = at(0x38, (33, 0x34));
        assert!(!wholes().join(TID, &mut found, never));
        assert!(wholes().join(TID, &mut found, same));
        assert_eq!(found, chain(&[(33, 0x34), (4, 0x40), (5, 0x50)], End::Root));
        assert!(!wholes().join(TID, &mut at(0x30, (33, 0x34)), |_, _| true), "no frame ends there");
        assert!(!wholes().join(TID, &mut at(0x58, (33, 0x34)), |_, _| true), "behind the last");
    }

    #[test]
    fn a_child_stands_where_its_maker_does_and_a_new_program_nowhere() {
        let mut wholes = wholes();
        wholes.fork(TID, Tid(9));
        wholes.forget(TID);
        let frames = [(9, 0x08), (2, 0x20), (3, 0x30)];
        assert!(!wholes.join(TID, &mut cut(&frames), never));
        assert!(wholes.join(Tid(9), &mut cut(&frames), never));
    }

    #[test]
    fn of_a_handlers_stack_the_part_on_the_threads_own_is_kept() {
        let mut wholes = Wholes::default();
        let frames = [(1, 0x9010), (2, 0x9020), (3, 0x20), (4, 0x30), (5, 0x40)];
        wholes.keep(TID, &chain(&frames, End::Root));
        assert_eq!(wholes.of[&TID].len(), 3);
    }

    #[test]
    fn frames_that_were_seen_with_other_callers_say_nothing() {
        let mut wholes = wholes();
        let frames = [(9, 0x08), (8, 0x18), (2, 0x20), (3, 0x30)];
        wholes.keep(TID, &chain(&[(1, 0x10), (2, 0x20), (3, 0x30), (7, 0x40), (5, 0x50)], End::Root));
        assert!(!wholes.join(TID, &mut cut(&frames), never));
        let whole = [(2, 0x20), (3, 0x30), (7, 0x40)].map(|(addr, sp)| (VirtAddr(addr), VirtAddr(sp)));
        assert!(!wholes.join_to(TID, &whole, &mut cut(&frames), never));
        assert!(wholes.join_to(Tid(8), &whole, &mut cut(&frames), never), "of that thread nothing is known");
        // Four tell, where these have had one caller.
        let four = [(9, 0x04), (8, 0x08), (6, 0x10), (2, 0x20), (3, 0x30)];
        wholes.keep(TID, &chain(&[&four[..], &[(4, 0x40), (5, 0x50)]].concat(), End::Root));
        let mut found = cut(&four);
        assert!(wholes.join(TID, &mut found, never));
        assert_eq!(found.frames.len(), 7);
    }

    #[test]
    fn where_frame_pointers_led_the_rest_is_that_of_frames_that_had_one_caller() {
        let led = |wholes: &Wholes, frames: &[u64], count| {
            let mut found = cut(&[(9, 0x08), (8, 0x0c)]);
            found.frames.extend(frames.iter().copied().map(VirtAddr));
            let is_joined = wholes.join_led(TID, &mut found, count);
            assert_eq!(is_joined, found.end == End::Root);
            is_joined.then(|| found.frames.iter().map(|frame| frame.0).collect::<Vec<_>>())
        };
        let mut wholes = wholes();
        assert_eq!(led(&wholes, &[7, 2, 3], 3), Some(vec![9, 8, 7, 2, 3, 4, 5]));
        for (frames, count) in
            [(&[7, 2, 3][..], 1), (&[7, 3], 2), (&[1, 2], 2), (&[4, 5], 2), (&[3], 2), (&[], 0)]
        {
            assert_eq!(led(&wholes, frames, count), None, "{frames:?}");
        }
        // Its stack pointers are not all known: nothing is joined to it.
        let mut found = cut(&[(9, 0x08), (8, 0x0c)]);
        found.frames.extend([VirtAddr(2), VirtAddr(3)]);
        assert!(wholes.join_led(TID, &mut found, 2));
        let before = wholes.of[&TID].clone();
        wholes.keep(TID, &found);
        assert_eq!(wholes.of[&TID], before);
        // Twice in the stack, or with several callers: which it is nobody knows.
        wholes.keep(TID, &chain(&[(1, 0x10), (2, 0x20), (3, 0x30), (7, 0x40), (5, 0x50)], End::Root));
        assert_eq!(led(&wholes, &[2, 3], 2), None);
        let twice = [(1, 0x10), (2, 0x14), (3, 0x18), (2, 0x24), (3, 0x28), (6, 0x50)];
        wholes.forget(TID);
        wholes.keep(TID, &chain(&twice, End::Root));
        assert_eq!(led(&wholes, &[2, 3], 2), None);
    }

    #[test]
    fn a_join_is_tried_out_on_a_whole_stack() {
        let wholes = wholes();
        let same = [(9, 0x08), (2, 0x20), (3, 0x30), (4, 0x40), (5, 0x50)];
        let tried =
            |frames: &[(u64, u64)], bytes| wholes.try_out(TID, &chain(frames, End::Root), bytes, never);
        assert_eq!(tried(&same, 0x28), Some(Tried::Right));
        assert_eq!(tried(&same, 0x30), Some(Tried::Right));
        assert_eq!(tried(&same, 0x48), None, "nothing is left to be found");
        assert_eq!(tried(&same, 0x18), Some(Tried::NotJoined));
        let other = [(9, 0x08), (2, 0x20), (3, 0x30), (7, 0x40), (5, 0x50)];
        assert_eq!(tried(&other, 0x28), Some(Tried::Wrong));
    }
}
