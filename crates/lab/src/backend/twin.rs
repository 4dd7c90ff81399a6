//! The twin's side.

use std::sync::Arc;

use abi::{AddrRange, Call, Errno, Fd, PAGE_SIZE, VirtAddr};
use live::{Fault, Live};
use mm::{
    Access, AddressSpace, AdoptedVma, AnonPages, Backing, Basis, Caps, Contents, DescriptionId, FileInput,
    Input, Layout, Limits, MapFile, ObjectId, OpenMode, Pages, Profile, System, VmFlags, Vma, Why,
};
use proc_twin::{Mapping, Names, Smaps};

use super::pages::{PageState, Run, push};
use super::rows::Row;
use super::{Action, Answer, Descriptor, FileFacts, MemoryNo};
use crate::error::LabError;
use crate::syntax::Mode;

/// What `touch` writes: an instruction that does nothing, so that it may be executed later.
pub(crate) const TOUCH_BYTE: u8 = 0x90;

/// The twin's memory, with the contents of its pages.
pub(crate) type Space = AddressSpace<Pages<Contents>>;
/// What all processes of the twin share.
pub(crate) type Shared = System<Pages<Contents>>;

/// The twin of all processes.
#[derive(Clone)]
pub(crate) struct Twin {
    system: Shared,
    memories: Vec<Option<Space>>,
    /// What was mapped before the lab began: its contents are not known.
    before: Vec<AddrRange>,
    caps: Caps,
    /// Where `mincore`'s vector lies.
    vector: VirtAddr,
    files: Vec<FileFacts>,
    descriptions: Vec<Arc<MapFile>>,
}

/// What the twin said.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Said {
    pub(crate) answer: Answer,
    pub(crate) why: Why,
    pub(crate) basis: Basis,
}

impl Said {
    pub(crate) fn plain(answer: Answer) -> Self {
        Self { answer, why: Why::default(), basis: Basis::Predicted }
    }
}

impl Twin {
    /// The twin of a first process forked from an origin.
    pub(crate) fn new(mut system: Shared, mut origin: Space, caps: Caps) -> Result<Self, LabError> {
        let child = origin.fork(&mut system, &Input { caps, ..Input::default() });
        let child = child.map_err(|errno| LabError::Setup(format!("the twin cannot fork: {errno}")))?;
        Ok(Self { caps, vector: Live::scratch().start, ..Self::from_memory(system, child) })
    }

    /// A twin without a kernel beside it: Linux 6.18 on x86-64 with its usual settings, a program of one page.
    pub(crate) fn alone() -> Self {
        let mut system = System::with_contents(Profile::linux_6_18_x86_64());
        let layout = Layout {
            mmap_base: VirtAddr(0x7fff_f7ff_f000),
            mmap_legacy_base: VirtAddr(0x2aaa_aaaa_b000),
            start_brk: VirtAddr(0x3000_2000),
            brk: VirtAddr(0x3000_2000),
            start_stack: VirtAddr(0x7fff_ffff_efd0),
            ..Layout::default()
        };
        let row = |start, end, flags, backing| AdoptedVma {
            range: AddrRange::new(VirtAddr(start), VirtAddr(end)),
            flags,
            pgoff: None,
            backing,
            anon: AnonPages::None,
            name: None,
        };
        let may = VmFlags::MAYREAD | VmFlags::MAYWRITE | VmFlags::MAYEXEC;
        let rows = [
            row(0x3000_0000, 0x3000_1000, VmFlags::READ | VmFlags::EXEC | may, Backing::Anonymous),
            row(
                0x7fff_f7ff_d000,
                0x7fff_f7ff_f000,
                VmFlags::READ | VmFlags::EXEC | may | VmFlags::DONTEXPAND,
                Backing::Kernel(0),
            ),
            row(
                0x7fff_fffd_e000,
                0x7fff_ffff_f000,
                VmFlags::DATA_DEFAULT | VmFlags::GROWSDOWN | VmFlags::ACCOUNT,
                Backing::Anonymous,
            ),
        ];
        let origin = AddressSpace::adopt(&mut system, layout, Limits::default(), rows);
        Self::from_memory(system, origin)
    }

