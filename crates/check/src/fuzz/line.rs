//! A program of the fuzzer: lines that say who does what, as values and as text.

use std::fmt::{self, Write as _};

use abi::{Call, Resource, Rlimit, ShmFlags, VirtAddr};

/// What one process does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// A memory call whose arguments say everything.
    Call(Call),
    /// `prlimit64` of the own process.
    Limit(Resource, Rlimit),
    /// `prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME)`.
    Name {
        /// Where.
        addr: VirtAddr,
        /// How many bytes.
        len: u64,
        /// The name; `None` takes it away.
        name: Option<Vec<u8>>,
    },
    /// `mbind` with a node mask of one word.
    Bind {
        /// Where.
        addr: VirtAddr,
        /// How many bytes.
        len: u64,
        /// `MPOL_*`.
        mode: u64,
        /// One bit a node.
        nodes: u64,
        /// `MPOL_MF_*`.
        flags: u64,
    },
    /// `shmat` of one of the world's segments, by its place in their list.
    Attach {
        /// Which; there may be none there.
        segment: usize,
        /// Where.
        addr: VirtAddr,
        /// `SHM_*`.
        flags: ShmFlags,
    },
    /// A call with words behind one of its pointers.
    Pointed {
        /// The call; the pointer's register is set when it is done, and the descriptor of a userfaultfd.
        call: Call,
        /// Which register points to the words.
        arg: usize,
        /// The words.
        words: Vec<u64>,
    },
    /// Makes the userfaultfd of the process, once.
    Uffd {
        /// `UFFD_FEATURE_*`.
        features: u64,
    },
    /// Loads a byte.
    Load(VirtAddr),
    /// Stores a byte.
    Store(VirtAddr),
    /// Fetches an instruction.
    Fetch(VirtAddr),
    /// Loads eight bytes.
    Get(VirtAddr),
    /// Stores eight bytes.
    Put(VirtAddr, u64),
    /// Reads from a file.
    FileRead {
        /// Which, by its place in the list of files.
        file: usize,
        /// From where on.
        offset: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// Writes to a file, all bytes the same.
    FileWrite {
        /// Which, by its place in the list of files.
        file: usize,
        /// From where on.
        offset: u64,
        /// How many bytes.
        bytes: u64,
        /// Which byte.
        fill: u8,
    },
    /// Gives a file another size.
    Truncate {
        /// Which, by its place in the list of files.
        file: usize,
        /// The size in bytes.
        bytes: u64,
    },
    /// Makes so many mappings, far from everything else: the count of mappings comes near its limit.
    Crowd(u64),
    /// Forks; the child gets the next free number.
    Fork,
    /// Ends.
    Exit,
}

/// One line: the number of a process, and what it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The process: 0 is the first, forks give 1, 2 and so on.
    pub who: usize,
    /// What it does.
    pub act: Act,
}

/// The privileges that a program runs with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privilege {
    /// Those of the fuzzer.
    Kept,
    /// None.
    Dropped,
}

/// A program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// Its privileges.
    pub privilege: Privilege,
    /// What is done, in order.
    pub lines: Vec<Line>,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) => {
                f.write_str("call")?;
                write_call(f, *call)
            }
            Self::Pointed { call, arg, words } => {
                write!(f, "words {arg} {}", words.len())?;
                words.iter().try_for_each(|word| write!(f, " {word:#x}"))?;
                write_call(f, *call)
            }
            Self::Uffd { features } => write!(f, "uffd {features:#x}"),
            Self::Limit(resource, limit) => {
                write!(f, "limit {} {:#x} {:#x}", resource.0, limit.soft, limit.hard)
            }
            Self::Name { addr, len, name } => {
                write!(f, "name {addr:#x} {len:#x} ")?;
                match name {
                    Some(name) if name.is_empty() => f.write_str("empty"),
                    Some(name) => name.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
                    None => f.write_char('-'),
                }
            }
            Self::Bind { addr, len, mode, nodes, flags } => {
                write!(f, "bind {addr:#x} {len:#x} {mode:#x} {nodes:#x} {flags:#x}")
            }
            Self::Attach { segment, addr, flags } => write!(f, "attach {segment} {addr:#x} {:#x}", flags.0),
            Self::Load(addr) => write!(f, "load {addr:#x}"),
            Self::Store(addr) => write!(f, "store {addr:#x}"),
            Self::Fetch(addr) => write!(f, "fetch {addr:#x}"),
            Self::Get(addr) => write!(f, "get {addr:#x}"),
            Self::Put(addr, word) => write!(f, "put {addr:#x} {word:#x}"),
            Self::FileRead { file, offset, bytes } => write!(f, "fileread {file} {offset:#x} {bytes:#x}"),
            Self::FileWrite { file, offset, bytes, fill } => {
                write!(f, "filewrite {file} {offset:#x} {bytes:#x} {fill:#x}")
            }
            Self::Truncate { file, bytes } => write!(f, "truncate {file} {bytes:#x}"),
            Self::Crowd(mappings) => write!(f, "crowd {mappings}"),
            Self::Fork => f.write_str("fork"),
            Self::Exit => f.write_str("exit"),
        }
    }
}

