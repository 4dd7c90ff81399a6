//! The kernel's own state of one memory, read while its threads are held or running.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use abi::{AddrRange, Errno, FileId, FileOff, Tid, VirtAddr};
use recording::{Bytes, Checkpoint, Counters, MapRow, PageRun, PageSource, PageState, Reason};
use sys::pagemap::{Categories, Files, Region, Scanner};

mod by_words;

/// Names kept so that the same name is stored once.
const NAMES_MAX: usize = 1 << 14;

/// A private mapping of so many bytes is worth a system call of its own.
const WORTH_ITS_OWN_SCAN: u64 = 1 << 20;

/// How often a memory is read at most where its pages do not come to its sums, for its threads ran on meanwhile.
const READINGS_MAX: usize = 3;

/// Whether pages are to be read at checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PagesWanted {
    /// They are.
    Yes,
    /// They are not.
    No,
}

/// Reads checkpoints; keeps its buffers, so that reading again allocates little.
#[derive(Debug)]
pub struct Checkpointer {
    source: PageSource,
    scanner: Scanner,
    text: Vec<u8>,
    rows: Vec<MapRow>,
    runs: Vec<PageRun>,
    names: HashSet<Bytes>,
    start_stack: VirtAddr,
}

impl Checkpointer {
    /// Tries on our own memory how this kernel lets pages be read.
    pub fn new(wanted: PagesWanted) -> Self {
        let mut scanner = Scanner::default();
        let source = match wanted {
            PagesWanted::No => PageSource::Off,
            PagesWanted::Yes => match File::open("/proc/self/pagemap") {
                Err(_) => PageSource::Off,
                Ok(pagemap) => match scanner.scan(&pagemap, |_| {}) {
                    Ok(()) => PageSource::Scan,
                    Err(_) => PageSource::Pagemap,
                },
            },
        };
        let (text, rows, runs) = (Vec::new(), Vec::new(), Vec::new());
        Self { source, scanner, text, rows, runs, names: HashSet::new(), start_stack: VirtAddr(0) }
    }

    /// How pages are read.
    pub const fn pages(&self) -> PageSource {
        self.source
    }

    /// Reads the memory of a thread: map, pages and sums.
    ///
    /// Any thread that still has its memory will do. A process's first thread may have ended before the others; its
    /// `/proc/PID/maps` is then empty though the memory lives on.
    ///
    /// # Errors
    /// If the thread is gone, has no memory any more, or may not be read.
    pub fn read(&mut self, thread: Tid, reason: Reason, in_flight: &[Tid]) -> io::Result<Checkpoint> {
        let mut readings = READINGS_MAX;
        let mut before = None;
        let (pages, counters) = loop {
            self.read_text(thread, "maps")?;
            self.take_rows()?;
            let pages = self.read_pages(thread)?;
            let counters = self.read_counters(thread)?;
            readings -= 1;
            let beyond = beyond(pages.as_deref(), &counters);
            // What stays the same is of pages that are not counted, such as those of hugetlbfs.
            if beyond == 0 || before == Some(beyond) || readings == 0 || is_still(reason) {
                break (pages, counters);
            }
            before = Some(beyond);
        };
        let maps = self.rows.drain(..).collect();
        Ok(Checkpoint { reason, maps, pages, counters, in_flight: in_flight.into() })
    }

    /// Where the stack of the memory that was read last began at its exec. That was asked last of all: where it is not what
    /// it was, the thread has executed another program meanwhile.
    pub(crate) const fn start_stack(&self) -> VirtAddr {
        self.start_stack
    }

    fn read_text(&mut self, thread: Tid, file: &str) -> io::Result<()> {
        self.text.clear();
        open(thread, file)?.read_to_end(&mut self.text)?;
        Ok(())
    }

    fn take_rows(&mut self) -> io::Result<()> {
        self.rows.clear();
        if self.names.len() > NAMES_MAX {
            self.names.clear();
        }
        for row in proc_text::maps(&self.text) {
            let proc_text::MapsRow { range, prot, shared, offset, file, name } = row.map_err(not_its_text)?;
            let name = match self.rows.last() {
                Some(last) if *last.name == *name => last.name.clone(),
                _ => shared_name(&mut self.names, name),
            };
            self.rows.push(MapRow { range, prot, shared, offset: FileOff(offset.0), file, name });
        }
        if self.rows.is_empty() { Err(no_memory()) } else { Ok(()) }
    }

