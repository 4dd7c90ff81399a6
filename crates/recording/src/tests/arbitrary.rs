//! Strategies for events: every field any value, addresses mostly as real programs have them.

use std::sync::Arc;

use abi::{
    AddrRange, Call, DevId, Errno, FileId, FileOff, Pid, Prot, Resource, Rlimit, Tid, VirtAddr, table,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::event::*;

pub(super) fn events(max: usize) -> impl Strategy<Value = Vec<Event>> {
    vec(event(), 0..max).prop_map(|mut events| {
        // Chains are numbered in order of appearance, so a stack that is named need not exist in the file.
        events.sort_by_key(|event| event.time);
        events
    })
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    (0..1u64 << 40, 0..9i32, 0..4u32, body()).prop_map(|(time, tid, mm, body)| Event {
        time: TimeNs(time),
        tid: Tid(tid),
        mm: MmId(mm),
        body,
    })
}

fn addr() -> impl Strategy<Value = VirtAddr> {
    prop_oneof![any::<u64>(), (0..1u64 << 35).prop_map(|page| page << 12)].prop_map(VirtAddr)
}

fn range() -> impl Strategy<Value = AddrRange> {
    (addr(), addr()).prop_map(|(a, b)| AddrRange::new(a.min(b), a.max(b)))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..6).prop_map(Bytes::from)
}

fn file_id() -> impl Strategy<Value = FileId> {
    (any::<u32>(), any::<u32>(), any::<u64>())
        .prop_map(|(major, minor, ino)| FileId { dev: DevId { major, minor }, ino })
}

fn stack() -> impl Strategy<Value = Option<StackId>> {
    any::<Option<u32>>().prop_map(|id| id.map(StackId))
}

fn limit() -> impl Strategy<Value = Rlimit> {
    (any::<u64>(), any::<u64>()).prop_map(|(soft, hard)| Rlimit { soft, hard })
}

fn list<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Arc<[T]>> {
    vec(of, 0..8).prop_map(Arc::from)
}

fn call() -> impl Strategy<Value = Call> {
    (0..table::ROWS.len(), any::<[u64; 6]>(), any::<prop::sample::Index>()).prop_map(
        |(row, mut args, pick)| {
            let row = table::ROWS[row];
            match row.when {
                table::When::Always => {}
                table::When::In { arg, values } => args[arg] = u64::from(*pick.get(values)),
                table::When::InAndSet { arg, values, set } => {
                    args[arg] = u64::from(*pick.get(values));
                    args[set] |= 1;
                }
                table::When::Masked { arg, mask, value } => {
                    args[arg] = args[arg] & !u64::from(mask) | u64::from(value)
                }
            }
            Call::decode_x86_64(row.x86_64, args).expect("the condition holds")
        },
    )
}

fn file_ref() -> impl Strategy<Value = FileRef> {
    let kind = prop::sample::select(FileKind::ALL.to_vec());
    (bytes(), file_id(), any::<(u64, u64, u32)>(), kind, any::<[bool; 6]>()).prop_map(
        |(path, id, (bytes, description, seals), kind, flags)| {
            let [read, write, append, path_only, noexec, append_only] = flags;
            let mode = OpenMode { read, write, append, path_only };
            FileRef { path, id, bytes, kind, mode, description, seals, noexec, append_only }
        },
    )
}

fn input() -> impl Strategy<Value = CallInput> {
    prop_oneof![
        Just(CallInput::None),
        file_ref().prop_map(|file| CallInput::File(Box::new(file))),
        Just(CallInput::BadFd),
        (0i32.., limit()).prop_map(|(pid, limit)| CallInput::Rlimit { pid: Pid(pid), limit }),
        proptest::option::of(bytes()).prop_map(CallInput::Name),
        (any::<Option<u32>>(), list(range()))
            .prop_map(|(mm, ranges)| CallInput::Ranges { target: mm.map(MmId), ranges }),
        list(any::<u64>()).prop_map(CallInput::Words),
        any::<(i32, u64)>().prop_map(|(key, bytes)| CallInput::Segment { key, bytes }),
        Just(CallInput::Unreadable),
        (1u16..).prop_map(|errno| CallInput::Refused(Errno(errno))),
    ]
}

fn result() -> impl Strategy<Value = CallResult> {
    any::<Option<i64>>().prop_map(|seen| seen.map_or(CallResult::Unseen, CallResult::Seen))
}

fn map_row() -> impl Strategy<Value = MapRow> {
    (range(), 0..8u64, any::<bool>(), any::<u64>(), file_id(), bytes()).prop_map(
        |(range, prot, shared, offset, file, name)| MapRow {
            range,
            prot: Prot(prot),
            shared,
            offset: FileOff(offset),
            file,
            name,
        },
    )
}

fn page_run() -> impl Strategy<Value = PageRun> {
    (range(), any::<u8>()).prop_map(|(range, state)| PageRun { range, state: PageState(state) })
}

fn counters() -> impl Strategy<Value = Counters> {
    any::<[u64; 12]>().prop_map(|words| Counters {
        vm_size: words[0],
        rss_anon: words[1],
        rss_file: words[2],
        rss_shmem: words[3],
        rss_peak: words[4],
        swap: words[5],
        data: words[6],
        stack: words[7],
        locked: words[8],
        page_tables: words[9],
        minor_faults: words[10],
        major_faults: words[11],
    })
}

