//! The answers to steps, and the bytes that came with them.

use abi::{Errno, PAGE_SIZE};
use sys::puppet::{LibraryCall, RawAnswer};

use crate::answer::{Answer, Fault};
use crate::encode::REGION_BYTES;
use crate::error::LiveError;
use crate::session::Live;
use crate::ticket::{Kind, Process, Ticket};

impl Live {
    /// Returns the answer to a step that was run.
    ///
    /// # Errors
    /// If the child could not read a text, or the text was too long.
    pub fn answer(&mut self, ticket: Ticket) -> Result<Answer, LiveError> {
        let RawAnswer { result, signal, code, addr } = self.puppet.answer(ticket.seat, ticket.number);
        if signal != 0 {
            return Ok(Answer::Fault(Fault { signal, code, addr }));
        }
        Ok(match ticket.kind {
            Kind::Call => Answer::Returned(Errno::from_raw(result)),
            Kind::Load => Answer::Loaded(result as u8),
            Kind::LoadWord => Answer::LoadedWord(result as u64),
            Kind::Access => Answer::Done,
            Kind::Library => Answer::LoadedWord(result as u64),
            Kind::Fork(child) | Kind::Thread(child) => self.born(child, ticket.kind, result),
            Kind::Hash { range, .. } => Answer::Bytes(range.pages() as usize * 8),
            Kind::Scan { runs_max, .. } => match Errno::from_raw(result) {
                Ok(runs) if runs <= runs_max as u64 => Answer::Bytes(runs as usize * REGION_BYTES),
                Ok(_) => return Err(LiveError::TextTooLong),
                Err(errno) => Answer::Returned(Err(errno)),
            },
            Kind::Vector { bytes, .. } => match Errno::from_raw(result) {
                Ok(_) => Answer::Bytes(bytes),
                Err(errno) => Answer::Returned(Err(errno)),
            },
            Kind::Bytes { .. } => match Errno::from_raw(result) {
                Ok(bytes) => Answer::Bytes(bytes as usize),
                Err(errno) => Answer::Returned(Err(errno)),
            },
            Kind::Read { bytes_max, .. } => match Errno::from_raw(result) {
                Ok(bytes) if bytes < bytes_max as u64 => Answer::Text(bytes as usize),
                Ok(_) => return Err(LiveError::TextTooLong),
                Err(errno) => return Err(LiveError::Child { what: "read its /proc/self", errno }),
            },
        })
    }

    /// Puts a text that was read into `into`, replacing what is there.
    ///
    /// # Errors
    /// As [`Live::answer`].
    pub fn text(&mut self, ticket: Ticket, into: &mut Vec<u8>) -> Result<(), LiveError> {
        into.clear();
        if let (Answer::Text(bytes), Kind::Read { at, .. }) = (self.answer(ticket)?, ticket.kind) {
            into.resize(bytes, 0);
            self.puppet.read(ticket.seat, at, into);
        }
        Ok(())
    }

    /// Puts what a step read into `into`, replacing what is there: nothing where the kernel refused. Of hashes there
    /// are those of the pages before the one that raised a signal.
    ///
    /// # Errors
    /// As [`Live::answer`].
    pub fn bytes(&mut self, ticket: Ticket, into: &mut Vec<u8>) -> Result<(), LiveError> {
        into.clear();
        let (at, bytes) = match (ticket.kind, self.answer(ticket)?) {
            (
                Kind::Hash { at, .. } | Kind::Scan { at, .. } | Kind::Vector { at, .. } | Kind::Bytes { at },
                Answer::Bytes(bytes),
            ) => (at, bytes),
            (Kind::Hash { at, range }, Answer::Fault(Fault { addr, .. })) if range.contains(addr) => {
                (at, ((addr.0 - range.start.0) / PAGE_SIZE * 8) as usize)
            }
            _ => return Ok(()),
        };
        into.resize(bytes, 0);
        self.puppet.read(ticket.seat, at, into);
        Ok(())
    }

    /// Returns the system calls that the last [`crate::Step::Malloc`] or [`crate::Step::Free`] of a process made, in their order.
    ///
    /// # Errors
    /// If the kernel does not hand a program's own calls over (`PR_SET_SYSCALL_USER_DISPATCH`), or they were too many.
    pub fn library_calls(&self, process: Process) -> Result<Vec<LibraryCall>, LiveError> {
        let refused = LiveError::Child { what: "write the C library's calls down", errno: Errno::ENOSYS };
        self.puppet.library_calls(process.0).ok_or(refused)
    }
}
