//! The access that a signal ended a process for.

use std::collections::HashMap;
use std::io::{Read, Seek};

use abi::{Tid, VirtAddr};
use recording::{Body, Event, ExitStatus, MmId, ReadError, Reader, StackId, TimeNs};

const SIGBUS: i32 = 7;
const SIGSEGV: i32 = 11;

/// The access that a signal ended a process for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crash {
    /// The memory.
    pub mm: MmId,
    /// The address.
    pub addr: VirtAddr,
    /// The instruction.
    pub ip: VirtAddr,
    /// Where it is, if it has a name.
    pub stack: Option<StackId>,
    /// The thread.
    pub tid: Tid,
    /// The fault's event.
    pub event: u64,
    /// When.
    pub time: TimeNs,
    /// The signal.
    pub signal: i32,
}

/// Finds the last process that a bad access ended, and the access: the last fault of that memory before its end.
///
/// # Errors
/// If the recording is damaged on the way.
pub fn crash<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Option<Crash>, ReadError> {
    let mut last: HashMap<MmId, Crash> = HashMap::new();
    let mut found = None;
    reader.seek(0)?;
    loop {
        let no = Reader::position(reader);
        let Some(Event { time, tid, mm, body }) = reader.next_event()? else { return Ok(found) };
        match body {
            Body::Fault(fault) => {
                let (addr, ip, stack) = (fault.addr, fault.ip, fault.stack);
                last.insert(mm, Crash { mm, addr, ip, stack, tid, event: no, time, signal: 0 });
            }
            Body::Exit { status: ExitStatus::Signal(signal @ (SIGBUS | SIGSEGV)), last_thread: true } => {
                if let Some(access) = last.remove(&mm) {
                    found = Some(Crash { signal, ..access });
                }
            }
            _ => {}
        }
    }
}
