//! Where the recording goes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use abi::Pid;

/// What happens to a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overwrite {
    /// It is written anew.
    Yes,
    /// It is left alone, which is an error.
    No,
}

/// The recording's name before the process is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// A path, in which `%p` stands for the process id, `%e` for the program's name, `%t` for the seconds since
    /// 1970 and `%%` for a percent sign.
    pub pattern: OsString,
    /// What happens to a file of that name.
    pub overwrite: Overwrite,
}

impl Output {
    /// The pattern where none is given.
    pub const PATTERN_DEFAULT: &str = "vmatlas.%e.%p.vmatlas";

    /// The path for a process that begins so many seconds after 1970.
    pub fn path(&self, pid: Pid, program: &OsStr, unix_s: u64) -> PathBuf {
        let mut path = Vec::new();
        let mut bytes = self.pattern.as_bytes().iter();
        while let Some(&byte) = bytes.next() {
            match (byte, bytes.as_slice().first()) {
                (b'%', Some(b'p')) => path.extend(pid.to_string().bytes()),
                (b'%', Some(b'e')) => path.extend(program.as_bytes()),
                (b'%', Some(b't')) => path.extend(unix_s.to_string().bytes()),
                (b'%', Some(b'%')) => path.push(b'%'),
                _ => {
                    path.push(byte);
                    continue;
                }
            }
            bytes.next();
        }
        PathBuf::from(OsString::from_vec(path))
    }

    /// Makes the file.
    ///
    /// # Errors
    /// `AlreadyExists` unless it may be overwritten; whatever the operating system says.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        match self.overwrite {
            Overwrite::Yes => File::create(path),
            Overwrite::No => File::create_new(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_filled_in() {
        let path = |pattern: &str| {
            let output = Output { pattern: pattern.into(), overwrite: Overwrite::No };
            output
                .path(Pid(42), OsStr::new("sort"), 1_700_000_000)
                .into_os_string()
                .into_string()
                .expect("UTF-8")
        };
        assert_eq!(path(Output::PATTERN_DEFAULT), "vmatlas.sort.42.vmatlas");
        assert_eq!(path("/tmp/100%%-%x%"), "/tmp/100%-%x%");
        assert_eq!(path("%t"), "1700000000");
    }
}
