//! Any moment, reached from any other, is what a replay from the start finds there.

use std::fmt::Write;
use std::io::Cursor;

use abi::{
    AddrRange, Call, DevId, Fd, FileId, FileOff, MapFlags, PAGE_SIZE, Personality, Pid, Prot, Resource,
    Rlimit, Tid, VirtAddr,
};
use proptest::prelude::*;
use recording::{
    Body, CallEvent, CallInput, CallResult, FaultAccess, FaultEvent, FaultMode, FileKind, FileRef,
    LossSource, MappedEvent, ObjectEvent, OpenMode, SpawnKind, TimeNs,
};

use super::tape::{Tape, page, pages, row};
use crate::{Keeper, Replay, Seeker, World};

/// The lowest page of those that the calls below are about.
const BASE: u64 = 0x1000;
/// How many there are.
const SPAN: u64 = 64;

/// A process's thread.
#[derive(Clone, Copy)]
struct Actor {
    pid: i32,
    tid: i32,
    mm: u32,
}

/// What is drawn for one event: what happens, who does it, and two numbers.
type Draw = (u8, u8, u8, u8);

struct Story {
    tape: Tape,
    actors: Vec<Actor>,
    next: i32,
    next_mm: u32,
}

impl Story {
    fn begin() -> Self {
        let stack = recording::MapRow { name: b"[stack]".as_slice().into(), ..row(0x8000, 0x8010) };
        let tape = Tape::default().exec(7, 0, 1).checkpoint(7, 1, &[row(BASE, BASE + 8), stack], &[]);
        Self { tape, actors: vec![Actor { pid: 7, tid: 7, mm: 1 }], next: 100, next_mm: 2 }
    }

    fn push(&mut self, actor: Actor, body: Body) {
        self.tape = std::mem::take(&mut self.tape).push(actor.tid, actor.mm, body);
    }

    fn call(&mut self, actor: Actor, call: Call, input: CallInput) {
        let event = CallEvent { call, result: CallResult::Unseen, input, stack: None };
        self.push(actor, Body::Call(event));
    }

    fn tell(&mut self, (what, who, a, b): Draw) {
        let Some(&actor) = self.actors.get(usize::from(who) % self.actors.len().max(1)) else { return };
        let addr = page(BASE + u64::from(a) % SPAN);
        let len = (1 + u64::from(b) % 6) * PAGE_SIZE;
        let prot = [Prot::RW, Prot::READ, Prot::NONE][usize::from(b) % 3];
        let range = AddrRange::new(addr, VirtAddr(addr.0 + len));
        match what % 22 {
            0..4 => {
                let fixed = if a.is_multiple_of(3) { MapFlags::FIXED } else { MapFlags::NONE };
                let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | fixed;
                let addr = if a.is_multiple_of(3) { addr } else { VirtAddr::NULL };
                self.call(
                    actor,
                    Call::Mmap { addr, len, prot, flags, fd: Fd(-1), offset: 0 },
                    CallInput::None,
                );
            }
            4 => {
                let file = CallInput::File(Box::new(file(u64::from(a) % 3)));
                let (addr, flags) = (VirtAddr::NULL, MapFlags::PRIVATE);
                self.call(actor, Call::Mmap { addr, len, prot, flags, fd: Fd(3), offset: 0 }, file);
            }
            5 | 6 => self.call(actor, Call::Munmap { addr, len }, CallInput::None),
            7 | 8 => self.call(actor, Call::Mprotect { addr, len, prot }, CallInput::None),
            9..12 => {
                let access = FaultAccess::Unknown;
                let fault = FaultEvent { addr, ip: page(1), mode: FaultMode::User, access, stack: None };
                self.push(actor, Body::Fault(fault));
            }
            12 => self.spawn(actor, if b.is_multiple_of(3) { SpawnKind::Thread } else { SpawnKind::Fork }),
            13 => self.leave(actor),
            14 => {
                let rows =
                    [row(BASE, BASE + 4 + u64::from(a) % 20), row(BASE + 40, BASE + 41 + u64::from(b) % 20)];
                let resident = [pages(BASE, BASE + 1 + u64::from(b) % 4)];
                let tape = std::mem::take(&mut self.tape);
                self.tape = tape.checkpoint_with(actor.tid, actor.mm, &rows, &resident, &[Tid(actor.tid)]);
            }
            15 => {
                let file = FileId { dev: DevId::default(), ino: u64::from(a) };
                let object =
                    ObjectEvent { file, path: name("/lib/x"), build_id: name("id"), segments: [].into() };
                self.push(actor, Body::Object(object));
            }
            16 => self.steer(actor, a, b),
            17 => self.push(actor, Body::Lost { source: LossSource::Faults, count: 1 }),
            18 => self.push(actor, Body::ThreadName(name("worker"))),
            19 => self.push(actor, Body::FaultPeriod { period: u32::from(b) % 3 }),
            20 => self.push(actor, Body::Reading),
            _ => {
                let mapped = MappedEvent {
                    range,
                    prot,
                    shared: false,
                    offset: FileOff(0),
                    file: FileId::default(),
                    name: name("//anon"),
                };
                self.push(actor, Body::Mapped(mapped));
            }
        }
    }

