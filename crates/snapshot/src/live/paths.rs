//! Where the file behind a mapping of a process can be opened by whoever may not open `map_files`.
//!
//! The kernel names a file as seen from the reader's root where it can be reached from there, else from the root of
//! the process's own mount namespace. The process may have changed its root besides.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use abi::FileId;

/// The paths where a file of this name may be found, likeliest first. `process`: its folder in `/proc`.
pub(super) fn candidates(process: &Path, name: &[u8]) -> Vec<PathBuf> {
    let path = proc_text::unescape(name);
    let Some(inside) = path.strip_prefix(b"/") else { return Vec::new() };
    let inside = Path::new(OsStr::from_bytes(inside));
    let root = process.join("root");
    // Its root is named in the same way: what lies below is the path as the process has it.
    let own = std::fs::read_link(&root).ok();
    let own = own.and_then(|own| Some(root.join(Path::new("/").join(inside).strip_prefix(own).ok()?)));
    let whole = [root.join(inside), Path::new("/").join(inside)];
    // The program can be opened even when it was deleted or its file system unmounted.
    own.into_iter().chain(whole).chain([process.join("exe")]).collect()
}

/// Whether this file is at a path.
pub(super) fn is_file(path: &Path, file: FileId) -> bool {
    let Ok(meta) = std::fs::metadata(path) else { return false };
    let found = super::file_id(&meta);
    meta.is_file() && found.ino == file.ino && (found.dev == file.dev || !has_one_device(path))
}

/// Whether the file system shows the same device number in `maps` and in `stat`. Some (btrfs, overlayfs) show two: of
/// those the inode's number must do. Elsewhere it does not: every tmpfs counts its files from the same number.
fn has_one_device(path: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const EXT4: i64 = 0xef53;
    const XFS: i64 = 0x5846_5342;
    rustix::fs::statfs(path).is_ok_and(|found| [TMPFS, EXT4, XFS].contains(&found.f_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_device_with_the_same_inode_is_another() {
        use std::os::unix::fs::MetadataExt;
        let own = std::fs::read_link("/proc/self/exe").expect("our own file");
        let meta = std::fs::metadata(&own).expect("our own file");
        let id = super::super::file_id(&meta);
        assert!(is_file(&own, id));
        assert!(is_file(Path::new("/proc/self/exe"), id));
        assert!(!is_file(&own, FileId { ino: meta.ino() + 1, ..id }));
        let other = FileId { dev: abi::DevId { major: id.dev.major + 1, ..id.dev }, ..id };
        assert_eq!(is_file(&own, other), !has_one_device(&own));
        assert!(!is_file(Path::new("/dev/null"), FileId::default()));
    }

    #[test]
    fn a_name_is_looked_for_below_the_root_of_the_process() {
        let found = candidates(Path::new("/proc/self"), b"/usr/a\\012b");
        let expected = ["root/usr/a\nb", "root/usr/a\nb", "/usr/a\nb", "exe"];
        let expected: Vec<PathBuf> = expected.map(|path| Path::new("/proc/self").join(path)).into();
        assert_eq!(found, expected);
        assert_eq!(candidates(Path::new("/proc/self"), b"[heap]"), Vec::<PathBuf>::new());
    }
}
