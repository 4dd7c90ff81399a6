//! An origin process and what the twin knows of it: where programs, and the lab's scripts, begin.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use abi::{Call, Errno, Fd, MapFlags, PageOff, Personality, Prot, Rlimit, VirtAddr};
use live::{Answer, Library, Live, Process, Setup, Step, Text};
use mm::{
    AddressSpace, AdoptedVma, AnonPages, Backing, Caps, DescriptionId, FileKind, Layout, Limits, MapFile,
    Memory, Mutation, NoPages, ObjectId, OpenMode, Profile, Settings, System, VmFlags,
};
use proc_text::SmapsRow;

use super::error::FuzzError;
use super::host;

/// How the memory of a world is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Mappings are placed from the top down: the usual layout.
    TopDown,
    /// Mappings are placed from the bottom up: the legacy layout.
    BottomUp,
}

/// How an origin is started.
#[derive(Debug)]
pub struct OriginPlan {
    /// Files that it and its children hold open.
    pub files: Vec<OwnedFd>,
    /// How its memory is laid out, where that may be chosen.
    pub direction: Direction,
    /// Its stack limit.
    pub stack_limit: Rlimit,
    /// The C library that it is linked with, if any.
    pub library: Option<Library>,
    /// A rule of the twin that is changed.
    pub mutation: Option<Mutation>,
}

/// An origin process and its twin, which may keep pages.
pub struct Origin<M: Memory = NoPages> {
    /// The process, and those to be forked from it.
    pub live: Live,
    /// The twin of what all processes share.
    pub system: System<M>,
    /// The twin of the origin's memory.
    pub space: AddressSpace<M>,
    /// The privileges of the processes.
    pub caps: Caps,
}

/// An origin process and what is learnt of it: what a twin is made from, with pages or without.
pub(crate) struct Learnt {
    /// The process, and those to be forked from it.
    pub live: Live,
    /// The kernel and its settings.
    pub profile: Profile,
    /// Where things lie.
    pub layout: Layout,
    /// The limits in force.
    pub limits: Limits,
    /// The mappings.
    pub rows: Vec<AdoptedVma>,
    /// The settings of the process.
    pub settings: Settings,
    /// The privileges of the processes.
    pub caps: Caps,
}

const SMAPS_MAX: usize = 1 << 16;
/// The descriptions of files that the origin did not open itself have numbers from here on.
const OTHER_DESCRIPTIONS: u64 = 1 << 20;

impl<M: Memory> Origin<M> {
    /// Starts an origin, lets it be furnished with System V segments, and learns its memory. What the twin keeps of
    /// pages is said by how its system is made of a profile.
    ///
    /// # Errors
    /// If the kernel is another than the twin's, or something needed is refused.
    pub fn start(
        plan: OriginPlan,
        system: impl FnOnce(Profile) -> System<M>,
        furnish: impl FnOnce(&mut Live) -> Result<Vec<Arc<MapFile>>, FuzzError>,
    ) -> Result<Self, FuzzError> {
        let Learnt { live, profile, layout, limits, rows, settings, caps } = Learnt::start(plan, furnish)?;
        let mut system = system(profile);
        let mut space = AddressSpace::adopt(&mut system, layout, limits, rows);
        space.set_settings(settings);
        Ok(Self { live, system, space, caps })
    }
}

impl Learnt {
    /// Starts an origin, lets it be furnished with System V segments, and learns its memory.
    ///
    /// # Errors
    /// As [`Origin::start`].
    pub(crate) fn start(
        plan: OriginPlan,
        furnish: impl FnOnce(&mut Live) -> Result<Vec<Arc<MapFile>>, FuzzError>,
    ) -> Result<Self, FuzzError> {
        let OriginPlan { files, direction, stack_limit, library, mutation } = plan;
        let is_linked = library.is_some();
        let mut profile = host::profile(mutation)?;
        let (personality, direction) = domain(direction);
        let mut live = Live::start(&Setup { files, personality, stack_limit, library })?;
        let layout = probe(&mut live, &mut profile, direction)?;
        let limits = limits(&live)?;
        let segments = furnish(&mut live)?;
        if is_linked {
            own_data(&mut live)?;
        }
        let text = read(&mut live, Text::Smaps)?;
        let program = fs::metadata(format!("/proc/{}/exe", live.pid(live.origin()).unwrap_or_default().0));
        let program = program.map_err(|error| FuzzError::Io("asking for the origin's program", error))?;
        let rows = adopted_rows(&text, program.len(), &segments)?;
        let settings = Settings { persona: personality.0 as u32, ..Settings::default() };
        Ok(Self { live, profile, layout, limits, rows, settings, caps: host::caps()? })
    }
}

/// Returns the execution domain of a layout, or the usual one with a random layout where no other is allowed.
fn domain(direction: Direction) -> (Personality, Direction) {
    let mut personality = Personality::ADDR_NO_RANDOMIZE;
    if direction == Direction::BottomUp {
        personality = personality | Personality::ADDR_COMPAT_LAYOUT;
    }
    if Setup::may_have(personality) {
        (personality, direction)
    } else {
        (Personality::NONE, Direction::TopDown)
    }
}