fn write_call(f: &mut fmt::Formatter<'_>, call: Call) -> fmt::Result {
    let (nr, args) = call.encode_x86_64();
    write!(f, " {nr}")?;
    for arg in args {
        write!(f, " {arg:#x}")?;
    }
    write!(f, "   # {call}")
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.who, self.act)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let privilege = if self.privilege == Privilege::Kept { "kept" } else { "dropped" };
        writeln!(f, "privilege {privilege}")?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Program {
    /// Reads a program's text.
    ///
    /// # Errors
    /// The number of the line that is none, and its text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut program = Self { privilege: Privilege::Kept, lines: Vec::new() };
        for (index, full) in text.lines().enumerate() {
            let line = full.split('#').next().unwrap_or_default().trim();
            match line {
                "" | "privilege kept" => {}
                "privilege dropped" => program.privilege = Privilege::Dropped,
                line => {
                    let parsed = parse_line(line);
                    program.lines.push(parsed.ok_or_else(|| format!("line {}: {full}", index + 1))?);
                }
            }
        }
        Ok(program)
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let (who, act) = line.split_once(' ')?;
    Some(Line { who: who.parse().ok()?, act: Act::parse(act)? })
}

impl Act {
    /// Reads an act's text.
    pub fn parse(text: &str) -> Option<Self> {
        parse_act(text)
    }
}

fn parse_act(text: &str) -> Option<Act> {
    let mut words = text.split_whitespace();
    let verb = words.next()?;
    let rest: Vec<&str> = words.collect();
    let number = |at: usize| rest.get(at).and_then(|word| parse_number(word));
    Some(match verb {
        "call" => Act::Call(parse_call(&rest)?),
        "words" => {
            let count = number(1)? as usize;
            let words: Option<Vec<u64>> =
                rest.get(2..2 + count)?.iter().map(|word| parse_number(word)).collect();
            Act::Pointed {
                call: parse_call(rest.get(2 + count..)?)?,
                arg: number(0)? as usize,
                words: words?,
            }
        }
        "uffd" => Act::Uffd { features: number(0)? },
        "limit" => Act::Limit(Resource(number(0)? as u32), Rlimit { soft: number(1)?, hard: number(2)? }),
        "name" => {
            let name = match *rest.get(2)? {
                "-" => None,
                "empty" => Some(Vec::new()),
                text => Some(parse_bytes(text)?),
            };
            Act::Name { addr: VirtAddr(number(0)?), len: number(1)?, name }
        }
        "bind" => Act::Bind {
            addr: VirtAddr(number(0)?),
            len: number(1)?,
            mode: number(2)?,
            nodes: number(3)?,
            flags: number(4)?,
        },
        "attach" => Act::Attach {
            segment: number(0)? as usize,
            addr: VirtAddr(number(1)?),
            flags: ShmFlags(number(2)?),
        },
        "load" => Act::Load(VirtAddr(number(0)?)),
        "store" => Act::Store(VirtAddr(number(0)?)),
        "fetch" => Act::Fetch(VirtAddr(number(0)?)),
        "get" => Act::Get(VirtAddr(number(0)?)),
        "put" => Act::Put(VirtAddr(number(0)?), number(1)?),
        "fileread" => Act::FileRead { file: number(0)? as usize, offset: number(1)?, bytes: number(2)? },
        "filewrite" => Act::FileWrite {
            file: number(0)? as usize,
            offset: number(1)?,
            bytes: number(2)?,
            fill: u8::try_from(number(3)?).ok()?,
        },
        "truncate" => Act::Truncate { file: number(0)? as usize, bytes: number(1)? },
        "crowd" => Act::Crowd(number(0)?),
        "fork" => Act::Fork,
        "exit" => Act::Exit,
        _ => return None,
    })
}

fn parse_call(words: &[&str]) -> Option<Call> {
    let mut args = [0; 6];
    for (at, arg) in args.iter_mut().enumerate() {
        *arg = parse_number(words.get(at + 1)?)?;
    }
    Call::decode_x86_64(parse_number(words.first()?)? as u32, args)
}

fn parse_number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

fn parse_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

impl Default for Program {
    fn default() -> Self {
        Self { privilege: Privilege::Kept, lines: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_round_trips() {
        let addr = VirtAddr(0x1000);
        let acts = [
            Act::Call(Call::Munmap { addr, len: 4096 }),
            Act::Limit(Resource::AS, Rlimit { soft: 1, hard: u64::MAX }),
            Act::Name { addr, len: 1, name: Some(b"a b".to_vec()) },
            Act::Name { addr, len: 1, name: None },
            Act::Name { addr, len: 1, name: Some(Vec::new()) },
            Act::Bind { addr, len: 1, mode: 2, nodes: 1, flags: 0 },
            Act::Attach { segment: 1, addr, flags: ShmFlags::RDONLY },
            Act::Pointed { call: Call::IoSetup { events: 3, ctx: addr }, arg: 1, words: vec![0, 7] },
            Act::Uffd { features: 1 << 15 },
            Act::Load(addr),
            Act::Store(addr),
            Act::Fetch(addr),
            Act::Get(addr),
            Act::Put(addr, u64::MAX),
            Act::FileRead { file: 1, offset: 4095, bytes: 2 },
            Act::FileWrite { file: 1, offset: 4095, bytes: 2, fill: 0x90 },
            Act::Truncate { file: 1, bytes: 4097 },
            Act::Crowd(65_000),
            Act::Fork,
            Act::Exit,
        ];
        let lines = acts.into_iter().enumerate().map(|(who, act)| Line { who, act }).collect();
        let program = Program { privilege: Privilege::Dropped, lines };
        assert_eq!(Program::parse(&program.to_string()), Ok(program));
    }

    #[test]
    fn a_bad_line_is_named() {
        assert_eq!(Program::parse("0 fork\n0 jump 1\n"), Err("line 2: 0 jump 1".into()));
    }
}
