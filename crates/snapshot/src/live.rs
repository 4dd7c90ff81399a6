//! A snapshot of a running process, from `/proc/PID`. The process is neither stopped nor changed.

mod frames;
mod memory;
mod paths;
mod peers;
mod processes;
mod scan;
mod stream;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use abi::{AddrRange, FileOff, PAGE_SIZE, Pid, Prot, Tid, VirtAddr};
use elf::ReadAt;
use proc_text::{PagemapEntry, TextError};

pub use frames::Frames;
pub use memory::LiveMemory;
pub use peers::{Peer, Peers, peers, shares_ipc};
pub use processes::{processes_named, with_descendants};

use crate::classify::divided_or_stacks;
use crate::file::Pieces;
use crate::huge::HugeSample;
use crate::pages::{PageRun, PageState};
use crate::sums::MappingSums;
use crate::value::{Moment, Object, Snapshot, Thread};

/// How much of an executable is read: its program headers stand in the first page of any linker's file.
const HEADER_BYTES: usize = 64 << 10;

/// A running process as it was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Live {
    /// Its id.
    pub pid: Pid,
    /// Its name (`comm`).
    pub name: Arc<[u8]>,
    /// Its memory.
    pub snapshot: Snapshot,
    /// The kernel's own total (`smaps_rollup`), read right after the mappings; `None` on kernels without.
    pub total: Option<MappingSums>,
    /// Page tables in bytes.
    pub page_tables: Option<u64>,
    /// Virtual, resident and swapped size as `status` has them, read after the mappings.
    pub status_sizes: [Option<u64>; 3],
    /// The largest resident size so far in bytes.
    pub rss_peak: Option<u64>,
    /// The soft limit of the main stack in bytes (`RLIMIT_STACK`); `None` if there is none or it is not known.
    pub stack_limit: Option<u64>,
    /// The soft limit of the virtual size in bytes (`RLIMIT_AS`); `None` as above.
    pub size_limit: Option<u64>,
    /// The most mappings a process may have (`vm.max_map_count`), where it could be read.
    pub mappings_max: Option<u64>,
}

/// Why a process could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum LiveError {
    /// There is no such process, or it ended while it was read.
    Gone {
        /// The process.
        pid: Pid,
    },
    /// It has no memory of its own: a kernel thread, or ended and not yet waited for.
    NoMemory {
        /// The process.
        pid: Pid,
    },
    /// The reader may not see it.
    NotPermitted {
        /// The file that could not be read.
        path: PathBuf,
    },
    /// Reading failed otherwise.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A text was not as expected.
    Text {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: TextError,
    },
}

impl fmt::Display for LiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { pid } => write!(f, "no process {pid}"),
            Self::NoMemory { pid } => {
                write!(f, "process {pid} has no memory: it is a kernel thread, or has ended")
            }
            Self::NotPermitted { path } => {
                let path = path.display();
                write!(f, "{path}: not permitted; run as that process's user, or as root (CAP_SYS_PTRACE)")
            }
            Self::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Text { path, error } => write!(f, "{}: {error}; try again", path.display()),
        }
    }
}

impl std::error::Error for LiveError {}

/// Reads a running process: its mappings with the kernel's sums for each.
///
/// # Errors
/// If it is not there, has no memory, or may not be seen.
pub fn read_live(pid: Pid) -> Result<Live, LiveError> {
    let process = Process { pid, dir: PathBuf::from(format!("/proc/{pid}")) };
    let (snapshot, rollup) = std::thread::scope(|scope| {
        let rollup = scope.spawn(|| process.read("smaps_rollup").ok());
        (stream::rows(&process, "smaps"), rollup.join().ok().flatten())
    });
    let mut live = finish(&process, snapshot?, rollup)?;
    live.snapshot.pages = process.pages_of_divided(&live.snapshot);
    live.snapshot.huge = process.huge_pages(&live);
    Ok(live)
}

/// Reads a running process by its mappings and page tables alone (`PAGEMAP_SCAN`): several times as fast, but
/// without what only the kernel's sums tell: shares of others, dirty, locked.
///
/// # Errors
/// As above, and where the kernel has no such scan (before Linux 6.7).
pub fn read_live_fast(pid: Pid) -> Result<Live, LiveError> {
    const FILE: &str = "pagemap";
    let process = Process { pid, dir: PathBuf::from(format!("/proc/{pid}")) };
    let (snapshot, runs) = std::thread::scope(|scope| {
        let runs = scope.spawn(|| File::open(process.dir.join(FILE)).and_then(|file| Ok(scan::runs(&file)?)));
        (stream::rows(&process, "maps"), runs.join())
    });
    let snapshot = snapshot?;
    // A kernel thread has no page tables to scan.
    if snapshot.mappings.is_empty() {
        return Err(LiveError::NoMemory { pid });
    }
    let runs = runs.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
    let runs = runs.map_err(|error| process.io_error(FILE, error))?;
    let mut live = finish(&process, snapshot, None)?;
    live.snapshot.pages = Some(runs);
    Ok(live)
}

