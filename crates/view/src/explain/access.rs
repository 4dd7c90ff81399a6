//! What reading, writing and executing at an address would do, as far as the map and the page decide it.

use abi::{FileId, PAGE_SIZE, Prot, VirtAddr};
use proc_text::PagemapEntry;
use snapshot::{Mapping, Snapshot};

use super::{Access, Outcome};
use crate::words::bytes;

/// The addresses of user space end here with four levels of page tables, and with five.
const USER_ENDS: [u64; 2] = [1 << 47, 1 << 56];
/// How far a stack keeps from what lies below it unless the kernel was told otherwise (`stack_guard_gap`).
const STACK_GAP: u64 = 256 * PAGE_SIZE;

/// What each access would do.
pub(super) fn accesses(
    snapshot: &Snapshot,
    address: VirtAddr,
    page: Option<PagemapEntry>,
    stack_limit: Option<u64>,
) -> Vec<Access> {
    let at = snapshot.mappings.partition_point(|m| m.range.end <= address);
    let mapping = snapshot.mappings.get(at).filter(|mapping| mapping.range.contains(address));
    let kinds = [("read", Prot::READ), ("write", Prot::WRITE), ("execute", Prot::EXEC)];
    let access = |(access, right)| {
        let (outcome, words) = match mapping {
            Some(_) if page.is_some_and(PagemapEntry::is_guard) => guarded(),
            Some(mapping) if *mapping.name == *b"[vsyscall]" => of_vsyscall(mapping, right, address),
            Some(mapping) => of_mapping(mapping, right, page),
            None => of_nothing(snapshot, at, address, right, stack_limit),
        };
        Access { access, outcome, words }
    };
    kinds.into_iter().map(access).collect()
}

fn guarded() -> (Outcome, String) {
    (Outcome::Forbidden, "SIGSEGV (SEGV_MAPERR): a guard marker stands there (MADV_GUARD_INSTALL)".into())
}

/// The page is no memory of the process: the kernel answers calls of its three entries
/// (`arch/x86/entry/vsyscall/vsyscall_64.c: emulate_vsyscall`).
fn of_vsyscall(mapping: &Mapping, right: Prot, address: VirtAddr) -> (Outcome, String) {
    const ENTRIES: [u64; 3] = [0, 0x400, 0x800];
    let is_entry = ENTRIES.contains(&(address.0 - mapping.range.start.0));
    match right {
        Prot::EXEC if is_entry => (Outcome::Allowed, "allowed: the kernel makes the call itself".into()),
        Prot::EXEC => (Outcome::Forbidden, "SIGSEGV (SI_KERNEL): not one of its three entries".into()),
        right if mapping.prot.contains(right) => (Outcome::Allowed, "allowed".into()),
        _ => (Outcome::NotMapped, "SIGSEGV (SEGV_MAPERR): only calls go there".into()),
    }
}

fn of_mapping(mapping: &Mapping, right: Prot, page: Option<PagemapEntry>) -> (Outcome, String) {
    // On x86-64 a page that may be written or executed may be read as well.
    let is_allowed = mapping.prot.contains(right)
        || right == Prot::READ && mapping.prot.intersects(Prot::WRITE.with(Prot::EXEC));
    if !is_allowed {
        return (Outcome::Forbidden, "SIGSEGV (SEGV_ACCERR): the mapping does not permit it".into());
    }
    let has_file = mapping.file != FileId::default();
    let effect = match (right, mapping.shared, has_file) {
        (Prot::READ, ..) if mapping.prot == Prot::EXEC => {
            "allowed, but SIGSEGV (SEGV_PKUERR) on processors with protection keys"
        }
        (Prot::WRITE, false, true) if page.is_some_and(|page| page.is_present() && !page.is_file()) => {
            "allowed; the page is the process's own copy already, the file never changes"
        }
        (Prot::WRITE, false, true) => "allowed; the page is copied first, the file never changes",
        (Prot::WRITE, true, _) => "allowed; everyone who maps it sees the write",
        (_, _, true) => "allowed; SIGBUS on pages past the end of the file",
        _ => "allowed",
    };
    let fault = match page {
        Some(page) if page.is_swapped() => "; the page comes back from swap (major fault)",
        Some(page) if !page.is_present() && has_file => {
            "; the page comes from the page cache (minor fault) or the disk (major)"
        }
        Some(page) if !page.is_present() => "; a page of zeros at first (minor fault)",
        Some(page) if right == Prot::WRITE && !has_file && !page.is_exclusive() => {
            "; if others still share the page it is copied (minor fault)"
        }
        Some(_) | None => "",
    };
    (Outcome::Allowed, format!("{effect}{fault}"))
}