    fn read_pages(&mut self, thread: Tid) -> io::Result<Option<Arc<[PageRun]>>> {
        self.runs.clear();
        let Self { source, scanner, runs, rows, .. } = self;
        match source {
            PageSource::Off => return Ok(None),
            PageSource::Scan => {
                let pagemap = open(thread, "pagemap")?;
                for (range, files) in pieces(rows) {
                    scanner.scan_range(&pagemap, range, files, |region| add_run(runs, page_run(region)))?;
                }
            }
            PageSource::Pagemap => {
                let pagemap = open(thread, "pagemap")?;
                if !by_words::read(&pagemap, rows, |run| add_run(runs, run))? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(runs.drain(..).collect()))
    }

    fn read_counters(&mut self, thread: Tid) -> io::Result<Counters> {
        self.read_text(thread, "status")?;
        let status = proc_text::status(&self.text).map_err(not_its_text)?;
        let bytes = |field: Option<u64>| field.unwrap_or(0);
        let mut counters = Counters {
            vm_size: status.vm_size.ok_or_else(no_memory)?,
            rss_anon: bytes(status.rss_anon),
            rss_file: bytes(status.rss_file),
            rss_shmem: bytes(status.rss_shmem),
            rss_peak: bytes(status.rss_peak),
            swap: bytes(status.swap),
            data: bytes(status.data),
            stack: bytes(status.stack),
            locked: bytes(status.locked),
            page_tables: bytes(status.page_tables),
            minor_faults: 0,
            major_faults: 0,
        };
        self.read_text(thread, "stat")?;
        let stat = proc_text::stat(&self.text).map_err(not_its_text)?;
        (counters.minor_faults, counters.major_faults) = (stat.minor_faults, stat.major_faults);
        self.start_stack = stat.start_stack;
        Ok(counters)
    }
}

/// Whether no thread runs while a memory is read.
pub const fn is_still(reason: Reason) -> bool {
    matches!(reason, Reason::Exec | Reason::Fork | Reason::Exit)
}

/// How many bytes more are resident by the sums than by the pages.
fn beyond(pages: Option<&[PageRun]>, counters: &Counters) -> i64 {
    let Some(runs) = pages else { return 0 };
    let counts =
        |run: &&PageRun| run.state.contains(PageState::PRESENT) && !run.state.contains(PageState::ZERO);
    let there: u64 = runs.iter().filter(counts).map(|run| run.range.len()).sum();
    (counters.rss_anon + counters.rss_file + counters.rss_shmem).cast_signed() - there.cast_signed()
}

/// Reads how much memory a thread has resident: the cheap question whether a checkpoint is due.
///
/// # Errors
/// If the thread is gone.
pub fn resident_bytes(thread: Tid) -> io::Result<u64> {
    let mut text = [0u8; 128];
    let read = open(thread, "statm")?.read(&mut text)?;
    let pages = std::str::from_utf8(&text[..read]).ok().and_then(|text| text.split(' ').nth(1)?.parse().ok());
    pages.map(|pages: u64| pages * abi::PAGE_SIZE).ok_or_else(|| not_its_text("statm has no second number"))
}

fn open(thread: Tid, file: &str) -> io::Result<File> {
    File::open(format!("/proc/{thread}/{file}"))
}

fn not_its_text(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

fn no_memory() -> io::Error {
    io::Error::from_raw_os_error(Errno::ESRCH.0.into())
}

fn shared_name(names: &mut HashSet<Bytes>, name: &[u8]) -> Bytes {
    if let Some(known) = names.get(name) {
        return known.clone();
    }
    let name = Bytes::from(name);
    names.insert(name.clone());
    name
}

/// Divides the addresses into ranges whose pages may be of files, and large ones of private memory without a file,
/// which are scanned much faster.
fn pieces(rows: &[MapRow]) -> Vec<(AddrRange, Files)> {
    let mut pieces: Vec<(AddrRange, Files)> = Vec::new();
    let mut done = VirtAddr(0);
    let is_private = |row: &&MapRow| !row.shared && row.file == FileId::default();
    for row in rows.iter().filter(is_private).filter(|row| row.range.len() >= WORTH_ITS_OWN_SCAN) {
        // Each row was read at its own moment: of a map that was changing, rows may overlap.
        if row.range.start < done {
            continue;
        }
        if row.range.start > done {
            pieces.push((AddrRange::new(done, row.range.start), Files::Told));
        }
        pieces.push((row.range, Files::NotTold));
        done = row.range.end;
    }
    pieces.push((AddrRange::new(done, VirtAddr(u64::MAX)), Files::Told));
    pieces
}

/// Adds a run behind the others, joined to the last one where the two touch and are in the same state.
fn add_run(runs: &mut Vec<PageRun>, run: PageRun) {
    match runs.last_mut() {
        Some(last) if last.range.end == run.range.start && last.state == run.state => {
            last.range.end = run.range.end
        }
        _ => runs.push(run),
    }
}

/// What a run of pages is in the words of recordings.
pub fn page_run(region: &Region) -> PageRun {
    const BITS: [(Categories, PageState); 6] = [
        (Categories::PRESENT, PageState::PRESENT),
        (Categories::SWAPPED, PageState::SWAPPED),
        (Categories::FILE, PageState::FILE),
        (Categories::ZERO, PageState::ZERO),
        (Categories::HUGE, PageState::HUGE),
        (Categories::GUARD, PageState::GUARD),
    ];
    let has = region.categories();
    let state = BITS.iter().filter(|(category, _)| has.contains(*category));
    PageRun { range: region.range(), state: state.fold(PageState::default(), |all, (_, bit)| all.with(*bit)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Tid {
        Tid(std::process::id().cast_signed())
    }

    fn pages_of(checkpoint: &Checkpoint, range: abi::AddrRange) -> Vec<u64> {
        let runs = checkpoint.pages.as_deref().expect("they were read");
        let inside = runs.iter().filter(|run| run.state.contains(PageState::PRESENT));
        let inside = inside.filter_map(|run| run.range.intersection(range));
        inside
            .flat_map(|part| (0..part.pages()).map(move |page| (part.start.0 - range.start.0) / 4096 + page))
            .collect()
    }

    #[test]
    fn a_checkpoint_tells_map_pages_and_sums() {
        let mut memory = vec![0u8; 600 * 4096];
        let first = (memory.as_ptr() as u64).next_multiple_of(4096);
        let offset = (first - memory.as_ptr() as u64) as usize;
        for page in [0, 1, 2, 500] {
            memory[offset + page * 4096] = 1;
        }
        let range = abi::AddrRange::from_len(abi::VirtAddr(first), 501 * 4096).expect("it is mapped");
        let scan = Checkpointer::new(PagesWanted::Yes);
        let words = Checkpointer { source: PageSource::Pagemap, ..Checkpointer::new(PagesWanted::No) };
        for mut checkpointer in [scan, words] {
            let checkpoint = checkpointer.read(me(), Reason::Interval, &[]).expect("our own memory");
            assert_eq!(pages_of(&checkpoint, range), [0, 1, 2, 500], "{:?}", checkpointer.pages());
            assert!(checkpoint.maps.iter().any(|row| row.range.covers(range)));
            assert!(checkpoint.maps.iter().any(|row| *row.name == *b"[stack]"));
            let runs = checkpoint.pages.as_deref().expect("they were read");
            assert!(runs.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
            let resident = checkpoint.counters.rss_anon + checkpoint.counters.rss_file;
            assert!(resident > 4 * 4096 && checkpoint.counters.minor_faults > 4);
            assert!(checkpoint.counters.vm_size > range.len());
            assert!(resident_bytes(me()).expect("our own") > 4 * 4096);
        }
    }

    #[test]
    fn pieces_cover_every_address_once() {
        let row = |start: u64, end: u64, ino| MapRow {
            range: AddrRange::new(VirtAddr(start << 20), VirtAddr(end << 20)),
            prot: abi::Prot::RW,
            shared: false,
            offset: FileOff(0),
            file: FileId { ino, ..FileId::default() },
            name: Bytes::default(),
        };
        let found = pieces(&[row(1, 3, 7), row(3, 5, 0), row(5, 6, 0), row(8, 9, 0), row(8, 10, 0)]);
        let shown: Vec<_> = found.iter().map(|(range, files)| (range.start.0 >> 20, *files)).collect();
        let (told, not) = (Files::Told, Files::NotTold);
        assert_eq!(shown, [(0, told), (3, not), (5, not), (6, told), (8, not), (9, told)]);
        assert!(found.windows(2).all(|pair| pair[0].0.end == pair[1].0.start));
        assert_eq!(found.last().map(|(range, _)| range.end), Some(VirtAddr(u64::MAX)));
    }

    #[test]
    fn a_file_s_pages_are_told_from_others() {
        let mut checkpointer = Checkpointer::new(PagesWanted::Yes);
        let block = std::hint::black_box(vec![1u8; 8 << 20]);
        let checkpoint = checkpointer.read(me(), Reason::Interval, &[]).expect("our own memory");
        let runs = checkpoint.pages.as_deref().expect("they were read");
        let state_at = |addr: usize| {
            let addr = VirtAddr(addr as u64);
            runs.iter().find(|run| run.range.contains(addr)).map(|run| run.state).unwrap_or_default()
        };
        let ours = state_at(block.as_ptr() as usize + (4 << 20));
        assert!(ours.contains(PageState::PRESENT) && !ours.contains(PageState::FILE), "{ours:?}");
        let text = state_at(pieces as *const () as usize);
        assert!(text.contains(PageState::PRESENT.with(PageState::FILE)), "{text:?}");
    }

    #[test]
    fn who_has_no_memory_has_no_checkpoint() {
        let mut checkpointer = Checkpointer::new(PagesWanted::Yes);
        // The kernel's first thread has no memory of its own; a thread beyond the largest id does not exist.
        for thread in [Tid(2), Tid(i32::MAX)] {
            assert!(checkpointer.read(thread, Reason::Interval, &[]).is_err());
        }
    }
}
