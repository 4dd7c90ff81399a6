//! The notes of a core file. A note that is damaged is passed over: each tells something that another view can
//! do without.

use abi::{AddrRange, FileOff, Pid, Tid, VirtAddr};

use super::{CoreFile, CoreMaker, CoreMappedFile, CoreProcess, CoreSignal, CoreThread, ReadAt};
use crate::words::{i32_at, u32_at, u64_at};

/// No core has longer notes: the kernel gives the list of files 4 MiB, and a thread's registers take 16 KiB.
const NOTES_BYTES_MAX: u64 = 1 << 30;

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_FILE: u32 = 0x4649_4c45;

/// Takes in a segment of notes.
pub(super) fn read(file: &(impl ReadAt + ?Sized), offset: FileOff, bytes: u64, core: &mut CoreFile) {
    let bytes = file.read_at(offset, bytes.min(NOTES_BYTES_MAX) as usize);
    let mut rest = bytes.as_slice();
    while let Some((note, after)) = divide(rest) {
        rest = after;
        match (note.owner, note.kind) {
            (b"GDB", _) => core.maker = CoreMaker::Gdb,
            (b"CORE", NT_PRSTATUS) => core.threads.extend(thread(note.contents)),
            (b"CORE", NT_PRPSINFO) => core.process = process(note.contents),
            (b"CORE", NT_AUXV) => core.auxv = auxv(note.contents),
            (b"CORE", NT_SIGINFO) if core.signal.is_none() => core.signal = signal(note.contents),
            (b"CORE", NT_FILE) => core.files = files(note.contents).unwrap_or_default(),
            _ => {}
        }
    }
}

/// A note as it stands in the file.
struct Note<'a> {
    owner: &'a [u8],
    kind: u32,
    contents: &'a [u8],
}

/// Divides a note from those after it.
fn divide(bytes: &[u8]) -> Option<(Note<'_>, &[u8])> {
    let (owner_bytes, contents_bytes) = (u32_at(bytes, 0)? as usize, u32_at(bytes, 4)? as usize);
    let kind = u32_at(bytes, 8)?;
    let contents_at = 12 + owner_bytes.next_multiple_of(4);
    let owner = bytes.get(12..12 + owner_bytes)?;
    let contents = bytes.get(contents_at..contents_at + contents_bytes)?;
    let next = (contents_at + contents_bytes.next_multiple_of(4)).min(bytes.len());
    let owner = owner.strip_suffix(b"\0").unwrap_or(owner);
    Some((Note { owner, kind, contents }, &bytes[next..]))
}

/// `struct elf_prstatus` of x86-64 (`include/linux/elfcore.h`): the registers begin at byte 112.
fn thread(bytes: &[u8]) -> Option<CoreThread> {
    let register = |place: usize| u64_at(bytes, 112 + place * 8).map(VirtAddr);
    Some(CoreThread {
        tid: Tid(i32_at(bytes, 32)?),
        frame: register(4)?,
        instruction: register(16)?,
        stack: register(19)?,
        thread_pointer: register(21)?,
    })
}

/// `struct elf_prpsinfo` of x86-64.
fn process(bytes: &[u8]) -> Option<CoreProcess> {
    let text =
        |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii_end().to_vec();
    Some(CoreProcess {
        pid: Pid(i32_at(bytes, 24)?),
        name: text(bytes.get(40..56)?),
        arguments: text(bytes.get(56..136)?),
    })
}

fn auxv(bytes: &[u8]) -> Vec<(u64, u64)> {
    let pairs = bytes.chunks_exact(16).filter_map(|pair| Some((u64_at(pair, 0)?, u64_at(pair, 8)?)));
    pairs.take_while(|(kind, _)| *kind != 0).collect()
}

fn signal(bytes: &[u8]) -> Option<CoreSignal> {
    let (number, code) = (i32_at(bytes, 0)?, i32_at(bytes, 8)?);
    // SIGILL, SIGBUS, SIGFPE, SIGSEGV; raised by the kernel.
    let has_addr = matches!(number, 4 | 7 | 8 | 11) && code > 0 && code < 0x80;
    let addr = u64_at(bytes, 16).map(VirtAddr).filter(|_| has_addr);
    (number > 0).then_some(CoreSignal { number, code, addr })
}

/// The list of file mappings (`fs/binfmt_elf.c: fill_files_note`): a count, a page size, three words for each,
/// then their paths.
fn files(bytes: &[u8]) -> Option<Vec<CoreMappedFile>> {
    let count = usize::try_from(u64_at(bytes, 0)?).ok()?;
    let unit = u64_at(bytes, 8)?;
    let table = bytes.get(16..16usize.checked_add(count.checked_mul(24)?)?)?;
    let mut paths = bytes.get(16 + count * 24..)?.split(|byte| *byte == 0);
    let mut files = Vec::with_capacity(count);
    for row in table.chunks_exact(24) {
        let (start, end, offset) = (u64_at(row, 0)?, u64_at(row, 8)?, u64_at(row, 16)?);
        if end < start {
            return None;
        }
        files.push(CoreMappedFile {
            range: AddrRange::new(VirtAddr(start), VirtAddr(end)),
            offset: FileOff(offset.checked_mul(unit)?),
            path: paths.next()?.to_vec(),
        });
    }
    Some(files)
}
