//! What exec mapped, beside what it must map by its files.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use abi::{AddrRange, Pid, VirtAddr};
use mm::{Layout, Limits, Settings, VmFlags};
use recording::{ExecEvent, MapRow, MmId};
use timeline::twin::{ExecUnknown, Loaded, Shared, Twin};
use timeline::{Difference, compare};

/// As much of a file holds its program headers and its interpreter's name; where not, all of it is read.
const FRONT_BYTES: u64 = 64 << 10;
/// No file larger than that is read whole.
const WHOLE_BYTES_MAX: u64 = 1 << 30;

/// `AT_BASE`: where the interpreter was loaded.
const AT_BASE: u64 = 7;
/// `AT_ENTRY`: where the program begins to run.
const AT_ENTRY: u64 = 9;

/// What came of predicting an exec.
pub(super) enum Predicted {
    /// By its files the map is this; where the search for free places began is known better than by the map alone.
    Agrees(Layout),
    /// It differs there.
    Differs(Vec<Difference>),
    /// Its files can't be read, or do not say all.
    Unknown,
}

/// Lays a program out by its files and compares that with the kernel's map.
pub(super) fn predict(
    shared: &Shared,
    mm: MmId,
    exec: &ExecEvent,
    (limits, inherited): (Limits, Settings),
    (rows, flags): (&[MapRow], &[VmFlags]),
) -> Predicted {
    let Ok(program) = loaded(format!("/proc/{}/exe", exec.pid), exec, AT_ENTRY, rows) else {
        return Predicted::Unknown;
    };
    let interpreter = match &program.image.interpreter {
        None => None,
        Some(path) => match loaded(inside(exec.pid, path), exec, AT_BASE, rows) {
            Ok(interpreter) => Some(interpreter),
            Err(_) => return Predicted::Unknown,
        },
    };
    // What exec charges is charged to a copy.
    let twin = Twin::exec(
        &mut shared.clone(),
        mm,
        exec,
        (limits, inherited),
        (rows, flags),
        (&program, interpreter.as_ref()),
    );
    match twin {
        Ok(twin) => match differences(&twin, rows, flags) {
            found if found.is_empty() => Predicted::Agrees(twin.space().layout().clone()),
            found => Predicted::Differs(found),
        },
        Err(ExecUnknown::Refused(_)) => Predicted::Differs(compare(rows, &[], &[]).differences),
        Err(ExecUnknown::Base | ExecUnknown::Facts) => Predicted::Unknown,
    }
}

/// Where the lines differ, or their flags do.
fn differences(twin: &Twin, rows: &[MapRow], flags: &[VmFlags]) -> Vec<Difference> {
    let ours = twin.rows();
    let found = compare(rows, &ours, &[]).differences;
    if !found.is_empty() {
        return found;
    }
    let lines = rows.iter().zip(flags).zip(ours.iter().zip(twin.printed_flags()));
    let differ = lines.filter(|((_, kernel), (_, twin))| *kernel != twin);
    let with_flags = |row: &MapRow, flags: VmFlags| MapRow {
        name: format!("{flags:?}").into_bytes().into(),
        ..row.clone()
    };
    differ
        .map(|((row, kernel), (our, twin))| Difference {
            range: row.range,
            kernel: vec![with_flags(row, *kernel)],
            twin: vec![with_flags(our, twin)],
        })
        .collect()
}

/// The path of a process as this one reaches it.
fn inside(pid: Pid, path: &[u8]) -> PathBuf {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    Path::new(&format!("/proc/{pid}/root")).join(path.strip_prefix("/").unwrap_or(path))
}

/// Reads a file that exec has loaded; which one it is, the kernel's line says that holds an address of it.
fn loaded(path: impl AsRef<Path>, exec: &ExecEvent, key: u64, rows: &[MapRow]) -> io::Result<Loaded> {
    let kind = capture::file_kind(path.as_ref());
    let file = File::open(path)?;
    let about = file.metadata()?;
    let at = exec.auxv.iter().find(|(known, _)| *known == key).map(|(_, at)| VirtAddr(*at));
    let holds = |range: AddrRange| at.is_some_and(|at| range.contains(at));
    let row = rows.iter().find(|row| holds(row.range) && row.file.ino == about.ino());
    let row = row.ok_or(io::ErrorKind::NotFound)?;
    let mut bytes = Vec::new();
    (&file).take(FRONT_BYTES).read_to_end(&mut bytes)?;
    let image = match elf::read(&bytes) {
        Ok(image) => image,
        Err(_) if about.len() > FRONT_BYTES && about.len() <= WHOLE_BYTES_MAX => {
            (&file).read_to_end(&mut bytes)?;
            elf::read(&bytes).map_err(|error| io::Error::other(error.to_string()))?
        }
        Err(error) => return Err(io::Error::other(error.to_string())),
    };
    Ok(Loaded { file: row.file, path: row.name.clone(), bytes: about.len(), kind, image })
}
