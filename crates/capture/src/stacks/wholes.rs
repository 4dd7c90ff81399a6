//! The last whole stack of each thread: what a copy that was cut is led on by.
//!
//! ```text
//! whole   main 9f0 │ outer 9c0 │ middle 980 │ leaf 940            the stack pointer in each frame
//! cut                            middle 980 │ other 930 │ leaf 900
//! joined  main 9f0 │ outer 9c0 │ middle 980 │ other 930 │ leaf 900
//! ```
//!
//! A frame with the same return address at the same stack pointer has the callers that it had, unless the thread has left
//! it meanwhile and come back to the same place at the same depth by another way. Nothing is joined at a place where the
//! two differ, and what was joined is counted apart.

use abi::{Tid, VirtAddr};
use stacks::{Chain, End, FRAMES_MAX};

use crate::hash::NumberMap;

/// Threads of which a stack is kept; when there are more all are dropped.
const THREADS_MAX: usize = 1 << 12;
/// So many of the outermost frames copied must stand where they stood: a return address and the one behind it.
const ALIKE: usize = 2;

/// A frame: the address in it, and the stack pointer there.
type Frame = (VirtAddr, VirtAddr);

/// The last whole stacks.
#[derive(Debug, Default)]
pub(super) struct Wholes {
    of: NumberMap<Tid, Vec<Frame>>,
}

impl Wholes {
    /// Keeps a chain that has reached the thread's first function, innermost frame first. Of one that began on another
    /// stack (a signal handler's) the part on the thread's own.
    pub(super) fn keep(&mut self, tid: Tid, chain: &Chain) {
        if chain.end != End::Root {
            return;
        }
        if self.of.len() >= THREADS_MAX && !self.of.contains_key(&tid) {
            self.of.clear();
        }
        let known = self.of.entry(tid).or_default();
        known.clear();
        known.extend(chain.frames.iter().copied().zip(chain.stack.iter().copied()));
        let ascends = |pair: &[Frame]| pair[0].1 < pair[1].1;
        let own = known.windows(2).rposition(|pair| !ascends(pair)).map_or(0, |at| at + 1);
        known.drain(..own);
    }

    /// Leads a chain on that ends where its copy does, by the thread's last whole stack; tells whether it could.
    /// `is_same` tells whether two addresses lie in one function.
    pub(super) fn join(
        &mut self,
        tid: Tid,
        chain: &mut Chain,
        is_same: impl FnOnce(VirtAddr, VirtAddr) -> bool,
    ) -> bool {
        let End::Cut { missing } = chain.end else { return false };
        let Some(known) = self.of.get(&tid) else { return false };
        let Some(outer) = outer(known, chain, missing, is_same) else { return false };
        for (frame, sp) in outer {
            chain.frames.push(*frame);
            chain.stack.push(*sp);
        }
        chain.end = End::Root;
        self.keep(tid, chain);
        true
    }

    /// A forked child stands where its maker does.
    pub(super) fn fork(&mut self, parent: Tid, child: Tid) {
        match self.of.get(&parent).cloned() {
            Some(known) => self.of.insert(child, known),
            None => self.of.remove(&child),
        };
    }

    /// A thread has ended, begins, or runs another program.
    pub(super) fn forget(&mut self, tid: Tid) {
        self.of.remove(&tid);
    }
}

/// The callers of a cut chain's last frame, as a whole stack has them.
fn outer<'a>(
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
    // Or the same function has the same frame, and stands elsewhere in its code by now.
    let has_same_frame = || {
        let ((frame, start), (_, end)) = (known.get(at)?, known.get(at + 1)?);
        let is_frame = *start == sp && sp <= missing && missing < *end;
        let inside = |no: usize, addr: VirtAddr| VirtAddr(addr.0.wrapping_sub(u64::from(no > 0)));
        (is_frame && is_same(inside(copied, last), inside(at, *frame))).then_some(())
    };
    if !is_alike {
        has_same_frame()?;
    }
    known.get(at + 1..).filter(|outer| chain.frames.len() + outer.len() <= FRAMES_MAX)
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
        // What was joined is the last whole stack.
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
        for (missing, sp) in [(0x48, 0x30), (0x28, 0x30), (0x38, 0x28), (0x58, 0x50)] {
            assert!(!wholes().join(TID, &mut at(missing, (33, sp)), |_, _| true), "{missing:x} {sp:x}");
        }
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
}
