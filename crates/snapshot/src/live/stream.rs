//! Reading smaps and taking it in at the same time: for the kernel the text is most of the work, so the two
//! halves run side by side, and a text of 50 MB never stands in memory.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, SyncSender};

use super::{LiveError, Process};
use crate::from_text::Rows;
use crate::value::Snapshot;

/// How much is handed over at once: small enough that the allocator keeps the memory and no page of it faults
/// twice.
const PIECE_BYTES: usize = 64 << 10;
/// How many pieces may wait.
const PIECES_WAITING: usize = 16;

/// Reads `/proc/PID/smaps` as a snapshot.
pub(super) fn smaps(process: &Process) -> Result<Snapshot, LiveError> {
    const FILE: &str = "smaps";
    let file = File::open(process.dir.join(FILE)).map_err(|error| process.io_error(FILE, error))?;
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(PIECES_WAITING);
        scope.spawn(move || send_pieces(file, &sender));
        take_in(process, FILE, &receiver)
    })
}

/// Reads until the end, an error, or until nobody listens any more.
fn send_pieces(mut file: File, sender: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece);
        let is_last = !matches!(read, Ok(bytes) if bytes > 0);
        let message = read.map(|_| piece);
        if message.as_ref().is_ok_and(Vec::is_empty) || sender.send(message).is_err() || is_last {
            return;
        }
    }
}

fn take_in(
    process: &Process,
    file: &str,
    pieces: &Receiver<io::Result<Vec<u8>>>,
) -> Result<Snapshot, LiveError> {
    let text_error = |error| LiveError::Text { path: process.dir.join(file), error };
    let mut rows = Rows::default();
    let mut waiting = Vec::new();
    for piece in pieces {
        waiting.extend(piece.map_err(|error| process.io_error(file, error))?);
        let whole = start_of_last_mapping(&waiting);
        rows.push(&waiting[..whole]).map_err(text_error)?;
        waiting.drain(..whole);
    }
    rows.push(&waiting).map_err(text_error)?;
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

    #[test]
    fn pieces_cut_anywhere_give_the_same_snapshot() {
        let process = Process { pid: abi::Pid(1), dir: "/proc/1".into() };
        let whole = Snapshot::from_maps_text(TEXT).expect("good text");
        for cut in 0..=TEXT.len() {
            let (sender, receiver) = mpsc::sync_channel(2);
            sender.send(Ok(TEXT[..cut].to_vec())).expect("there is room");
            sender.send(Ok(TEXT[cut..].to_vec())).expect("there is room");
            drop(sender);
            let pieces = take_in(&process, "smaps", &receiver).expect("good text");
            assert_eq!(pieces, whole, "cut at {cut}");
        }
    }

    #[test]
    fn an_error_in_a_later_piece_has_its_line_in_the_whole() {
        let process = Process { pid: abi::Pid(1), dir: "/proc/1".into() };
        let (sender, receiver) = mpsc::sync_channel(2);
        sender.send(Ok(TEXT.to_vec())).expect("there is room");
        sender.send(Ok(b"bad\n".to_vec())).expect("there is room");
        drop(sender);
        let error = take_in(&process, "smaps", &receiver).unwrap_err();
        assert_eq!(error.to_string(), "/proc/1/smaps: line 9, column 4: expected '-'; try again");
    }
}
