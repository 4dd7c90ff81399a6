//! Doing a statement.

use abi::VirtAddr;

use super::{Process, Session, Shown, Thread, Trouble, Value};
use crate::backend::{Answer, MemoryNo, Said, ThreadNo};
use crate::error::LabError;
use view::text::{Canvas, Glyphs, Line};

use crate::syntax::{Expr, Fault, Name, Place, Span, Statement, Step, What};

/// The most often that a line is repeated.
const REPEAT_MAX: u64 = 100_000;
/// The longest range whose pages are shown.
pub(super) const PAGES_BYTES_MAX: u64 = 1 << 30;
/// How much of what a repeated line did is shown.
const REPEATS_SHOWN: usize = 2;

/// The metadata of an executable.
fn elf_file(bytes: &[u8]) -> Result<Vec<Line>, LabError> {
    let failed = |error: elf::ElfError| LabError::Setup(format!("the child's executable: {error}"));
    let image = elf::read(bytes).map_err(failed)?;
    let canvas = Canvas { columns: 100, glyphs: Glyphs::Ascii };
    let mut lines = view::text::elf_file(&view::ElfFile::new(b"[program]", &image, b""), canvas);
    for span in lines.iter_mut().flat_map(|line| line.spans.first_mut()) {
        span.text.insert_str(0, "  ");
    }
    Ok(lines)
}

impl Session {
    /// Does a statement, by whoever it says.
    pub(super) fn statement(&mut self, statement: &Statement, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let before = self.world.present;
        if let Some(name) = &statement.who {
            self.world.present = self.thread_of(name)?;
        }
        let done = self.step(statement, shown);
        if statement.who.is_some() {
            let goes = matches!(statement.step, Step::Switch(_));
            if !goes {
                self.world.present = before;
            }
        }
        done
    }

    fn step(&mut self, statement: &Statement, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let (bind, span) = (statement.bind.as_ref(), statement.span);
        if let Some(action) = self.call_of(&statement.step)? {
            let did = self.act(&action)?;
            if let (Answer::Value(Ok(value)), Some(_)) = (did.answer(), bind) {
                self.bind(bind, Value::Address(VirtAddr(*value)))?;
            }
            return self.show(did, shown);
        }
        match &statement.step {
            Step::Read { from, len } => self.read(from, len, shown),
            Step::Write { to, bytes } => self.write(to, bytes.clone(), span, shown),
            Step::Fill { to, len, byte } => self.fill(to, len, byte, span, shown),
            Step::File { content, mode, kind } => self.make_file(content, (*mode, *kind), bind, shown),
            Step::Open { file, mode } => self.open_again(file, *mode, bind, shown),
            Step::Truncate { file, bytes } => self.truncate(file, bytes, shown),
            Step::Fork => self.fork(bind, shown),
            Step::Thread { stack } => self.make_thread(stack.as_ref(), bind, shown),
            Step::Exit => self.exit(span, shown),
            Step::Switch(name) => {
                self.world.present = self.thread_of(name)?;
                Ok(())
            }
            Step::Call { function, bytes } => self.call(function, bytes, shown),
            Step::Return => self.give_back(span, shown),
            Step::Malloc { bytes } => self.malloc(bytes, bind, shown),
            Step::Free { addr } => self.free(addr, shown),
            Step::Let(expr) => {
                let value = Value::Address(self.address(expr)?);
                Ok(self.bind(bind, value)?)
            }
            Step::Expect(expected) => self.expect(expected, span),
            Step::Repeat(times, inner) => self.repeat(times, inner, shown),
            Step::Fuzz(direction, privilege) => self.fuzz_world(*direction, *privilege, span),
            Step::Raw(act) => self.raw(act, span, shown),
            other => self.look(other, span, shown),
        }
    }

    /// Steps that change nothing but the lab itself.
    fn look(&mut self, step: &Step, span: Span, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        match step {
            Step::Show(what) => self.show_what(what, shown)?,
            Step::Undo => {
                let line = self.go_back(None, span)?;
                shown.push(Shown::Text(format!("as before line {line}")));
            }
            Step::Goto(line) => {
                let to = self.number(line)?;
                self.go_back(Some(to), span)?;
                shown.push(Shown::Text(format!("as after line {to}")));
            }
            Step::Help(word) => shown.push(Shown::Help(word.as_ref().map(|word| word.text.clone()))),
            _ => {}
        }
        Ok(())
    }

    fn show_what(&mut self, what: &What, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let one = match what {
            What::Maps => Shown::Maps(self.rows(self.thread().memory)?),
            What::Pages(addr, len) => {
                let (addr, len) = (self.address(addr)?, self.at_most(len, PAGES_BYTES_MAX, "of pages")?);
                Shown::Pages(addr.page_down(), self.pages(addr, len)?)
            }
            What::Smaps(addr) => {
                let addr = self.address(addr)?;
                Shown::Text(self.smaps(addr)?)
            }
            What::Why if self.twin.is_none() => {
                Shown::Text("only the twin knows why: `--on both` or `--on twin`".into())
            }
            What::Why => {
                let last = self.world.last.as_ref();
                let text = last.map(|did| format!("{}: {}", did.what, did.why));
                Shown::Text(text.unwrap_or_else(|| "nothing was done yet".into()))
            }
            What::Frames => Shown::Text(self.frames()),
            What::Elf => match &self.kernel {
                Some(kernel) => Shown::Lines(elf_file(&kernel.program(self.thread().memory)?)?),
                None => Shown::Text("only a real child has an executable".into()),
            },
            What::Names => Shown::Text(self.list_of_names()),
        };
        shown.push(one);
        Ok(())
    }

