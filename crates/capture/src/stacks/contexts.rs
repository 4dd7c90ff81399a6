//! The contexts that a thread was seen in, as its whole stacks tell them.
//!
//! They make a tree, its root the thread's first function: below each frame stand those that it has called.
//!
//! ```text
//! main 9f0 ─ outer 9c0 ┬ middle 980 ─ leaf 940        the stack pointer in each frame
//!                      └ other 970 ─ leaf 940
//! ```
//!
//! Two frames one behind the other that stand at the same stack pointers with the same return addresses are the same place
//! of the tree, unless that pair has been seen with different callers: then two more frames must tell.

use abi::VirtAddr;
use foldhash::HashMap as QuickMap;

/// A frame: the address in it, and the stack pointer there.
pub(super) type Frame = (VirtAddr, VirtAddr);

/// Frames kept of one thread; when there are more all are dropped.
const NODES_MAX: usize = 1 << 14;

/// The outer two of a run of frames, and the inner two where it has four.
type Run = ([Frame; 2], Option<[Frame; 2]>);

/// Frames that tell who called them, and where these don't.
pub(super) const FEW: usize = 2;
pub(super) const MORE: usize = 4;

/// Who called a run of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Callers {
    /// The run has not been seen.
    Unknown,
    /// Always the same.
    One,
    /// Not always the same.
    Several,
}

/// The tree of one thread.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Contexts {
    nodes: Vec<Node>,
    /// The place of a frame below its caller.
    below: QuickMap<(Option<u32>, Frame), u32>,
    /// The place of the outermost of [`FEW`] or [`MORE`] frames; `None` if there are several.
    runs: QuickMap<Run, Option<u32>>,
    /// The last whole stack, outermost frame first.
    last: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Node {
    frame: Frame,
    caller: Option<u32>,
}

impl Contexts {
    /// Takes in a whole stack, innermost frame first; that one is an instruction, no return address, and is left out.
    pub(super) fn keep(&mut self, frames: &[Frame]) {
        if self.nodes.len() + frames.len() > NODES_MAX {
            *self = Self::default();
        }
        let returns = frames.get(1..).unwrap_or_default();
        let nodes = &self.nodes;
        let is_alike =
            |(no, frame): &(&u32, &Frame)| nodes.get(**no as usize).map(|node| node.frame) == Some(**frame);
        let alike = self.last.iter().zip(returns.iter().rev()).take_while(is_alike).count();
        self.last.truncate(alike);
        for frame in returns.iter().rev().skip(alike) {
            self.descend(*frame);
        }
    }

    /// Goes from the innermost frame to one that it has called.
    fn descend(&mut self, frame: Frame) {
        let caller = self.last.last().copied();
        let fresh = self.nodes.len() as u32;
        let no = *self.below.entry((caller, frame)).or_insert(fresh);
        if no == fresh {
            self.nodes.push(Node { frame, caller });
            self.note(no);
        }
        self.last.push(no);
    }

    /// Notes the runs that a new frame is the innermost of.
    fn note(&mut self, no: u32) {
        let node = |no: u32| self.nodes.get(no as usize).copied();
        let mut run = Vec::with_capacity(MORE);
        run.extend(std::iter::successors(node(no), |inner| node(inner.caller?)).take(MORE));
        for count in [FEW, MORE] {
            let Some(inner) = run.get(..count) else { return };
            let frames: Vec<Frame> = inner.iter().map(|node| node.frame).collect();
            // The outermost is the one that the last but one names.
            let Some((key, outermost)) = key(&frames).zip(inner[count - 2].caller) else { return };
            let known = self.runs.entry(key).or_insert(Some(outermost));
            *known = known.filter(|known| *known == outermost);
        }
    }

    /// Who has called the last of these frames, by so many of them.
    pub(super) fn callers(&self, frames: &[Frame], count: usize) -> Callers {
        let run = frames.len().checked_sub(count).and_then(|from| frames.get(from..));
        match run.and_then(key).and_then(|key| self.runs.get(&key)) {
            None => Callers::Unknown,
            Some(None) => Callers::Several,
            Some(Some(_)) => Callers::One,
        }
    }
}

/// Two or four frames as they are looked up.
fn key(frames: &[Frame]) -> Option<Run> {
    match *frames {
        [inner, outer] => Some(([inner, outer], None)),
        [one, two, inner, outer] => Some(([inner, outer], Some([one, two]))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(frames: &[(u64, u64)]) -> Vec<Frame> {
        frames.iter().map(|(addr, sp)| (VirtAddr(*addr), VirtAddr(*sp))).collect()
    }

    #[test]
    fn frames_have_one_caller_or_several() {
        let mut contexts = Contexts::default();
        let one = frames(&[(9, 0x08), (2, 0x20), (3, 0x30), (4, 0x40), (5, 0x50)]);
        contexts.keep(&one);
        contexts.keep(&frames(&[(9, 0x08), (6, 0x20), (7, 0x30), (5, 0x50)]));
        let callers = |contexts: &Contexts, pair: [(u64, u64); 2]| contexts.callers(&frames(&pair), FEW);
        assert_eq!(callers(&contexts, [(2, 0x20), (3, 0x30)]), Callers::One);
        assert_eq!(callers(&contexts, [(6, 0x20), (7, 0x30)]), Callers::One);
        assert_eq!(callers(&contexts, [(2, 0x20), (7, 0x30)]), Callers::Unknown);
        assert_eq!(callers(&contexts, [(9, 0x08), (2, 0x20)]), Callers::Unknown, "no return address");
        contexts.keep(&frames(&[(9, 0x08), (2, 0x20), (3, 0x30), (8, 0x40), (5, 0x50)]));
        assert_eq!(callers(&contexts, [(2, 0x20), (3, 0x30)]), Callers::Several);
        // Once seen that stays so.
        contexts.keep(&one);
        assert_eq!(callers(&contexts, [(2, 0x20), (3, 0x30)]), Callers::Several);
    }

    #[test]
    fn where_two_frames_have_several_callers_four_may_have_one() {
        let mut contexts = Contexts::default();
        contexts.keep(&frames(&[
            (9, 0x08),
            (1, 0x10),
            (2, 0x18),
            (3, 0x20),
            (4, 0x30),
            (5, 0x40),
            (6, 0x50),
        ]));
        contexts.keep(&frames(&[
            (9, 0x08),
            (7, 0x10),
            (2, 0x18),
            (3, 0x20),
            (4, 0x30),
            (8, 0x40),
            (6, 0x50),
        ]));
        assert_eq!(contexts.callers(&frames(&[(3, 0x20), (4, 0x30)]), FEW), Callers::Several);
        let four = |inner| frames(&[(0, 0x04), (inner, 0x10), (2, 0x18), (3, 0x20), (4, 0x30)]);
        assert_eq!(contexts.callers(&four(1), MORE), Callers::One);
        assert_eq!(contexts.callers(&four(7), MORE), Callers::One);
        assert_eq!(contexts.callers(&four(5), MORE), Callers::Unknown);
        assert_eq!(contexts.callers(&four(1)[2..], MORE), Callers::Unknown, "too few");
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let mut contexts = Contexts::default();
        for no in 0..3 * NODES_MAX as u64 {
            contexts.keep(&frames(&[(0, 0x08), (no, 0x20), (1, 0x30)]));
            assert!(contexts.nodes.len() <= NODES_MAX);
        }
    }
}