    /// A twin that goes on, with contents from here on, from a memory that was replayed without.
    pub(crate) fn from_replay(profile: Profile, replayed: &AddressSpace) -> Self {
        let mut system = System::with_contents(profile);
        let rows: Vec<AdoptedVma> = replayed.vmas().map(adopted).collect();
        let (layout, limits) = (replayed.layout().clone(), *replayed.limits());
        let mut space = Space::adopt(&mut system, layout, limits, rows);
        space.set_settings(replayed.settings());
        Self::from_memory(system, space)
    }

    /// A twin that goes on from a memory.
    fn from_memory(system: Shared, memory: Space) -> Self {
        Self {
            system,
            before: memory.vmas().map(|vma| vma.range).collect(),
            vector: memory.layout().start_stack.page_down(),
            memories: vec![Some(memory)],
            caps: Caps::default(),
            files: Vec::new(),
            descriptions: Vec::new(),
        }
    }

    /// A memory, if its process lives.
    pub(crate) fn memory(&self, memory: MemoryNo) -> Option<&Space> {
        self.memories.get(memory.0)?.as_ref()
    }

    /// Its processes have these privileges from here on.
    pub(crate) fn set_caps(&mut self, caps: Caps) {
        self.caps = caps;
    }

    /// What every call has as its input.
    pub(crate) fn input(&self) -> Input {
        Input { caps: self.caps, ..Input::default() }
    }

    /// Does a call with its input.
    pub(crate) fn raw(
        &mut self,
        memory: MemoryNo,
        call: Call,
        mut input: Input,
        descriptors: &[Descriptor],
        kernel: &Answer,
    ) -> Said {
        let Some(space) = self.memories.get_mut(memory.0).and_then(Option::as_mut) else {
            return Said::plain(Answer::Unknown("the process has ended"));
        };
        if let Call::Mmap { fd, .. } = call {
            input.file = file_input(&self.descriptions, descriptors, fd);
        }
        if let Answer::Value(result) = kernel {
            input.observed = Some(*result);
            input.placed = result.ok().map(VirtAddr);
        }
        let outcome = space.call(&mut self.system, call, &input);
        let answer = match outcome.basis {
            Basis::NotModelled => Answer::Unknown("the twin has no rules for this call"),
            _ => Answer::Value(outcome.result),
        };
        Said { answer, why: outcome.why, basis: outcome.basis }
    }

    /// Takes a description of a file in that the processes hold open; its number is the next one.
    pub(crate) fn take_description(&mut self, map: Arc<MapFile>) {
        if map.bytes > 0 {
            self.system.set_file_size(map.object, map.bytes);
        }
        let id = if let ObjectId::File(id) = map.object { id } else { abi::FileId::default() };
        self.files.push(FileFacts { id, kind: map.kind, noexec: map.noexec });
        self.descriptions.push(map);
    }

    /// Does something. What the kernel answered before is an input where the twin's answer depends on what is not
    /// modelled.
    pub(crate) fn act(
        &mut self,
        memory: MemoryNo,
        action: &Action,
        descriptors: &[Descriptor],
        kernel: Option<&Answer>,
    ) -> Said {
        let Some(space) = self.memories.get_mut(memory.0).and_then(Option::as_mut) else {
            return Said::plain(Answer::Unknown("the process has ended"));
        };
        let mut input = Input { caps: self.caps, ..Input::default() };
        if let Some(Answer::Value(result)) = kernel {
            input.observed = Some(*result);
            input.placed = result.ok().map(VirtAddr);
        }
        let call = match action {
            Action::Call(call) => *call,
            Action::Limit(resource, limit) => {
                input.rlimit = Some(*limit);
                let (new_limit, old_limit) = (VirtAddr(1), VirtAddr::NULL);
                Call::Prlimit64 { pid: 0, resource: *resource, new_limit, old_limit }
            }
            Action::Mincore(addr, len) => Call::Mincore { addr: *addr, len: *len, vec: self.vector },
            access => return self.access(memory, access),
        };
        if let Call::Mmap { fd, .. } = call {
            input.file = file_input(&self.descriptions, descriptors, fd);
        }
        let outcome = space.call(&mut self.system, call, &input);
        let answer = match outcome.basis {
            Basis::NotModelled => Answer::Unknown("the twin has no rules for this call"),
            Basis::TakenOver if kernel.is_none() => {
                Answer::Unknown("the answer depends on what is not modelled")
            }
            _ => match (outcome.result, action) {
                (Ok(_), Action::Mincore(addr, len)) => {
                    let vector = self.vector(memory, *addr, *len);
                    vector.unwrap_or(Answer::Unknown("what is cached of files is not the map's"))
                }
                (result, _) => Answer::Value(result),
            },
        };
        Said { answer, why: outcome.why, basis: outcome.basis }
    }

