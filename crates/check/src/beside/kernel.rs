//! The kernel's own word on one memory: its map, its flags, which of its pages are anonymous.

use std::fs::File;
use std::io::{self, Read, Seek};

use abi::{AddrRange, Errno, Pid, VirtAddr};
use mm::VmFlags;
use recording::{Bytes, MapRow};
use sys::pagemap;
use sys::procmap_query::{self, Find, QueriedMapping};

/// The open `/proc/PID` files of one memory. Buffers are kept, so that reading again allocates only rows.
#[derive(Debug)]
pub struct KernelMap {
    pid: Pid,
    maps: File,
    pagemap: File,
    text: Vec<u8>,
}

impl KernelMap {
    /// Opens the files of a process.
    ///
    /// # Errors
    /// `NotFound` where the process is gone, or whatever the operating system says.
    pub fn open(pid: Pid) -> io::Result<Self> {
        Ok(Self {
            pid,
            maps: File::open(format!("/proc/{pid}/maps"))?,
            pagemap: File::open(format!("/proc/{pid}/pagemap"))?,
            text: Vec::new(),
        })
    }

    /// Reads the whole map, the page of the legacy system calls left out.
    ///
    /// # Errors
    /// Whatever the operating system says; a map that can't be read as such is `InvalidData`.
    pub fn rows(&mut self) -> io::Result<Vec<MapRow>> {
        self.text.clear();
        self.maps.rewind()?;
        self.maps.read_to_end(&mut self.text)?;
        proc_text::maps(&self.text)
            .map(|row| row.map(|row| own(&row)).map_err(invalid))
            .filter(is_user)
            .collect()
    }

    /// Reads the whole map with the flags of each mapping (smaps' `VmFlags`).
    ///
    /// # Errors
    /// As [`KernelMap::rows`].
    pub fn rows_with_flags(&self) -> io::Result<(Vec<MapRow>, Vec<VmFlags>)> {
        let text = std::fs::read(format!("/proc/{}/smaps", self.pid))?;
        let mut all = (Vec::new(), Vec::new());
        for row in proc_text::smaps(&text) {
            let row = row.map_err(invalid)?;
            let line = own(&row.map);
            if is_user_row(&line) {
                let flags = row.fields.vm_flags.map(flags).unwrap_or_default();
                all.0.push(line);
                all.1.push(flags);
            }
        }
        Ok(all)
    }

    /// Reads the flags of the mapping at an address; `None` where nothing is mapped.
    ///
    /// # Errors
    /// As [`KernelMap::rows`].
    pub fn flags_at(&self, addr: VirtAddr) -> io::Result<Option<VmFlags>> {
        let (rows, flags) = self.rows_with_flags()?;
        Ok(rows.iter().zip(flags).find(|(row, _)| row.range.contains(addr)).map(|(_, flags)| flags))
    }

    /// Returns those of the ranges that hold an anonymous page: their mappings have an anon_vma.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn with_anonymous_pages(
        &mut self,
        ranges: impl Iterator<Item = AddrRange>,
    ) -> io::Result<Vec<AddrRange>> {
        let mut found = Vec::new();
        for range in ranges {
            if pagemap::holds_anonymous(&self.pagemap, range)? {
                found.push(range);
            }
        }
        Ok(found)
    }

    /// Returns the lines, without names, that share an address with a range; `None` where the kernel can't be
    /// asked for single mappings.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn rows_in(&self, range: AddrRange) -> io::Result<Option<Vec<MapRow>>> {
        let mut rows = Vec::new();
        let mut at = range.start;
        while at < range.end {
            match procmap_query::query(&self.maps, at, Find::CoveringOrNext) {
                Ok(Some(found)) if found.range.start < range.end => {
                    at = found.range.end;
                    rows.push(unnamed(&found));
                }
                Ok(_) => break,
                Err(error) if error.errno == Errno::ENOTTY => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(rows))
    }

    /// Returns the mapping that ends at an address; `None` where none does, or where the kernel can't be asked.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn mapping_ending_at(&self, end: VirtAddr) -> io::Result<Option<AddrRange>> {
        let last = AddrRange { start: VirtAddr(end.0.saturating_sub(1)), end };
        let row = self.rows_in(last)?.and_then(|rows| rows.into_iter().next());
        Ok(row.map(|row| row.range).filter(|range| range.end == end))
    }
}

/// Reads how many pages all processes have charged against the commit limit (`Committed_AS`).
pub(super) fn committed_pages() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Committed_AS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024 / abi::PAGE_SIZE)
}

fn unnamed(found: &QueriedMapping) -> MapRow {
    let QueriedMapping { range, prot, shared, offset, file, page_bytes: _ } = *found;
    MapRow { range, prot, shared, offset, file, name: Bytes::default() }
}

/// The legacy page of system calls is the same in every process and no mapping of it.
fn is_user_row(row: &MapRow) -> bool {
    row.range.start.0 < 1 << 63
}

fn is_user(row: &io::Result<MapRow>) -> bool {
    row.as_ref().map_or(true, is_user_row)
}

fn own(row: &proc_text::MapsRow<'_>) -> MapRow {
    let proc_text::MapsRow { range, prot, shared, offset, file, name } = *row;
    MapRow { range, prot, shared, offset, file, name: name.into() }
}

fn invalid(error: proc_text::TextError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The two-letter codes as flags.
fn flags(codes: proc_text::VmFlags<'_>) -> VmFlags {
    let of = |code: &[u8]| {
        let named = VmFlags::NAMED.iter().find(|(_, _, letters)| letters.as_bytes() == code);
        named.map_or(VmFlags::NONE, |(flag, _, _)| *flag)
    };
    codes.words().fold(VmFlags::NONE, |flags, code| flags | of(code))
}
