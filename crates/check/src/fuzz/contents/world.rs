//! Where programs with contents run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use abi::{AddrRange, Fd, FileId, FileOff, PAGE_SIZE, Rlimit, VirtAddr};
use live::{Answer, Live, Setup, Step};
use mm::{
    AddressSpace, Caps, Contents, DescriptionId, FileKind, MapFile, Mutation, ObjectId, OpenMode, Pages,
    System,
};
use sys::memfd::sealable_memfd;

use crate::fuzz::error::FuzzError;
use crate::fuzz::files::{identity, kind};
use crate::fuzz::origin::{Direction, Learnt, OriginPlan};

/// A twin of what all processes share that keeps pages with their contents.
pub(super) type Sys = System<Pages<Contents>>;
/// A twin of one memory that does.
pub(super) type Space = AddressSpace<Pages<Contents>>;

/// Pages below the border of a page table, and above it.
const BELOW: u64 = 16;
const ABOVE: u64 = 32;
const BORDER: u64 = 0x2_0000_0000;

/// Where everything happens.
pub(super) const WINDOW: AddrRange =
    AddrRange { start: VirtAddr(BORDER - BELOW * PAGE_SIZE), end: VirtAddr(BORDER + ABOVE * PAGE_SIZE) };

/// Where everything happens in programs that are about huge pages: there is room for two, and something around.
pub(super) const WIDE: AddrRange =
    AddrRange { start: WINDOW.start, end: VirtAddr(BORDER + (HUGE_MAX * HUGE_PAGES + BELOW) * PAGE_SIZE) };
/// The first page that is the first of a huge page.
pub(super) const HUGE_START: VirtAddr = VirtAddr(BORDER);
/// Huge pages that there is room for.
pub(super) const HUGE_MAX: u64 = 2;
/// Pages of a huge page.
pub(super) const HUGE_PAGES: u64 = 512;

/// Instructions of one byte that do nothing: what is stored may be fetched. Two zeros are one too.
pub(super) const HARMLESS: [u8; 6] = [0x90, 0xf8, 0xf9, 0xf5, 0x98, 0x99];

/// A file open in every process.
pub(super) struct OpenFile {
    pub(super) open: File,
    pub(super) map: Arc<MapFile>,
}

/// An origin process, its files, and their twins.
pub(super) struct World {
    pub(super) live: Live,
    pub(super) files: Vec<OpenFile>,
    /// Their paths, as the kernel prints them.
    pub(super) paths: BTreeMap<FileId, Vec<u8>>,
    /// As a program finds it.
    pub(super) system: Sys,
    pub(super) origin: Space,
    pub(super) caps: Caps,
    /// Whether a program changed a file.
    pub(super) files_changed: bool,
}

/// The size of the file in memory, and of the one on a disk.
const SIZES: [u64; 2] = [5 * PAGE_SIZE + 100, 3 * PAGE_SIZE + 1];
const STACK_LIMIT: Rlimit = Rlimit { soft: 1 << 20, hard: Rlimit::INFINITY };

impl World {
    pub(super) fn start(mutation: Option<Mutation>) -> Result<Self, FuzzError> {
        let files = make()?;
        let paths = paths(&files)?;
        let copies: Result<Vec<_>, _> = files.iter().map(|file| file.open.try_clone()).collect();
        let copies = copies.map_err(|error| FuzzError::Io("copying a descriptor", error))?;
        let plan = OriginPlan {
            files: copies.into_iter().map(Into::into).collect(),
            direction: Direction::TopDown,
            stack_limit: STACK_LIMIT,
            library: None,
            mutation,
        };
        let Learnt { mut live, profile, layout, limits, rows, settings, caps } =
            Learnt::start(plan, |_| Ok(Vec::new()))?;
        stay_on_one_processor(&mut live)?;
        let mut system = System::with_contents(profile);
        let mut origin = AddressSpace::adopt(&mut system, layout, limits, rows);
        origin.set_settings(settings);
        let mut world = Self { live, files, paths, system, origin, caps, files_changed: true };
        for (file, bytes) in SIZES.into_iter().enumerate() {
            let map = Arc::clone(&world.files[file].map);
            for (offset, page) in first_contents(bytes) {
                let written = world.system.write_file(map.object, map.kind, offset, &page);
                written.map_err(|_| FuzzError::Setup("the twin can't write a file".into()))?;
            }
        }
        world.reset_files()?;
        Ok(world)
    }