    /// Does accesses.
    fn access(&mut self, memory: MemoryNo, action: &Action) -> Said {
        let mut touch = |addr, access| self.touch(memory, addr, access);
        let done = match action {
            Action::Touch(addr, len, access) => pages(*addr, *len).try_for_each(|at| touch(at, *access)),
            Action::Frame(low, high) => pages_down(*low, *high).try_for_each(|at| touch(at, Access::Write)),
            Action::Fetch(addr) => touch(*addr, Access::Exec),
            Action::Load(addr, len) => return Said::plain(self.load(memory, *addr, *len)),
            Action::Store(addr, bytes) => self.store(memory, *addr, bytes),
            Action::Call(_) | Action::Limit(..) | Action::Mincore(..) => Ok(()),
        };
        Said::plain(done.err().map_or(Answer::Done, Answer::Signal))
    }

    fn touch(&mut self, memory: MemoryNo, addr: VirtAddr, access: Access) -> Result<(), Fault> {
        match access {
            Access::Read => self.on(memory, |space, system| space.load(system, addr, &mut [0])),
            Access::Write => self.on(memory, |space, system| space.store(system, addr, &[TOUCH_BYTE])),
            Access::Exec => self.on(memory, |space, system| space.fetch(system, addr, &mut [0])),
        }
    }

    /// Does an access in a memory whose process lives.
    fn on(
        &mut self,
        memory: MemoryNo,
        access: impl FnOnce(&mut Space, &mut Shared) -> Result<(), mm::Fault>,
    ) -> Result<(), Fault> {
        let Some(space) = self.memories.get_mut(memory.0).and_then(Option::as_mut) else { return Ok(()) };
        let fault = |mm::Fault { addr, signal }| Fault { signal: signal.number(), code: signal.code(), addr };
        access(space, &mut self.system).map_err(fault)
    }

    fn load(&mut self, memory: MemoryNo, addr: VirtAddr, len: u64) -> Answer {
        let mut bytes = vec![0; len as usize];
        match self.on(memory, |space, system| space.load(system, addr, &mut bytes)) {
            Err(fault) => Answer::Signal(fault),
            Ok(()) if self.is_from_before(addr, len) => {
                Answer::Unknown("its contents are from before the lab")
            }
            Ok(()) => Answer::Bytes(bytes),
        }
    }

    /// Stores byte by byte, as the child does: those before a fault are stored.
    fn store(&mut self, memory: MemoryNo, addr: VirtAddr, bytes: &[u8]) -> Result<(), Fault> {
        let mut at = 0;
        for page in pages(addr, bytes.len() as u64) {
            let room = PAGE_SIZE - page.0 % PAGE_SIZE;
            let part = bytes.get(at..bytes.len().min(at + room as usize)).unwrap_or_default();
            self.on(memory, |space, system| space.store(system, page, part))?;
            at += part.len();
        }
        Ok(())
    }

    fn is_from_before(&self, addr: VirtAddr, len: u64) -> bool {
        let range = AddrRange { start: addr, end: VirtAddr(addr.0.saturating_add(len)) };
        self.before.iter().any(|before| before.overlaps(range))
    }

