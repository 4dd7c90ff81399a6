//! Contents and pages of real processes under command, on the running kernel.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use abi::{AddrRange, Call, Errno, Fd, FileOff, MapFlags, Prot, VirtAddr};
use live::{Answer, Fault, Live, Process, Setup, Step, Text, Ticket, hash_page};

const PAGE: u64 = 4096;
const ANONYMOUS: MapFlags = MapFlags(0x22);
const SHARED: MapFlags = MapFlags(0x01);

fn map(live: &mut Live, process: Process, pages: u64, prot: Prot, flags: MapFlags, fd: Fd) -> AddrRange {
    // Nothing lies near.
    let addr = VirtAddr(0x2_0000_0000);
    let call = Call::Mmap { addr, len: pages * PAGE, prot, flags, fd, offset: 0 };
    match live.act(process, Step::Call(call)).expect("a process") {
        Answer::Returned(Ok(at)) => AddrRange::new(VirtAddr(at), VirtAddr(at + pages * PAGE)),
        other => panic!("{other:?}"),
    }
}

fn done(live: &mut Live, process: Process, step: Step) -> Ticket {
    let ticket = live.push(process, step).expect("room");
    live.run(process).expect("a process");
    ticket
}

fn page(range: AddrRange, at: u64) -> VirtAddr {
    VirtAddr(range.start.0 + at * PAGE)
}

fn start() -> (Live, Process) {
    let mut live = Live::start(&Setup::default()).expect("an origin");
    let process = live.spawn().expect("a process");
    (live, process)
}

#[test]
fn words_are_stored_and_loaded_across_a_pages_edge() {
    let (mut live, process) = start();
    let range = map(&mut live, process, 2, Prot::RW, ANONYMOUS, Fd(-1));
    let edge = VirtAddr(page(range, 1).0 - 3);
    let stored = live.act(process, Step::StoreWord(edge, 0x0102_0304_0506_0708)).expect("a process");
    assert_eq!(stored, Answer::Done);
    let loaded = live.act(process, Step::LoadWord(edge)).expect("a process");
    assert_eq!(loaded, Answer::LoadedWord(0x0102_0304_0506_0708));
    let beyond = VirtAddr(range.end.0 - 4);
    let fault = live.act(process, Step::LoadWord(beyond)).expect("a process");
    assert_eq!(fault, Answer::Fault(Fault { signal: 11, code: 1, addr: range.end }));
}

#[test]
fn the_pagemap_tells_the_states_of_pages() {
    let (mut live, process) = start();
    let range = map(&mut live, process, 4, Prot::RW, ANONYMOUS, Fd(-1));
    done(&mut live, process, Step::Store(page(range, 1), 1));
    done(&mut live, process, Step::Load(page(range, 2)));
    let ticket = done(&mut live, process, Step::Pagemap(range));
    let words = live.pagemap(ticket).expect("words");
    assert_eq!(words.len(), 4);
    assert_eq!(words[0].0, 0);
    assert!(words[1].is_present() && words[1].is_exclusive() && !words[1].is_file());
    assert!(words[2].is_present() && !words[2].is_exclusive(), "the shared page of zeros");
    let child = match live.act(process, Step::Fork).expect("a fork") {
        Answer::Forked(child) => child,
        other => panic!("{other:?}"),
    };
    let shared = done(&mut live, child, Step::Pagemap(range));
    assert!(!live.pagemap(shared).expect("words")[1].is_exclusive());
    done(&mut live, child, Step::Store(page(range, 1), 2));
    for process in [child, process] {
        let ticket = done(&mut live, process, Step::Pagemap(range));
        assert!(live.pagemap(ticket).expect("words")[1].is_exclusive(), "both have their own now");
    }
    assert_eq!(live.act(process, Step::Load(page(range, 1))), Ok(Answer::Loaded(1)));
    live.finish(child).expect("a clean end");
}

#[test]
fn a_scan_tells_runs_and_says_when_there_are_too_many() {
    let (mut live, process) = start();
    let range = map(&mut live, process, 9, Prot::RW, ANONYMOUS, Fd(-1));
    for at in [1, 2, 5, 7] {
        done(&mut live, process, Step::Store(page(range, at), 1));
    }
    let ticket = done(&mut live, process, Step::Scan { range, runs_max: 3 });
    let answer = live.answer(ticket).expect("runs");
    if answer == Answer::Returned(Err(Errno::ENOTTY)) {
        println!("SKIPPED: a_scan_tells_runs_and_says_when_there_are_too_many, the kernel has none");
        return;
    }
    let runs: Vec<_> = live.runs(ticket).expect("runs").iter().map(|run| run.range.pages()).collect();
    assert_eq!(runs, [2, 1, 1]);
    let ticket = done(&mut live, process, Step::Scan { range, runs_max: 2 });
    assert!(live.answer(ticket).is_err());
}

