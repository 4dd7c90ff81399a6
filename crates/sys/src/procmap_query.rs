//! `PROCMAP_QUERY`: one mapping by its address, without reading the whole map (`fs/proc/task_mmu.c:
//! do_procmap_query`).

use std::fs::File;
use std::os::fd::AsRawFd;

use abi::{AddrRange, DevId, Errno, FileId, FileOff, Prot, VirtAddr};

use crate::os_error::{OsError, OsResult};

/// `_IOWR('f', 17, struct procmap_query)`.
const PROCMAP_QUERY: libc::c_ulong = 0xc068_6611;
const SHARED: u64 = 8;
const COVERING_OR_NEXT: u64 = 0x10;

/// A mapping, without its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueriedMapping {
    /// Where.
    pub range: AddrRange,
    /// The protection.
    pub prot: Prot,
    /// May be shared.
    pub shared: bool,
    /// Offset into the file, in bytes.
    pub offset: FileOff,
    /// The file, zeros for none.
    pub file: FileId,
    /// The size of its pages.
    pub page_bytes: u64,
}

/// Which mapping is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Find {
    /// The one that holds the address.
    Covering,
    /// That one, or else the first above it.
    CoveringOrNext,
}

/// `struct procmap_query`.
#[repr(C)]
#[derive(Default)]
struct Query {
    size: u64,
    query_flags: u64,
    query_addr: u64,
    vma_start: u64,
    vma_end: u64,
    vma_flags: u64,
    vma_page_size: u64,
    vma_offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    vma_name_size: u32,
    build_id_size: u32,
    vma_name_addr: u64,
    build_id_addr: u64,
}

/// Finds the mapping at an address; `None` where there is none.
///
/// `maps` is the open `/proc/PID/maps` of the memory.
///
/// # Errors
/// `ENOTTY` where the kernel has no such query (before Linux 6.11), `ESRCH` where the process has no memory.
pub fn query(maps: &File, addr: VirtAddr, find: Find) -> OsResult<Option<QueriedMapping>> {
    let mut arg = Query {
        size: size_of::<Query>() as u64,
        query_flags: match find {
            Find::Covering => 0,
            Find::CoveringOrNext => COVERING_OR_NEXT,
        },
        query_addr: addr.0,
        ..Query::default()
    };
    // SAFETY: `arg` is a valid `procmap_query` that asks for neither name nor build id, so it holds no pointer.
    let result = unsafe { libc::ioctl(maps.as_raw_fd(), PROCMAP_QUERY, &raw mut arg) };
    if result < 0 {
        let error = OsError::last("ioctl(PROCMAP_QUERY)");
        return if error.errno == Errno::ENOENT { Ok(None) } else { Err(error) };
    }
    Ok(Some(QueriedMapping {
        range: AddrRange { start: VirtAddr(arg.vma_start), end: VirtAddr(arg.vma_end) },
        prot: Prot(arg.vma_flags & 7),
        shared: arg.vma_flags & SHARED != 0,
        offset: FileOff(arg.vma_offset),
        file: FileId { dev: DevId { major: arg.dev_major, minor: arg.dev_minor }, ino: arg.inode },
        page_bytes: arg.vma_page_size,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_text_is_found() {
        let maps = File::open("/proc/self/maps").expect("our own");
        let here = VirtAddr(our_own_text_is_found as *const () as u64);
        let found = match query(&maps, here, Find::Covering) {
            Ok(found) => found.expect("we run there"),
            Err(error) => {
                assert_eq!(error.errno, Errno::ENOTTY, "only a kernel without it may refuse");
                println!("SKIPPED: our_own_text_is_found, {error}");
                return;
            }
        };
        assert!(found.range.contains(here));
        assert_eq!((found.prot, found.shared, found.page_bytes), (Prot::RX, false, 4096));
        assert_ne!(found.file.ino, 0);
        assert_eq!(query(&maps, VirtAddr(0), Find::Covering), Ok(None));
        let first =
            query(&maps, VirtAddr(0), Find::CoveringOrNext).expect("asked before").expect("has memory");
        assert!(first.range.start <= found.range.start);
    }
}
