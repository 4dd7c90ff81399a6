//! The course of a quantity over time.

use serde::Serialize;

/// The memory of the whole run at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct CurvePoint {
    /// When, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// Virtual size of all processes in bytes.
    pub size: u64,
    /// Resident size of all processes in bytes, each as of its last page checkpoint; `None` before the first.
    pub resident: Option<u64>,
    /// Mappings of all processes.
    pub mappings: u64,
}
