//! Files: made, opened, read, written and resized as another process would.

use abi::{DevId, Fd, FileId};
use mm::FileKind;

use super::{Open, Session, Shown, Trouble, Value};
use crate::backend::{Answer, Descriptor, FileFacts, Said};
use crate::error::LabError;
use crate::syntax::{Content, Expr, Fault, Kind, Mode, Name, Place, Span};

/// The largest file that is made with contents.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The most bytes that one line writes.
pub(super) const WRITE_BYTES_MAX: u64 = 1 << 20;
/// The most bytes that one line reads.
pub(super) const READ_BYTES_MAX: u64 = 1 << 20;
/// The largest size that a file is given.
const TRUNCATE_BYTES_MAX: u64 = 1 << 40;
const OPENS_MAX: usize = 256;
/// The descriptors below are standard input, output and error.
const FIRST_FD: i32 = 3;

impl Session {
    /// Makes a file and opens it in the present process.
    pub(super) fn make_file(
        &mut self,
        content: &Content,
        (mode, kind): (Mode, Kind),
        bind: Option<&Name>,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let bytes = match content {
            Content::Text(text) => text.clone(),
            Content::Alphabet(size) => {
                let size = self.at_most(size, FILE_BYTES_MAX, "for a new file")?;
                (b'a'..=b'z').cycle().take(size as usize).collect()
            }
        };
        let number = self.world.files.len();
        let facts = match &mut self.kernel {
            Some(kernel) => kernel.make_file(&bytes, kind)?,
            None => FileFacts {
                id: FileId { dev: DevId { major: 0, minor: 99 }, ino: number as u64 + 1 },
                kind: if kind == Kind::Memory { FileKind::Shmem } else { FileKind::Regular },
                noexec: false,
            },
        };
        if let Some(twin) = &mut self.twin {
            twin.make_file(facts.clone(), &bytes);
        }
        let name = bind.map_or_else(|| format!("file{number}"), |name| name.text.clone());
        self.world.files.push((name, facts));
        let what = format!("a file of {} bytes", bytes.len());
        self.open(number, mode, bind, what, shown)
    }

    /// Opens a file once more: another open file description.
    pub(super) fn open_again(
        &mut self,
        file: &Name,
        mode: Mode,
        bind: Option<&Name>,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let number = self.world.opens[self.file(file)?].file;
        self.open(number, mode, bind, format!("{} opened once more", file.text), shown)
    }

    fn open(
        &mut self,
        file: usize,
        mode: Mode,
        bind: Option<&Name>,
        what: String,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let description = self.world.opens.len();
        if description >= OPENS_MAX {
            return Err(LabError::Setup(format!("at most {OPENS_MAX} files are opened")).into());
        }
        let memory = self.thread().memory;
        let fd = match &mut self.kernel {
            Some(kernel) => kernel.open(self.world.present, file, mode)?,
            None => Fd(FIRST_FD + self.process(memory).descriptors.len() as i32),
        };
        if let Some(twin) = &mut self.twin {
            twin.open(file, mode);
        }
        self.process_mut(memory).descriptors.push(Descriptor { fd, description });
        self.world.opens.push(Open { file, fd });
        self.bind(bind, Value::File(description))?;
        let modes = match mode {
            Mode::Both => "O_RDWR",
            Mode::ReadOnly => "O_RDONLY",
            Mode::WriteOnly => "O_WRONLY",
        };
        self.answered(format!("{what}: open(..., {modes})"), Answer::Value(Ok(fd.0 as u64)), shown)
    }

    /// Reads from memory or from a file.
    pub(super) fn read(&mut self, from: &Place, len: &Expr, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let len = self.at_most(len, READ_BYTES_MAX, "to read in one line")?;
        match from {
            Place::Memory(addr) => {
                let did = self.act(&crate::backend::Action::Load(self.address(addr)?, len))?;
                self.show(did, shown)
            }
            Place::File(name, offset) => {
                let (file, offset) = (self.world.opens[self.file(name)?].file, self.number(offset)?);
                let kernel = self.kernel.as_ref().map(|kernel| kernel.read_file(file, offset, len));
                let kernel = kernel.transpose()?;
                let twin = self.twin.as_mut().map(|twin| twin.read_file(file, offset, len));
                self.file_done(format!("{} read by another process", name.text), kernel, twin, shown)
            }
        }
    }

    /// Writes to memory or to a file.
    pub(super) fn write(
        &mut self,
        to: &Place,
        bytes: Vec<u8>,
        at: Span,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        match to {
            Place::Memory(addr) => {
                let addr = self.address(addr)?;
                if addr.0.checked_add(bytes.len() as u64).is_none() {
                    return Err(Fault::new(at, "this leaves the range of 64-bit numbers").into());
                }
                let did = self.act(&crate::backend::Action::Store(addr, bytes))?;
                self.show(did, shown)
            }
            Place::File(name, offset) => {
                let file = self.world.opens[self.file(name)?].file;
                let offset = self.at_most(offset, TRUNCATE_BYTES_MAX, "into a file")?;
                let kernel = self.kernel.as_ref().map(|kernel| kernel.write_file(file, offset, &bytes));
                let kernel = kernel.transpose()?;
                let twin = self.twin.as_mut().map(|twin| twin.write_file(file, offset, &bytes));
                self.file_done(format!("{} written by another process", name.text), kernel, twin, shown)
            }
        }
    }

    /// Gives a file another size.
    pub(super) fn truncate(
        &mut self,
        name: &Name,
        bytes: &Expr,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let file = self.world.opens[self.file(name)?].file;
        let bytes = self.at_most(bytes, TRUNCATE_BYTES_MAX, "for a file")?;
        let kernel = self.kernel.as_ref().map(|kernel| kernel.truncate(file, bytes)).transpose()?;
        let twin = self.twin.as_mut().map(|twin| twin.truncate(file, bytes));
        self.file_done(format!("ftruncate({}, {bytes})", name.text), kernel, twin, shown)
    }

    fn file_done(
        &mut self,
        what: String,
        kernel: Option<Answer>,
        twin: Option<Answer>,
        shown: &mut Vec<Shown>,
    ) -> Result<(), Trouble> {
        let memory = self.thread().memory;
        let rows = self.rows(memory)?;
        let did = self.did(what, memory, &rows, kernel, twin.map(Said::plain))?;
        self.show(did, shown)
    }
}
