//! A session: names, processes and files, and the lines done so far.

mod act;
mod allocator;
mod both;
mod calls;
mod eval;
mod expect;
mod files;
mod fuzz;
mod heap;
mod names;
mod stack;
mod start;

use abi::{Fd, FileId, VirtAddr};
use mm::{Basis, Mutation, Uffd, Why};

use crate::backend::{Answer, Change, Descriptor, FileFacts, Kernel, MemoryNo, Row, Run, ThreadNo, Twin};
use crate::error::LabError;
use check::fuzz::Segment;

use crate::syntax::{self, Fault, Span, Statement, Step};

use self::heap::Heap;
use self::names::{Names, Value};
use self::stack::Stack;

/// What a session runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    /// The twin and a real child, compared after every line.
    Both,
    /// The twin alone.
    Twin,
    /// A real child alone.
    Kernel,
}

/// What the real child is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Child {
    /// A program linked with the system's C library, where there is one.
    Linked,
    /// A program of its own, with next to nothing mapped.
    Alone,
}

/// A thread, perhaps the first of its process.
#[derive(Clone, Debug)]
struct Thread {
    name: String,
    memory: MemoryNo,
    stack: Stack,
    ended: bool,
}

/// A process.
#[derive(Clone, Debug, Default)]
struct Process {
    descriptors: Vec<Descriptor>,
    heap: Heap,
    /// Its userfaultfds, in the fuzzer's world.
    uffds: Vec<(Fd, Uffd)>,
}

/// An open file description.
#[derive(Clone, Copy, Debug)]
struct Open {
    file: usize,
    /// Its descriptor in the process that opened it.
    fd: Fd,
}

/// What changes from line to line, apart from the two sides.
#[derive(Clone, Debug)]
struct World {
    names: Names,
    threads: Vec<Thread>,
    processes: Vec<Process>,
    present: ThreadNo,
    /// The files by number, each with the name it was made under.
    files: Vec<(String, FileFacts)>,
    opens: Vec<Open>,
    /// What the last line with an answer did.
    last: Option<Did>,
}

/// A session.
pub struct Session {
    on: On,
    kernel: Option<Kernel>,
    twin: Option<Twin>,
    world: World,
    /// The states before each line, for going back: only on the twin alone.
    past: Vec<(usize, Twin, World)>,
    /// The names of files that no script made.
    known_files: Vec<(FileId, String)>,
    inodes: check::fuzz::Inodes,
    /// What a script is in the fuzzer's world.
    segments: Vec<Segment>,
    /// The files there whose size programs change.
    resized: Vec<usize>,
    errnos: Errnos,
    /// A rule of the twin that is changed, to see that it is found.
    mutation: Option<Mutation>,
}

/// What an errno without an `expect` is to a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errnos {
    /// Its end.
    End,
    /// An answer.
    Answer,
}

/// The most states that are kept to go back to.
const PAST_MAX: usize = 1000;

/// Something that was done, with both answers.
#[derive(Clone, PartialEq, Debug)]
pub struct Did {
    /// Its C form.
    pub what: String,
    /// The kernel's answer.
    pub kernel: Option<Answer>,
    /// The twin's.
    pub twin: Option<Answer>,
    /// The twin's reasons.
    pub why: Why,
    /// How far the twin's answer is its own.
    pub basis: Basis,
    /// What changed in the map.
    pub changes: Vec<Change>,
    /// Where twin and kernel differ.
    pub differs: Option<String>,
}

impl Did {
    /// The answer that counts: the kernel's where there is one.
    pub fn answer(&self) -> &Answer {
        self.kernel.as_ref().or(self.twin.as_ref()).unwrap_or(&Answer::Done)
    }

    /// Tells whether it answered an errno.
    pub fn is_errno(&self) -> bool {
        matches!(self.answer(), Answer::Value(Err(_)))
    }
}

/// What a line showed.
#[derive(Clone, PartialEq, Debug)]
pub enum Shown {
    /// Something was done.
    Did(Box<Did>),
    /// The map was asked for.
    Maps(Vec<Row>),
    /// The state of pages was asked for, from an address on.
    Pages(VirtAddr, Vec<Run>),
    /// Lines of their own.
    Lines(Vec<view::text::Line>),
    /// Words of the lab.
    Text(String),
    /// Help is wanted, perhaps on a word.
    Help(Option<String>),
}

