//! The header of a core file and its table of segments.

use abi::{AddrRange, FileOff, Prot, VirtAddr};

use super::{CoreSegment, ReadAt};
use crate::error::ElfError;
use crate::words::{u16_at, u32_at, u64_at};

const HEADER_BYTES: usize = 64;
const ROW_BYTES: usize = 56;
/// `e_phnum` of a file with more rows than 16 bits count: the first section header has the number.
const PN_XNUM: u16 = 0xffff;
/// Rows beyond this are no core of a process: the kernel's own limit on mappings is an `int`, and far lower.
const ROWS_MAX: usize = 4 << 20;
const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;

/// The tables of a core file.
pub(super) struct Header {
    /// The loadable segments.
    pub(super) segments: Vec<CoreSegment>,
    /// The segments of notes.
    pub(super) notes: Vec<CoreSegment>,
    /// The end of the last byte that any segment lays claim to.
    pub(super) end: u64,
}

pub(super) fn read(file: &(impl ReadAt + ?Sized)) -> Result<Header, ElfError> {
    let front = file.read_at(FileOff(0), HEADER_BYTES);
    if !front.starts_with(b"\x7fELF") {
        return Err(ElfError::NotElf);
    }
    let damaged = |what: &str| ElfError::Damaged { what: what.into() };
    let kind = u16_at(&front, 16).ok_or_else(|| damaged("cut off in its header"))?;
    if kind != ET_CORE {
        return Err(ElfError::NotCore);
    }
    let machine = u16_at(&front, 18).ok_or_else(|| damaged("cut off in its header"))?;
    if front.get(4..6) != Some(&[2, 1]) || machine != EM_X86_64 {
        return Err(ElfError::OtherMachine { machine });
    }
    let (Some(table), Some(row_bytes), Some(count)) =
        (u64_at(&front, 32), u16_at(&front, 54), u16_at(&front, 56))
    else {
        return Err(damaged("cut off in its header"));
    };
    if usize::from(row_bytes) != ROW_BYTES {
        return Err(damaged("program headers of another size"));
    }
    let count = if count == PN_XNUM { extended_count(file, &front)? } else { usize::from(count) };
    if count > ROWS_MAX {
        return Err(damaged("more program headers than a process can have mappings"));
    }
    let rows = file.read_at(FileOff(table), count * ROW_BYTES);
    if rows.len() < count * ROW_BYTES {
        return Err(damaged("cut off in its program headers"));
    }
    divide(&rows)
}

/// The number of rows where 16 bits don't hold it (`fs/binfmt_elf.c: fill_extnum_info`).
fn extended_count(file: &(impl ReadAt + ?Sized), front: &[u8]) -> Result<usize, ElfError> {
    let cut = || ElfError::Damaged { what: "cut off before the number of its program headers".into() };
    let table = u64_at(front, 40).ok_or_else(cut)?;
    let section = file.read_at(FileOff(table), 64);
    u32_at(&section, 44).map(|count| count as usize).ok_or_else(cut)
}

fn divide(rows: &[u8]) -> Result<Header, ElfError> {
    let mut header = Header { segments: Vec::new(), notes: Vec::new(), end: 0 };
    for row in rows.chunks_exact(ROW_BYTES) {
        let (kind, segment) = segment(row).ok_or_else(|| ElfError::Damaged {
            what: "a segment passes the end of the address space".into(),
        })?;
        header.end = header.end.max(segment.offset.0.saturating_add(segment.bytes_held));
        match kind {
            1 => header.segments.push(segment),
            4 => header.notes.push(segment),
            _ => {}
        }
    }
    header.segments.retain(|segment| !segment.range.is_empty());
    header.segments.sort_by_key(|segment| segment.range);
    if header.segments.windows(2).any(|pair| pair[1].range.start < pair[0].range.end) {
        return Err(ElfError::Damaged { what: "segments lie over one another".into() });
    }
    Ok(header)
}

fn segment(row: &[u8]) -> Option<(u32, CoreSegment)> {
    let kind = u32_at(row, 0)?;
    let flags = u32_at(row, 4)?;
    let (offset, addr) = (u64_at(row, 8)?, u64_at(row, 16)?);
    let (held, size) = (u64_at(row, 32)?, u64_at(row, 40)?);
    let range =
        if kind == 1 { AddrRange::from_len(VirtAddr(addr), size.max(held))? } else { AddrRange::default() };
    let rights = [(4, Prot::READ), (2, Prot::WRITE), (1, Prot::EXEC)];
    let prot = rights
        .into_iter()
        .filter(|(bit, _)| flags & bit != 0)
        .fold(Prot::NONE, |all, (_, right)| all | right);
    Some((kind, CoreSegment { range, prot, offset: FileOff(offset), bytes_held: held }))
}
