//! What can be learnt of the files that are mapped.

use std::path::{Path, PathBuf};

use abi::Tid;
use capture::checkpoint::{Checkpointer, PagesWanted};
use recording::{Checkpoint, Reason};
use view::Facility::{DebugFiles, DeletedFiles};
use view::{Availability, Check};

const DEBUG_FILES: &str = "/usr/lib/debug/.build-id";

/// Tries each with our own executable and libraries.
pub(super) fn checks() -> Vec<Check> {
    let me = Tid(sys::process::own_pid().0);
    match Checkpointer::new(PagesWanted::No).read(me, Reason::Interval, &[]) {
        Ok(own) => vec![deleted_files(me, &own), debug_files(me, &own)],
        Err(error) => {
            let why = format!("our own map can't be read: {error}");
            vec![Check::new(DeletedFiles, Availability::Missing, why)]
        }
    }
}

fn deleted_files(me: Tid, own: &Checkpoint) -> Check {
    let Some(row) = own.maps.iter().find(|row| row.file.ino != 0) else {
        return Check::new(DeletedFiles, Availability::Missing, "no file is mapped here to try it with");
    };
    match std::fs::File::open(format!("/proc/{me}/map_files/{}", row.range)) {
        Ok(_) => {
            Check::new(DeletedFiles, Availability::Whole, "a mapped file was opened through its mapping")
        }
        Err(error) => {
            Check::new(DeletedFiles, Availability::Missing, format!("/proc/PID/map_files: {error}"))
        }
    }
}

/// The system's C library stands for all its libraries.
fn debug_files(me: Tid, own: &Checkpoint) -> Check {
    let is_libc =
        |name: &[u8]| name.rsplit(|byte| *byte == b'/').next().is_some_and(|name| name.starts_with(b"libc."));
    let Some(row) = own.maps.iter().find(|row| is_libc(&row.name)) else {
        return Check::new(DebugFiles, Availability::Missing, "no C library is mapped here to try it with");
    };
    let object = capture::objects::object(me, row);
    match debug_file(&object.build_id) {
        Some(path) if path.exists() => {
            Check::new(DebugFiles, Availability::Whole, format!("the C library's is {}", path.display()))
        }
        Some(_) => {
            Check::new(DebugFiles, Availability::Missing, "the C library has none under /usr/lib/debug")
        }
        None => Check::new(DebugFiles, Availability::Missing, "the C library has no build id to find its by"),
    }
}

fn debug_file(build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first()?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Path::new(DEBUG_FILES).join(format!("{first:02x}")).join(format!("{rest}.debug")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_file_is_named_by_its_build_id() {
        let path = debug_file(&[0xab, 0x01, 0xff]).expect("it has one");
        assert_eq!(path, Path::new("/usr/lib/debug/.build-id/ab/01ff.debug"));
        assert_eq!(debug_file(&[]), None);
    }
}