    /// The states of the pages of a range; `None` where they are from before the lab.
    pub(crate) fn pages(&mut self, memory: MemoryNo, range: AddrRange) -> Option<Vec<Run>> {
        if self.is_from_before(range.start, range.len()) {
            return None;
        }
        let space = self.memories.get_mut(memory.0)?.as_mut()?;
        // Another process may have taken pages away since.
        space.catch_up(&mut self.system);
        let mut runs = Vec::new();
        for at in pages(range.start, range.len()) {
            push(&mut runs, PageState::of_twin(space.page(&self.system, at).kind), 1);
        }
        Some(runs)
    }

    /// The vector of `mincore` of private anonymous memory; of files it depends on the page cache.
    fn vector(&mut self, memory: MemoryNo, addr: VirtAddr, len: u64) -> Option<Answer> {
        let range = AddrRange { start: addr, end: VirtAddr(addr.0.checked_add(len)?) };
        if !self.memory(memory)?.vmas_in(range).all(Vma::is_anonymous) {
            return None;
        }
        let mut bytes = Vec::new();
        for Run { state, pages } in self.pages(memory, range)? {
            let here = matches!(state, PageState::Zero | PageState::Private);
            bytes.extend((0..pages).map(|_| u8::from(here)));
        }
        Some(Answer::Bytes(bytes))
    }

    /// Takes a page over that the child's C library may have written to.
    pub(crate) fn take_over(&mut self, memory: MemoryNo, page: VirtAddr, bytes: &[u8]) {
        let Some(space) = self.memories.get_mut(memory.0).and_then(Option::as_mut) else { return };
        let mut known = vec![0; bytes.len()];
        let is_same = space.page(&self.system, page).kind == mm::PageKind::Anon
            && space.load(&mut self.system, page, &mut known).is_ok()
            && known == bytes;
        if !is_same {
            // Where the twin would not let it be written, the next comparison of maps or pages tells.
            let _told_later = space.store(&mut self.system, page, bytes);
        }
    }

    /// Forks; the child is the next memory.
    pub(crate) fn fork(&mut self, memory: MemoryNo) -> Answer {
        let Some(space) = self.memories.get_mut(memory.0).and_then(Option::as_mut) else {
            return Answer::Unknown("the process has ended");
        };
        match space.fork(&mut self.system, &Input { caps: self.caps, ..Input::default() }) {
            Ok(child) => {
                self.memories.push(Some(child));
                Answer::Done
            }
            Err(errno) => Answer::Value(Err(errno)),
        }
    }

    /// Ends a process.
    pub(crate) fn exit(&mut self, memory: MemoryNo) {
        if let Some(space) = self.memories.get_mut(memory.0).and_then(Option::take) {
            space.exit(&mut self.system);
        }
    }

    /// Takes a file in; its number is the next one.
    pub(crate) fn make_file(&mut self, facts: FileFacts, content: &[u8]) {
        let (object, kind) = (ObjectId::File(facts.id), facts.kind);
        self.system.set_file_size(object, 0);
        self.files.push(facts);
        // Nothing is behind the page cache that could fail.
        let _never_fails = self.system.write_file(object, kind, 0, content);
    }

    /// Opens a file: another open file description, with the next number.
    pub(crate) fn open(&mut self, file: usize, mode: Mode) {
        let Some(facts) = self.files.get(file) else { return };
        let bytes = self.system.size_of(ObjectId::File(facts.id));
        self.descriptions.push(Arc::new(MapFile {
            object: ObjectId::File(facts.id),
            description: DescriptionId::Known(self.descriptions.len() as u64),
            kind: facts.kind,
            mode: OpenMode {
                read: mode != Mode::WriteOnly,
                write: mode != Mode::ReadOnly,
                append_only: false,
            },
            bytes,
            seals: 0,
            noexec: facts.noexec,
        }));
    }

    /// Gives a file another size.
    pub(crate) fn truncate(&mut self, file: usize, bytes: u64) -> Answer {
        if i64::try_from(bytes).is_err() {
            return Answer::Value(Err(Errno::EINVAL));
        }
        let Some(facts) = self.files.get(file) else { return Answer::Value(Err(Errno::EBADF)) };
        let cut = self.system.truncate(ObjectId::File(facts.id), facts.kind, bytes);
        Answer::Value(cut.map(|()| 0).map_err(|_| Errno::EIO))
    }