/// Tells whether every run has the same layout, so that a seed says everything.
pub fn is_repeatable() -> bool {
    Setup::may_have(Personality::ADDR_NO_RANDOMIZE)
}

fn read(live: &mut Live, text: Text) -> Result<Vec<u8>, FuzzError> {
    let origin = live.origin();
    live.recycle(origin);
    let ticket = live.push(origin, Step::Read { text, bytes_max: SMAPS_MAX })?;
    live.run(origin)?;
    let mut bytes = Vec::new();
    live.text(ticket, &mut bytes)?;
    Ok(bytes)
}

/// Tries out what no file of the system tells, in a process that ends then.
fn probe(live: &mut Live, profile: &mut Profile, direction: Direction) -> Result<Layout, FuzzError> {
    let process = live.spawn()?;
    let first = mmap(live, process, VirtAddr::NULL)?;
    let bottom_up = direction == Direction::BottomUp;
    let third = (profile.task_size.0 / 3).next_multiple_of(abi::PAGE_SIZE);
    let mmap_base = if bottom_up { VirtAddr(third) } else { top_down_base(live, process, first)? };
    // The lower of the two settings refuses, the higher one moves hints up.
    let hint = VirtAddr(profile.dac_mmap_min_addr.0.max(abi::PAGE_SIZE));
    profile.mmap_min_addr = mmap(live, process, hint)?;
    let here = mmap(live, process, VirtAddr::NULL)?;
    const PR_SET_VMA: u64 = 0x5356_4d41;
    const PRCTL: u32 = 157;
    let args = [PR_SET_VMA, 0, here.0, abi::PAGE_SIZE, 0, 0];
    let named = live.act(process, Step::Raw { nr: PRCTL, args })?;
    profile.options.anon_vma_name = named == Answer::Returned(Ok(0));
    let brk = match live.act(process, Step::Call(Call::Brk { addr: VirtAddr::NULL }))? {
        Answer::Returned(Ok(addr)) => VirtAddr(addr),
        other => return Err(unexpected("brk(0)", other)),
    };
    live.finish(process)?;
    let text = fs::read(format!("/proc/{}/stat", live.pid(live.origin()).unwrap_or_default().0));
    let text = text.map_err(|error| FuzzError::Io("reading the origin's stat", error))?;
    let stat = proc_text::stat(&text)?;
    Ok(Layout {
        mmap_base,
        mmap_legacy_base: VirtAddr(third),
        bottom_up,
        start_brk: stat.start_brk,
        brk,
        start_data: stat.start_data,
        end_data: stat.end_data,
        start_stack: stat.start_stack,
    })
}

/// Returns where mappings end that are placed from the top down: the kernel's own, which exec placed there, are
/// taken away, and the next one is there.
fn top_down_base(live: &mut Live, process: Process, first: VirtAddr) -> Result<VirtAddr, FuzzError> {
    // The stack is at least 128 MiB above (arch/x86/mm/mmap.c: mmap_base).
    const BELOW_STACK: u64 = 64 << 20;
    let call = Call::Munmap { addr: first, len: BELOW_STACK };
    match live.act(process, Step::Call(call))? {
        Answer::Returned(Ok(_)) => Ok(VirtAddr(mmap(live, process, VirtAddr::NULL)?.0 + abi::PAGE_SIZE)),
        other => Err(unexpected("munmap", other)),
    }
}

fn mmap(live: &mut Live, process: Process, addr: VirtAddr) -> Result<VirtAddr, FuzzError> {
    let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    let call = Call::Mmap { addr, len: abi::PAGE_SIZE, prot: Prot::READ, flags, fd: Fd(-1), offset: 0 };
    match live.act(process, Step::Call(call))? {
        Answer::Returned(Ok(at)) => Ok(VirtAddr(at)),
        other => Err(unexpected("mmap", other)),
    }
}

pub(super) fn unexpected(what: &str, answer: Answer) -> FuzzError {
    match answer {
        Answer::Returned(Err(errno)) if errno == Errno::ENOMEM => {
            FuzzError::Setup(format!("{what} has no memory left: are the limits too low?"))
        }
        other => FuzzError::Setup(format!("{what} answered {other:?}")),
    }
}

fn limits(live: &Live) -> Result<Limits, FuzzError> {
    let text = fs::read(format!("/proc/{}/limits", live.pid(live.origin()).unwrap_or_default().0));
    let text = text.map_err(|error| FuzzError::Io("reading the origin's limits", error))?;
    let mut limits = Limits::default();
    for row in proc_text::limits(&text) {
        let row = row?;
        let unlimited = |value: Option<u64>| value.unwrap_or(Rlimit::INFINITY);
        let limit = Rlimit { soft: unlimited(row.soft), hard: unlimited(row.hard) };
        match row.name {
            b"Max address space" => limits.address_space = limit,
            b"Max data size" => limits.data = limit,
            b"Max stack size" => limits.stack = limit,
            b"Max locked memory" => limits.memlock = limit,
            _ => {}
        }
    }
    Ok(limits)
}

