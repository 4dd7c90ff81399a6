//! Real processes under command, on the running kernel.

use std::fs::File;
use std::os::fd::OwnedFd;

use abi::{Call, Errno, Fd, MapFlags, Prot, VirtAddr};
use live::{Answer, Fault, Live, LiveError, Process, Setup, Step, Text};

fn anonymous(len: u64, prot: Prot) -> Call {
    let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
    Call::Mmap { addr: VirtAddr::NULL, len, prot, flags, fd: Fd(-1), offset: 0 }
}

fn returned(answer: Answer) -> u64 {
    match answer {
        Answer::Returned(Ok(value)) => value,
        other => panic!("{other:?}"),
    }
}

fn maps(live: &mut Live, process: Process) -> String {
    let mut text = Vec::new();
    let ticket = live.push(process, Step::Read { text: Text::Maps, bytes_max: 1 << 16 }).expect("room");
    live.run(process).expect("a map");
    live.text(ticket, &mut text).expect("a text");
    String::from_utf8(text).expect("ASCII")
}

#[test]
fn with_a_fixed_layout_every_process_sees_the_same_map() {
    let mut texts = Vec::new();
    for _ in 0..2 {
        let mut live = Live::start(&Setup::default()).expect("an origin");
        for _ in 0..2 {
            let process = live.spawn().expect("a process");
            let text = maps(&mut live, process);
            // The inode numbers of memfds differ.
            let columns = |line: &str| line.split(' ').take(3).map(str::to_owned).collect::<Vec<_>>();
            texts.push(text.lines().map(columns).collect::<Vec<_>>());
            live.finish(process).expect("a clean end");
        }
    }
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "{texts:#?}");
    assert!(texts[0].len() >= 5);
}

#[test]
fn a_batch_of_steps_is_answered_in_order() {
    let mut live = Live::start(&Setup::default()).expect("an origin");
    let process = live.spawn().expect("a process");
    let addr = VirtAddr(returned(live.act(process, Step::Call(anonymous(4096, Prot::RW))).expect("mmap")));
    let steps = [
        Step::Store(addr, 42),
        Step::Load(addr),
        Step::Call(Call::Mprotect { addr, len: 4096, prot: Prot::NONE }),
        Step::Load(addr),
        Step::Fetch(addr),
        Step::Call(Call::Munmap { addr, len: 4096 }),
        Step::Load(addr),
        Step::Call(Call::Munmap { addr, len: 0 }),
    ];
    let tickets = steps.map(|step| live.push(process, step).expect("room"));
    live.run(process).expect("a run");
    let answers = tickets.map(|ticket| live.answer(ticket).expect("an answer"));
    let fault = |code| Answer::Fault(Fault { signal: 11, code, addr });
    let (ok, refused) = (Answer::Returned(Ok(0)), Answer::Returned(Err(Errno::EINVAL)));
    assert_eq!(answers, [Answer::Done, Answer::Loaded(42), ok, fault(2), fault(2), ok, fault(1), refused]);
    live.finish(process).expect("a clean end");
}

#[test]
fn past_the_end_of_a_file_is_a_bus_error() {
    let path = std::env::temp_dir().join(format!("vmatlas-live-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).expect("a file");
    std::fs::remove_file(&path).expect("our file");
    file.set_len(100).expect("a file");
    let setup =
        Setup { files: vec![OwnedFd::from(file.try_clone().expect("a descriptor"))], ..Setup::default() };
    let mut live = Live::start(&setup).expect("an origin");
    let process = live.spawn().expect("a process");
    let call = Call::Mmap {
        addr: VirtAddr::NULL,
        len: 8192,
        prot: Prot::RW,
        flags: MapFlags::SHARED,
        fd: Setup::fd(0),
        offset: 0,
    };
    let addr = VirtAddr(returned(live.act(process, Step::Call(call)).expect("mmap")));
    assert_eq!(live.act(process, Step::Load(addr)).expect("a load"), Answer::Loaded(0));
    let past = VirtAddr(addr.0 + 4096);
    let bus = |addr| Answer::Fault(Fault { signal: 7, code: 2, addr });
    assert_eq!(live.act(process, Step::Load(past)).expect("a load"), bus(past));
    file.set_len(0).expect("a file");
    assert_eq!(live.act(process, Step::Store(addr, 1)).expect("a store"), bus(addr));
    live.finish(process).expect("a clean end");
}

#[test]
fn a_tree_of_processes_is_told_apart() {
    let mut live = Live::start(&Setup::default()).expect("an origin");
    let process = live.spawn().expect("a process");
    let addr = VirtAddr(returned(live.act(process, Step::Call(anonymous(4096, Prot::RW))).expect("mmap")));
    let Answer::Forked(child) = live.act(process, Step::Fork).expect("fork") else { panic!("no child") };
    assert!(live.pid(child).is_some());
    live.act(child, Step::Call(Call::Munmap { addr, len: 4096 })).expect("munmap");
    assert!(matches!(live.act(child, Step::Load(addr)).expect("a load"), Answer::Fault(_)));
    assert_eq!(live.act(process, Step::Load(addr)).expect("a load"), Answer::Loaded(0));
    let Answer::Forked(grandchild) = live.act(child, Step::Fork).expect("fork") else { panic!("no child") };
    let (own, of_grandchild) = (maps(&mut live, process), maps(&mut live, grandchild));
    assert_eq!(own.lines().count(), of_grandchild.lines().count() + 1, "{own}\n{of_grandchild}");
    for gone in [grandchild, child, process] {
        live.finish(gone).expect("a clean end");
    }
}

#[test]
fn a_process_that_ends_by_itself_is_reported() {
    let mut live = Live::start(&Setup::default()).expect("an origin");
    let process = live.spawn().expect("a process");
    const EXIT_GROUP: u32 = 231;
    let step = Step::Raw { nr: EXIT_GROUP, args: [7, 0, 0, 0, 0, 0] };
    assert_eq!(live.act(process, step), Err(LiveError::Died { signal: 0, status: 7 }));
}

#[test]
fn there_is_room_for_so_much_and_no_more() {
    let mut live = Live::start(&Setup::default()).expect("an origin");
    let process = live.spawn().expect("a process");
    let load = Step::Load(VirtAddr::NULL);
    while live.room(process) > 0 {
        live.push(process, load).expect("room");
    }
    assert_eq!(live.push(process, load).map(drop), Err(LiveError::Full("steps")));
    live.run(process).expect("a run");
    live.recycle(process);
    live.push(process, load).expect("room again");
    assert_eq!(live.put(process, &vec![0; 2 << 20]), Err(LiveError::Full("texts")));
}
