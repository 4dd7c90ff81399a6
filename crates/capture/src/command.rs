//! The command to be run: found as a shell finds it, executed as a shell executes it.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use abi::Errno;
use recording::Bytes;
use sys::OsError;

/// Where commands are looked for if `PATH` is not set.
const PATH_DEFAULT: &str = "/bin:/usr/bin";
/// The status of a shell that finds no such command.
const NOT_FOUND: u8 = 127;
/// The status of a shell that finds a command it can't execute.
const NOT_EXECUTABLE: u8 = 126;

/// A command with its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    args: Vec<CString>,
    env: Vec<CString>,
    /// The files to try, in order.
    candidates: Vec<CString>,
}

/// A command that can't be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandError {
    /// The command's name.
    pub name: OsString,
    /// Why.
    pub errno: Errno,
}

impl CommandError {
    /// The exit status that a shell has for it: 127 where there is no such command, else 126.
    pub const fn status(&self) -> u8 {
        if self.errno.0 == Errno::ENOENT.0 || self.errno.0 == ENOTDIR { NOT_FOUND } else { NOT_EXECUTABLE }
    }
}

const ENOTDIR: u16 = 20;

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.display();
        let is_path = self.name.as_bytes().contains(&b'/');
        if self.errno == Errno::ENOENT && !is_path {
            return write!(f, "{name}: command not found");
        }
        // The text of the operating system without its number.
        let text = std::io::Error::from_raw_os_error(self.errno.0.into()).to_string();
        write!(f, "{name}: {}", text.split(" (os error").next().unwrap_or_default())
    }
}

impl std::error::Error for CommandError {}

impl Command {
    /// Looks a command up: a name with a slash is a path, any other is searched in `PATH`.
    ///
    /// # Errors
    /// If no such file is there, or none that may be executed.
    pub fn find(words: &[OsString]) -> Result<Self, CommandError> {
        let name = words.first().map(OsString::as_os_str).unwrap_or_default();
        let error = |errno| CommandError { name: name.to_owned(), errno };
        let text = |word: &OsStr| CString::new(word.as_bytes()).map_err(|_| error(Errno::EINVAL));
        let args = words.iter().map(|word| text(word)).collect::<Result<Vec<_>, _>>()?;
        let env = std::env::vars_os()
            .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
            .collect();
        let paths = if name.is_empty() {
            Vec::new()
        } else if name.as_bytes().contains(&b'/') {
            vec![name.to_owned()]
        } else {
            let path = std::env::var_os("PATH").unwrap_or_else(|| PATH_DEFAULT.into());
            std::env::split_paths(&path).map(|folder| folder.join(name).into_os_string()).collect()
        };
        let mut candidates = Vec::new();
        let mut why = Errno::ENOENT;
        for path in paths {
            // A path with a slash in front, so that `exec` does not take `./a` and `a` for different things.
            match check(Path::new(&path)) {
                Ok(()) => candidates.push(text(&path)?),
                Err(Errno::ENOENT) => {}
                Err(errno) => why = errno,
            }
        }
        if candidates.is_empty() { Err(error(why)) } else { Ok(Self { args, env, candidates }) }
    }

    /// The last part of the command's name.
    pub fn program(&self) -> OsString {
        let name = self.args.first().map(|name| OsStr::from_bytes(name.to_bytes())).unwrap_or_default();
        Path::new(name).file_name().unwrap_or(name).to_owned()
    }

    /// The command's name as it was given.
    pub(crate) fn name(&self) -> OsString {
        self.args.first().map(|name| OsString::from_vec(name.to_bytes().to_vec())).unwrap_or_default()
    }

    /// The words of the command.
    pub fn words(&self) -> Vec<Bytes> {
        self.args.iter().map(|arg| Bytes::from(arg.to_bytes())).collect()
    }

    /// Executes the command in place of this process; comes back only with an error.
    pub(crate) fn exec(&self) -> OsError {
        let mut error = OsError { call: "execve", errno: Errno::ENOENT };
        for candidate in &self.candidates {
            error = sys::process::exec(candidate, &self.args, &self.env);
            if error.errno == Errno::ENOEXEC {
                // A text without `#!` is a script of the shell.
                let script = [c"/bin/sh".to_owned(), candidate.clone()];
                let args: Vec<CString> =
                    script.into_iter().chain(self.args.iter().skip(1).cloned()).collect();
                return sys::process::exec(c"/bin/sh", &args, &self.env);
            }
            if !matches!(error.errno, Errno::ENOENT | Errno::EACCES | Errno(ENOTDIR)) {
                break;
            }
        }
        error
    }
}

/// Whether a file looks as if it could be executed.
fn check(path: &Path) -> Result<(), Errno> {
    let found = std::fs::metadata(path)
        .map_err(|error| Errno(error.raw_os_error().unwrap_or(i32::from(Errno::ENOENT.0)) as u16))?;
    // Root may execute what anybody may; the kernel decides for all others.
    if found.is_dir() || found.permissions().mode() & 0o111 == 0 { Err(Errno::EACCES) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str) -> Result<Command, CommandError> {
        Command::find(&[name.into(), "argument".into()])
    }

    #[test]
    fn commands_are_found_as_by_a_shell() {
        let command = find("sh").expect("there is a shell");
        assert_eq!(command.program(), "sh");
        assert_eq!(command.words()[1].as_ref(), b"argument");
        assert_eq!(find("/bin/sh").expect("there is a shell").program(), "sh");
    }

    #[test]
    fn errors_are_those_of_a_shell() {
        for (name, status, text) in [
            ("no-such-command", 127, "no-such-command: command not found"),
            ("/no/such/command", 127, "/no/such/command: No such file or directory"),
            ("/dev", 126, "/dev: Permission denied"),
            ("/proc/self/maps", 126, "/proc/self/maps: Permission denied"),
            ("/proc/self/maps/x", 127, "/proc/self/maps/x: Not a directory"),
            ("", 127, ": command not found"),
        ] {
            let error = find(name).expect_err(name);
            assert_eq!((error.status(), error.to_string().as_str()), (status, text));
        }
    }
}
