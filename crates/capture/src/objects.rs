//! Executables and libraries, told once each when they are first mapped.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use abi::{FileId, Prot, Tid};
use recording::{MapRow, ObjectEvent, Segment};

/// Bytes that hold the headers of nearly every file, and mostly the notes too.
const FRONT_BYTES: u64 = 16 << 10;
/// The notes are looked for up to here.
const NOTES_END_MAX: u64 = 4 << 20;
/// Files remembered as told.
const FILES_MAX: usize = 1 << 16;
const PT_NOTE: u32 = 4;
const O_NONBLOCK: i32 = 0o4000;

/// Remembers which files were told.
#[derive(Debug, Default)]
pub struct ObjectsTold {
    files: HashSet<FileId>,
}

impl ObjectsTold {
    /// Looks through a map and tells of each executable or library that was not told before, as `thread`'s process
    /// sees it.
    pub fn tell(&mut self, thread: Tid, rows: &[MapRow], mut each: impl FnMut(ObjectEvent)) {
        for row in rows.iter().filter(|row| row.prot.contains(Prot::EXEC) && row.file != FileId::default()) {
            if self.is_new(row.file) {
                each(object(thread, row));
            }
        }
    }

    /// Tells whether a file was not told before, and remembers it.
    pub fn is_new(&mut self, file: FileId) -> bool {
        if self.files.len() >= FILES_MAX {
            // Telling twice is harmless; remembering without end is not.
            self.files.clear();
        }
        self.files.insert(file)
    }
}

/// Reads what a mapped file says of itself. Where it cannot be read any more, build id and segments are empty.
pub fn object(thread: Tid, row: &MapRow) -> ObjectEvent {
    let image = open(thread, row).and_then(|file| read(&file)).ok();
    let (build_id, segments) = image.map_or_else(Default::default, |image| {
        let segments: Vec<Segment> = image.segments.iter().map(segment).collect();
        (image.build_id.unwrap_or_default(), segments)
    });
    ObjectEvent {
        file: row.file,
        path: row.name.clone(),
        build_id: build_id.into(),
        segments: Arc::from(segments),
    }
}

/// Opens the very file that is mapped, deleted or not, where that is permitted; else what has its name now, if it
/// is still the same inode.
fn open(thread: Tid, row: &MapRow) -> io::Result<File> {
    let range = row.range;
    if let Ok(file) = File::open(format!("/proc/{thread}/map_files/{range}")) {
        return Ok(file);
    }
    let name = proc_text::unescape(&row.name);
    let mut path = format!("/proc/{thread}/root").into_bytes();
    path.extend_from_slice(&name);
    let path = PathBuf::from(std::ffi::OsString::from_vec(path));
    // The device is no help: some file systems give files another one than their mappings show.
    let same = |found: &Metadata| found.is_file() && found.ino() == row.file.ino;
    // Only a regular file is opened at all, and without waiting should it be another thing a moment later.
    if same(&path.metadata()?) {
        let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path)?;
        if same(&file.metadata()?) {
            return Ok(file);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn read(file: &File) -> io::Result<elf::Image> {
    let not_elf = |error: elf::ElfError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let mut bytes = Vec::new();
    file.take(FRONT_BYTES).read_to_end(&mut bytes)?;
    let image = elf::read(&bytes).map_err(not_elf)?;
    let notes = image.segments.iter().filter(|segment| raw_kind(segment.kind) == PT_NOTE);
    let notes_end =
        notes.filter_map(|segment| segment.offset.0.checked_add(segment.file_bytes)).max().unwrap_or(0);
    let have = bytes.len() as u64;
    if image.build_id.is_some() || notes_end <= have || notes_end > NOTES_END_MAX {
        return Ok(image);
    }
    bytes.resize(usize::try_from(notes_end).unwrap_or(0), 0);
    file.read_exact_at(&mut bytes[have as usize..], have)?;
    elf::read(&bytes).map_err(not_elf)
}

const fn raw_kind(kind: elf::SegmentKind) -> u32 {
    match kind {
        elf::SegmentKind::Load => 1,
        elf::SegmentKind::Tls => 7,
        elf::SegmentKind::Stack => 0x6474_e551,
        elf::SegmentKind::Relro => 0x6474_e552,
        elf::SegmentKind::Other(raw) => raw,
    }
}

fn segment(segment: &elf::Segment) -> Segment {
    let elf::Segment { kind, prot, offset, addr, file_bytes, memory_bytes, align } = *segment;
    let rights = [(Prot::EXEC, 1), (Prot::WRITE, 2), (Prot::READ, 4)];
    let flags = rights.iter().filter(|(right, _)| prot.contains(*right)).map(|(_, bit)| bit).sum();
    Segment { kind: raw_kind(kind), flags, offset: offset.0, vaddr: addr.0, file_bytes, memory_bytes, align }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpointer, PagesWanted};
    use recording::Reason;

    #[test]
    fn each_object_is_told_once() {
        let me = Tid(std::process::id().cast_signed());
        let mut checkpointer = Checkpointer::new(PagesWanted::No);
        let checkpoint = checkpointer.read(me, Reason::Exec, &[]).expect("our own");
        let mut told = ObjectsTold::default();
        let mut objects = Vec::new();
        told.tell(me, &checkpoint.maps, |object| objects.push(object));
        assert!(objects.len() >= 2, "ourselves and the C library");
        let libc =
            objects.iter().find(|object| object.path.windows(5).any(|part| part == b"libc.")).expect("libc");
        assert!(libc.segments.iter().any(|segment| segment.kind == 1 && segment.flags == 5));
        assert!(!libc.build_id.is_empty());
        told.tell(me, &checkpoint.maps, |object| panic!("told twice: {object:?}"));
    }
}