/// Adds what is known besides mappings and pages.
fn finish(process: &Process, mut snapshot: Snapshot, rollup: Option<Vec<u8>>) -> Result<Live, LiveError> {
    let pid = process.pid;
    let status_text = process.read("status")?;
    let stat_text = process.read("stat")?;
    let text_error = |file: &str, error| LiveError::Text { path: process.dir.join(file), error };
    let status = proc_text::status(&status_text).map_err(|error| text_error("status", error))?;
    let stat = proc_text::stat(&stat_text).map_err(|error| text_error("stat", error))?;
    if snapshot.mappings.is_empty() {
        return Err(LiveError::NoMemory { pid });
    }
    snapshot.moment = Moment::Now;
    snapshot.stack_start = Some(stat.start_stack).filter(|start| start.0 > 1);
    snapshot.heap = heap_bounds(&snapshot, stat.start_brk);
    snapshot.threads = process.threads();
    snapshot.objects = process.objects(&snapshot);
    snapshot.program = process.program();
    snapshot.pages_moment = Moment::Now;
    let total = rollup.and_then(|text| Some(MappingSums::from_smaps(&proc_text::rollup(&text).ok()?)));
    let [stack_limit, size_limit] = process.limits([b"Max stack size", b"Max address space"]);
    let mappings_max = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    Ok(Live {
        pid,
        stack_limit,
        size_limit,
        mappings_max: mappings_max.ok().and_then(|text| text.trim().parse().ok()),
        name: stat.comm.into(),
        total,
        page_tables: status.page_tables,
        status_sizes: [status.vm_size, status.rss, status.swap],
        rss_peak: status.rss_peak,
        snapshot,
    })
}

/// Reads the text of a running process's `smaps`.
///
/// # Errors
/// If it is not there, has no memory, or may not be seen.
pub fn read_live_smaps(pid: Pid) -> Result<Vec<u8>, LiveError> {
    let process = Process { pid, dir: PathBuf::from(format!("/proc/{pid}")) };
    let text = process.read("smaps")?;
    if text.is_empty() { Err(LiveError::NoMemory { pid }) } else { Ok(text) }
}

/// Reads which pages of some ranges of a running process are there. Pages that are not are left out.
///
/// # Preconditions
/// The ranges are ascending and disjoint. Each GiB of them takes 2 MiB to read.
///
/// # Errors
/// If the process is not there or may not be seen.
pub fn read_live_pages(pid: Pid, ranges: impl Iterator<Item = AddrRange>) -> Result<Vec<PageRun>, LiveError> {
    const FILE: &str = "pagemap";
    let process = Process { pid, dir: PathBuf::from(format!("/proc/{pid}")) };
    let open = || {
        let file = File::open(process.dir.join(FILE))?;
        let mut runs = Vec::new();
        for range in ranges {
            read_pages(&file, range, &mut runs)?;
        }
        Ok(runs)
    };
    open().map_err(|error| process.io_error(FILE, error))
}

/// The path by which we can open the file behind a mapping of a process: by `map_files` where that is permitted
/// (it works for deleted files too), else by its path inside the process's root; `None` if another file is there.
pub fn mapped_path(pid: Pid, mapping: &crate::Mapping) -> Option<PathBuf> {
    Process { pid, dir: PathBuf::from(format!("/proc/{pid}")) }.mapped_path(mapping)
}

/// The heap ends where the kernel's last `[heap]` mapping does: `brk` itself is not told.
fn heap_bounds(snapshot: &Snapshot, start: VirtAddr) -> Option<AddrRange> {
    let named = snapshot.mappings.iter().rev().find(|m| *m.name == *b"[heap]")?;
    (start.0 > 1 && start < named.range.end).then(|| AddrRange::new(start, named.range.end))
}

/// The folder of a process.
struct Process {
    pid: Pid,
    dir: PathBuf,
}

impl Process {
    fn read(&self, file: &str) -> Result<Vec<u8>, LiveError> {
        std::fs::read(self.dir.join(file)).map_err(|error| self.io_error(file, error))
    }

    fn io_error(&self, file: &str, error: io::Error) -> LiveError {
        let path = self.dir.join(file);
        match error.kind() {
            io::ErrorKind::NotFound => LiveError::Gone { pid: self.pid },
            io::ErrorKind::PermissionDenied => LiveError::NotPermitted { path },
            // ESRCH: it ended between opening and reading.
            _ if error.raw_os_error() == Some(3) => LiveError::Gone { pid: self.pid },
            _ => LiveError::Io { path, error },
        }
    }

