//! What the files on disk say of an address: section, symbol, line of the source.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use abi::{FileId, FileOff, Pid, VirtAddr};
use snapshot::{Leaf, Moment, Owner, Snapshot};
use stacks::{DebugFiles, ObjectFile, Symbolizer};
use view::{Place, words};

use super::found::Found;

/// Larger files are not read whole for their symbols.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// Finds out what is known of an address that belongs to an object; `None` for any other.
pub(super) fn find(found: &Found, leaf: &Leaf, address: VirtAddr) -> Option<Place> {
    let Some(Owner::Object(object)) = leaf.owner else { return None };
    let own = snapshot::own_address(&found.snapshot, object, address)?;
    let path = path_of(found, object)?;
    let mut place = Place::default();
    if let Some(bytes) = read_whole(&path)
        && let Ok(image) = elf::read(&bytes)
    {
        let section = image.sections.iter().find(|section| section.range.contains(own));
        place.section = section.map(|section| offset(&section.name, own.0 - section.range.start.0));
        let symbols = elf::symbols(&bytes).map(|(_, symbols)| symbols).unwrap_or_default();
        let symbol = elf::symbol_at(&symbols, own);
        place.symbol = symbol.map(|symbol| offset(&symbol.name, own.0 - symbol.range.start.0));
    }
    lines(&path, own, &mut place);
    Some(place)
}

/// The bytes of a file that is one, and not too large.
pub(super) fn read_whole(path: &Path) -> Option<Vec<u8>> {
    let is_fit = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX);
    if is_fit { std::fs::read(path).ok() } else { None }
}

/// A symbol's name for people.
pub(super) fn symbol_name(name: &[u8]) -> String {
    let name = std::str::from_utf8(name).map_or_else(|_| words::printable(name), stacks::demangle);
    words::printable(name.as_bytes())
}

/// Functions and lines, inlined functions first; the debugging information may be in a file of its own.
fn lines(path: &Path, own: VirtAddr, place: &mut Place) {
    let Ok(object) = ObjectFile::open(path) else { return };
    let mut symbolizer = Symbolizer::new(DebugFiles::from_environment());
    for frame in symbolizer.frames(&object, stacks::ObjectAddr(own.0)) {
        let function = frame.function.as_deref().map(|name| words::printable(name.as_bytes()));
        let line = frame.line.map(|line| format!(":{line}")).unwrap_or_default();
        let file = frame.file.as_deref().map(|file| words::printable(file.as_bytes()) + &line);
        match (function, file) {
            (Some(function), Some(file)) if frame.is_inlined => {
                place.source.push(format!("{file} in {function}, inlined into"));
            }
            (Some(function), Some(file)) => place.source.push(format!("{file} in {function}")),
            (None, Some(file)) => place.source.push(file),
            // The function alone is what the symbol says.
            (Some(function), None) if place.symbol.is_none() => place.symbol = Some(function),
            _ => {}
        }
    }
}

fn offset(name: &[u8], bytes: u64) -> String {
    format!("{} + {bytes:#x}", symbol_name(name))
}

/// The file of an object, as the process has it: also one that was deleted, or of a container. `None` where the
/// file of that path is another by now.
pub(super) fn path_of(found: &Found, object: usize) -> Option<PathBuf> {
    let object = found.snapshot.objects.get(object)?;
    if let (Moment::Now, Some(pid)) = (found.snapshot.moment, found.facts.pid) {
        let mapping = first_mapping(&found.snapshot, object.file)?;
        return snapshot::mapped_path(Pid(pid), mapping);
    }
    let is_same = |path: &PathBuf| {
        let file = ObjectFile::open(path);
        file.is_ok_and(|file| object.build_id.is_empty() || file.build_id() == &*object.build_id)
    };
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    // A file that was replaced since may be the same again: its build id tells.
    let replaced = (!object.build_id.is_empty()).then(|| path(proc_text::without_deleted(&object.path)));
    let candidates = [Some(path(&object.path)), replaced, by_build_id(&object.build_id)];
    candidates.into_iter().flatten().find(is_same)
}

/// Where distributions keep the symbols of a file with this build id.
fn by_build_id(build_id: &[u8]) -> Option<PathBuf> {
    let digits: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let (folder, file) = digits.split_at_checked(2)?;
    Some(PathBuf::from(format!("/usr/lib/debug/.build-id/{folder}/{file}.debug")))
}

fn first_mapping(snapshot: &Snapshot, file: FileId) -> Option<&snapshot::Mapping> {
    let of_file = || snapshot.mappings.iter().filter(|mapping| mapping.file == file);
    of_file().find(|mapping| mapping.offset == FileOff(0)).or_else(|| of_file().next())
}
