//! The stacks of a process, thread by thread.

use abi::Tid;
use serde::{Deserialize, Serialize};
use snapshot::{Kind, Leaf, Owner, Snapshot};

use crate::words::printable;

/// The stack of one thread.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StackRow {
    /// The thread; `None` for a stack that is kept for a thread to come.
    pub tid: Option<i32>,
    /// The thread's name, empty if it is not known.
    pub name: String,
    /// Whether it is the main thread's.
    pub is_main: bool,
    /// The lowest address that may be used now, in hex.
    pub start: String,
    /// The address past its end, in hex.
    pub end: String,
    /// Its size in bytes, without the guard.
    pub size: u64,
    /// Its resident size in bytes; `None` if it is not known or the mapping holds more than this stack.
    pub resident: Option<u64>,
    /// How much lies between the stack pointer and the end, in bytes: what is in use now, with what the
    /// thread's library keeps above its first frame. `None` where the pointer could not be read.
    pub used: Option<u64>,
    /// How far below the end the lowest page is that was ever touched and is still there, in bytes; `None` where
    /// pages were not read.
    pub deepest: Option<u64>,
    /// How much room is left below the stack pointer, in bytes: down to the guard, for the main stack down to its
    /// limit. `None` where the pointer or the limit is not known.
    pub room: Option<u64>,
    /// The call frames, innermost first; empty unless they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<FrameRow>,
    /// Why there are no more frames, where the thread's first function was not reached.
    #[serde(default)]
    pub frames_end: Option<String>,
    /// The guard below it in bytes; 0 for none of its own (the kernel keeps one below the main stack).
    pub guard: u64,
}

/// A call frame.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FrameRow {
    /// The instruction under way, or the address it returns to, in hex.
    pub address: String,
    /// The function, or in which file it is; empty where neither is known.
    pub function: String,
    /// Its size on the stack in bytes; `None` for the last.
    pub bytes: Option<u64>,
}

/// Lists the stacks, the main thread's first, then by address.
pub(crate) fn stacks(snapshot: &Snapshot, leaves: &[Leaf], main_limit: Option<u64>) -> Vec<StackRow> {
    let mut rows: Vec<StackRow> = Vec::new();
    for (at, leaf) in leaves.iter().enumerate() {
        if !matches!(leaf.kind, Kind::MainStack | Kind::ThreadStack) {
            continue;
        }
        let tid = match leaf.owner {
            Some(Owner::Thread(tid)) => Some(tid),
            _ => None,
        };
        let below = at.checked_sub(1).map(|below| &leaves[below]);
        let guard =
            below.filter(|below| below.kind == Kind::StackGuard && below.range.end == leaf.range.start);
        let used = pointer(snapshot, tid, leaf).map(|pointer| leaf.range.end.0 - pointer.0);
        let is_main = leaf.kind == Kind::MainStack;
        let most = if is_main { main_limit } else { Some(leaf.range.len()) };
        rows.push(StackRow {
            tid: tid.map(|tid| tid.0),
            name: name(snapshot, tid),
            is_main,
            start: leaf.range.start.to_string(),
            end: leaf.range.end.to_string(),
            size: leaf.range.len(),
            resident: resident(snapshot, leaf),
            used,
            deepest: deepest(snapshot, leaf),
            room: most.zip(used).map(|(most, used)| most.saturating_sub(used)),
            frames: Vec::new(),
            frames_end: None,
            guard: guard.map_or(0, |guard| guard.range.len()),
        });
    }
    rows.sort_by_key(|row| !row.is_main);
    rows
}

/// How deep the lowest page that is there lies. Pages are not read of every mapping: where none of this one is
/// known the stack is not known to be untouched.
fn deepest(snapshot: &Snapshot, leaf: &Leaf) -> Option<u64> {
    let runs = snapshot.pages.as_ref()?;
    let first = runs.partition_point(|run| run.range.end <= leaf.range.start);
    let is_there = |run: &&snapshot::PageRun| run.state.present && !run.state.zero || run.state.swapped;
    let inside = runs[first..].iter().take_while(|run| run.range.start < leaf.range.end);
    let lowest = inside.filter(is_there).map(|run| run.range.start.max(leaf.range.start)).next()?;
    Some(leaf.range.end.0 - lowest.0)
}

fn name(snapshot: &Snapshot, tid: Option<Tid>) -> String {
    let thread = snapshot.threads.iter().find(|thread| Some(thread.tid) == tid);
    thread.map(|thread| printable(&thread.name)).unwrap_or_default()
}

/// The stack pointer that points into a stack: of its thread, or for the main stack of any.
fn pointer(snapshot: &Snapshot, tid: Option<Tid>, leaf: &Leaf) -> Option<abi::VirtAddr> {
    let own = snapshot.threads.iter().filter(|thread| tid.is_none() || Some(thread.tid) == tid);
    own.filter_map(|thread| thread.stack_pointer).find(|pointer| leaf.range.contains(*pointer))
}

fn resident(snapshot: &Snapshot, leaf: &Leaf) -> Option<u64> {
    let is_whole = leaf.range == snapshot.mappings[leaf.mapping].range;
    match snapshot.sums.get(leaf.mapping).filter(|_| is_whole) {
        Some(sums) => sums.rss,
        None if snapshot.sums.is_empty() => {
            Some(snapshot::PageSums::within(snapshot.pages.as_ref()?, leaf.range).resident)
        }
        None => None,
    }
}
