//! The fuzzer's world: where its programs begin, and their acts that no word of the language says.

use std::sync::Arc;

use abi::{Call, Fd, MapFlags, PAGE_SIZE, Prot, VirtAddr};
use check::fuzz::{Act, Direction, Furnished, Origin, Pool, Privilege, UFFDS_MAX};
use live::Setup;
use mm::{Caps, DescriptionId, FileKind, Input, MapFile, ObjectId, OpenMode, System};

use super::{Errnos, On, Open, Session, Shown, Trouble, Value};
use crate::backend::{Action, Descriptor, FileFacts, Kernel, Twin};
use crate::syntax::{Expr, Fault, Give, Name, Span, Term};

impl Session {
    /// Begins anew in the fuzzer's world.
    pub(super) fn fuzz_world(
        &mut self,
        direction: Direction,
        privilege: Privilege,
        at: Span,
    ) -> Result<(), Trouble> {
        if self.kernel.is_none() {
            return Err(Fault::new(at, "the fuzzer's world is a real child's: not with `--on twin`").into());
        }
        if self.world.last.is_some() || !self.world.files.is_empty() || self.world.threads.len() > 1 {
            return Err(Fault::new(at, "only the first line can begin in the fuzzer's world").into());
        }
        self.finish()?;
        let furnished = Furnished::start(direction, self.mutation, Pool::default(), System::with_contents)?;
        let Origin { live, system, space, caps } = furnished.origin;
        let mut twin = if self.on == On::Both { Some(Twin::new(system, space, caps)?) } else { None };
        let mut kernel = Kernel::new(live)?;
        if privilege == Privilege::Dropped {
            kernel.drop_privileges()?;
            twin.iter_mut().for_each(|twin| twin.set_caps(Caps::default()));
        }
        let mut fresh = Self::with(self.on, Some(kernel), twin);
        fresh.learn()?;
        fresh.mutation = self.mutation;
        fresh.errnos = Errnos::Answer;
        fresh.segments = furnished.segments;
        for (number, file) in furnished.files.into_iter().enumerate() {
            fresh.resized.extend(file.bytes.map(|_| number));
            fresh.take_file(number, file.open, file.map)?;
        }
        *self = fresh;
        Ok(())
    }

    /// Takes in a file that the processes hold open.
    fn take_file(
        &mut self,
        number: usize,
        open: std::fs::File,
        map: Option<Arc<MapFile>>,
    ) -> Result<(), Trouble> {
        let fd = Setup::fd(number);
        let text = format!("file{number}");
        if map.is_some() {
            self.world.processes[0].descriptors.push(Descriptor { fd, description: number });
        }
        let map = map.unwrap_or_else(|| Arc::new(no_file()));
        let id = if let ObjectId::File(id) = map.object { id } else { abi::FileId::default() };
        let facts = FileFacts { id, kind: map.kind, noexec: map.noexec };
        if let Some(twin) = &mut self.twin {
            twin.take_description(map);
        }
        if let Some(kernel) = &mut self.kernel {
            kernel.take_file(open);
        }
        self.world.files.push((text.clone(), facts));
        self.world.opens.push(Open { file: number, fd });
        Ok(self.bind(Some(&Name { text, span: Span::default() }), Value::File(number))?)
    }

    /// Does an act of a fuzzer's program.
    pub(super) fn raw(&mut self, act: &Act, at: Span, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        let (thread, memory) = (self.world.present, self.thread().memory);
        let Some(kernel) = &mut self.kernel else {
            return Err(Fault::new(at, "raw acts are a real child's: not with `--on twin`").into());
        };
        match act {
            Act::Uffd { features } => {
                let of_process = self.world.processes.len() as u64 + thread.0 as u64;
                let uffds = &mut self.world.processes[memory.0].uffds;
                if uffds.len() < UFFDS_MAX {
                    let id = (uffds.len() as u64) << 32 | of_process;
                    uffds.extend(kernel.uffd(thread, id, *features)?);
                }
                shown.push(Shown::Text("userfaultfd(UFFD_USER_MODE_ONLY), ioctl(UFFDIO_API)".into()));
                Ok(())
            }
            Act::Crowd(mappings) => self.crowd(*mappings, shown),
            Act::Truncate { file, bytes } if self.resized.contains(file) => {
                let number = |number| Expr { terms: vec![(Give::Add, Term::Number(number), at)] };
                self.truncate(&Name { text: format!("file{file}"), span: at }, &number(*bytes), shown)
            }
            Act::Truncate { .. } => {
                shown.push(Shown::Text("nothing: the fuzzer changes no size of this file".into()));
                Ok(())
            }
            Act::Call(_)
            | Act::Limit(..)
            | Act::Name { .. }
            | Act::Bind { .. }
            | Act::Attach { .. }
            | Act::Pointed { .. } => {
                let before = self.rows(memory)?;
                let Some(kernel) = &mut self.kernel else { return Ok(()) };
                let input = self.twin.as_ref().map_or_else(Input::default, Twin::input);
                let known = (&*self.segments, &*self.world.processes[memory.0].uffds);
                let (call, input, answer) = kernel.raw(thread, act, known, input)?;
                let descriptors = &self.world.processes[memory.0].descriptors;
                let said = self.twin.as_mut().map(|twin| twin.raw(memory, call, input, descriptors, &answer));
                let did = self.did(call.to_string(), memory, &before, Some(answer), said)?;
                self.show(did, shown)
            }
            _ => Err(Fault::new(at, "this has a word of its own: load, touch, exec, fork, exit, ...").into()),
        }
    }

    /// Makes so many mappings, far from everything else, and compares once.
    fn crowd(&mut self, mappings: u64, shown: &mut Vec<Shown>) -> Result<(), Trouble> {
        const BEGIN: u64 = 0x10_0000_0000;
        let (thread, memory) = (self.world.present, self.thread().memory);
        let before = self.rows(memory)?;
        let pages = mappings.min(1 << 20).saturating_sub(before.len() as u64);
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED;
        let (addr, len) = (VirtAddr(BEGIN), pages * PAGE_SIZE);
        let map = Call::Mmap { addr, len, prot: Prot::NONE, flags, fd: Fd(-1), offset: 0 };
        let protect = |page: u64| Call::Mprotect {
            addr: VirtAddr(BEGIN + page * PAGE_SIZE),
            len: PAGE_SIZE,
            prot: Prot::READ,
        };
        let calls = || std::iter::once(map).chain((0..pages).step_by(2).map(protect));
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel.calls(thread, calls())?,
            None => None,
        };
        let twin = self
            .twin
            .as_mut()
            .and_then(|twin| calls().map(|call| twin.act(memory, &Action::Call(call), &[], None)).last());
        let did = self.did(format!("{pages} mappings"), memory, &before, kernel, twin)?;
        self.show(did, shown)
    }
}

/// Stands for a descriptor that nothing can be mapped from.
fn no_file() -> MapFile {
    MapFile {
        object: ObjectId::Nameless(0),
        description: DescriptionId::Known(0),
        kind: FileKind::Unmappable,
        mode: OpenMode { read: false, write: false, append_only: false },
        bytes: 0,
        seals: 0,
        noexec: false,
    }
}
