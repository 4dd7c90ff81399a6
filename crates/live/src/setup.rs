//! How the origin is set up.

use std::os::fd::OwnedFd;

use abi::{Fd, Personality, Rlimit};
use sys::puppet::Library;

/// How the origin is set up.
#[derive(Debug)]
pub struct Setup {
    /// Files that every process holds open; [`Setup::fd`] gives their descriptors there.
    pub files: Vec<OwnedFd>,
    /// Whether the layout is random, and which way mappings are placed.
    pub personality: Personality,
    /// The stack limit, which decides where mappings end.
    pub stack_limit: Rlimit,
    /// The C library that it is linked with, if any: `malloc` and `free` are that library's.
    pub library: Option<Library>,
}

impl Setup {
    /// Tells whether a child may have an execution domain: where it may not, the layout is random.
    pub fn may_have(personality: Personality) -> bool {
        sys::puppet::may_have(personality)
    }

    /// Returns the descriptor that the file at this place of [`Setup::files`] has in the child.
    pub const fn fd(at: usize) -> Fd {
        Fd(sys::puppet::FIRST_FILE_FD + at as i32)
    }
}

impl Default for Setup {
    /// No files, the usual layout but not random, a stack of 8 MiB.
    fn default() -> Self {
        Self {
            files: Vec::new(),
            personality: Personality::ADDR_NO_RANDOMIZE,
            stack_limit: Rlimit { soft: 8 << 20, hard: Rlimit::INFINITY },
            library: None,
        }
    }
}
