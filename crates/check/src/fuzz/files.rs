//! The files that programs map: kinds, modes, seals, several descriptions of one file.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use abi::{DevId, FileId};
use mm::{DescriptionId, FileKind, MapFile, ObjectId, OpenMode};
use sys::memfd::{add_seals, huge_memfd, sealable_memfd};

use super::error::FuzzError;
use super::pool::{HUGE, Pool};

const F_SEAL_WRITE: u32 = 0x8;
const F_SEAL_FUTURE_WRITE: u32 = 0x10;
const O_PATH: i32 = 0o10_000_000;

/// A file open in every process.
#[derive(Debug)]
pub struct FuzzFile {
    /// The description that the processes share.
    pub open: File,
    /// What the twin knows of it; `None` for a descriptor that can't be mapped from.
    pub map: Option<Arc<MapFile>>,
    /// The size that it has at the start of each program; `None`: it is never changed.
    pub bytes: Option<u64>,
}

impl FuzzFile {
    /// Tells whether its pages are of the pool.
    pub(crate) fn is_huge(&self) -> bool {
        self.map.as_ref().is_some_and(|map| map.kind == FileKind::Hugetlb)
    }
}

/// Which of two: may a file's size change?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Fixed,
    Changes,
}

const READ: OpenMode = OpenMode { read: true, write: false, append_only: false };
const WRITE: OpenMode = OpenMode { read: false, write: true, append_only: false };
const BOTH: OpenMode = OpenMode { read: true, write: true, append_only: false };

/// Makes the files of one world.
pub(crate) fn make(pool: Pool) -> Result<Vec<FuzzFile>, FuzzError> {
    let mut all = Files { made: Vec::new() };
    let memfd = File::from(sealable_memfd(c"vmatlas-fuzz")?);
    all.describe(&memfd, BOTH, 5 * 4096 + 100, Size::Changes)?;
    all.describe(&memfd, READ, 5 * 4096 + 100, Size::Fixed)?;
    all.describe(&memfd, BOTH, 5 * 4096 + 100, Size::Fixed)?;
    let (file, path) = named_file()?;
    all.describe(&file, BOTH, 3 * 4096 + 1, Size::Changes)?;
    all.describe(&file, READ, 3 * 4096 + 1, Size::Fixed)?;
    all.describe(&file, WRITE, 3 * 4096 + 1, Size::Fixed)?;
    fs::remove_file(&path).map_err(|error| FuzzError::Io("removing a file for programs", error))?;
    for seal in [F_SEAL_WRITE, F_SEAL_FUTURE_WRITE] {
        let sealed = File::from(sealable_memfd(c"vmatlas-sealed")?);
        all.describe(&sealed, BOTH, 4 * 4096, Size::Fixed)?;
        add_seals(sealed.as_fd(), seal)?;
        all.seal(seal);
    }
    all.device()?;
    all.unmappable()?;
    if pool.share() > 0 {
        let huge = File::from(huge_memfd(c"vmatlas-huge")?);
        all.describe(&huge, BOTH, 3 * HUGE, Size::Changes)?;
        all.describe(&huge, READ, 3 * HUGE, Size::Fixed)?;
    }
    Ok(all.made)
}

/// Makes a file with a name where the system keeps temporary ones.
fn named_file() -> Result<(File, PathBuf), FuzzError> {
    let thread = std::thread::current().id();
    let path = std::env::temp_dir().join(format!("vmatlas-fuzz-{}-{thread:?}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let file = file.map_err(|error| FuzzError::Io("making a file for programs", error))?;
    Ok((file, path))
}

struct Files {
    made: Vec<FuzzFile>,
}

impl Files {
    /// Opens a description of its own for a file, with a mode.
    fn describe(&mut self, file: &File, mode: OpenMode, bytes: u64, size: Size) -> Result<(), FuzzError> {
        file.set_len(bytes).map_err(|error| FuzzError::Io("sizing a file for programs", error))?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let open = File::options().read(mode.read).write(mode.write).open(path);
        let open = open.map_err(|error| FuzzError::Io("opening a file for programs again", error))?;
        let (kind, noexec) = kind(&open)?;
        let map = MapFile {
            object: ObjectId::File(identity(&open)?),
            description: DescriptionId::Known(self.made.len() as u64),
            kind,
            mode,
            bytes,
            seals: 0,
            noexec,
        };
        let bytes = (size == Size::Changes).then_some(bytes);
        self.made.push(FuzzFile { open, map: Some(Arc::new(map)), bytes });
        Ok(())
    }

    fn seal(&mut self, seals: u32) {
        if let Some(FuzzFile { map: Some(map), .. }) = self.made.last_mut() {
            Arc::make_mut(map).seals = seals;
        }
    }

    fn device(&mut self) -> Result<(), FuzzError> {
        let open = File::options().read(true).write(true).open("/dev/zero");
        let open = open.map_err(|error| FuzzError::Io("opening /dev/zero", error))?;
        self.special(open, FileKind::ZeroDevice, BOTH)
    }

    fn unmappable(&mut self) -> Result<(), FuzzError> {
        let failed = |error| FuzzError::Io("opening the root folder", error);
        let folder = File::open("/").map_err(failed)?;
        self.special(folder, FileKind::Unmappable, READ)?;
        let path = File::options().read(true).custom_flags(O_PATH).open("/").map_err(failed)?;
        self.made.push(FuzzFile { open: path, map: None, bytes: None });
        Ok(())
    }

    fn special(&mut self, open: File, kind: FileKind, mode: OpenMode) -> Result<(), FuzzError> {
        let map = MapFile {
            object: ObjectId::File(identity(&open)?),
            description: DescriptionId::Known(self.made.len() as u64),
            kind,
            mode,
            bytes: 0,
            seals: 0,
            noexec: false,
        };
        self.made.push(FuzzFile { open, map: Some(Arc::new(map)), bytes: None });
        Ok(())
    }
}

/// Returns what kind of file it is, as far as mapping it differs, and whether it may be executed.
///
/// # Errors
/// If the system does not tell.
pub fn kind(file: &File) -> Result<(FileKind, bool), FuzzError> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let path = CString::new(path).map_err(|error| FuzzError::Io("naming a file", error.into()))?;
    let system = sys::files::file_system(&path)?;
    let kind = match system.magic {
        // The file systems that place large mappings for huge pages: ext4, xfs, btrfs.
        0xef53 | 0x5846_5342 | 0x9123_683e => FileKind::Regular,
        // hugetlbfs
        0x9584_58f6 if system.block_bytes == 1 << 30 => FileKind::HugetlbGib,
        0x9584_58f6 => FileKind::Hugetlb,
        // tmpfs
        0x0102_1994 => FileKind::Shmem,
        _ => FileKind::RegularOther,
    };
    Ok((kind, system.noexec))
}

/// Returns the identity of a file as maps prints it.
///
/// # Errors
/// If the system does not tell.
pub fn identity(file: &File) -> Result<FileId, FuzzError> {
    let facts = file.metadata().map_err(|error| FuzzError::Io("asking for a file's identity", error))?;
    let dev = facts.dev();
    let major = (dev >> 8 & 0xfff | dev >> 32 & !0xfff) as u32;
    let minor = (dev & 0xff | dev >> 12 & !0xff) as u32;
    Ok(FileId { dev: DevId { major, minor }, ino: facts.ino() })
}