    /// Changes what the next calls of a process or thread depend on.
    fn steer(&mut self, actor: Actor, a: u8, b: u8) {
        let (resource, limit) = (Resource::AS, Rlimit { soft: u64::from(a) << 16, hard: Rlimit::INFINITY });
        match b % 3 {
            0 => self.push(actor, Body::Limit { resource, limit }),
            1 => {
                let pid = self.actors[usize::from(a) % self.actors.len()].tid;
                let (new_limit, old_limit) = (page(BASE), VirtAddr::NULL);
                let call = Call::Prlimit64 { pid, resource, new_limit, old_limit };
                self.call(actor, call, CallInput::Rlimit { pid: Pid(pid), limit });
            }
            _ => {
                let persona = if a.is_multiple_of(2) { Personality::READ_IMPLIES_EXEC.0 } else { 0 };
                self.call(actor, Call::Personality { persona }, CallInput::None);
            }
        }
    }

    fn spawn(&mut self, actor: Actor, kind: SpawnKind) {
        let tid = self.next;
        self.next += 1;
        let (pid, mm) = match kind {
            SpawnKind::Thread => (actor.pid, actor.mm),
            _ => {
                self.next_mm += 1;
                (tid, self.next_mm)
            }
        };
        self.tape = std::mem::take(&mut self.tape).spawn(actor.tid, actor.mm, tid, pid, mm, kind);
        self.actors.push(Actor { pid, tid, mm });
    }

    /// A process ends, or executes a program where it is the only one.
    fn leave(&mut self, actor: Actor) {
        let tape = std::mem::take(&mut self.tape);
        if self.actors.iter().all(|other| other.pid == actor.pid) {
            self.next_mm += 1;
            self.actors = vec![Actor { pid: actor.pid, tid: actor.pid, mm: self.next_mm }];
            self.tape = tape.exec(actor.pid, actor.mm, self.next_mm).checkpoint(
                actor.pid,
                self.next_mm,
                &[row(BASE, BASE + 3)],
                &[],
            );
        } else {
            self.tape = tape.exit(actor.tid, actor.mm);
            self.actors.retain(|other| other.pid != actor.pid);
        }
    }
}

fn name(text: &str) -> recording::Bytes {
    text.as_bytes().into()
}

fn file(no: u64) -> FileRef {
    FileRef {
        path: name("/data"),
        id: FileId { dev: DevId { major: 8, minor: 1 }, ino: 100 + no },
        bytes: 1 << 20,
        kind: FileKind::Regular,
        mode: OpenMode { read: true, write: false, append: false, path_only: false },
        description: 7 + no,
        seals: 0,
        noexec: false,
        append_only: false,
    }
}

/// Everything that a view of the moment can show.
fn shown(world: &World) -> String {
    let mut out = String::new();
    let _infallible = writeln!(out, "{:?} {} events", world.now(), world.counts().events);
    for memory in world.memories() {
        let _infallible = writeln!(
            out,
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            memory.id,
            memory.pages,
            memory.counters,
            memory.stack,
            memory.largest,
            memory.stack_areas,
            memory.exec
        );
        let everything = AddrRange::new(VirtAddr(0), VirtAddr(u64::MAX));
        for row in memory.rows_in(everything) {
            let _infallible = writeln!(out, "  {row:?}");
        }
        let still = world.still(memory.id).expect("it lives");
        let still = world.with_pages_now(still);
        let _infallible = writeln!(out, "{:?}", still.page_runs());
        let _infallible = writeln!(out, "{:?}", still.snapshot(world.objects()).threads);
    }
    for (no, process) in world.processes().all().iter().enumerate() {
        let mut threads: Vec<_> = world.processes().threads_of(crate::ProcessNo(no)).collect();
        threads.sort_by_key(|(tid, _)| *tid);
        let _infallible = writeln!(out, "{process:?} {threads:?}");
    }
    let _infallible = writeln!(out, "{:?}", world.objects());
    out
}

