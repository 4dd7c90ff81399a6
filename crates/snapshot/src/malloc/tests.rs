//! Tests beside what glibc says of itself (`mallinfo2`), in a program that was told to wait.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use abi::Pid;

use super::*;
use crate::live::{LiveMemory, read_live};

const PROGRAM: &str = r#"
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *kept[4000];
static int done;
static void *thread(void *unused) {
    for (int i = 0; i < 300; i++) kept[i] = malloc(1000 + i);
    for (int i = 0; i < 300; i += 2) free(kept[i]);
    __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
    pause();
    return 0;
}
int main(void) {
    pthread_t id;
    pthread_create(&id, 0, thread, 0);
    for (int i = 1000; i < 3000; i++) { kept[i] = malloc(i); memset(kept[i], 1, i); }
    for (int i = 1000; i < 3000; i += 3) free(kept[i]);
    for (int i = 3000; i < 3020; i++) kept[i] = malloc(40);
    for (int i = 3000; i < 3020; i++) free(kept[i]);
    void *large = malloc(1 << 20), *larger = malloc(3 << 20);
    while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) usleep(1000);
    struct mallinfo2 info = mallinfo2();
    dprintf(1, "%zu %zu %zu %zu %zu %zu\n", info.arena, info.hblks, info.hblkhd, info.uordblks, info.fsmblks, info.keepcost);
    pause();
    return large == larger;
}
"#;

/// The program, running; ended with the test.
struct Guest {
    child: Child,
    folder: PathBuf,
    /// Bytes from the kernel, large blocks, their bytes, bytes in use, bytes in fast bins, the top's bytes.
    info: Vec<u64>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Builds and runs the program; `None` where there is no compiler, or another C library.
fn guest() -> Option<Guest> {
    let folder = std::env::temp_dir().join(format!("vmatlas-malloc-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (source, program) = (folder.join("guest.c"), folder.join("guest"));
    std::fs::write(&source, PROGRAM).expect("a file");
    let built = Command::new("cc").arg("-pthread").arg("-o").arg(&program).arg(&source).status();
    if !built.is_ok_and(|status| status.success()) {
        println!("SKIPPED: glibc's chunks, no C compiler here or a C library without mallinfo2");
        let _ = std::fs::remove_dir_all(&folder);
        return None;
    }
    let mut child = Command::new(&program).stdout(Stdio::piped()).spawn().expect("our own program");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let info = line.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    Some(Guest { child, folder, info })
}

#[test]
fn chunks_add_up_to_what_glibc_says_itself() {
    let Some(guest) = guest() else { return };
    let pid = Pid(guest.child.id() as i32);
    let snapshot = read_live(pid).expect("our own child").snapshot;
    let memory = LiveMemory::open(pid).expect("our own child");
    let malloc = Malloc::read(&snapshot, &memory, Malloc::BYTES_MAX).expect("glibc's arenas");
    let [system, block_count, block_bytes, in_use, fast, top] = guest.info[..] else { panic!("six numbers") };
    let [main, thread] = &malloc.arenas[..] else { panic!("two arenas: {malloc:?}") };
    assert_eq!((main.role, thread.role), (ArenaRole::Main, ArenaRole::Thread));
    assert_eq!((main.unfinished, thread.unfinished), (None, None));
    assert_eq!(main.system_bytes + thread.system_bytes, system);
    assert_eq!(
        (malloc.blocks.len() as u64, malloc.blocks.iter().map(|b| b.len()).sum()),
        (block_count, block_bytes)
    );

    let [main, thread] = [main, thread].map(|arena| arena.sums.expect("a walk"));
    assert_eq!(main.top, top);
    assert_eq!(main.fast.bytes + thread.fast.bytes, fast);
    // What threads keep for themselves glibc counts as in use, as it does the headers of a further arena.
    let headers = malloc.arenas[1].heaps[0].len() - thread.in_use.bytes - thread.free().bytes - thread.top;
    let used = [main, thread].iter().map(|sums| sums.in_use.bytes + sums.cached.bytes).sum::<u64>();
    assert_eq!(used + headers, in_use);
    assert!(main.cached.chunks >= 20 - 13 && main.unsorted.chunks + main.large.chunks > 100, "{main:?}");

    let inside = VirtAddr(malloc.arenas[0].heaps[0].start.0 + 0x20);
    let (chunk, arena) = chunk_at(&snapshot, &memory, inside).expect("the first chunk");
    assert_eq!((chunk.state, arena.role), (ChunkState::InUse, ArenaRole::Main));
    let (last, _) =
        chunk_at(&snapshot, &memory, VirtAddr(malloc.arenas[0].heaps[0].end.0 - 1)).expect("the top");
    assert_eq!((last.state, last.range.len()), (ChunkState::Top, top));
}

#[test]
fn verdicts() {
    let sums = |in_use: u64, resident: u64, returnable: u64| ChunkSums {
        in_use: Count { chunks: 1, bytes: in_use << 20 },
        resident: resident << 20,
        returnable: returnable << 20,
        ..ChunkSums::default()
    };
    assert_eq!(sums(80, 100, 20).verdict(), Verdict::Live);
    assert_eq!(sums(20, 100, 60).verdict(), Verdict::Retained);
    assert_eq!(sums(20, 100, 10).verdict(), Verdict::Fragmented);
    assert_eq!(sums(0, 0, 0).verdict(), Verdict::Live);
    let small = ChunkSums { resident: 4096, ..ChunkSums::default() };
    assert_eq!(small.verdict(), Verdict::Live, "a page is nothing to give back");
}

#[test]
fn memory_of_which_nothing_is_there_has_no_arenas() {
    let text = std::fs::read("/proc/self/maps").expect("a Linux machine");
    let snapshot = Snapshot::from_maps_text(&text).expect("the kernel's text");
    assert_eq!(Malloc::read(&snapshot, &(), Malloc::BYTES_MAX), None);
}
