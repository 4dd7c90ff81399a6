//! Who was on a stack at a moment: the last call chain recorded of its thread.

use std::path::Path;

use abi::Tid;
use recording::{Body, Event, Reader, StackId, TimeNs};
use serde_json::{Value, json};
use snapshot::{Kind, Leaf, Owner};
use view::{Chains, FrameWords};

/// How many events before the moment are looked at: more each time nothing is found.
const EVENTS_BACK: [u64; 3] = [1 << 13, 1 << 16, 1 << 20];

/// The thread that a stack belongs to; `process`: whose main thread has the main stack.
pub(super) fn thread_of(leaf: &Leaf, process: Option<i32>) -> Option<Tid> {
    match (leaf.kind, leaf.owner) {
        (Kind::MainStack | Kind::ThreadStack, Some(Owner::Thread(tid))) => Some(tid),
        (Kind::MainStack, _) => process.map(Tid),
        _ => None,
    }
}

/// The last call or fault of a thread whose call chain was recorded, not later than a moment.
pub(super) fn last_chain(path: &Path, tid: Tid, at: TimeNs) -> anyhow::Result<Option<Value>> {
    let mut reader = Reader::open(path)?;
    reader.seek_time(TimeNs(at.0.saturating_add(1)))?;
    let end = reader.position();
    for back in EVENTS_BACK {
        let from = end.saturating_sub(back);
        reader.seek(from)?;
        let mut found = None;
        while reader.position() < end {
            let Some(event) = reader.next_event()? else { break };
            found = told(&event, tid).map(|(what, stack)| (event.time, what, stack)).or(found);
        }
        if let Some((time, what, stack)) = found {
            let symbols = crate::act::names::read(path)?;
            let frames = Chains::new(symbols.as_ref()).frames(Some(stack));
            let frames: Vec<String> = frames.iter().map(FrameWords::line_words).collect();
            return Ok(Some(json!({ "time_ns": time.0, "tid": tid.0, "what": what, "frames": frames })));
        }
        if from == 0 {
            break;
        }
    }
    Ok(None)
}

fn told(event: &Event, tid: Tid) -> Option<(String, StackId)> {
    if event.tid != tid {
        return None;
    }
    match &event.body {
        Body::Call(call) => Some((call.call.to_string(), call.stack?)),
        Body::Fault(fault) => Some((format!("page fault at {}", fault.addr), fault.stack?)),
        _ => None,
    }
}
