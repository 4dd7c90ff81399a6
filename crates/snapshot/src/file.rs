//! A file that is read at places.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use abi::FileOff;
use elf::ReadAt;

/// A file that is read at places; what can't be read is as if the file ended there.
pub(crate) struct Pieces<'a>(pub(crate) &'a File);

impl ReadAt for Pieces<'_> {
    fn read_at(&self, offset: FileOff, bytes: usize) -> Vec<u8> {
        let length = self.0.metadata().map_or(0, |meta| meta.len());
        let there = length.saturating_sub(offset.0).min(bytes as u64) as usize;
        let mut buffer = vec![0; there];
        let got = read_fully(self.0, offset.0, &mut buffer);
        buffer.truncate(got);
        buffer
    }
}

/// Reads until the buffer is full, or nothing more can be read; returns how much.
pub(crate) fn read_fully(file: &File, offset: u64, buffer: &mut [u8]) -> usize {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    done
}