    fn list_of_names(&self) -> String {
        let of = |(name, value): (&str, Value)| match value {
            Value::Address(addr) => format!("{name} = {addr}"),
            Value::File(_) => format!("{name}: a file"),
            Value::Thread(thread) => {
                let thread = &self.world.threads[thread.0];
                format!("{name}: {}", if thread.ended { "it has ended" } else { "a process or thread" })
            }
        };
        let lines: Vec<String> = self.world.names.all().map(of).collect();
        if lines.is_empty() { "there are no names yet".into() } else { lines.join("\n") }
    }

    fn fill(
        &mut self,
        to: &Place,
        len: &Expr,
        byte: &Expr,
        span: Span,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let len = self.at_most(len, super::files::WRITE_BYTES_MAX, "to write in one line")?;
        let value = self.number(byte)?;
        let value = u8::try_from(value).map_err(|_| Fault::new(byte.span(), "a byte is 0 to 255"))?;
        self.write(to, vec![value; len as usize], span, shown)
    }

    fn fork(&mut self, bind: Option<&Name>, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let (thread, memory) = (self.world.present, self.thread().memory);
        let before = self.rows(memory)?;
        let kernel = match &mut self.kernel {
            Some(kernel) => Some(kernel.fork(thread)?),
            None => None,
        };
        let twin = self.twin.as_mut().map(|twin| twin.fork(memory)).map(Said::plain);
        let did = self.did("fork()".into(), memory, &before, kernel, twin)?;
        if *did.answer() == Answer::Done {
            let child = MemoryNo(self.world.processes.len());
            let number = ThreadNo(self.world.threads.len());
            let name = bind.map_or_else(|| format!("child{}", child.0), |name| name.text.clone());
            self.world.processes.push(Process { uffds: Vec::new(), ..self.process(memory).clone() });
            let stack = self.thread().stack.clone();
            self.world.threads.push(Thread { name, memory: child, stack, ended: false });
            let name = Name { text: self.world.threads[number.0].name.clone(), span: Span::default() };
            self.bind(Some(bind.unwrap_or(&name)), Value::Thread(number))?;
        }
        self.show(did, shown)
    }

    /// Ends a thread, or a process with all of its threads.
    fn exit(&mut self, span: Span, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let (present, memory) = (self.world.present, self.thread().memory);
        if memory == MemoryNo(0) && self.is_leader(present) {
            return Err(Fault::new(span, "the first process ends with the lab: `quit`").into());
        }
        let of_process = self.is_leader(present);
        let also = |number: usize, thread: &Thread| {
            !thread.ended && (number == present.0 || of_process && thread.memory == memory)
        };
        let threads = self.world.threads.iter().enumerate();
        let ends: Vec<usize> = threads.filter(|(no, thread)| also(*no, thread)).map(|(no, _)| no).collect();
        for number in ends.into_iter().rev() {
            if let Some(kernel) = &mut self.kernel {
                kernel.exit(ThreadNo(number))?;
            }
            self.world.threads[number].ended = true;
        }
        if of_process && let Some(twin) = &mut self.twin {
            twin.exit(memory);
        }
        let text = if of_process { "exit_group(0)" } else { "exit(0)" };
        shown.push(Shown::Text(text.into()));
        self.world.present = ThreadNo(0);
        Ok(())
    }

    /// Tells whether a thread is the first of its process.
    pub(super) fn is_leader(&self, thread: ThreadNo) -> bool {
        let memory = self.world.threads[thread.0].memory;
        self.world.threads.iter().position(|other| other.memory == memory) == Some(thread.0)
    }

    /// Does a statement again and again, until it answers an errno or a signal.
    fn repeat(&mut self, times: &Expr, inner: &Statement, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let asked = self.number(times)?;
        if asked > REPEAT_MAX {
            let what = format!("{asked} times: at most {REPEAT_MAX}");
            return Err(Fault::new(times.span(), what).into());
        }
        let mut last = Vec::new();
        for round in 0..asked {
            last.clear();
            self.statement(inner, &mut last).inspect_err(|_| shown.append(&mut last.clone()))?;
            let stops = |one: &Shown| matches!(one, Shown::Did(did) if did.is_errno() || matches!(did.answer(), Answer::Signal(_)));
            if last.iter().any(stops) {
                shown.push(Shown::Text(format!("in round {} of {asked}:", round + 1)));
                shown.append(&mut last);
                return Ok(());
            }
            if (round as usize) < REPEATS_SHOWN {
                shown.append(&mut last.clone());
            }
        }
        if asked as usize > REPEATS_SHOWN {
            shown.push(Shown::Text(format!("... and so on, {asked} times; the last:")));
            shown.append(&mut last);
        }
        Ok(())
    }

    /// Ends everything.
    pub fn finish(&mut self) -> Result<(), LabError> {
        for number in (0..self.world.threads.len()).rev() {
            let ended = std::mem::replace(&mut self.world.threads[number].ended, true);
            if let (Some(kernel), false) = (&mut self.kernel, ended) {
                kernel.exit(ThreadNo(number))?;
            }
        }
        if let Some(twin) = &mut self.twin {
            (0..self.world.processes.len()).rev().for_each(|memory| twin.exit(MemoryNo(memory)));
        }
        Ok(())
    }
}
