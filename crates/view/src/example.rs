//! A small report of a run that never was, for tests.

use snapshot::{Group, Kind};

use crate::{
    CallCount, Came, CurvePoint, Difference, End, Faults, FrameWords, GroupRow, Growth, KindRow, Memory,
    Note, NoteKind, ObjectRow, Peak, Process, Proof, RecordingFacts, Report, Resident, Row, Run, Toucher,
};

use crate::report::{PageProof, PagesHeld, Resynced};

const MIB: u64 = 1 << 20;
const MS: u64 = 1_000_000;

fn resident() -> Resident {
    let frame = |function: &str| FrameWords { function: function.into(), ..FrameWords::default() };
    let toucher = |bytes, how, frames| Toucher { bytes, tid: 4242, how, first_ns: 0, last_ns: MS, frames };
    Resident {
        time_ns: 397 * MS,
        anonymous: 9 * MIB,
        file: 3 * MIB,
        swapped: 0,
        huge: 2 * MIB,
        huge_beside: 0,
        residue: -4096,
        untouched: 8 * MIB,
        lonely: 0,
        touchers: vec![
            toucher(8 * MIB, Came::Fault, vec![frame("fill"), frame("main")]),
            toucher(3 * MIB, Came::Around, vec![frame("read_table")]),
            toucher(MIB, Came::Found, Vec::new()),
        ],
    }
}

pub(crate) fn report() -> Report {
    Report {
        run: run(),
        recording: RecordingFacts {
            path: "vmatlas.python3.4242.vmatlas".into(),
            bytes: 213_504,
            events: 9_412,
            incomplete: None,
        },
        memory: Some(memory()),
        curve: (0..20)
            .map(|step| CurvePoint {
                time_ns: step * 20 * MS,
                size: (3 + step * step) * MIB / 4,
                resident: (step > 1).then_some(step * MIB / 2),
                mappings: 20 + step,
            })
            .collect(),
        growths: vec![Growth {
            time_ns: 120 * MS,
            bytes: 64 * MIB,
            pid: Some(4242),
            tid: 4243,
            program: "python3".into(),
            cause: "mmap(0x0, 67108864, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)".into(),
        }],
        processes: vec![
            process(4242, None, "python3", 12 * MIB),
            process(4250, Some(4242), "tr\u{e4}ge", MIB),
        ],
        resident: Some(resident()),
        findings: vec![finding()],
        proof: Proof {
            checkpoints: 4,
            checkpoints_matched: 3,
            mappings: 260,
            mappings_matched: 259,
            mappings_in_flight: 2,
            calls: 1_234,
            calls_confirmed: 900,
            calls_corrected: 1,
            resyncs: 1,
            differences: vec![Difference {
                time_ns: 200 * MS,
                pid: Some(4242),
                kernel: vec!["7f0000000000-7f0000002000 rw-p 00000000 00:00 0 ".into()],
                twin: Vec::new(),
                last_call: Some("munmap(0x7f0000000000, 8192)".into()),
                reason: "not explained".into(),
            }],
            corrections: vec!["#17 thread 4243 brk(0x0): the twin says 0x1000, the kernel 0x2000".into()],
            pages: Some(pages()),
            ..Proof::default()
        },
        notes: vec![
            Note { kind: NoteKind::Lost, text: "12 page faults of 2,345: the ring was full".into() },
            Note {
                kind: NoteKind::NotSeen,
                text: "page faults in kernel mode (not permitted to this user)".into(),
            },
        ],
    }
}

fn run() -> Run {
    let call = |name: &str, count| CallCount { name: name.into(), count };
    Run {
        command: Some("python3 -c 'import json, ssl, sqlite3'".into()),
        program: "python3".into(),
        duration_ns: 412 * MS,
        end: End::Exit(0),
        processes: 2,
        threads: 3,
        calls: 1_234,
        calls_by_name: vec![call("mmap", 812), call("munmap", 204), call("mprotect", 120), call("brk", 98)],
        faults: Faults { recorded: 2_333, estimated: None, minor: Some(2_345), major: Some(0) },
        mappings: 38,
        mappings_max: Some(65_530),
        kernel: "6.18.44".into(),
        arch: "x86_64".into(),
        uid: 1000,
    }
}

