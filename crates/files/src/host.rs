//! A file of the host.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use mm::{FileStore, IoError};

/// The bytes of a page.
const PAGE: u64 = 4096;

/// A file of the host, read and written where it is.
#[derive(Debug)]
pub struct HostFile {
    file: File,
}

impl HostFile {
    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// The host could not open it.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { file: File::options().read(true).write(true).open(path)? })
    }

    /// Takes an open file; pages written back need it open for writing.
    pub fn of(file: File) -> Self {
        Self { file }
    }
}

impl FileStore for HostFile {
    fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    fn set_size(&self, bytes: u64) -> Result<(), IoError> {
        self.file.set_len(bytes).map_err(|_| IoError)
    }

    fn read_page(&self, page: u64, into: &mut [u8; 4096]) -> Result<(), IoError> {
        let start = page.checked_mul(PAGE).ok_or(IoError)?;
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(&mut into[done..], start + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(IoError),
            }
        }
        into[done..].fill(0);
        Ok(())
    }

    fn write_page(&self, page: u64, bytes: &[u8]) -> Result<(), IoError> {
        let start = page.checked_mul(PAGE).ok_or(IoError)?;
        self.file.write_all_at(bytes, start).map_err(|_| IoError)
    }
}