    /// The threads; one that ends meanwhile is left out.
    fn threads(&self) -> Vec<Thread> {
        let Ok(entries) = std::fs::read_dir(self.dir.join("task")) else { return Vec::new() };
        let threads = entries.flatten().filter_map(|entry| {
            let tid = entry.file_name().to_str()?.parse().ok()?;
            let name = std::fs::read(entry.path().join("comm")).ok()?;
            let name = name.strip_suffix(b"\n").unwrap_or(&name).into();
            Some(Thread { tid: Tid(tid), name, stack_pointer: stack_pointer(&entry.path()) })
        });
        threads.collect()
    }

    /// The soft limits of these names.
    fn limits<const N: usize>(&self, names: [&[u8]; N]) -> [Option<u64>; N] {
        let text = self.read("limits").unwrap_or_default();
        names.map(|name| proc_text::limits(&text).flatten().find(|row| row.name == name)?.soft)
    }

    fn program(&self) -> Option<abi::FileId> {
        let exe = std::fs::metadata(self.dir.join("exe")).ok()?;
        Some(file_id(&exe))
    }

    /// The headers of every file of which some part is executable. The file is read as the process sees it,
    /// and only believed if it is the one that is mapped.
    fn objects(&self, snapshot: &Snapshot) -> Vec<Object> {
        let mut objects: Vec<Object> = Vec::new();
        for mapping in &snapshot.mappings {
            let is_code = mapping.prot.contains(Prot::EXEC) && mapping.name.starts_with(b"/");
            if !is_code || objects.iter().any(|object| object.file == mapping.file) {
                continue;
            }
            let read = self.open_mapped(mapping).and_then(|file| {
                let image = elf::read(&Pieces(&file).read_at(FileOff(0), HEADER_BYTES)).ok()?;
                let soname = elf::soname(&Pieces(&file), &image.segments).unwrap_or_default();
                Some((image.segments, image.build_id.unwrap_or_default(), soname))
            });
            let (segments, build_id, soname) = read.unwrap_or_default();
            objects.push(Object {
                file: mapping.file,
                path: mapping.name.clone(),
                build_id: build_id.into(),
                soname: soname.into(),
                segments,
            });
        }
        objects
    }

    /// Opens the file behind a mapping.
    fn open_mapped(&self, mapping: &crate::Mapping) -> Option<File> {
        File::open(self.mapped_path(mapping)?).ok()
    }

    fn mapped_path(&self, mapping: &crate::Mapping) -> Option<PathBuf> {
        let by_range = self.dir.join("map_files").join(mapping.range.to_string());
        if File::open(&by_range).is_ok() {
            return Some(by_range);
        }
        paths::candidates(&self.dir, &mapping.name)
            .into_iter()
            .find(|path| paths::is_file(path, mapping.file))
    }

    /// The pages of those mappings that are divided among kinds, and of stacks; the kernel's sums tell of the others.
    fn pages_of_divided(&self, snapshot: &Snapshot) -> Option<Vec<PageRun>> {
        /// A mapping larger than this is divided by size rather than read page by page.
        const BYTES_MAX: u64 = 4 << 30;
        let file = File::open(self.dir.join("pagemap")).ok()?;
        let mut runs = Vec::new();
        for range in divided_or_stacks(snapshot).into_iter().filter(|range| range.len() <= BYTES_MAX) {
            read_pages(&file, range, &mut runs).ok()?;
        }
        Some(runs)
    }
}

impl Process {
    /// Looks into some of its anonymous huge pages, where it has enough of them to matter.
    fn huge_pages(&self, live: &Live) -> Option<HugeSample> {
        /// Below this much it is not worth a look.
        const BYTES_MIN: u64 = 32 << 20;
        let snapshot = &live.snapshot;
        if live.total.and_then(|total| total.huge).is_some_and(|huge| huge < BYTES_MIN) {
            return None;
        }
        let sums = || snapshot.sums.iter().zip(&snapshot.mappings);
        let huge = |sums: &MappingSums| sums.huge.unwrap_or(0);
        let with_huge = || sums().filter(|(sums, mapping)| huge(sums) > 0 && mapping.is_private_anonymous());
        if with_huge().map(|(sums, _)| huge(sums)).sum::<u64>() < BYTES_MIN {
            return None;
        }
        let memory = LiveMemory::open(self.pid).ok()?;
        let pagemap = File::open(self.dir.join("pagemap")).ok()?;
        let runs = scan::runs_within(&pagemap, with_huge().map(|(_, mapping)| mapping.range)).ok()?;
        HugeSample::of(&runs, &memory)
    }
}