    /// Gives every file what programs begin with. The origin does it: what it writes waits for its place in the queues
    /// on the list of the processor that every process stays on.
    pub(super) fn reset_files(&mut self) -> Result<(), FuzzError> {
        if !std::mem::take(&mut self.files_changed) {
            return Ok(());
        }
        let origin = self.live.origin();
        self.live.recycle(origin);
        let mut steps = Vec::new();
        for (file, bytes) in SIZES.into_iter().enumerate() {
            let fd = Setup::fd(file);
            steps.push((Step::FileTruncate { fd, bytes: 0 }, 0));
            // Page by page: a page cache filled by larger writes has larger folios, which map more at once.
            for (offset, page) in first_contents(bytes) {
                let (from, bytes) = (self.live.put(origin, &page)?, page.len() as u64);
                steps.push((Step::FileWrite { fd, offset: FileOff(offset), from, bytes }, bytes));
            }
        }
        let mut told = Vec::new();
        for (step, done) in steps {
            told.push((self.live.push(origin, step)?, done));
        }
        self.live.run(origin)?;
        for (ticket, done) in told {
            let answer = self.live.answer(ticket)?;
            if !matches!(answer, Answer::Returned(Ok(value)) if value == done) {
                return Err(FuzzError::Setup(format!("filling a file answered {answer:?}")));
            }
        }
        Ok(())
    }

    /// The file with this descriptor in the processes.
    pub(super) fn file(&self, fd: Fd) -> Option<&OpenFile> {
        let at = fd.0.checked_sub(Setup::fd(0).0)?;
        self.files.get(usize::try_from(at).ok()?)
    }
}

/// Pages wait on the list of the processor that brought them in: what looks at a page's place in the queues (`MADV_PAGEOUT`,
/// `MADV_FREE`) finds only those of its own (`mm/swap.c: lru_add_drain`).
fn stay_on_one_processor(live: &mut Live) -> Result<(), FuzzError> {
    const GETCPU: u32 = 309;
    const SCHED_SETAFFINITY: u32 = 203;
    let origin = live.origin();
    let place = live.put_words(origin, &[0])?;
    live.act(origin, Step::Raw { nr: GETCPU, args: [place.0, 0, 0, 0, 0, 0] })?;
    let cpu = live.peek(origin, place)? & 0xffff_ffff;
    let mask: Vec<u64> = (0..16).map(|word| if cpu / 64 == word { 1 << (cpu % 64) } else { 0 }).collect();
    let mask_at = live.put_words(origin, &mask)?;
    let args = [0, 8 * mask.len() as u64, mask_at.0, 0, 0, 0];
    match live.act(origin, Step::Raw { nr: SCHED_SETAFFINITY, args })? {
        Answer::Returned(Ok(_)) => Ok(()),
        other => Err(FuzzError::Setup(format!("sched_setaffinity answered {other:?}"))),
    }
}

/// What a file holds at first: each page full of an instruction that does nothing.
fn first_contents(bytes: u64) -> impl Iterator<Item = (u64, Vec<u8>)> {
    (0..bytes.div_ceil(PAGE_SIZE)).map(move |page| {
        let offset = page * PAGE_SIZE;
        let fill = HARMLESS[page as usize % HARMLESS.len()];
        (offset, vec![fill; (bytes - offset).min(PAGE_SIZE) as usize])
    })
}

/// The paths of files, as the kernel prints them.
fn paths(files: &[OpenFile]) -> Result<BTreeMap<FileId, Vec<u8>>, FuzzError> {
    let mut paths = BTreeMap::new();
    for OpenFile { open, map } in files {
        let path = fs::read_link(format!("/proc/self/fd/{}", open.as_raw_fd()));
        let path = path.map_err(|error| FuzzError::Io("asking for a file's path", error))?;
        if let ObjectId::File(id) = map.object {
            paths.insert(id, path.into_os_string().into_vec());
        }
    }
    Ok(paths)
}

/// Makes a file in memory, one on a disk, and opens the latter once more for reading only.
fn make() -> Result<Vec<OpenFile>, FuzzError> {
    let failed = |error| FuzzError::Io("making a file for programs", error);
    let memory = File::from(sealable_memfd(c"vmatlas-contents")?);
    let thread = std::thread::current().id();
    let path = std::env::temp_dir().join(format!("vmatlas-contents-{}-{thread:?}", std::process::id()));
    let disk = File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let disk = disk.map_err(failed)?;
    let again = File::open(format!("/proc/self/fd/{}", disk.as_raw_fd())).map_err(failed)?;
    fs::remove_file(&path).map_err(failed)?;
    let mut files = Vec::new();
    for (number, (open, write, bytes)) in
        [(memory, true, SIZES[0]), (disk, true, SIZES[1]), (again, false, SIZES[1])].into_iter().enumerate()
    {
        let (kind, noexec) = kind(&open)?;
        // Files of a disk are told apart by what makes large mappings start at huge pages only.
        let kind = if kind == FileKind::RegularOther { FileKind::Regular } else { kind };
        let map = MapFile {
            object: ObjectId::File(identity(&open)?),
            description: DescriptionId::Known(number as u64),
            kind,
            mode: OpenMode { read: true, write, append_only: false },
            bytes,
            seals: 0,
            noexec,
        };
        files.push(OpenFile { open, map: Arc::new(map) });
    }
    Ok(files)
}
