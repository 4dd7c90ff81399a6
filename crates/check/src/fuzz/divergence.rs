//! A difference between twin and kernel.

use std::fmt;

use super::line::{Act, Line};

/// A difference between twin and kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// The lines up to it, and perhaps a few after it.
    pub lines: Vec<Line>,
    /// The line that it showed at.
    pub at: usize,
    /// What differs.
    pub what: What,
    /// The twin's answer.
    pub twin: String,
    /// The kernel's answer.
    pub kernel: String,
    /// The twin's reasons.
    pub why: String,
    /// The twin's map or flags, where those differ.
    pub twin_map: String,
    /// The kernel's map or flags, where those differ.
    pub kernel_map: String,
}

/// What differs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum What {
    /// The result of a call or access.
    Answer,
    /// The map after it.
    Map,
    /// The flags of a mapping after it.
    Flags,
    /// The counters of the process at its end.
    Counters,
    /// Which pages are there, and how, after it.
    Pages,
    /// What is in the pages after it.
    Contents,
    /// What smaps says of a mapping at the end.
    Usage,
}

impl Divergence {
    /// Returns what makes two divergences alike: the act, what differs, and both answers where those do.
    pub fn likeness(&self) -> String {
        let act = self.lines.get(self.at).map_or("end", |line| match &line.act {
            Act::Call(call) => call.name(),
            Act::Limit(..) => "prlimit64",
            Act::Name { .. } => "prctl",
            Act::Bind { .. } => "mbind",
            Act::Attach { .. } => "shmat",
            Act::Load(_) => "load",
            Act::Store(_) => "store",
            Act::Fetch(_) => "fetch",
            Act::Get(_) => "get",
            Act::Put(..) => "put",
            Act::FileRead { .. } => "pread64",
            Act::FileWrite { .. } => "pwrite64",
            Act::Truncate { .. } => "ftruncate",
            Act::Crowd(_) => "crowd",
            Act::Fork => "fork",
            Act::Pointed { call, .. } => call.name(),
            Act::Uffd { .. } => "uffd",
            Act::Exit => "exit",
        });
        match self.what {
            What::Answer => {
                let kind = |answer: &str| {
                    let letters = |c: &char| c.is_ascii_alphabetic() || *c == '(';
                    answer.chars().filter(letters).collect::<String>()
                };
                format!("{act}: {} / {}", kind(&self.twin), kind(&self.kernel))
            }
            what => format!("{act}: {what:?}"),
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.lines.get(self.at) {
            writeln!(f, "# differs at: {line}")?;
        }
        writeln!(f, "# what: {:?}; twin: {}; kernel: {}", self.what, self.twin, self.kernel)?;
        writeln!(f, "# the twin's reasons: {}", self.why)?;
        for (name, map) in [("twin", &self.twin_map), ("kernel", &self.kernel_map)] {
            if !map.is_empty() {
                writeln!(f, "# {name}:")?;
                map.lines().try_for_each(|line| writeln!(f, "#   {line}"))?;
            }
        }
        Ok(())
    }
}