/// The stack pointer of a thread, as `/proc/PID/task/TID/syscall` tells it while the thread waits.
fn stack_pointer(task: &Path) -> Option<VirtAddr> {
    let text = std::fs::read_to_string(task.join("syscall")).ok()?;
    let pointer = text.split_whitespace().rev().nth(1)?.strip_prefix("0x")?;
    Some(VirtAddr(u64::from_str_radix(pointer, 16).ok()?))
}

fn file_id(meta: &std::fs::Metadata) -> abi::FileId {
    let dev = meta.dev();
    // The layout of a device number as stat returns it (glibc's gnu_dev_major and gnu_dev_minor).
    let major = (dev >> 8 & 0xfff | dev >> 32 & !0xfff) as u32;
    let minor = (dev & 0xff | dev >> 12 & !0xff) as u32;
    abi::FileId { dev: abi::DevId { major, minor }, ino: meta.ino() }
}

fn read_pages(pagemap: &File, range: AddrRange, runs: &mut Vec<PageRun>) -> io::Result<()> {
    const WORDS: u64 = 8192;
    let mut buffer = vec![0u8; WORDS as usize * 8];
    let mut page = range.start.0 / PAGE_SIZE;
    let end = range.end.0 / PAGE_SIZE;
    while page < end {
        let wanted = (end - page).min(WORDS) as usize * 8;
        let got = pagemap.read_at(&mut buffer[..wanted], page * 8)?;
        let (words, _) = buffer[..got].as_chunks::<8>();
        if words.is_empty() {
            break;
        }
        for word in words {
            push_page(runs, VirtAddr(page * PAGE_SIZE), PagemapEntry(u64::from_le_bytes(*word)));
            page += 1;
        }
    }
    Ok(())
}

fn push_page(runs: &mut Vec<PageRun>, at: VirtAddr, entry: PagemapEntry) {
    let state = PageState {
        present: entry.is_present(),
        swapped: entry.is_swapped(),
        file: entry.is_file(),
        ..PageState::default()
    };
    if state == PageState::default() {
        return;
    }
    let end = VirtAddr(at.0 + PAGE_SIZE);
    match runs.last_mut().filter(|run| run.range.end == at && run.state == state) {
        Some(run) => run.range.end = end,
        None => runs.push(PageRun { range: AddrRange::new(at, end), state }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::classify;
    use crate::kind::Kind;
    use crate::sleeper::Sleeper;
    use crate::totals::Totals;

    #[test]
    fn a_waiting_process_adds_up_to_the_kernels_total() {
        let sleeper = Sleeper::start();
        let live = read_live(sleeper.pid()).expect("our own child can be read");
        let totals = Totals::of(&live.snapshot, &classify(&live.snapshot));
        assert_eq!(&*live.name, b"sleep");
        assert_eq!(totals.all.sums.and_then(|sums| sums.rss), live.total.and_then(|total| total.rss));
        assert_eq!(totals.all.sums.and_then(|sums| sums.uss), live.total.and_then(|total| total.uss));
        for kind in [Kind::Text, Kind::Relro, Kind::Bss, Kind::Heap, Kind::MainStack, Kind::Vdso] {
            assert!(totals.kinds.iter().any(|total| total.kind == kind), "{kind:?}");
        }
    }

    #[test]
    fn a_scan_of_the_page_tables_gives_the_same_resident_sizes() {
        let sleeper = Sleeper::start();
        let (sums, fast) = (read_live(sleeper.pid()), read_live_fast(sleeper.pid()));
        let fast = match fast {
            Err(LiveError::Io { error, .. }) => {
                println!("SKIPPED: a scan of page tables, {error}");
                return;
            }
            fast => fast.expect("our own child"),
        };
        let sums = sums.expect("our own child");
        assert_eq!(fast.snapshot.mappings, sums.snapshot.mappings);
        let totals = Totals::of(&fast.snapshot, &classify(&fast.snapshot));
        let resident = totals.all.pages.expect("pages").resident;
        assert_eq!(Some(resident), sums.total.and_then(|total| total.rss));
    }

    #[test]
    fn what_is_not_there_says_so() {
        let error = read_live(Pid(i32::MAX)).unwrap_err();
        assert_eq!(error.to_string(), "no process 2147483647");
        // Process 2 is the kernel's thread of threads, where there is one.
        if std::fs::read("/proc/2/comm").is_ok_and(|comm| comm == b"kthreadd\n") {
            assert!(matches!(
                read_live(Pid(2)),
                Err(LiveError::NoMemory { .. } | LiveError::NotPermitted { .. })
            ));
        }
    }
}
