//! Which driver is behind a file that is no regular one, by its name.

use mm::{Driver, FileKind};

/// What all nameless inodes of the kernel's are called by.
const ANON_INODE: &[u8] = b"anon_inode:";

/// Those of the nameless inodes that can be mapped, with the function that does it, and
const RINGS: [(&[u8], Driver); 3] = [
    // Linux: `kernel/events/core.c: perf_mmap`.
    (b"[perf_event]", Driver::Perf),
    // Linux: `io_uring/memmap.c: io_uring_mmap`.
    (b"[io_uring]", Driver::IoUring),
    // Linux: `kernel/bpf/syscall.c: bpf_map_mmap`.
    (b"bpf-map", Driver::Bpf),
];

/// those that have no memory to map (no `mmap` in `eventpoll_fops`, `eventfd_fops`, `timerfd_fops`, `signalfd_fops`,
/// `inotify_fops`, `fanotify_fops`, `pidfs_file_operations`, `userfaultfd_fops`, `fscontext_fops`, `bpf_prog_fops`, `bpf_link_fops`, `btf_fops`).
const WITHOUT_MEMORY: [&[u8]; 12] = [
    b"[eventpoll]",
    b"[eventfd]",
    b"[timerfd]",
    b"[signalfd]",
    b"inotify",
    b"[pidfd]",
    b"[fanotify]",
    b"[userfaultfd]",
    b"[fscontext]",
    b"bpf-prog",
    b"bpf_link",
    b"btf",
];

/// Devices that have no memory to map (`drivers/char/mem.c: devlist`, `drivers/tty/tty_io.c: tty_fops`).
const DEVICES_WITHOUT_MEMORY: [&[u8]; 8] = [
    b"/dev/null",
    b"/dev/full",
    b"/dev/random",
    b"/dev/urandom",
    b"/dev/kmsg",
    b"/dev/tty",
    b"/dev/console",
    b"/dev/ptmx",
];

/// Tells whether a name is that of a nameless inode: their file system lets nothing be executed.
///
/// Linux: `fs/anon_inodes.c: anon_inodefs_init_fs_context` (`SB_I_NOEXEC`).
pub(super) fn is_nameless_inode(path: &[u8]) -> bool {
    path.starts_with(ANON_INODE)
}

/// Tells what a device is when it is mapped.
pub(super) fn device(path: &[u8]) -> FileKind {
    if path.starts_with(b"/dev/zero") {
        FileKind::ZeroDevice
    } else if DEVICES_WITHOUT_MEMORY.contains(&path) || path.starts_with(b"/dev/pts/") {
        FileKind::Unmappable
    } else {
        FileKind::Special(Driver::Other)
    }
}

/// Tells what a nameless inode is when it is mapped; `None` if the name is no such one.
pub(super) fn nameless_inode(path: &[u8]) -> Option<FileKind> {
    let name = path.strip_prefix(ANON_INODE)?;
    if WITHOUT_MEMORY.contains(&name) {
        return Some(FileKind::Unmappable);
    }
    let known = RINGS.iter().find(|(ring, _)| *ring == name);
    Some(FileKind::Special(known.map_or(Driver::Other, |(_, driver)| *driver)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_known_by_name() {
        assert_eq!(nameless_inode(b"anon_inode:[perf_event]"), Some(FileKind::Special(Driver::Perf)));
        assert_eq!(nameless_inode(b"anon_inode:[eventfd]"), Some(FileKind::Unmappable));
        assert_eq!(nameless_inode(b"anon_inode:kvm-vcpu:0"), Some(FileKind::Special(Driver::Other)));
        assert_eq!(nameless_inode(b"socket:[12]"), None);
        assert_eq!(device(b"/dev/null"), FileKind::Unmappable);
        assert_eq!(device(b"/dev/pts/3"), FileKind::Unmappable);
        assert_eq!(device(b"/dev/zero"), FileKind::ZeroDevice);
        assert_eq!(device(b"/dev/dri/card0"), FileKind::Special(Driver::Other));
    }
}
