//! Which frames processes share: a page that several map is counted once.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use abi::{AddrRange, PAGE_SIZE, Pid, VirtAddr};
use proc_text::PagemapEntry;

use super::{LiveError, Process};
use crate::classify::Leaf;
use crate::kind::Kind;
use crate::value::Snapshot;

/// Frames for which one word stands in the set.
const FRAMES_OF_BLOCK: u64 = 64 * 64;
/// `/proc/kpageflags`: the page of zeros, small or huge (`KPF_ZERO_PAGE`).
const ZERO_PAGE: u64 = 1 << 24;

/// The frames seen so far.
#[derive(Debug)]
pub struct Frames {
    seen: HashMap<u64, [u64; 64]>,
    flags: File,
    zero: HashMap<u64, bool>,
}

impl Frames {
    /// Begins with none; `None` where the kernel does not tell frame numbers to this user (`CAP_SYS_ADMIN`).
    pub fn new() -> Option<Self> {
        let flags = File::open("/proc/kpageflags").ok()?;
        let mut word = [0; 8];
        flags.read_exact_at(&mut word, 0).ok()?;
        Some(Self { seen: HashMap::new(), flags, zero: HashMap::new() })
    }

    /// Adds the resident pages of a process, and returns for each kind the bytes that were not there before.
    ///
    /// # Errors
    /// If the process is not there or may not be seen.
    pub fn add(
        &mut self,
        pid: Pid,
        snapshot: &Snapshot,
        leaves: &[Leaf],
    ) -> Result<BTreeMap<Kind, u64>, LiveError> {
        const FILE: &str = "pagemap";
        let process = Process { pid, dir: PathBuf::from(format!("/proc/{pid}")) };
        let pages = File::open(process.dir.join(FILE)).map_err(|error| process.io_error(FILE, error))?;
        let mut added = BTreeMap::new();
        let is_empty = |leaf: &Leaf| snapshot.sums.get(leaf.mapping).is_some_and(|sums| sums.rss == Some(0));
        for leaf in leaves.iter().filter(|leaf| !is_empty(leaf)) {
            let bytes = self.add_range(&pages, leaf.range).map_err(|error| process.io_error(FILE, error))?;
            *added.entry(leaf.kind).or_default() += bytes;
        }
        Ok(added)
    }

    fn add_range(&mut self, pages: &File, range: AddrRange) -> std::io::Result<u64> {
        const WORDS: u64 = 8192;
        let mut buffer = vec![0u8; WORDS as usize * 8];
        let mut bytes = 0;
        // A page of two kinds is of the one its first byte is of.
        let mut at = range.start.page_up_wrapping();
        while at < range.end {
            let wanted = (range.end.0 - at.0).div_ceil(PAGE_SIZE).min(WORDS) as usize * 8;
            let got = pages.read_at(&mut buffer[..wanted], at.0 / PAGE_SIZE * 8)?;
            let (words, _) = buffer[..got].as_chunks::<8>();
            if words.is_empty() {
                break;
            }
            for word in words {
                let entry = PagemapEntry(u64::from_le_bytes(*word));
                bytes += if self.is_new(entry) { PAGE_SIZE } else { 0 };
                at = VirtAddr(at.0.saturating_add(PAGE_SIZE));
            }
        }
        Ok(bytes)
    }

    /// Takes in a page. What resident sizes leave out, the page of zeros, is never new.
    fn is_new(&mut self, entry: PagemapEntry) -> bool {
        let Some(frame) = entry.frame() else { return false };
        if !entry.is_file() && !entry.is_exclusive() && self.is_zero(frame) {
            return false;
        }
        let block = self.seen.entry(frame / FRAMES_OF_BLOCK).or_insert([0; 64]);
        let word = &mut block[(frame % FRAMES_OF_BLOCK / 64) as usize];
        let bit = 1 << (frame % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn is_zero(&mut self, frame: u64) -> bool {
        *self.zero.entry(frame).or_insert_with(|| {
            let mut word = [0; 8];
            let read = self.flags.read_exact_at(&mut word, frame.saturating_mul(8));
            read.is_ok() && u64::from_le_bytes(word) & ZERO_PAGE != 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::classify;
    use crate::live::read_live;
    use crate::sleeper::Sleeper;

    #[test]
    fn a_process_counted_twice_adds_nothing_the_second_time() {
        let Some(mut frames) = Frames::new() else {
            println!("SKIPPED: frames counted once, their numbers are hidden from this user");
            return;
        };
        let sleeper = Sleeper::start();
        let pid = sleeper.pid();
        let live = read_live(pid).expect("our own child");
        let leaves = classify(&live.snapshot);
        let first = frames.add(pid, &live.snapshot, &leaves).expect("our own child");
        let again = frames.add(pid, &live.snapshot, &leaves).expect("our own child");
        // The vdso's pages are mapped without being counted (`VM_MIXEDMAP` of the kernel's own memory) on some
        // kernels, so they may not be in the total.
        let counted: u64 =
            first.iter().filter(|(kind, _)| **kind != Kind::Vdso).map(|(_, bytes)| bytes).sum();
        let resident = live.total.and_then(|total| total.rss).expect("the kernel's sum");
        assert!(counted.abs_diff(resident) <= 8192, "{counted} beside {resident}");
        assert_eq!(again.values().sum::<u64>(), 0);
    }
}
