//! What the pages of a recorded memory came to when most of it was resident, and who touched them first.

use serde::Serialize;
use timeline::Run;
use timeline::ledger::{FirstToucher, How};

use crate::chains::{Chains, FrameWords};
use recording::Symbols;

/// The pages of the memory with the largest peak, as the kernel's page tables had them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Resident {
    /// When they were read, in nanoseconds since the recording began.
    pub time_ns: u64,
    /// Bytes of anonymous pages.
    pub anonymous: u64,
    /// Bytes of pages of files and shared memory.
    pub file: u64,
    /// Bytes in swap.
    pub swapped: u64,
    /// Of all those, bytes in huge pages.
    pub huge: u64,
    /// Bytes that came in huge pages of which other pages were touched: whether they were used raises no fault.
    pub huge_beside: u64,
    /// The kernel's `RssAnon + RssFile + RssShmem` less the pages: what the pages do not explain.
    pub residue: i64,
    /// Bytes mapped to be written to by this memory alone that were never touched.
    pub untouched: u64,
    /// Bytes of blocks the size of a huge page in which a single page is there.
    pub lonely: u64,
    /// Who touched most of them first, largest first.
    pub touchers: Vec<Toucher>,
}

/// Pages that one thread touched first from one place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Toucher {
    /// How much of it is there, in bytes.
    pub bytes: u64,
    /// The thread; 0 where nobody told.
    pub tid: i32,
    /// How the pages came.
    pub how: Came,
    /// When the first of them came, in nanoseconds since the recording began.
    pub first_ns: u64,
    /// When the last of them came.
    pub last_ns: u64,
    /// The call chain, innermost first; empty where it is not known.
    pub frames: Vec<FrameWords>,
}

/// How pages came to be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// By a page fault.
    Fault,
    /// By a call that brings pages in.
    Call,
    /// Beside a page that was faulted in.
    Around,
    /// As a part of a huge page of which another page was touched, or asked for by a call.
    Huge,
    /// They were there when the memory was first seen.
    Before,
    /// A checkpoint found them: nothing had told of them.
    Found,
}

/// Takes them from a finished replay; `None` where the recording holds no pages.
pub(crate) fn resident(run: &Run, symbols: Option<&Symbols>) -> Option<Resident> {
    let mm = run.largest_memory()?.mm;
    let of = run.page_sums.iter().find(|of| of.mm == mm)?;
    let sums = &of.sums;
    let chains = Chains::new(symbols);
    Some(Resident {
        time_ns: of.time.0,
        anonymous: sums.anonymous,
        file: sums.file,
        swapped: sums.swapped,
        huge: sums.huge,
        huge_beside: sums.huge_beside,
        residue: sums.residue,
        untouched: sums.untouched,
        lonely: sums.lonely,
        touchers: sums.touchers.iter().map(|one| toucher(one, &chains)).collect(),
    })
}

fn toucher(one: &FirstToucher, chains: &Chains<'_>) -> Toucher {
    Toucher {
        bytes: one.bytes,
        tid: one.who.tid.0,
        how: match one.who.how {
            How::Fault => Came::Fault,
            How::Call => Came::Call,
            How::Around => Came::Around,
            How::Huge => Came::Huge,
            How::Before => Came::Before,
            How::Found => Came::Found,
        },
        first_ns: one.first.0,
        last_ns: one.last.0,
        frames: chains.frames(one.who.stack),
    }
}
