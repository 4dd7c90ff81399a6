//! The observer that writes a recording.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use abi::Tid;
use recording::{CallSource, Detail, Event, FaultSource, Header, PageSource, Sources, Writer};
use sys::perf::Mappings;

use crate::checkpoint::{Checkpointer, PagesWanted};
use crate::command::Command;
use crate::faults::{AccessWanted, Begin, Budget, FaultStacks, FaultWatch, FaultsWanted};
use crate::machine;
use crate::observer::{Crashes, Observer, Start};
use crate::order::Order;
use crate::output::Output;
use crate::stacks::{StackCopies, Unwinding};
use crate::writing::Writing;

/// Events handed to the writer together.
const BATCH: usize = 512;

/// Frames of a fault's call chain: the innermost tell who touched the page.
const CHAIN_FRAMES_MAX: u16 = 64;

/// What of the run is recorded.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// Where to.
    pub output: Output,
    /// The version of the program that records, for the header.
    pub version: String,
    /// Page faults; `None`: none.
    pub faults: Option<Budget>,
    /// Whether command line and folder are kept.
    pub command_line: CommandLine,
    /// Callers' stacks.
    pub stacks: Stacks,
}

/// Which callers' stacks are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stacks {
    /// None.
    Off,
    /// Those of memory calls, as addresses only.
    Addresses,
    /// Those of memory calls, with the names of their frames as far as asked for.
    Named(Detail),
}

/// Whether the command line is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandLine {
    /// It is.
    Kept,
    /// It is left out, of all programs executed.
    LeftOut,
}

/// Writes a recording.
pub(crate) struct Recorder {
    path: PathBuf,
    order: Order,
    writing: Writing,
    batch: Vec<Event>,
    command_line: CommandLine,
    copies: Option<StackCopies>,
}

impl Recorder {
    /// Makes the file and writes its header.
    pub(crate) fn begin(
        command: &Command,
        options: &RecordOptions,
        start: &Start,
        path: PathBuf,
    ) -> Result<Self, String> {
        let failed = |error: io::Error| {
            let hint =
                if error.kind() == io::ErrorKind::AlreadyExists { "; --force overwrites it" } else { "" };
            let text = error.to_string();
            format!("{}: {}{hint}", path.display(), text.split(" (os error").next().unwrap_or_default())
        };
        let file = options.output.create(&path).map_err(failed)?;
        let mut remarks = start.remarks.clone();
        let copies = (options.stacks != Stacks::Off).then(StackCopies::default);
        let watch = watch(options, start, copies.clone(), &mut remarks);
        let header = header(command, options, start, watch.as_ref(), remarks);
        let writer = Writer::<File>::new(file, &header).map_err(failed)?;
        let unwinding = copies.clone().map(|copies| Unwinding::new(copies, options.stacks));
        let writing = Writing::begin(writer, unwinding).map_err(failed)?;
        let path = std::path::absolute(&path).unwrap_or(path);
        let command_line = options.command_line;
        Ok(Self {
            path,
            order: Order::new(watch, copies.clone()),
            writing,
            batch: Vec::new(),
            command_line,
            copies,
        })
    }

    fn hand_over(&mut self) {
        if !self.batch.is_empty() {
            self.writing.take(&mut self.batch);
        }
    }
}

fn watch(
    options: &RecordOptions,
    start: &Start,
    copies: Option<StackCopies>,
    remarks: &mut Vec<String>,
) -> Option<FaultWatch> {
    let budget = options.faults?;
    let (stacks, chain_frames_max) = match copies {
        Some(_) => (FaultStacks::Copied, CHAIN_FRAMES_MAX),
        None => (FaultStacks::NotCopied, 0),
    };
    // The tracepoints that tell it cost no more than the event that does not.
    let access = AccessWanted::Yes;
    let wanted = FaultsWanted { chain_frames_max, stacks, mapped: Mappings::Told, budget, access };
    match FaultWatch::open(Tid(start.pid.0), wanted, Begin::AtExec, start.zero_ns) {
        Ok(watch) => {
            remarks.extend_from_slice(watch.remarks());
            Some(match copies {
                Some(copies) => watch.with_copies(copies),
                None => watch,
            })
        }
        Err(denied) => {
            remarks.push(denied.to_string());
            None
        }
    }
}

fn header(
    command: &Command,
    options: &RecordOptions,
    start: &Start,
    watch: Option<&FaultWatch>,
    remarks: Vec<String>,
) -> Header {
    let is_kept = options.command_line == CommandLine::Kept;
    let words = is_kept.then(|| command.words());
    let folder = std::env::current_dir().ok().filter(|_| is_kept);
    let folder = folder.map(|folder| folder.as_os_str().as_bytes().into());
    Header {
        vmatlas: options.version.clone(),
        machine: machine::machine(),
        run: machine::run(start.pid, start.zero_ns, words, folder),
        sources: Sources {
            calls: start.calls,
            faults: watch.map_or(FaultSource::Off, FaultWatch::source),
            mapped: watch.is_some(),
            pages: pages_source(),
            stacks: options.stacks != Stacks::Off && (watch.is_some() || start.calls == CallSource::Notify),
            remarks,
        },
    }
}

fn pages_source() -> PageSource {
    Checkpointer::new(PagesWanted::Yes).pages()
}

impl Observer for Recorder {
    fn stack_copies(&self) -> Option<StackCopies> {
        self.copies.clone()
    }

    /// Of many faults one in so many is recorded: this one must not be left out.
    fn crashes(&self) -> Crashes {
        if self.order.watch().is_some() { Crashes::Told } else { Crashes::NotTold }
    }

    fn event(&mut self, mut event: Event) {
        if self.command_line == CommandLine::LeftOut
            && let recording::Body::Exec(exec) = &mut event.body
        {
            exec.argv = [].into();
        }
        self.order.take(event, &mut self.batch);
        if self.batch.len() >= BATCH {
            self.hand_over();
        }
    }

    fn wake_ups(&self) -> Vec<BorrowedFd<'_>> {
        self.order.watch().map(|watch| watch.fds().collect()).unwrap_or_default()
    }

    fn tick(&mut self) -> Option<String> {
        self.order.round(&mut self.batch);
        self.hand_over();
        let error = self.writing.error()?;
        let text = error.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        Some(format!("{}: recording has ended early: {text}", self.path.display()))
    }

    fn program_ended(&mut self) -> Vec<u8> {
        // Twice: a round hands on what is older than the round before.
        self.order.round(&mut self.batch);
        self.order.round(&mut self.batch);
        self.hand_over();
        self.writing.flush();
        Vec::new()
    }

    fn abandoned(&mut self) {
        // Nothing has been executed: there is nothing to report on.
        let _ = std::fs::remove_file(&self.path);
    }

    fn finished(&mut self) -> Vec<u8> {
        self.order.finish(&mut self.batch);
        self.hand_over();
        self.writing.finish();
        Vec::new()
    }
}
