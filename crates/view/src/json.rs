//! The JSON form: the same values, with a `schema` field that names their shape.

use serde::Serialize;

use crate::report::Report;

/// The name of the report's shape. A field may be added under the same name; one that changes its meaning
/// or goes away makes a new one.
pub const REPORT_SCHEMA: &str = "vmatlas.report/1";

/// The name of a map's shape.
pub const MAP_SCHEMA: &str = "vmatlas.map/1";

/// The name of an explanation's shape.
pub const EXPLAIN_SCHEMA: &str = "vmatlas.explain/1";

/// The name of the shape of where memory comes from.
pub const ORIGINS_SCHEMA: &str = "vmatlas.origins/1";

/// The name of the shape of where memory comes from at two moments.
pub const ORIGINS_DIFF_SCHEMA: &str = "vmatlas.origins-diff/1";

/// The name of a comparison's shape.
pub const DIFF_SCHEMA: &str = "vmatlas.diff/1";

/// The name of the shape of what a machine lets vmatlas see.
pub const DOCTOR_SCHEMA: &str = "vmatlas.doctor/1";

/// The name of the shape of what is resident by section and symbol.
pub const SYMBOLS_SCHEMA: &str = "vmatlas.symbols/1";

/// The name of the shape of what a process shares, and with whom.
pub const PEERS_SCHEMA: &str = "vmatlas.peers/1";

/// The name of an executable file's shape.
pub const ELF_SCHEMA: &str = "vmatlas.elf/1";

#[derive(Serialize)]
struct WithSchema<'a, T> {
    schema: &'a str,
    #[serde(flatten)]
    value: &'a T,
}

/// Writes a report as one JSON object. Sizes are bytes, times nanoseconds since the recording began.
///
/// # Errors
/// If writing fails.
pub fn report(report: &Report, out: impl std::io::Write) -> std::io::Result<()> {
    write(REPORT_SCHEMA, report, out)
}