/// Where nothing is mapped; `at` is the place of the mapping above.
fn of_nothing(
    snapshot: &Snapshot,
    at: usize,
    address: VirtAddr,
    right: Prot,
    stack_limit: Option<u64>,
) -> (Outcome, String) {
    if is_no_address(snapshot, address) {
        let words = "SIGSEGV (SI_KERNEL, without the address): the processor knows no such address";
        return (Outcome::NotAnAddress, words.into());
    }
    let nothing = |why: &str| (Outcome::NotMapped, format!("SIGSEGV (SEGV_MAPERR): {why}"));
    let Some(stack) = snapshot.mappings.get(at).filter(|above| *above.name == *b"[stack]") else {
        return nothing("nothing is mapped there");
    };
    // `mm/mmap.c: acct_stack_growth`, `expand_downwards`.
    let grown = stack.range.end.0 - address.page_down().0;
    if let Some(limit) = stack_limit.filter(|limit| grown > *limit) {
        let limit = bytes(limit);
        return nothing(&format!("nothing is mapped there, and the stack above may only grow to {limit}"));
    }
    let below = at.checked_sub(1).and_then(|below| snapshot.mappings.get(below));
    let below = below.filter(|below| !below.prot.is_empty());
    if below.is_some_and(|below| address.page_down().0 - below.range.end.0 < STACK_GAP) {
        return nothing("too near to the mapping below for the stack above to grow here");
    }
    if right == Prot::EXEC && !stack.prot.contains(right) {
        return (Outcome::Forbidden, "SIGSEGV (SEGV_ACCERR): the stack above does not permit it".into());
    }
    (Outcome::MayGrow, "the stack above may grow down to here, within its limit".into())
}

/// Whether the address lies between user space and the kernel's: told by the bits that must be equal.
fn is_no_address(snapshot: &Snapshot, address: VirtAddr) -> bool {
    let [four, five] = USER_ENDS;
    // Only with five levels can anything be mapped there.
    let is_between = |addr: VirtAddr| (four..five).contains(&addr.0);
    let has_five = snapshot.mappings.iter().any(|mapping| is_between(mapping.range.start));
    let end = if has_five { five } else { four };
    (end..end.wrapping_neg()).contains(&address.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
00400000-00401000 r-xp 00001000 08:01 7                                  /bin/p\n\
7ffd80000000-7ffd80001000 rw-p 00000000 00:00 0 \n\
7ffe00000000-7ffe00021000 rw-p 00000000 00:00 0                          [stack]\n\
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

    fn outcomes(address: u64, stack_limit: Option<u64>) -> Vec<Outcome> {
        let snapshot = Snapshot::from_maps_text(TEXT).expect("good text");
        let accesses = accesses(&snapshot, VirtAddr(address), None, stack_limit);
        accesses.iter().map(|access| access.outcome).collect()
    }

    #[test]
    fn accesses_follow_the_map() {
        use Outcome::{Allowed, Forbidden, NotAnAddress, NotMapped};
        assert_eq!(outcomes(0x40_0123, None), [Allowed, Forbidden, Allowed]);
        assert_eq!(outcomes(0x1000, None), [NotMapped; 3]);
        assert_eq!(outcomes(0x7ffe_0000_0000, None), [Allowed, Allowed, Forbidden]);
        assert_eq!(outcomes(0x7fff_ffff_f000, None), [NotMapped; 3]);
        assert_eq!(outcomes(0x8000_0000_0000, None), [NotAnAddress; 3]);
        assert_eq!(outcomes(1 << 63, None), [NotAnAddress; 3]);
        assert_eq!(outcomes(0xffff_8880_0000_0000, None), [NotMapped; 3]);
    }

    #[test]
    fn a_stack_grows_within_its_limit_and_keeps_its_distance() {
        use Outcome::{Forbidden, MayGrow, NotMapped};
        let limit = Some(8 << 20);
        assert_eq!(outcomes(0x7ffd_ffff_f000, limit), [MayGrow, MayGrow, Forbidden]);
        assert_eq!(outcomes(0x7ffe_0002_1000 - (8 << 20), limit), [MayGrow, MayGrow, Forbidden]);
        assert_eq!(outcomes(0x7ffe_0002_0fff - (8 << 20), limit), [NotMapped; 3]);
        assert_eq!(outcomes(0x7ffd_8010_1000, None), [MayGrow, MayGrow, Forbidden]);
        assert_eq!(outcomes(0x7ffd_8010_0fff, None), [NotMapped; 3]);
    }

    #[test]
    fn the_page_of_legacy_calls_takes_calls_alone() {
        use Outcome::{Allowed, Forbidden, NotMapped};
        assert_eq!(outcomes(0xffff_ffff_ff60_0400, None), [NotMapped, NotMapped, Allowed]);
        assert_eq!(outcomes(0xffff_ffff_ff60_0010, None), [NotMapped, NotMapped, Forbidden]);
    }

    #[test]
    fn pages_decide_what_an_access_costs() {
        let snapshot = Snapshot::from_maps_text(TEXT).expect("good text");
        let words =
            |at: usize, page| of_mapping(&snapshot.mappings[at], Prot::READ, Some(PagemapEntry(page))).1;
        assert!(words(2, 0).contains("zeros"));
        assert!(words(2, 1 << 62).contains("major fault"));
        assert!(words(0, 0).contains("page cache"));
        assert_eq!(words(2, 1 << 63), "allowed");
    }
}