/// Writes to each page of data that the program and its libraries have, so that none is written for the first time
/// when a function of the C library runs.
fn own_data(live: &mut Live) -> Result<(), FuzzError> {
    let text = read(live, Text::Maps)?;
    let origin = live.origin();
    let ours = |row: &proc_text::MapsRow<'_>| {
        row.prot.contains(Prot::RW) && !row.shared && !row.name.starts_with(b"[")
    };
    for row in proc_text::maps(&text).filter_map(Result::ok).filter(ours) {
        for page in (row.range.start.0..row.range.end.0).step_by(abi::PAGE_SIZE as usize).map(VirtAddr) {
            live.recycle(origin);
            if let Answer::Loaded(byte) = live.act(origin, Step::Load(page))? {
                live.act(origin, Step::Store(page, byte))?;
            }
        }
    }
    live.recycle(origin);
    Ok(())
}

fn adopted_rows(
    text: &[u8],
    program_bytes: u64,
    segments: &[Arc<MapFile>],
) -> Result<Vec<AdoptedVma>, FuzzError> {
    let mut rows = Vec::new();
    for row in proc_text::smaps(text) {
        let row = row?;
        if row.map.name != b"[vsyscall]" {
            rows.push(adopted(&row, program_bytes, segments)?);
        }
    }
    Ok(rows)
}

fn adopted(
    row: &SmapsRow<'_>,
    program_bytes: u64,
    segments: &[Arc<MapFile>],
) -> Result<AdoptedVma, FuzzError> {
    let map = &row.map;
    let flags = row.fields.vm_flags.map(vm_flags);
    let flags = flags.ok_or_else(|| FuzzError::Setup("smaps tells no VmFlags".into()))?;
    let backing = match map.name {
        b"[vdso]" => Backing::Kernel(0),
        b"[vvar]" => Backing::Kernel(1),
        b"[vvar_vclock]" => Backing::Kernel(2),
        _ if map.file.ino == 0 => Backing::Anonymous,
        _ if map.name.starts_with(b"/SYSV") => {
            let object = ObjectId::File(map.file);
            let segment = segments.iter().find(|segment| segment.object == object);
            let segment = segment.ok_or_else(|| FuzzError::Setup("a segment of an unknown number".into()))?;
            Backing::File(Arc::clone(segment))
        }
        // The C library and its loader.
        name if name.starts_with(b"/") && !name.starts_with(b"/memfd:") => {
            Backing::File(Arc::new(library_file(map)?))
        }
        _ => Backing::File(Arc::new(MapFile {
            object: ObjectId::File(map.file),
            // The arena and the program, each mapped from one description.
            description: DescriptionId::Known(OTHER_DESCRIPTIONS + map.file.ino),
            kind: FileKind::Shmem,
            mode: OpenMode { read: true, write: true, append_only: false },
            // The arena is sealed: it never reaches past its end.
            bytes: if map.shared { map.range.len() } else { program_bytes },
            seals: 0,
            noexec: false,
        })),
    };
    let is_anonymous = matches!(backing, Backing::Anonymous);
    let has_pages = row.fields.anonymous.unwrap_or(0) > 0;
    Ok(AdoptedVma {
        range: map.range,
        flags,
        pgoff: (!is_anonymous).then_some(PageOff(map.offset.0 >> abi::PAGE_SHIFT)),
        backing,
        anon: if has_pages { AnonPages::Some } else { AnonPages::None },
        name: None,
    })
}

/// What is known of a file that the child mapped on its way to its first instruction.
fn library_file(map: &proc_text::MapsRow<'_>) -> Result<MapFile, FuzzError> {
    let failed = |error| FuzzError::Io("asking for the C library's file", error);
    let file = fs::File::open(OsStr::from_bytes(map.name)).map_err(failed)?;
    let (kind, noexec) = super::files::kind(&file)?;
    Ok(MapFile {
        object: ObjectId::File(map.file),
        description: DescriptionId::Known(OTHER_DESCRIPTIONS + map.file.ino),
        kind,
        mode: OpenMode { read: true, write: false, append_only: false },
        bytes: file.metadata().map_err(failed)?.len(),
        seals: 0,
        noexec,
    })
}

/// Reads the flags that smaps prints.
pub(crate) fn vm_flags(words: proc_text::VmFlags<'_>) -> VmFlags {
    let mut flags = VmFlags::NONE;
    for (flag, _, code) in VmFlags::NAMED {
        if let [a, b] = code.as_bytes()
            && words.has(&[*a, *b])
        {
            flags = flags | *flag;
        }
    }
    flags
}