fn memory() -> Memory {
    let row = |size, resident, peak, mappings| Row {
        size,
        resident: Some(resident),
        anonymous: Some(resident / 4 * 3),
        shared_by_fork: Some(resident / 4),
        written: Some(8192),
        maybe_written: Some(4096),
        peak: Some(peak),
        swapped: Some(0),
        mappings,
    };
    let kind = |kind: Kind, row, inferred| KindRow { kind: kind.slug(), name: kind.name(), inferred, row };
    let group = |group: Group, row, kinds| GroupRow { group: group.slug(), name: group.name(), row, kinds };
    let text = row(8 * MIB, 5 * MIB, 5 * MIB, 40);
    let bss = row(MIB / 4, 4096, 8192, 3);
    let heap = row(2 * MIB, 2 * MIB, 2 * MIB, 1);
    let arena = row(132 << 10, 64 << 10, 64 << 10, 1);
    Memory {
        pid: Some(4242),
        program: "python3".into(),
        time_ns: 398 * MS,
        pages_time_ns: Some(397 * MS),
        page_checkpoints: 4,
        peak_size: Some(Peak { time_ns: 380 * MS, bytes: 80 * MIB }),
        peak_resident: Some(Peak { time_ns: 397 * MS, bytes: 12 * MIB }),
        kernel_peak_resident: Some(12 * MIB + 4096),
        total: row(20 * MIB, 12 * MIB, 12 * MIB, 65),
        groups: vec![
            group(
                Group::Static,
                row(8 * MIB + MIB / 4, 5 * MIB + 4096, 5 * MIB + 8192, 43),
                vec![kind(Kind::Text, text, false), kind(Kind::Bss, bss, false)],
            ),
            group(Group::Heap, heap, vec![kind(Kind::Heap, heap, false)]),
            group(Group::Anonymous, arena, vec![kind(Kind::Arena, arena, true)]),
        ],
        objects: vec![ObjectRow {
            path: "/usr/lib/x86_64-linux-gnu/libcrypto.so.3".into(),
            build_id: "00ff".into(),
            soname: "libcrypto.so.3".into(),
            swapped: Some(0),
            size: 5 * MIB,
            resident: Some(3 * MIB),
            text: 3 * MIB,
            rodata: MIB,
            relro: 400 << 10,
            data: 12 << 10,
            bss: 16 << 10,
        }],
    }
}

fn process(pid: i32, parent: Option<i32>, program: &str, resident: u64) -> Process {
    Process {
        pid,
        parent,
        program: program.into(),
        programs: vec![format!("/usr/bin/{program}")],
        fork: None,
        start_ns: 0,
        end_ns: Some(412 * MS),
        end: if parent.is_some() { End::Signal(15) } else { End::Exit(0) },
        threads: 1,
        calls: 600,
        faults: 1_000,
        peak_size: 20 * MIB,
        peak_resident: Some(resident),
        last_resident: Some(resident),
        last_resident_time_ns: Some(410 * MS),
    }
}

fn pages() -> PageProof {
    PageProof {
                checkpoints: 4,
                totals_matched: 3,
                totals_moving: 1,
                all: PagesHeld {
                    compared: 6_200,
                    predicted: 5_000,
                    resynced: 1_199,
                    resynced_by: vec![Resynced { why: "ready in the page cache".into(), pages: 1_199 }],
                    differing: 1,
                    moving: 3,
                    other_rules: 2,
                    ..PagesHeld::default()
                },
                at_exit: PagesHeld {
                    anonymous_compared: 700,
                    anonymous_predicted: 699,
                    anonymous_differing: 1,
                    ..PagesHeld::default()
                },
                differed: vec!["#21 0.125000s pid 4243 7f0000001000-7f0000002000: the twin says anonymous, the kernel absent (1 pages)".into()],
                totals_differed: Vec::new(),
            }
}

fn finding() -> crate::ReportFinding {
    crate::ReportFinding {
        kind: crate::FindingKind::Churn,
        evidence: "render (page.rs:81): mapped and unmapped 4,096 times, 4.0 GiB in all, 1.0 MiB a time; 1,048,576 \
                   faults on it"
            .into(),
        advice: "Each time costs two calls, a fault for each page touched and the zeroing of it: keep the mapping \
                 and use it again."
            .into(),
        pid: Some(4242),
        time_ns: None,
        bytes: 4 << 30,
        frames: vec![crate::FrameWords {
            function: "render".into(),
            file: "/src/page.rs".into(),
            line: 81,
            object: "/usr/bin/python3".into(),
        }],
    }
}
