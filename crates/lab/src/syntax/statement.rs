//! A statement as it was written: names are not looked up yet.

use abi::{Advice, Errno, MapFlags, MlockFlags, MlockallFlags, MsyncFlags, Prot, RemapFlags, Resource};

use check::fuzz::{Act, Direction, Privilege};

use super::span::Span;

/// A name as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Name {
    /// The name.
    pub(crate) text: String,
    /// Where.
    pub(crate) span: Span,
}

/// A sum of numbers and names: an address, a length, an offset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Expr {
    /// What is added; the first one is never taken away.
    pub(crate) terms: Vec<(Give, Term, Span)>,
}

impl Expr {
    /// Where the whole sum stands.
    pub(crate) fn span(&self) -> Span {
        match (self.terms.first(), self.terms.last()) {
            (Some((_, _, first)), Some((_, _, last))) => first.to(*last),
            _ => Span::default(),
        }
    }
}

/// Whether a term is added or taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Give {
    /// `+`
    Add,
    /// `-`
    Take,
}

/// A part of a sum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Term {
    /// A number.
    Number(u64),
    /// A name.
    Name(String),
}

/// A line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Statement {
    /// Who does it: a process or thread by its name; else whoever is at it.
    pub(crate) who: Option<Name>,
    /// The name that its answer gets.
    pub(crate) bind: Option<Name>,
    /// What is done.
    pub(crate) step: Step,
    /// The word that says what is done.
    pub(crate) span: Span,
}

/// What a new mapping shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Backing {
    /// Zeros.
    Anonymous,
    /// A file from an offset on.
    File(Name, Option<Expr>),
    /// A descriptor that is not open.
    BadDescriptor,
}

/// What is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Mmap {
        len: Expr,
        prot: Prot,
        flags: MapFlags,
        backing: Backing,
        at: Option<Expr>,
    },
    Munmap {
        addr: Expr,
        len: Expr,
    },
    Mprotect {
        addr: Expr,
        len: Expr,
        prot: Prot,
    },
    Mremap {
        addr: Expr,
        old: Expr,
        new: Expr,
        flags: RemapFlags,
        to: Option<Expr>,
    },
    Madvise {
        addr: Expr,
        len: Expr,
        advice: Advice,
    },
    Mlock {
        addr: Expr,
        len: Expr,
        flags: MlockFlags,
    },
    Munlock {
        addr: Expr,
        len: Expr,
    },
    Mlockall {
        flags: MlockallFlags,
    },
    Munlockall,
    Msync {
        addr: Expr,
        len: Expr,
        flags: MsyncFlags,
    },
    Mincore {
        addr: Expr,
        len: Expr,
    },
    Mseal {
        addr: Expr,
        len: Expr,
    },
    /// `brk`, `brk ADDR`, `brk +64K`: the last is told by its sign.
    Brk(Option<(Option<Give>, Expr)>),
    Limit {
        resource: Resource,
        soft: Option<Expr>,
    },
    /// One byte of each page of a range.
    Touch {
        addr: Expr,
        len: Option<Expr>,
        how: Touch,
    },
    Read {
        from: Place,
        len: Expr,
    },
    Write {
        to: Place,
        bytes: Vec<u8>,
    },
    Fill {
        to: Place,
        len: Expr,
        byte: Expr,
    },
    Exec {
        addr: Expr,
    },
    File {
        content: Content,
        mode: Mode,
        kind: Kind,
    },
    Open {
        file: Name,
        mode: Mode,
    },
    Truncate {
        file: Name,
        bytes: Expr,
    },
    Fork,
    Thread {
        stack: Option<Expr>,
    },
    Exit,
    Switch(Name),
    Call {
        function: Name,
        bytes: Expr,
    },
    Return,
    Malloc {
        bytes: Expr,
    },
    Free {
        addr: Expr,
    },
    Let(Expr),
    Show(What),
    Expect(Expectation),
    /// Begins in the fuzzer's world.
    Fuzz(Direction, Privilege),
    /// An act of a fuzzer's program.
    Raw(Act),
    Undo,
    Goto(Expr),
    Repeat(Expr, Box<Statement>),
    Help(Option<Name>),
    Quit,
    /// A comment or nothing.
    Nothing,
}

/// How a page is touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Touch {
    /// By a load.
    Read,
    /// By a store.
    Write,
}

/// Where bytes are read or written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In memory.
    Memory(Expr),
    /// In a file, as another process sees it: from an offset on.
    File(Name, Expr),
}

/// What a new file holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// So many bytes: the alphabet again and again.
    Alphabet(Expr),
    /// A text.
    Text(Vec<u8>),
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// For reading and writing.
    Both,
    /// For reading.
    ReadOnly,
    /// For writing.
    WriteOnly,
}

/// What kind of file is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// One of a file system.
    Disk,
    /// One in memory.
    Memory,
}

/// What is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// The whole map.
    Maps,
    /// The state of each page of a range.
    Pages(Expr, Expr),
    /// What smaps says of the mapping that holds an address.
    Smaps(Expr),
    /// The reasons of the last answer.
    Why,
    /// The frames on the present stack.
    Frames,
    /// The names.
    Names,
    /// The executable's program headers.
    Elf,
}

/// What the line before must have answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Expectation {
    /// No errno and no signal.
    Success,
    /// An errno.
    Errno(Errno),
    /// A signal, its code, perhaps its address.
    Signal {
        /// The number.
        signal: i32,
        /// `si_code`.
        code: Option<i32>,
        /// `si_addr`.
        at: Option<Expr>,
    },
    /// A value.
    Value(Expr),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Bytes that are all zero.
    Zeros,
    /// What is mapped in a range now.
    Maps {
        /// Its first address.
        addr: Expr,
        /// Its length.
        len: Expr,
        /// The mappings and holes in it.
        pieces: Vec<Piece>,
    },
    /// The state of the pages of a range now.
    Pages {
        /// Its first address.
        addr: Expr,
        /// Its length.
        len: Expr,
        /// The states in it.
        pieces: Vec<Piece>,
    },
    /// The twin's reasons hold this text.
    Why(Vec<u8>),
}

/// A part of a range, and how long it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    /// What is there.
    pub(crate) kind: PieceKind,
    /// How long.
    pub(crate) len: Expr,
    /// Where it is written.
    pub(crate) span: Span,
}

/// What a part of a range is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PieceKind {
    /// Nothing is mapped.
    Hole,
    /// A mapping; shared or private where that is said.
    Mapping(Prot, Option<bool>),
    /// The state of pages: one of their words.
    State(String),
}