/// Writes any value of this crate's as one JSON object with a schema, ended by a newline.
///
/// # Errors
/// If writing fails.
pub fn write<T: Serialize>(schema: &str, value: &T, mut out: impl std::io::Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut out, &WithSchema { schema, value })?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_whole_report() {
        let mut small = crate::example::report();
        small.curve.truncate(1);
        let mut text = Vec::new();
        report(&small, &mut text).expect("a Vec takes everything");
        expect![[r##"
            {
              "schema": "vmatlas.report/1",
              "run": {
                "command": "python3 -c 'import json, ssl, sqlite3'",
                "program": "python3",
                "duration_ns": 412000000,
                "end": {
                  "exit": 0
                },
                "processes": 2,
                "threads": 3,
                "calls": 1234,
                "calls_by_name": [
                  {
                    "name": "mmap",
                    "count": 812
                  },
                  {
                    "name": "munmap",
                    "count": 204
                  },
                  {
                    "name": "mprotect",
                    "count": 120
                  },
                  {
                    "name": "brk",
                    "count": 98
                  }
                ],
                "faults": {
                  "recorded": 2333,
                  "estimated": null,
                  "minor": 2345,
                  "major": 0
                },
                "kernel": "6.18.44",
                "mappings": 38,
                "mappings_max": 65530,
                "arch": "x86_64",
                "uid": 1000
              },
              "recording": {
                "path": "vmatlas.python3.4242.vmatlas",
                "bytes": 213504,
                "events": 9412,
                "incomplete": null
              },
              "memory": {
                "pid": 4242,
                "program": "python3",
                "time_ns": 398000000,
                "pages_time_ns": 397000000,
                "page_checkpoints": 4,
                "peak_size": {
                  "time_ns": 380000000,
                  "bytes": 83886080
                },
                "peak_resident": {
                  "time_ns": 397000000,
                  "bytes": 12582912
                },
                "kernel_peak_resident": 12587008,
                "total": {
                  "size": 20971520,
                  "resident": 12582912,
                  "anonymous": 9437184,
                  "shared_by_fork": 3145728,
                  "written": 8192,
                  "maybe_written": 4096,
                  "peak": 12582912,
                  "swapped": 0,
                  "mappings": 65
                },
                "groups": [
                  {
                    "group": "static",
                    "size": 8650752,
                    "resident": 5246976,
                    "anonymous": 3935232,
                    "shared_by_fork": 1311744,
                    "written": 8192,
                    "maybe_written": 4096,
                    "peak": 5251072,
                    "swapped": 0,
                    "mappings": 43,
                    "kinds": [
                      {
                        "kind": "text",
                        "inferred": false,
                        "size": 8388608,
                        "resident": 5242880,
                        "anonymous": 3932160,
                        "shared_by_fork": 1310720,
                        "written": 8192,
                        "maybe_written": 4096,
                        "peak": 5242880,
                        "swapped": 0,
                        "mappings": 40
                      },
                      {
                        "kind": "bss",
                        "inferred": false,
                        "size": 262144,
                        "resident": 4096,
                        "anonymous": 3072,
                        "shared_by_fork": 1024,
                        "written": 8192,
                        "maybe_written": 4096,
                        "peak": 8192,
                        "swapped": 0,
                        "mappings": 3
                      }
                    ]
                  },
                  {
                    "group": "heap",
                    "size": 2097152,
                    "resident": 2097152,
                    "anonymous": 1572864,
                    "shared_by_fork": 524288,
                    "written": 8192,
                    "maybe_written": 4096,
                    "peak": 2097152,
                    "swapped": 0,
                    "mappings": 1,
                    "kinds": [
                      {
                        "kind": "heap",
                        "inferred": false,
                        "size": 2097152,
                        "resident": 2097152,
                        "anonymous": 1572864,
                        "shared_by_fork": 524288,
                        "written": 8192,
                        "maybe_written": 4096,
                        "peak": 2097152,
                        "swapped": 0,
                        "mappings": 1
                      }
                    ]
                  },
                  {
                    "group": "anonymous",
                    "size": 135168,
                    "resident": 65536,
                    "anonymous": 49152,
                    "shared_by_fork": 16384,
                    "written": 8192,
                    "maybe_written": 4096,
                    "peak": 65536,
                    "swapped": 0,
                    "mappings": 1,
                    "kinds": [
                      {
                        "kind": "arena",
                        "inferred": true,
                        "size": 135168,
                        "resident": 65536,
                        "anonymous": 49152,
                        "shared_by_fork": 16384,
                        "written": 8192,
                        "maybe_written": 4096,
                        "peak": 65536,
                        "swapped": 0,
                        "mappings": 1
                      }
                    ]
                  }
                ],
                "objects": [
                  {
                    "path": "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
                    "build_id": "00ff",
                    "soname": "libcrypto.so.3",
                    "size": 5242880,
                    "resident": 3145728,
                    "swapped": 0,
                    "text": 3145728,
                    "rodata": 1048576,
                    "relro": 409600,
                    "data": 12288,
                    "bss": 16384
                  }
                ]
              },
              "curve": [
                {
                  "time_ns": 0,
                  "size": 786432,
                  "resident": null,
                  "mappings": 20
                }
              ],
              "growths": [
                {
                  "time_ns": 120000000,
                  "bytes": 67108864,
                  "pid": 4242,
                  "tid": 4243,
                  "program": "python3",
                  "cause": "mmap(0x0, 67108864, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)"
                }
              ],
              "processes": [
                {
                  "pid": 4242,
                  "parent": null,
                  "program": "python3",
                  "programs": [
                    "/usr/bin/python3"
                  ],
                  "fork": null,
                  "start_ns": 0,
                  "end_ns": 412000000,
                  "end": {
                    "exit": 0
                  },
                  "threads": 1,
                  "calls": 600,
                  "faults": 1000,
                  "peak_size": 20971520,
                  "peak_resident": 12582912,
                  "last_resident": 12582912,
                  "last_resident_time_ns": 410000000
                },
                {
                  "pid": 4250,
                  "parent": 4242,
                  "program": "träge",
                  "programs": [
                    "/usr/bin/träge"
                  ],
                  "fork": null,
                  "start_ns": 0,
                  "end_ns": 412000000,
                  "end": {
                    "signal": 15
                  },
                  "threads": 1,
                  "calls": 600,
                  "faults": 1000,
                  "peak_size": 20971520,
                  "peak_resident": 1048576,
                  "last_resident": 1048576,
                  "last_resident_time_ns": 410000000
                }
              ],
              "resident": {
                "time_ns": 397000000,
                "anonymous": 9437184,
                "file": 3145728,
                "swapped": 0,
                "huge": 2097152,
                "huge_beside": 0,
                "residue": -4096,
                "untouched": 8388608,
                "lonely": 0,
                "touchers": [
                  {
                    "bytes": 8388608,
                    "tid": 4242,
                    "how": "fault",
                    "first_ns": 0,
                    "last_ns": 1000000,
                    "frames": [
                      {
                        "function": "fill",
                        "file": "",
                        "line": 0,
                        "object": ""
                      },
                      {
                        "function": "main",
                        "file": "",
                        "line": 0,
                        "object": ""
                      }
                    ]
                  },
                  {
                    "bytes": 3145728,
                    "tid": 4242,
                    "how": "around",
                    "first_ns": 0,
                    "last_ns": 1000000,
                    "frames": [
                      {
                        "function": "read_table",
                        "file": "",
                        "line": 0,
                        "object": ""
                      }
                    ]
                  },
                  {
                    "bytes": 1048576,
                    "tid": 4242,
                    "how": "found",
                    "first_ns": 0,
                    "last_ns": 1000000,
                    "frames": []
                  }
                ]
              },
              "findings": [
                {
                  "kind": "churn",
                  "evidence": "render (page.rs:81): mapped and unmapped 4,096 times, 4.0 GiB in all, 1.0 MiB a time; 1,048,576 faults on it",
                  "advice": "Each time costs two calls, a fault for each page touched and the zeroing of it: keep the mapping and use it again.",
                  "pid": 4242,
                  "time_ns": null,
                  "bytes": 4294967296,
                  "frames": [
                    {
                      "function": "render",
                      "file": "/src/page.rs",
                      "line": 81,
                      "object": "/usr/bin/python3"
                    }
                  ]
                }
              ],
              "proof": {
                "whole": false,
                "checkpoints": 4,
                "checkpoints_matched": 3,
                "mappings": 260,
                "mappings_matched": 259,
                "mappings_extra": 0,
                "mappings_in_flight": 2,
                "mappings_renamed": 0,
                "calls": 1234,
                "calls_confirmed": 900,
                "calls_corrected": 1,
                "calls_unmodelled": 0,
                "calls_unknown": 0,
                "resyncs": 1,
                "inputs": {},
                "differences": [
                  {
                    "time_ns": 200000000,
                    "pid": 4242,
                    "kernel": [
                      "7f0000000000-7f0000002000 rw-p 00000000 00:00 0 "
                    ],
                    "twin": [],
                    "last_call": "munmap(0x7f0000000000, 8192)",
                    "reason": "not explained"
                  }
                ],
                "corrections": [
                  "#17 thread 4243 brk(0x0): the twin says 0x1000, the kernel 0x2000"
                ],
                "pages": {
                  "checkpoints": 4,
                  "totals_matched": 3,
                  "totals_moving": 1,
                  "all": {
                    "compared": 6200,
                    "predicted": 5000,
                    "resynced": 1199,
                    "resynced_by": [
                      {
                        "why": "ready in the page cache",
                        "pages": 1199
                      }
                    ],
                    "differing": 1,
                    "anonymous_compared": 0,
                    "anonymous_predicted": 0,
                    "anonymous_resynced": 0,
                    "anonymous_differing": 0,
                    "moving": 3,
                    "other_rules": 2
                  },
                  "at_exit": {
                    "compared": 0,
                    "predicted": 0,
                    "resynced": 0,
                    "resynced_by": [],
                    "differing": 0,
                    "anonymous_compared": 700,
                    "anonymous_predicted": 699,
                    "anonymous_resynced": 0,
                    "anonymous_differing": 1,
                    "moving": 0,
                    "other_rules": 0
                  },
                  "differed": [
                    "#21 0.125000s pid 4243 7f0000001000-7f0000002000: the twin says anonymous, the kernel absent (1 pages)"
                  ],
                  "totals_differed": []
                }
              },
              "notes": [
                {
                  "kind": "lost",
                  "text": "12 page faults of 2,345: the ring was full"
                },
                {
                  "kind": "not_seen",
                  "text": "page faults in kernel mode (not permitted to this user)"
                }
              ]
            }
        "##]]
        .assert_eq(&String::from_utf8(text).expect("JSON is UTF-8"));
    }

    /// The names of all fields, nested ones too; those of `inputs` and the like are data, not fields.
    fn fields(value: &serde_json::Value, into: &mut std::collections::BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (name, value) in map {
                    into.insert(name.clone());
                    fields(value, into);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| fields(item, into)),
            _ => {}
        }
    }

    #[test]
    fn every_field_is_documented() {
        const DOCS: &str = include_str!("../../../docs/json.md");
        let smaps = std::fs::read("/proc/self/smaps").expect("a Linux machine");
        let snapshot = snapshot::Snapshot::from_maps_text(&smaps).expect("the kernel's text");
        let view = crate::MapView::new(crate::MapFacts::default(), &snapshot, crate::Detail::Mappings);
        let address = snapshot.mappings[0].range.start;
        let image = elf::read(&std::fs::read("/proc/self/exe").expect("our own")).expect("our own");
        let texts = [
            serde_json::to_value(crate::example::report()),
            serde_json::to_value(crate::DiffView::new(&view, &view)),
            serde_json::to_value(crate::Explanation::new(&snapshot, &(), address, None)),
            serde_json::to_value(&view),
        ];
        let mut names = std::collections::BTreeSet::new();
        for text in texts {
            fields(&text.expect("plain values"), &mut names);
        }
        let top = serde_json::to_value(crate::ElfFile::new(b"f", &image, b"")).expect("plain values");
        names.extend(top.as_object().expect("an object").keys().cloned());
        // Fields of `differences`, which the page does not list one by one.
        let inner = ["kernel", "twin", "last_call", "reason"];
        let missing: Vec<_> = names
            .iter()
            .filter(|name| !inner.contains(&name.as_str()) && !DOCS.contains(&format!("`{name}`")))
            .filter(|name| !["exit", "signal"].contains(&name.as_str()))
            .collect();
        assert!(missing.is_empty(), "not in docs/json.md: {missing:?}");
    }
}