pub(super) fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    use Reason::{End, Exec, Exit, Fork, Growth, Interval, Unmodelled};
    let reason = prop::sample::select(vec![Exec, Fork, Exit, Interval, Growth, Unmodelled, End]);
    let in_flight = list(any::<i32>().prop_map(Tid));
    (reason, list(map_row()), proptest::option::of(list(page_run())), counters(), in_flight).prop_map(
        |(reason, maps, pages, counters, in_flight)| Checkpoint { reason, maps, pages, counters, in_flight },
    )
}

fn exec() -> impl Strategy<Value = ExecEvent> {
    let ids = (any::<i32>(), any::<i32>(), any::<u32>());
    let ends = (
        proptest::option::of(addr()),
        proptest::option::of(addr()),
        proptest::option::of([addr(), addr(), addr(), addr()]),
    );
    let rest = (any::<u64>(), any::<bool>());
    (ids, bytes(), list(bytes()), list(any::<(u64, u64)>()), ends, rest).prop_map(
        |(ids, path, argv, auxv, ends, (personality, foreign_arch))| ExecEvent {
            pid: Pid(ids.0),
            former_tid: Tid(ids.1),
            former_mm: MmId(ids.2),
            path,
            argv,
            auxv,
            start_brk: ends.0,
            start_stack: ends.1,
            segments: ends.2,
            personality,
            foreign_arch,
        },
    )
}

fn segment() -> impl Strategy<Value = Segment> {
    any::<(u32, u32, u64, u64, u64, u64, u64)>().prop_map(
        |(kind, flags, offset, vaddr, file_bytes, memory_bytes, align)| Segment {
            kind,
            flags,
            offset,
            vaddr,
            file_bytes,
            memory_bytes,
            align,
        },
    )
}

fn spawn() -> impl Strategy<Value = SpawnEvent> {
    use SpawnKind::{Fork, SharedMemory, Thread, Vfork};
    (any::<(i32, i32, u32)>(), prop::sample::select(vec![Fork, Vfork, Thread, SharedMemory])).prop_map(
        |((child, pid, mm), kind)| SpawnEvent {
            child: Tid(child),
            child_pid: Pid(pid),
            child_mm: MmId(mm),
            kind,
        },
    )
}

fn fault() -> impl Strategy<Value = FaultEvent> {
    (addr(), addr(), any::<bool>(), 0u8..4, stack()).prop_map(|(addr, ip, user, access, stack)| FaultEvent {
        addr,
        ip,
        mode: if user { FaultMode::User } else { FaultMode::Kernel },
        access: match access {
            0 => crate::FaultAccess::Unknown,
            1 => crate::FaultAccess::Read,
            2 => crate::FaultAccess::Write,
            _ => crate::FaultAccess::Exec,
        },
        stack,
    })
}

fn mapped() -> impl Strategy<Value = MappedEvent> {
    map_row().prop_map(|MapRow { range, prot, shared, offset, file, name }| MappedEvent {
        range,
        prot,
        shared,
        offset,
        file,
        name,
    })
}

fn small_body() -> impl Strategy<Value = Body> {
    use LossSource::{Calls, Checkpoints, Faults, Mapped};
    prop_oneof![
        any::<(bool, i32, bool)>().prop_map(|(code, value, last_thread)| Body::Exit {
            status: if code { ExitStatus::Code(value) } else { ExitStatus::Signal(value) },
            last_thread,
        }),
        any::<i32>().prop_map(|signal| Body::Stopped { signal }),
        Just(Body::Continued),
        Just(Body::Reading),
        any::<(u64, u64)>()
            .prop_map(|(looked_at, zeros)| Body::HugeZeros(crate::HugeZeros { looked_at, zeros })),
        bytes().prop_map(Body::ThreadName),
        (prop::sample::select(vec![Faults, Mapped, Calls, Checkpoints]), any::<u64>())
            .prop_map(|(source, count)| Body::Lost { source, count }),
        any::<u32>().prop_map(|period| Body::FaultPeriod { period }),
        list(addr()).prop_map(Body::Stack),
        (any::<u32>(), limit()).prop_map(|(no, limit)| Body::Limit { resource: Resource(no), limit }),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    use UnmodelledWhy::{I386, OwnFilter, X32};
    prop_oneof![
        4 => (call(), result(), input(), stack())
            .prop_map(|(call, result, input, stack)| Body::Call(CallEvent { call, result, input, stack })),
        2 => mapped().prop_map(Body::Mapped),
        2 => fault().prop_map(Body::Fault),
        1 => spawn().prop_map(Body::Spawn),
        1 => exec().prop_map(Body::Exec),
        2 => checkpoint().prop_map(|checkpoint| Body::Checkpoint(Box::new(checkpoint))),
        1 => (prop::sample::select(vec![I386, X32, OwnFilter]), any::<u32>(), any::<[u64; 6]>())
            .prop_map(|(why, nr, args)| Body::Unmodelled(UnmodelledEvent { why, nr, args })),
        1 => (file_id(), bytes(), bytes(), list(segment())).prop_map(|(file, path, build_id, segments)| {
            Body::Object(ObjectEvent { file, path, build_id, segments })
        }),
        4 => small_body(),
    ]
}
