//! Reading maps or smaps and taking it in at the same time: for the kernel the text is most of the work, so the two
//! halves run side by side, and a text of 50 MB never stands in memory.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use super::{LiveError, Process};
use crate::from_text::Rows;
use crate::value::Snapshot;

/// How much is handed over at once.
const PIECE_BYTES: usize = 256 << 10;
/// How many pieces may wait.
const PIECES_WAITING: usize = 16;

/// Reads `/proc/PID/maps` or `smaps` as a snapshot.
pub(super) fn rows(process: &Process, file: &str) -> Result<Snapshot, LiveError> {
    let open = File::open(process.dir.join(file)).map_err(|error| process.io_error(file, error))?;
    take_in(process, file, open, PIECE_BYTES)
}

/// Reads on a thread of its own, and takes the pieces in on this one.
fn take_in(
    process: &Process,
    file: &str,
    text: impl Read + Send,
    piece_bytes: usize,
) -> Result<Snapshot, LiveError> {
    std::thread::scope(|scope| {
        let (sender, pieces) = mpsc::sync_channel(PIECES_WAITING);
        let (emptied, empty) = mpsc::channel();
        scope.spawn(move || send_pieces(text, piece_bytes, &sender, &empty));
        push_pieces(process, file, &pieces, &emptied)
    })
}

/// Reads until the end, an error, or until nobody listens any more. A piece is whole mappings: what has begun behind
/// them goes to the front of the next. Its memory comes back emptied, so that no page of it faults twice.
fn send_pieces(
    mut text: impl Read,
    piece_bytes: usize,
    sender: &SyncSender<io::Result<Vec<u8>>>,
    empty: &Receiver<Vec<u8>>,
) {
    let mut piece = Vec::with_capacity(piece_bytes * 2);
    loop {
        match text.by_ref().take(piece_bytes as u64).read_to_end(&mut piece) {
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
            Ok(0) => {
                let _ = sender.send(Ok(piece));
                return;
            }
            Ok(_) => {}
        }
        let whole = start_of_last_mapping(&piece);
        if whole == 0 {
            continue;
        }
        let mut next = empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(piece_bytes * 2));
        next.clear();
        next.extend_from_slice(&piece[whole..]);
        piece.truncate(whole);
        if sender.send(Ok(std::mem::replace(&mut piece, next))).is_err() {
            return;
        }
    }
}

fn push_pieces(
    process: &Process,
    file: &str,
    pieces: &Receiver<io::Result<Vec<u8>>>,
    emptied: &Sender<Vec<u8>>,
) -> Result<Snapshot, LiveError> {
    let mut rows = Rows::default();
    for piece in pieces {
        let piece = piece.map_err(|error| process.io_error(file, error))?;
        rows.push(&piece).map_err(|error| LiveError::Text { path: process.dir.join(file), error })?;
        // The reader may have ended: then it wants none.
        let _ = emptied.send(piece);
    }
    Ok(rows.finish())
}

/// Where the last mapping begins: its lines may not all be there yet. Lines that begin with a capital belong
/// to the mapping before them.
fn start_of_last_mapping(text: &[u8]) -> usize {
    let mut end = text.len();
    while let Some(newline) = text[..end].iter().rposition(|byte| *byte == b'\n') {
        if text.get(newline + 1).is_some_and(|first| !first.is_ascii_uppercase()) {
            return newline + 1;
        }
        end = newline;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
00400000-00402000 r-xp 00000000 08:01 7                                  /opt/a b\n\
Rss: 8 kB\nVmFlags: rd ex\n\
01000000-01100000 rw-p 00000000 00:00 0                                  [heap]\n\
Rss: 512 kB\nVmFlags: rd wr\n\
7f0000000000-7f0040000000 ---p 00000000 00:00 0 \n\
Rss: 0 kB\n";

    /// Gives so many bytes at once.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = buffer.len().min(self.1);
            self.0.read(&mut buffer[..bytes])
        }
    }

    fn read(text: &[u8], piece_bytes: usize) -> Result<Snapshot, LiveError> {
        let process = Process { pid: abi::Pid(1), dir: "/proc/1".into() };
        take_in(&process, "smaps", Slow(text, 7), piece_bytes)
    }

    #[test]
    fn pieces_of_any_size_give_the_same_snapshot() {
        let whole = Snapshot::from_maps_text(TEXT).expect("good text");
        for piece_bytes in 1..=TEXT.len() + 1 {
            assert_eq!(read(TEXT, piece_bytes).expect("good text"), whole, "{piece_bytes} bytes a piece");
        }
    }

    #[test]
    fn an_error_in_a_later_piece_has_its_line_in_the_whole() {
        let text = [TEXT, b"bad\n"].concat();
        for piece_bytes in [1, 20, 200, 1000] {
            let error = read(&text, piece_bytes).unwrap_err();
            assert_eq!(error.to_string(), "/proc/1/smaps: line 9, column 4: expected '-'; try again");
        }
    }
}