#[test]
fn every_page_is_hashed_as_here() {
    let (mut live, process) = start();
    let range = map(&mut live, process, 3, Prot::RW, ANONYMOUS, Fd(-1));
    done(&mut live, process, Step::Store(VirtAddr(page(range, 1).0 + 77), 9));
    let ticket = done(&mut live, process, Step::Hash(range));
    let mut bytes = [0; PAGE as usize];
    let zeros = hash_page(&bytes);
    bytes[77] = 9;
    assert_eq!(live.words(ticket).expect("hashes"), [zeros, hash_page(&bytes), zeros]);
    let beyond = AddrRange::new(range.start, VirtAddr(range.end.0 + PAGE));
    let ticket = done(&mut live, process, Step::Hash(beyond));
    let fault = live.answer(ticket).expect("an answer");
    assert_eq!(fault, Answer::Fault(Fault { signal: 11, code: 1, addr: range.end }));
    assert_eq!(live.words(ticket).expect("hashes").len(), 3);
}

#[test]
fn files_are_read_written_and_truncated_beside_their_mapping() {
    let path = std::env::temp_dir().join(format!("vmatlas-live-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).expect("a file");
    file.write_all_at(&[5; 6000], 0).expect("bytes");
    let setup = Setup { files: vec![OwnedFd::from(file.try_clone().expect("a copy"))], ..Setup::default() };
    let mut live = Live::start(&setup).expect("an origin");
    let process = live.spawn().expect("a process");
    let range = map(&mut live, process, 2, Prot::RW, SHARED, Setup::fd(0));
    let mut name = path.as_os_str().as_encoded_bytes().to_vec();
    name.push(0);
    let name = live.put(process, &name).expect("room");
    assert_eq!(live.act(process, Step::Unlink(name)), Ok(Answer::Returned(Ok(0))));
    assert!(!path.exists());
    let from = live.put(process, b"abc").expect("room");
    let write = Step::FileWrite { fd: Setup::fd(0), offset: FileOff(4096), from, bytes: 3 };
    assert_eq!(live.act(process, write), Ok(Answer::Returned(Ok(3))));
    assert_eq!(live.act(process, Step::Load(page(range, 1))), Ok(Answer::Loaded(b'a')));
    done(&mut live, process, Step::Store(VirtAddr(page(range, 1).0 + 1), b'B'));
    let read = Step::FileRead { fd: Setup::fd(0), offset: FileOff(4095), bytes: 5 };
    let ticket = done(&mut live, process, read);
    let mut bytes = Vec::new();
    live.bytes(ticket, &mut bytes).expect("bytes");
    assert_eq!(bytes, b"\x05aBc\x05");
    let ticket = done(&mut live, process, Step::Mincore(range));
    live.bytes(ticket, &mut bytes).expect("a vector");
    assert!(proc_text::mincore(&bytes).eq([true, true]));
    let truncate = Step::FileTruncate { fd: Setup::fd(0), bytes: 10 };
    assert_eq!(live.act(process, truncate), Ok(Answer::Returned(Ok(0))));
    let fault = live.act(process, Step::Load(page(range, 1)));
    assert_eq!(fault, Ok(Answer::Fault(Fault { signal: 7, code: 2, addr: page(range, 1) })));
}

#[test]
fn a_thread_shares_the_memory_and_ends_alone() {
    let (mut live, process) = start();
    let range = map(&mut live, process, 1, Prot::RW, ANONYMOUS, Fd(-1));
    for round in 0..20 {
        let thread = match live.act(process, Step::Thread).expect("a thread") {
            Answer::Thread(thread) => thread,
            other => panic!("{other:?}"),
        };
        done(&mut live, thread, Step::Store(range.start, round));
        assert_eq!(live.act(process, Step::Load(range.start)), Ok(Answer::Loaded(round)));
        let fault = live.act(thread, Step::Store(VirtAddr(8), 1));
        assert_eq!(fault, Ok(Answer::Fault(Fault { signal: 11, code: 1, addr: VirtAddr(8) })));
        live.finish(thread).expect("a clean end");
    }
    live.finish(process).expect("a clean end");
}

#[test]
fn the_sums_of_a_process_are_read() {
    let (mut live, process) = start();
    let range = map(&mut live, process, 8, Prot::RW, ANONYMOUS, Fd(-1));
    let rss = |live: &mut Live| {
        let ticket = done(live, process, Step::Read { text: Text::Rollup, bytes_max: 4096 });
        let mut text = Vec::new();
        live.text(ticket, &mut text).expect("a text");
        proc_text::rollup(&text).expect("sums").anonymous.expect("a sum")
    };
    let before = rss(&mut live);
    for at in 0..8 {
        done(&mut live, process, Step::Store(page(range, at), 1));
    }
    assert_eq!(rss(&mut live) - before, 8 * PAGE);
}