/// Why a line did not go well.
#[derive(Debug)]
pub enum Trouble {
    /// It is wrong at a place: not understood, an unknown name, an expectation that was not met.
    Wrong(Fault),
    /// Twin and kernel differ: what they say.
    Diverged(String),
    /// The session cannot go on.
    Broken(LabError),
}

impl<E: Into<LabError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Wrong(fault)
    }
}

/// What became of a line.
#[derive(Debug)]
pub struct Report {
    /// The line as it was read; `None` where it could not be.
    pub(crate) statement: Option<Statement>,
    /// What it showed, up to the trouble if there was one.
    pub shown: Vec<Shown>,
    /// What was wrong.
    pub trouble: Option<Trouble>,
}

impl Report {
    /// Tells whether the line asks for the end.
    pub fn quits(&self) -> bool {
        self.statement.as_ref().is_some_and(|statement| statement.step == Step::Quit)
    }

    /// Where the line says what is done.
    pub fn span(&self) -> Span {
        self.statement.as_ref().map_or_else(Span::default, |statement| statement.span)
    }
}

impl Session {
    /// Does a line.
    pub fn line(&mut self, number: usize, text: &str) -> Report {
        let mut report = Report { statement: None, shown: Vec::new(), trouble: None };
        let statement = match syntax::statement(text) {
            Ok(statement) => statement,
            Err(fault) => {
                report.trouble = Some(Trouble::Wrong(fault));
                return report;
            }
        };
        self.remember(number, &statement.step);
        report.trouble = self.statement(&statement, &mut report.shown).err();
        report.statement = Some(statement);
        report
    }

    /// Keeps the state before a line that changes something.
    fn remember(&mut self, number: usize, step: &Step) {
        let stays = matches!(
            step,
            Step::Undo
                | Step::Goto(_)
                | Step::Nothing
                | Step::Help(_)
                | Step::Show(_)
                | Step::Expect(_)
                | Step::Quit
        );
        if let (On::Twin, Some(twin), false) = (self.on, &self.twin, stays) {
            if self.past.len() >= PAST_MAX {
                self.past.remove(0);
            }
            self.past.push((number, twin.clone(), self.world.clone()));
        }
    }

    /// Goes back to before the last line, or to after a line; returns the first line that is undone.
    fn go_back(&mut self, to: Option<u64>, at: Span) -> Result<usize, Fault> {
        if self.on != On::Twin {
            return Err(Fault::new(at, "a real process can't go back: only with `--on twin`"));
        }
        let keep = match to {
            None => self.past.len().checked_sub(1),
            Some(line) => self.past.iter().position(|(number, ..)| *number as u64 > line),
        };
        let Some(keep) = keep else {
            return Err(Fault::new(at, "nothing was done since, or it is too long ago"));
        };
        let mut undone = self.past.split_off(keep);
        let (number, twin, world) = undone.swap_remove(0);
        self.twin = Some(twin);
        self.world = world;
        Ok(number)
    }

    /// The thread that does the lines.
    fn thread(&self) -> &Thread {
        &self.world.threads[self.world.present.0]
    }

    fn process(&self, memory: MemoryNo) -> &Process {
        &self.world.processes[memory.0]
    }

    fn process_mut(&mut self, memory: MemoryNo) -> &mut Process {
        &mut self.world.processes[memory.0]
    }

    /// The names that a line may use now, for completion.
    pub fn names(&self) -> Vec<String> {
        self.world.names.all().map(|(name, _)| name.to_owned()).collect()
    }

    /// What an errno without an `expect` is to a script.
    pub fn errnos(&self) -> Errnos {
        self.errnos
    }

    /// What the session runs on.
    pub fn on(&self) -> On {
        self.on
    }

    /// The name of the present thread.
    pub fn present(&self) -> &str {
        &self.thread().name
    }

    /// The name of a file: the one that a script gave it, or its path in a recording.
    pub fn file_name(&self, id: FileId) -> Option<&str> {
        let made = self.world.files.iter().find(|(_, facts)| facts.id == id).map(|(name, _)| name);
        let known = || self.known_files.iter().find(|(known, _)| *known == id).map(|(_, name)| name);
        made.or_else(known).map(String::as_str)
    }
}
