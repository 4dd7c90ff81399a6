//! Snapshots of the whole layout.

use expect_test::expect;

use super::*;
use crate::example;

fn drawn(columns: usize, glyphs: Glyphs) -> String {
    let lines = report(&example::report(), Canvas { columns, glyphs });
    for line in &lines {
        let text = line.plain();
        assert!(text.chars().count() <= columns, "too wide for {columns}: {text}");
        assert!(glyphs == Glyphs::Unicode || text.is_ascii(), "not ASCII: {text}");
    }
    lines.iter().map(|line| line.plain() + "\n").collect()
}

#[test]
fn eighty_columns() {
    expect![[r#"
        python3 -c 'import json, ssl, sqlite3'
          ran 0.412 s · exit status 0 · 2 processes · 3 threads · 1,234 memory calls
          2,333 page faults recorded of 2,345 the kernel counts
          812 mmap · 204 munmap · 120 mprotect · 98 brk
          Linux 6.18.44 x86_64 · as user 1000 · vmatlas.python3.4242.vmatlas · 209 KiB
          9,412 events

        Memory of python3 (pid 4242) at its peak
          KIND                        SIZE  RESIDENT      PEAK  MAPPINGS  OF RESIDENT
          static                   8.3 MiB   5.0 MiB   5.0 MiB        43
            text                   8.0 MiB   5.0 MiB   5.0 MiB        40  █████▊
            bss                    256 KiB     4 KiB     8 KiB         3  ▏
          heap                     2.0 MiB   2.0 MiB   2.0 MiB         1  ██▎
          anonymous                132 KiB    64 KiB    64 KiB         1
            allocator arenas ~     132 KiB    64 KiB    64 KiB         1  ▏
          total                   20.0 MiB  12.0 MiB  12.0 MiB        65
          SIZE is virtual, at 0.398 s. RESIDENT was read from the kernel's page tables
            at 0.397 s; PEAK is the largest such reading of each row in 4 page
            checkpoints. The kernel's own high-water mark: 12.0 MiB. Largest virtual
            size: 80.0 MiB at 0.380 s. ~ marks what is partly inferred from shape.

          STATIC PART OF                      SIZE  RESIDENT      TEXT   RODATA    RELRO
          libcrypto.so.3                   5.0 MiB   3.0 MiB   3.0 MiB  1.0 MiB  400 KiB

        Resident over time  (as of page checkpoints)
             9.5 MiB ┤                                                      ▂▂▂▂▄▄▄▆▆▆█
                     ┤                                         ▂▂▂▄▄▄▆▆▆▆██████████████
                     ┤                           ▁▁▁▃▃▃▃▆▆▆████████████████████████████
                     ┤             ▁▁▁▁▃▃▃▅▅▅▇▇▇▇██████████████████████████████████████
                     ┤      ▅▅▅▅▇▇▇████████████████████████████████████████████████████
                   0 └─────────────────────────────────────────────────────────────────
                     0.000 s                                                    0.380 s
        Virtual size over time
            91.0 MiB ┤                                                      ▂▂▂▂▄▄▄▆▆▆█
                     ┤                                     ▁▁▁▁▂▂▂▄▄▄▆▆▆▆██████████████
                     ┤▁▁▁▁▁▁▁▁▁▁▁▁▁▂▂▂▂▂▂▂▃▃▃▄▄▄▄▅▅▅▆▆▆▆▇▇▇████████████████████████████
                   0 └─────────────────────────────────────────────────────────────────
                     0.000 s                                                    0.380 s
        Mappings over time  (one process: at most 38 of 65,530 allowed)
                  39 ┤▁▁▁▁▁▁▂▂▂▂▂▂▂▂▂▂▂▃▃▃▃▃▃▄▄▄▄▄▄▄▄▄▄▄▅▅▅▅▅▅▅▆▆▆▆▆▆▆▆▆▆▇▇▇▇▇▇▇███████
                     ┤█████████████████████████████████████████████████████████████████
                   0 └─────────────────────────────────────────────────────────────────
                     0.000 s                                                    0.380 s

        Largest growths of virtual size  (single calls; stacks as a whole)
            64.0 MiB    0.120 s  python3 (pid 4242, thread 4243)
              mmap(0x0, 67108864, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -…

        Resident pages by who touched them first  (at 0.397 s)
          9.0 MiB anonymous, 3.0 MiB of files and shared memory, 2.0 MiB of it in huge
            pages, 8.0 MiB writable and never touched; the kernel's counters say 4 KiB
            less
          KIND                  UNIQUE    SHARED  OF FILES     DIRTY   IN SWAP
          text                 2.5 MiB   1.3 MiB   1.3 MiB   3.8 MiB       0 B
          bss                    2 KiB     1 KiB     1 KiB    11 KiB       0 B
          heap                 1.0 MiB   512 KiB   512 KiB   1.5 MiB       0 B
          allocator arenas      32 KiB    16 KiB    16 KiB    56 KiB       0 B
          total                6.0 MiB   3.0 MiB   3.0 MiB   9.0 MiB       0 B
          UNIQUE pages are anonymous and in this memory alone; SHARED ones also in a
            forked relative's, until either writes. Pages OF FILES and shared memory are
            shared with all who map the same, in programs not recorded too. DIRTY: all
            anonymous pages, and those of files that were written to through this
            memory, unless the kernel wrote them back since; of 4 KiB more it is not
            known whether they were: no fault tells of a write to shared memory that is
            there, or whether it was one without privilege.

             8.0 MiB  fill, thread 4242
             3.0 MiB  read_table, thread 4242 (mapped beside a page that was touched)
             1.0 MiB  found there: no event told of them (mapped by whom: --by stack)

        Findings
          render (page.rs:81): mapped and unmapped 4,096 times, 4.0 GiB in all, 1.0 MiB
            a time; 1,048,576 faults on it (pid 4242)
            Each time costs two calls, a fault for each page touched and the zeroing of
              it: keep the mapping and use it again.
              render (page.rs:81)

        By process  (largest first; SIZE and RESIDENT are each process's own peaks)
             PID  PROGRAM                 LIVED       SIZE   RESIDENT   CALLS  END
            4242  python3               0.412 s   20.0 MiB   12.0 MiB     600  0
            4250  träge                 0.412 s   20.0 MiB    1.0 MiB     600  signal 15

        Processes  (who made whom; what each executed; what a fork shared and who wrote…
          4242 python3
            4250 träge

        lost: 12 page faults of 2,345: the ring was full
        not seen: page faults in kernel mode (not permitted to this user)
        twin: 3/4 maps, 259/260 mappings identical to Linux 6.18.44, 2 mappings not
          compared (a call was under way), 1 taken over from the kernel after a
          difference; 1,234 calls replayed, 900 confirmed one by one, 1 corrected by the
          kernel, 333 checked by the maps only
        pages: 5,000/6,200 predicted at 4 checkpoints, 1,199 asked of the kernel, 1
          differ (asked: 1,199 ready in the page cache); at exit 700 anonymous: 699
          predicted exactly, 0 asked, 1 differ; 3/4 totals equal to the kernel's, 1 off
          by less than what came or went while they were read, 3 pages not compared as
          they came or went while they were read, 2 of mappings with other rules
          pages differ: #21 0.125000s pid 4243 7f0000001000-7f0000002000: the twin says
            anonymous, the kernel absent (1 pages)
          at 0.200 s, pid 4242: not explained
            kernel 7f0000000000-7f0000002000 rw-p 00000000 00:00 0
            twin   nothing there
            last   munmap(0x7f0000000000, 8192)
          corrected: #17 thread 4243 brk(0x0): the twin says 0x1000, the kernel 0x2000
    "#]]
    .assert_eq(&drawn(80, Glyphs::Unicode));
}

#[test]
fn ascii_only() {
    expect![[r#"
        python3 -c 'import json, ssl, sqlite3'
          ran 0.412 s, exit status 0, 2 processes, 3 threads, 1,234 memory calls
          2,333 page faults recorded of 2,345 the kernel counts
          812 mmap, 204 munmap, 120 mprotect, 98 brk
          Linux 6.18.44 x86_64, as user 1000, vmatlas.python3.4242.vmatlas, 209 KiB
          9,412 events

        Memory of python3 (pid 4242) at its peak
          KIND                        SIZE  RESIDENT      PEAK  MAPPINGS  OF RESIDENT
          static                   8.3 MiB   5.0 MiB   5.0 MiB        43
            text                   8.0 MiB   5.0 MiB   5.0 MiB        40  ######
            bss                    256 KiB     4 KiB     8 KiB         3  #
          heap                     2.0 MiB   2.0 MiB   2.0 MiB         1  ###
          anonymous                132 KiB    64 KiB    64 KiB         1
            allocator arenas ~     132 KiB    64 KiB    64 KiB         1  #
          total                   20.0 MiB  12.0 MiB  12.0 MiB        65
          SIZE is virtual, at 0.398 s. RESIDENT was read from the kernel's page tables
            at 0.397 s; PEAK is the largest such reading of each row in 4 page
            checkpoints. The kernel's own high-water mark: 12.0 MiB. Largest virtual
            size: 80.0 MiB at 0.380 s. ~ marks what is partly inferred from shape.

          STATIC PART OF                      SIZE  RESIDENT      TEXT   RODATA    RELRO
          libcrypto.so.3                   5.0 MiB   3.0 MiB   3.0 MiB  1.0 MiB  400 KiB

        Resident over time  (as of page checkpoints)
             9.5 MiB |                                                      ....::::::#
                     |                                         ...:::::::##############
                     |                           .......:::############################
                     |             .......:::##########################################
                     |      ::::#######################################################
                   0 +-----------------------------------------------------------------
                     0.000 s                                                    0.380 s
        Virtual size over time
            91.0 MiB |                                                      ....::::::#
                     |                                     .......:::::::##############
                     |.......................:::::::::::###############################
                   0 +-----------------------------------------------------------------
                     0.000 s                                                    0.380 s
        Mappings over time  (one process: at most 38 of 65,530 allowed)
                  39 |.......................::::::::::::::::::::::::::::##############
                     |#################################################################
                   0 +-----------------------------------------------------------------
                     0.000 s                                                    0.380 s

        Largest growths of virtual size  (single calls; stacks as a whole)
            64.0 MiB    0.120 s  python3 (pid 4242, thread 4243)
              mmap(0x0, 67108864, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE,...

        Resident pages by who touched them first  (at 0.397 s)
          9.0 MiB anonymous, 3.0 MiB of files and shared memory, 2.0 MiB of it in huge
            pages, 8.0 MiB writable and never touched; the kernel's counters say 4 KiB
            less
          KIND                  UNIQUE    SHARED  OF FILES     DIRTY   IN SWAP
          text                 2.5 MiB   1.3 MiB   1.3 MiB   3.8 MiB       0 B
          bss                    2 KiB     1 KiB     1 KiB    11 KiB       0 B
          heap                 1.0 MiB   512 KiB   512 KiB   1.5 MiB       0 B
          allocator arenas      32 KiB    16 KiB    16 KiB    56 KiB       0 B
          total                6.0 MiB   3.0 MiB   3.0 MiB   9.0 MiB       0 B
          UNIQUE pages are anonymous and in this memory alone; SHARED ones also in a
            forked relative's, until either writes. Pages OF FILES and shared memory are
            shared with all who map the same, in programs not recorded too. DIRTY: all
            anonymous pages, and those of files that were written to through this
            memory, unless the kernel wrote them back since; of 4 KiB more it is not
            known whether they were: no fault tells of a write to shared memory that is
            there, or whether it was one without privilege.

             8.0 MiB  fill, thread 4242
             3.0 MiB  read_table, thread 4242 (mapped beside a page that was touched)
             1.0 MiB  found there: no event told of them (mapped by whom: --by stack)

        Findings
          render (page.rs:81): mapped and unmapped 4,096 times, 4.0 GiB in all, 1.0 MiB
            a time; 1,048,576 faults on it (pid 4242)
            Each time costs two calls, a fault for each page touched and the zeroing of
              it: keep the mapping and use it again.
              render (page.rs:81)

        By process  (largest first; SIZE and RESIDENT are each process's own peaks)
             PID  PROGRAM                 LIVED       SIZE   RESIDENT   CALLS  END
            4242  python3               0.412 s   20.0 MiB   12.0 MiB     600  0
            4250  tr\u{e4}ge            0.412 s   20.0 MiB    1.0 MiB     600  signal 15

        Processes  (who made whom; what each executed; what a fork shared and who wro...
          4242 python3
            4250 tr\u{e4}ge

        lost: 12 page faults of 2,345: the ring was full
        not seen: page faults in kernel mode (not permitted to this user)
        twin: 3/4 maps, 259/260 mappings identical to Linux 6.18.44, 2 mappings not
          compared (a call was under way), 1 taken over from the kernel after a
          difference; 1,234 calls replayed, 900 confirmed one by one, 1 corrected by the
          kernel, 333 checked by the maps only
        pages: 5,000/6,200 predicted at 4 checkpoints, 1,199 asked of the kernel, 1
          differ (asked: 1,199 ready in the page cache); at exit 700 anonymous: 699
          predicted exactly, 0 asked, 1 differ; 3/4 totals equal to the kernel's, 1 off
          by less than what came or went while they were read, 3 pages not compared as
          they came or went while they were read, 2 of mappings with other rules
          pages differ: #21 0.125000s pid 4243 7f0000001000-7f0000002000: the twin says
            anonymous, the kernel absent (1 pages)
          at 0.200 s, pid 4242: not explained
            kernel 7f0000000000-7f0000002000 rw-p 00000000 00:00 0
            twin   nothing there
            last   munmap(0x7f0000000000, 8192)
          corrected: #17 thread 4243 brk(0x0): the twin says 0x1000, the kernel 0x2000
    "#]]
    .assert_eq(&drawn(80, Glyphs::Ascii));
}

#[test]
fn every_width_holds() {
    for columns in Canvas::COLUMNS_MIN..220 {
        drawn(columns, Glyphs::Unicode);
        drawn(columns, Glyphs::Ascii);
    }
}
