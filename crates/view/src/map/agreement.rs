//! How the sums of a map stand to the kernel's own.

use snapshot::Snapshot;

use super::MapView;
use super::sums::{MapSums, StatusSums};
use crate::words::bytes;

impl MapView {
    /// Tells whether the sums are the kernel's own, as far as both are known.
    pub fn equals_kernel(&self) -> bool {
        self.kernel_total.is_none_or(|kernel| differences(&self.total, &kernel).is_empty())
    }
}

/// By how much sums differ from the kernel's own total. Not compared: PSS and Locked, which the kernel rounds
/// down mapping by mapping.
fn differences(total: &MapSums, kernel: &MapSums) -> Vec<String> {
    let named = |sums: &MapSums| {
        let MapSums { rss, uss, dirty, anonymous, swap, huge, .. } = *sums;
        [
            ("RSS", rss),
            ("USS", uss),
            ("dirty", dirty),
            ("anonymous", anonymous),
            ("swap", swap),
            ("huge", huge),
        ]
    };
    let pairs = named(total).into_iter().zip(named(kernel));
    pairs
        .filter_map(|((name, ours), (_, theirs))| {
            let difference = ours?.abs_diff(theirs?);
            (difference > 0).then(|| format!("{name} by {}", bytes(difference)))
        })
        .collect()
}

/// How the sums differ from `status`, in words; `None` if they don't. The page of legacy system calls is in no
/// size that the kernel counts.
pub(super) fn status_differs(snapshot: &Snapshot, total: &MapSums, status: StatusSums) -> Option<String> {
    let gate = snapshot.mappings.iter().filter(|mapping| *mapping.name == *b"[vsyscall]");
    let size = total.size - gate.map(|mapping| mapping.range.len()).sum::<u64>();
    let pairs = [
        ("VmSize", Some(size), status.vm_size),
        ("VmRSS", total.rss, status.vm_rss),
        ("VmSwap", total.swap, status.vm_swap),
    ];
    let differing: Vec<String> = pairs
        .into_iter()
        .filter_map(|(name, ours, theirs)| {
            let difference = ours?.abs_diff(theirs?);
            (difference > 0).then(|| format!("{name} by {}", bytes(difference)))
        })
        .collect();
    (!differing.is_empty()).then(|| format!("different from the kernel's status: {}", differing.join(", ")))
}

/// How the sums stand to the kernel's own total, in words.
pub(super) fn compared(total: &MapSums, kernel: &MapSums) -> String {
    let differing = differences(total, kernel);
    if differing.is_empty() {
        let pss = kernel.pss.map_or_else(|| "not told".to_owned(), bytes);
        return format!("all sums equal the kernel's smaps_rollup; its PSS, not rounded by mapping: {pss}");
    }
    let differing = differing.join(", ");
    format!(
        "different from the kernel's smaps_rollup: {differing}; the process, or one it shares pages with, went on \
         between both readings"
    )
}
