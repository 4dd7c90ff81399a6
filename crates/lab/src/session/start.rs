//! Beginning a session.

use abi::{FileId, Rlimit, VirtAddr};
use check::fuzz::{Direction, Inodes, Origin, OriginPlan};
use mm::{AddressSpace, Mutation, Profile, System};

use super::{Child, Did, Errnos, Heap, Names, On, Process, Session, Stack, Thread, World};
use crate::backend::{Action, Answer, Kernel, MemoryNo, ThreadNo, Twin, library};
use crate::error::LabError;

/// The stack limit of the child: the usual one.
const STACK_LIMIT: Rlimit = Rlimit { soft: 8 << 20, hard: Rlimit::INFINITY };
/// What the kernel puts above the first frame at exec: the arguments and what they point to. The lab's frames begin
/// below, on the next page.
const ABOVE_FRAMES: u64 = 0xfff;

impl Session {
    /// Begins a session.
    ///
    /// # Errors
    /// If the child can't be started, or the kernel is another than the twin's.
    pub fn start(on: On, child: Child) -> Result<Self, LabError> {
        if on == On::Twin {
            return Ok(Self::with(on, None, Some(Twin::alone())));
        }
        let plan = OriginPlan {
            files: Vec::new(),
            direction: Direction::TopDown,
            stack_limit: STACK_LIMIT,
            library: if child == Child::Linked { library() } else { None },
            mutation: None,
        };
        let Origin { live, system, space, caps } =
            Origin::start(plan, System::with_contents, |_| Ok(Vec::new()))?;
        let twin = if on == On::Both { Some(Twin::new(system, space, caps)?) } else { None };
        let mut session = Self::with(on, Some(Kernel::new(live)?), twin);
        session.learn()?;
        Ok(session)
    }

    /// Begins a session whose twin has a rule changed, for scripts that begin in the fuzzer's world: to see that the change
    /// is found.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn start_changed(mutation: Mutation) -> Result<Self, LabError> {
        let mut session = Self::start(On::Both, Child::Alone)?;
        session.mutation = Some(mutation);
        Ok(session)
    }

    /// Begins a session on the twin of a memory that was replayed from a recording, with the names of its files.
    pub fn from_replay(profile: Profile, memory: &AddressSpace, files: Vec<(FileId, String)>) -> Self {
        let mut session = Self::with(On::Twin, None, Some(Twin::from_replay(profile, memory)));
        session.known_files = files;
        session
    }

    pub(super) fn with(on: On, kernel: Option<Kernel>, twin: Option<Twin>) -> Self {
        let layout = twin.as_ref().and_then(|twin| Some(twin.memory(MemoryNo(0))?.layout()));
        let (start, end) = layout.map_or_else(Default::default, |layout| (layout.start_brk, layout.brk));
        let stack = layout.map_or_else(Default::default, |layout| layout.start_stack);
        let stack = Stack::new(VirtAddr(stack.0 & !ABOVE_FRAMES));
        let first = Thread { name: "main".into(), memory: MemoryNo(0), stack, ended: false };
        let heap = Heap::new(start, end);
        let world = World {
            names: Names::default(),
            threads: vec![first],
            processes: vec![Process { descriptors: Vec::new(), heap, uffds: Vec::new() }],
            present: ThreadNo(0),
            files: Vec::new(),
            opens: Vec::new(),
            last: None::<Did>,
        };
        Self {
            on,
            kernel,
            twin,
            world,
            past: Vec::new(),
            known_files: Vec::new(),
            inodes: Inodes::default(),
            segments: Vec::new(),
            resized: Vec::new(),
            errnos: Errnos::End,
            mutation: None,
        }
    }

    /// Asks the child where its heap and stack are.
    pub(super) fn learn(&mut self) -> Result<(), LabError> {
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        let ask = Action::Call(abi::Call::Brk { addr: VirtAddr::NULL });
        if let Answer::Value(Ok(end)) = kernel.act(ThreadNo(0), &ask)? {
            let heap = &mut self.world.processes[0].heap;
            heap.end = VirtAddr(end);
            if heap.start == VirtAddr::NULL {
                heap.start = VirtAddr(end);
            }
        }
        let stack = kernel.start_stack(MemoryNo(0))?;
        self.world.threads[0].stack = Stack::new(VirtAddr(stack.0 & !ABOVE_FRAMES));
        Ok(())
    }
}
