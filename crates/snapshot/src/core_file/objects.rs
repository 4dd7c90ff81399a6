//! The executables and libraries of a core: their headers from the core itself, else from the file of that
//! path on this machine.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use abi::{FileId, FileOff, VirtAddr};
use elf::{Image, ReadAt};

use crate::file::Pieces;
use crate::memory::Memory;
use crate::value::Object;

/// How much of a file's front is read.
const FRONT_BYTES: usize = 64 << 10;

/// The object of a file that is mapped from its beginning at `start`, if it is one.
pub(super) fn object(memory: &dyn Memory, file: FileId, path: &[u8], start: VirtAddr) -> Option<Object> {
    let mut front = vec![0; FRONT_BYTES];
    let got = memory.read(start, &mut front);
    front.truncate(got);
    let (image, soname) = if front.is_empty() {
        on_disk(path)?
    } else {
        let image = elf::read(&front).ok()?;
        let soname = elf::soname(&front[..], &image.segments);
        (image, soname)
    };
    Some(Object {
        file,
        path: path.into(),
        soname: soname.unwrap_or_default().into(),
        build_id: image.build_id.unwrap_or_default().into(),
        segments: image.segments,
    })
}

/// The file of that path, if it is there. Whether it is the same that was mapped is not known.
fn on_disk(path: &[u8]) -> Option<(Image, Option<Vec<u8>>)> {
    let path = Path::new(OsStr::from_bytes(path));
    // A pipe or a device may never end.
    let is_file = path.is_absolute() && std::fs::metadata(path).ok()?.is_file();
    let file = File::open(path).ok().filter(|_| is_file)?;
    let image = elf::read(&Pieces(&file).read_at(FileOff(0), FRONT_BYTES)).ok()?;
    let soname = elf::soname(&Pieces(&file), &image.segments);
    Some((image, soname))
}
