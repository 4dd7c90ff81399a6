//! Where an event stands.

use abi::Tid;
use recording::{MmId, TimeNs};

/// Where an event stands in the recording.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) event: u64,
    pub(crate) time: TimeNs,
    pub(crate) tid: Tid,
    pub(crate) mm: MmId,
}