    /// Reads a file as another process would.
    pub(crate) fn read_file(&mut self, file: usize, offset: u64, len: u64) -> Answer {
        let Some(facts) = self.files.get(file) else { return Answer::Value(Err(Errno::EBADF)) };
        let mut bytes = vec![0; len as usize];
        match self.system.read_file(ObjectId::File(facts.id), facts.kind, offset, &mut bytes) {
            Ok(read) => {
                bytes.truncate(read);
                Answer::Bytes(bytes)
            }
            Err(_) => Answer::Value(Err(Errno::EIO)),
        }
    }

    /// Writes to a file as another process would.
    pub(crate) fn write_file(&mut self, file: usize, offset: u64, bytes: &[u8]) -> Answer {
        let Some(facts) = self.files.get(file) else { return Answer::Value(Err(Errno::EBADF)) };
        let written = self.system.write_file(ObjectId::File(facts.id), facts.kind, offset, bytes);
        Answer::Value(written.map(|()| bytes.len() as u64).map_err(|_| Errno::EIO))
    }

    /// What smaps prints of the mapping that holds an address, without names of files; `Err` says why it is not known.
    pub(crate) fn smaps(&mut self, memory: MemoryNo, addr: VirtAddr) -> Result<String, &'static str> {
        let none = "nothing is mapped there";
        let space = self.memories.get_mut(memory.0).and_then(Option::as_mut).ok_or(none)?;
        // Another process may have taken pages away since.
        space.catch_up(&mut self.system);
        let vma = space.find(addr).ok_or(none)?;
        let range = vma.range;
        let smaps = Smaps::of(space, &self.system, vma, &Names::default());
        if self.is_from_before(range.start, range.len()) {
            return Err("its pages are from before the lab");
        }
        let mut text = Vec::new();
        proc_text::write_smaps_row(&smaps.row(), &mut text);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The lines of a map.
    pub(crate) fn rows(&self, memory: MemoryNo) -> Vec<Row> {
        let Some(space) = self.memory(memory) else { return Vec::new() };
        space.vmas().map(|vma| row(vma, space)).collect()
    }
}

fn adopted(vma: &Vma) -> AdoptedVma {
    AdoptedVma {
        range: vma.range,
        flags: vma.flags,
        pgoff: Some(vma.pgoff),
        backing: vma.backing.clone(),
        anon: if vma.anon.is_some() { AnonPages::Some } else { AnonPages::None },
        name: vma.name().cloned(),
    }
}

/// The first address of each page of a range, but the very first at its own byte.
pub(crate) fn pages(addr: VirtAddr, len: u64) -> impl Iterator<Item = VirtAddr> {
    let end = addr.0.saturating_add(len);
    let mut next = Some(addr.0).filter(|at| *at < end);
    std::iter::from_fn(move || {
        let at = next?;
        next = VirtAddr(at).page_down().0.checked_add(PAGE_SIZE).filter(|at| *at < end);
        Some(VirtAddr(at))
    })
}

/// An address of each page of a frame, from its high end down; the last one is its lowest.
pub(crate) fn pages_down(low: VirtAddr, high: VirtAddr) -> impl Iterator<Item = VirtAddr> {
    let mut next = high.0.checked_sub(8).filter(|at| *at >= low.0);
    std::iter::from_fn(move || {
        let at = next?;
        let below = VirtAddr(at).page_down().0.saturating_sub(8);
        next = (at > low.0).then_some(below.max(low.0));
        Some(VirtAddr(at))
    })
}

fn file_input(descriptions: &[Arc<MapFile>], descriptors: &[Descriptor], fd: Fd) -> FileInput {
    let known = descriptors.iter().find(|known| known.fd == fd);
    match known.and_then(|known| descriptions.get(known.description)) {
        Some(map) => FileInput::Open(Arc::clone(map)),
        None => FileInput::Bad,
    }
}

fn row(vma: &Vma, space: &Space) -> Row {
    let Mapping { range, prot, shared, offset, file, name } = Mapping::of(space, vma, &Names::default());
    Row { range, prot, shared, offset, file, name: view::words::printable(&name) }
}