fn replay_to(bytes: &[u8], events: u64) -> Replay<Cursor<&[u8]>> {
    let mut replay = Replay::new(recording::Reader::new(Cursor::new(bytes)).expect("a recording"));
    replay.run_to_event(events).expect("whole");
    replay
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_seeks_equal_a_replay_from_the_start(
        draws in prop::collection::vec(any::<Draw>(), 20..300),
        targets in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
        between in 1u64..40,
    ) {
        let mut story = Story::begin();
        draws.into_iter().for_each(|draw| story.tell(draw));
        let bytes = story.tape.bytes();
        let reader = recording::Reader::new(Cursor::new(bytes.as_slice())).expect("a recording");
        let count = reader.len();
        let mut seeker = Seeker::new(reader);
        seeker.keep_with(Keeper::in_memory().every(between)).expect("whole");
        prop_assert!(seeker.states() > 0 || count < between);
        for target in targets {
            let events = target.index(count as usize + 1) as u64;
            let replay = replay_to(&bytes, events);
            let world = seeker.to_event(events).expect("whole");
            prop_assert_eq!(shown(world), shown(replay.world()), "after {} of {} events", events, count);
            let time = TimeNs(events * 1_000_000 + 500_000);
            let world = seeker.to_time(time).expect("whole");
            let replay = replay_to(&bytes, (events + 1).min(count));
            prop_assert_eq!(shown(world), shown(replay.world()), "at {:?}", time);
        }
        prop_assert_eq!(seeker.restored_badly(), 0);
    }
}

/// A story long enough for several states, as a file.
fn recorded(word: &str) -> (std::path::PathBuf, u64) {
    let mut story = Story::begin();
    for no in 0..30_000u32 {
        // Ten calls and faults of every kind, in an order without a period.
        let mix = no.wrapping_mul(2_654_435_761);
        let [a, b, c, d] = mix.to_le_bytes();
        story.tell((a % 12, b, c, d));
    }
    let path = std::env::temp_dir().join(format!("vmatlas-seeks-{word}-{}.vmatlas", std::process::id()));
    std::fs::write(&path, story.tape.bytes()).expect("a file of our own");
    let count = recording::Reader::open(&path).expect("a recording").len();
    (path, count)
}

#[test]
fn states_added_to_the_file_are_used_and_damaged_ones_passed_over() {
    let (path, count) = recorded("added");
    let replay = Replay::open(&path).expect("a recording");
    let run = replay.with_keeper(Keeper::in_file(&path, 0).expect("finished")).finish();
    let mut seeker = Seeker::open(&path).expect("a recording");
    assert!(seeker.states() >= 3, "{}", seeker.states());
    let largest = run.largest_memory().expect("a memory");
    assert_eq!(seeker.peak().map(|(_, mm)| mm), Some(largest.mm));
    let whole = std::fs::read(&path).expect("it is there");
    for events in [count, 4096, 1, 20_000, 12_345, 0] {
        let replay = replay_to(&whole, events);
        assert_eq!(shown(seeker.to_event(events).expect("whole")), shown(replay.world()), "after {events}");
    }
    assert_eq!(seeker.restored_badly(), 0);
    // Bytes of a state that are not what was written: the frame's checksum tells.
    let reader = recording::Reader::open(&path).expect("a recording");
    assert!(reader.states() > 3);
    let mut damaged = whole.clone();
    let twin_blocks: Vec<usize> =
        (0..whole.len() - 5).filter(|at| whole[*at..].starts_with(b"vmB1\x05")).collect();
    damaged[twin_blocks[1] + 60] ^= 0x40;
    std::fs::write(&path, &damaged).expect("a file of our own");
    let mut seeker = Seeker::open(&path).expect("a recording");
    let replay = replay_to(&whole, 9_000);
    assert_eq!(shown(seeker.to_event(9_000).expect("whole")), shown(replay.world()));
    assert_eq!(seeker.restored_badly(), 1);
    std::fs::remove_file(&path).expect("it is there");
}
