//! Small identities: processes, threads, descriptors, files.

use core::fmt;

/// A process id (the thread group's leader), as seen from the recorder's pid namespace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Pid(pub i32);

/// A thread id, as seen from the recorder's pid namespace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Tid(pub i32);

/// A file descriptor of the traced process; any value may occur.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Fd(pub i32);

/// A device number, printed `major:minor` in hex as `/proc/PID/maps` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct DevId {
    /// The driver.
    pub major: u32,
    /// The instance.
    pub minor: u32,
}

/// The identity of a file: its device and inode number. Zero of both: no file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct FileId {
    /// The device of the file system.
    pub dev: DevId,
    /// The inode number in it.
    pub ino: u64,
}

macro_rules! display_number {
    ($($name:ident),*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        })*
    };
}
display_number!(Pid, Tid, Fd);

impl fmt::Display for DevId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}", self.major, self.minor)
    }
}
